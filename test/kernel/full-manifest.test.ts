/**
 * A disk without a free block, and more snapshots than the slots of the manifest have room for: that is
 * refused with DISK_FULL, harms nothing, and goes on when one is dropped or there is room.
 */
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import * as library from "../../src/index.js";
import { isHoldfastError, open, type Store } from "../../src/index.js";
import { diskOf, KILL_BACKENDS } from "../crash/disks.js";
import { checkHistory, historyTables, writeTransaction } from "../crash/history.mjs";
import { SmallDisk } from "../crash/small-disk.js";
import { type FaultRow, recordFaults } from "../support/fault-matrix.js";

const MEGABYTES = 32;
/** More than fit 64 KiB, with names as long as these. */
const SNAPSHOTS_MAX = 500;
const TABLES = historyTables(library);

let image: SmallDisk | undefined;
const rows: FaultRow[] = [];
beforeAll(() => {
  image = SmallDisk.make(MEGABYTES);
});
afterAll(() => {
  image?.remove();
  if (rows.length > 0) recordFaults("full-manifest", rows);
});

function nameOf(n: number): string {
  return `${n}-`.padEnd(60, "x");
}

/** Until one is refused; gives how many were made. */
async function snapshotsUntilRefused(store: Store): Promise<number> {
  for (let n = 0; n < SNAPSHOTS_MAX; n++) {
    try {
      await store.snapshot(nameOf(n));
    } catch (error) {
      if (!isHoldfastError(error, "DISK_FULL")) throw error;
      return n;
    }
  }
  throw new Error(`${SNAPSHOTS_MAX} snapshots had room`);
}

test.each(KILL_BACKENDS)("on %s: what does not fit the manifest is refused", async (backend) => {
  const disk = diskOf(backend);
  if (image === undefined || disk === undefined) return;
  const path = join(image.directory, backend);
  const options = { disk, tables: Object.values(TABLES), recoveryBudgetMillis: 60_000 };
  const store = await open(path, { ...options, segmentBytes: 128 * 1024 });
  for (let n = 1; n <= 20; n++) await writeTransaction(store, TABLES, n);
  await store.durable();
  image.fill(0);
  const made = await snapshotsUntilRefused(store);
  expect(made).toBeGreaterThan(200);
  const names = () => store.snapshots().map(({ name }) => name);
  const all = Array.from({ length: made }, (_, n) => nameOf(n));
  expect(names()).toEqual(all);
  await writeTransaction(store, TABLES, 21);
  await store.dropSnapshot(nameOf(0));
  await store.snapshot(nameOf(0));
  expect(names()).toEqual([...all.slice(1), nameOf(0)]);
  image.empty();
  await store.snapshot(nameOf(made));
  await store.close();

  const again = await open(path, { ...options, segmentBytes: 128 * 1024 });
  expect(checkHistory(again, TABLES)).toBe(21);
  expect(again.snapshots().length).toBe(made + 1);
  const first = await open(path, { ...options, at: nameOf(1) });
  expect(checkHistory(first, TABLES)).toBe(20);
  await first.close();
  await again.close();
  rows.push({
    fault: "44 no space for a snapshot",
    how: `no free block, snapshots until the manifest is full, ${backend}`,
    fired: 1,
    expected: "refused with DISK_FULL, the others stay, writes go on",
    observed: `${made} had room; so it was`,
  });
});
