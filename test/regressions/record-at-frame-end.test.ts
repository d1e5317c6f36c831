/**
 * A record that began within its header's length of the end of a frame was carried to the next frame
 * with a header cut short, and the log could not be read back. It takes a frame that is filled to
 * within 36 bytes of its end, so here every remainder is made.
 */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { bytes, defineTable, integer, open } from "../../src/index.js";

const blobs = defineTable({
  name: "blobs",
  version: 1,
  key: integer(),
  fields: { content: bytes() },
});

const FRAME_BYTES = 8192;

test("a record may begin at every distance from the end of its frame", async () => {
  const directory = mkdtempSync(join(tmpdir(), "holdfast-"));
  const options = {
    tables: [blobs],
    backend: "portable",
    frameBytesMax: FRAME_BYTES,
    // All of it is to be read back from the log.
    finalSnapshotMillis: 0,
    recoveryBudgetMillis: 60_000,
    onWarning: () => {},
  } as const;
  try {
    let store = await open(directory, options);
    let table = store.table(blobs);
    const written: [number, number][] = [];
    for (let length = FRAME_BYTES - 250; length < FRAME_BYTES - 150; length++) {
      for (const [key, size] of [
        [2 * length, length],
        [2 * length + 1, 40],
      ] as const) {
        // The second put of the turn finds the frame filled by the first, up to some remainder.
        void table.put(key, { content: new Uint8Array(size).fill(size % 251) });
        written.push([key, size]);
      }
      await store.durable();
    }
    expect(store.stats().log.frames).toBeGreaterThan(written.length / 2);
    await store.close();

    store = await open(directory, options);
    table = store.table(blobs);
    expect(store.recovery.transactionsReplayed).toBe(written.length + 1);
    for (const [key, size] of written) {
      expect(table.get(key)?.content).toEqual(new Uint8Array(size).fill(size % 251));
    }
    await store.close();
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
});
