/** Whoever follows the log goes to sleep only when there is nothing that nobody would wake it for. */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { portableDisk } from "../../src/disk/portable.js";
import { type LogSource, sourceBeside } from "../../src/history/log-source.js";
import { defineTable, integer, open } from "../../src/index.js";
import { scanLog } from "../../src/recovery/scan.js";
import { StoreHistory } from "../../src/store/store-history.js";

const rows = defineTable({
  name: "rows",
  version: 1,
  key: integer(),
  fields: { value: integer() },
});

test("what became durable while the last piece was read is given without a wake-up", async () => {
  const directory = await mkdtemp(join(tmpdir(), "holdfast-following-"));
  try {
    const store = await open(directory, { tables: [rows], finalSnapshotMillis: 0 });
    for (let i = 0; i < 3; i++) await store.table(rows).put(i, { value: i });
    await store.close();
    const disk = portableDisk();
    const beside = sourceBeside(disk, directory);
    const { tail } = await scanLog(disk, directory, await beside.manifest(), { record() {} });
    const end = { segmentId: tail?.entry.id ?? 0, bytes: tail?.scan.endOffset ?? 0 };
    // The third put becomes durable right after the reader has asked how far it may go, and found
    // nothing new: whoever was to be woken by it was not asleep yet.
    let sequence = 3;
    const source: LogSource = {
      ...beside,
      durable: () => {
        const now = { sequence, end };
        sequence = 4;
        return now;
      },
      more: () => Promise.reject(new Error("it sleeps, and nobody will wake it")),
    };
    const history = new StoreHistory({
      source,
      tables: [],
      series: [],
      books: [],
      cacheBytes: 1024 * 1024,
      environment: "default",
      open,
    });
    const following = history.changes({ from: 4 });
    const { value } = await following.next();
    expect(value).toMatchObject({ sequence: 4, operations: [{ key: 2 }] });
    await following.return();
  } finally {
    await rm(directory, { recursive: true });
  }
});
