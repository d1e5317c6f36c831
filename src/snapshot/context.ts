/** What a job runs with: the disk, the budget, and the word to stop. */
import { errnoCode, HoldfastError } from "../base/errors.js";
import type { Disk } from "../disk/disk.js";
import type { IoBudget } from "./budget.js";

export interface JobContext {
  readonly disk: Disk;
  readonly budget: IoBudget;
  readonly signal: AbortSignal;
}

/** Throws CLOSED once the job was cancelled. */
export function checkCancelled(context: Pick<JobContext, "signal">): void {
  if (context.signal.aborted) throw new HoldfastError("CLOSED", "the job was cancelled");
}

/** Lets other work of this thread, input/output too, go on; then looks for the word to stop. */
export async function pause(context: JobContext): Promise<void> {
  await new Promise<void>((resolve) => {
    context.disk.scheduler.after(0, resolve, true);
  });
  checkCancelled(context);
}

/** A system error as one of this package; anything else as it is. */
export function describeFailure(error: unknown, what: string): unknown {
  const code = errnoCode(error);
  if (code === undefined || error instanceof HoldfastError) return error;
  const { message, path } = error as Error & { path?: string };
  const data = path === undefined ? {} : { file: path };
  if (code === "ENOSPC" || code === "EDQUOT") {
    return new HoldfastError("DISK_FULL", `there is no room for ${what}: ${message}`, data, error);
  }
  if (code === "ENOENT") {
    return new HoldfastError("MISSING_FILE", `${what} needs a file: ${message}`, data, error);
  }
  return new HoldfastError("IO", `${what} failed: ${message}`, data, error);
}

/** Removes what a job that failed has left; what cannot be removed now is a stray. */
export async function removeQuietly(disk: Disk, paths: readonly string[]): Promise<void> {
  for (const path of paths) await disk.remove(path).catch(() => {});
}
