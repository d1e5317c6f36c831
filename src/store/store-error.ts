/** Failures of the machine, told as this package tells them. */
import { HoldfastError } from "../base/errors.js";

/** A failure of the machine as an error of this package; anything else stays what it is. */
export function asStoreError(error: unknown, directory: string, doing: string): unknown {
  if (error instanceof HoldfastError || !(error instanceof Error)) return error;
  const code = (error as { code?: unknown }).code;
  if (typeof code !== "string" || !/^E[A-Z0-9]+$/.test(code)) return error;
  if (code === "ENOTDIR") {
    const message = `${directory} is not a directory, or is in something that is none`;
    return new HoldfastError("NOT_A_STORE", message, { file: directory }, error);
  }
  const full = code === "ENOSPC" || code === "EDQUOT";
  return new HoldfastError(
    full ? "DISK_FULL" : "IO",
    `${doing} ${directory} failed: ${error.message}`,
    { file: (error as { path?: string }).path ?? directory },
    error,
  );
}
