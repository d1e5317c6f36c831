/** The packs of a store, known to this thread: their indexes are read once. */
import { PackSet } from "../blobs/pack-set.js";
import type { Disk } from "../disk/disk.js";

const known = new WeakMap<Disk, Map<string, PackSet>>();

/** The same for the same directory, until it is forgotten. */
export function packsOf(disk: Disk, directory: string): PackSet {
  let sets = known.get(disk);
  if (sets === undefined) {
    sets = new Map();
    known.set(disk, sets);
  }
  let set = sets.get(directory);
  if (set === undefined) {
    set = new PackSet(disk, directory);
    sets.set(directory, set);
  }
  return set;
}

/** Closes what is open of them. */
export async function forgetPacks(disk: Disk, directory: string): Promise<void> {
  const set = known.get(disk)?.get(directory);
  known.get(disk)?.delete(directory);
  await set?.close();
}
