import type { Disk } from "./disk.js";

/** Waits on the disk's own clock; the process does not end before. */
export function sleep(disk: Disk, millis: number): Promise<void> {
  return new Promise((resolve) => void disk.scheduler.after(millis, resolve, true));
}

/** What a promise resolves with, or "late" when it has not after so long. */
export async function within<T>(
  disk: Disk,
  millis: number,
  promise: Promise<T>,
): Promise<T | "late"> {
  let cancel = (): void => {};
  const late = new Promise<"late">((resolve) => {
    const timer = disk.scheduler.after(millis, () => resolve("late"), true);
    cancel = () => timer.cancel();
  });
  try {
    return await Promise.race([promise, late]);
  } finally {
    cancel();
  }
}
