import type { Disk } from "./disk.js";

/** Waits on the disk's own clock; the process does not end before. */
export function sleep(disk: Disk, millis: number): Promise<void> {
  return new Promise((resolve) => void disk.scheduler.after(millis, resolve, true));
}
