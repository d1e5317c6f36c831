/** How the errors of run files are made. */
import { errnoCode, HoldfastError } from "../base/errors.js";
import type { DiskFile } from "../disk/disk.js";

/** A part of a run file that is not what was written there. */
export function corruptRun(
  file: string,
  offset: number,
  what: string,
  cause?: unknown,
): HoldfastError {
  const message = `${file} is damaged at ${offset}: ${what}`;
  return new HoldfastError("CORRUPT_RUN", message, { file, offset }, cause);
}

/** What the system refused, as an error of this package; anything else as it is. */
export function systemRefused(file: string, doing: string, cause: unknown, at?: number): unknown {
  const code = errnoCode(cause);
  if (code === undefined) return cause;
  const full = code === "ENOSPC" || code === "EDQUOT";
  const where = at === undefined ? file : `${file} at ${at}`;
  return new HoldfastError(
    full ? "DISK_FULL" : "IO",
    `${doing} ${where} failed: ${code}`,
    at === undefined ? { file } : { file, offset: at },
    cause,
  );
}

/** Closes a file; what the system refuses becomes an error of this package. */
export async function close(file: DiskFile): Promise<void> {
  try {
    await file.close();
  } catch (error) {
    throw systemRefused(file.path, "closing", error);
  }
}
