/** Locks without flock, which `node:fs` does not have: exclusive within this process only. */
import { constants } from "node:fs";
import * as fs from "node:fs/promises";
import type { DiskLock } from "./disk.js";

/** Files locked by this process, by device and inode: a path can have more than one spelling. */
const locked = new Set<string>();

/** Takes the lock of a file, or gives undefined if this process has it already. */
export async function lockInProcess(path: string): Promise<DiskLock | undefined> {
  // The descriptor stays open so that the inode number cannot go to another file.
  const handle = await fs.open(path, constants.O_RDWR | constants.O_CREAT, 0o644);
  const { dev, ino } = await handle.stat({ bigint: true });
  const identity = `${dev}:${ino}`;
  if (locked.has(identity)) {
    await handle.close();
    return undefined;
  }
  locked.add(identity);
  let releasing: Promise<void> | undefined;
  return {
    path,
    strength: "none",
    release(): Promise<void> {
      if (releasing === undefined) {
        locked.delete(identity);
        releasing = handle.close();
      }
      return releasing;
    },
  };
}
