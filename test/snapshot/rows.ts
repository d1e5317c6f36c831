/** Reading rows back, as a reopening would. */
import type { Disk } from "../../src/disk/disk.js";
import type { ManifestFile, ManifestRun, ManifestTable } from "../../src/manifest/format.js";
import { BlockCache } from "../../src/run/block-cache.js";
import { RunSet } from "../../src/run/run-set.js";
import { IoBudget } from "../../src/snapshot/budget.js";
import type { JobContext } from "../../src/snapshot/context.js";
import { DIRECTORY, type Model, STORE_ID } from "./log.js";

export const TABLES: readonly ManifestTable[] = [
  { id: 1, name: "items", schemas: [{}] },
  { id: 2, name: "others", schemas: [{}] },
  { id: 258, name: "far", schemas: [{}] },
];

export const UNLIMITED = { bytesPerSecond: Number.POSITIVE_INFINITY, burstBytes: 1024 * 1024 };

export function contextOn(disk: Disk, signal = new AbortController().signal): JobContext {
  return { disk, signal, budget: new IoBudget(UNLIMITED, disk.clock, disk.scheduler) };
}

/** All rows that the runs have; with `tombstones` those too, as undefined. */
export async function rowsOf(
  disk: Disk,
  runs: readonly ManifestRun[],
  files: readonly ManifestFile[],
  directory = DIRECTORY,
): Promise<Model> {
  const storeId = Buffer.from(STORE_ID, "hex");
  const cache = new BlockCache(1024 * 1024);
  const set = await RunSet.open({ disk, directory, storeId, runs, files, cache });
  const model: Model = new Map();
  const cursor = set.cursor({ tombstones: false });
  const text = (bytes: Uint8Array, from: number, to: number) =>
    Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString("latin1", from, to);
  while (cursor.next()) {
    const key = text(cursor.key, cursor.keyStart, cursor.keyEnd);
    model.set(key, text(cursor.row, cursor.rowStart, cursor.rowEnd));
  }
  await set.release();
  return model;
}

/** In the order of the keys. */
export function sorted(model: Model): [string, string][] {
  return [...model].sort(([a], [b]) => (a < b ? -1 : 1));
}
