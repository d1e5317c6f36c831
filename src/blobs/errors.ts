/** How the errors of packs are made. */
import { errnoCode, HoldfastError } from "../base/errors.js";

/** A part of a pack that is not what was written there. */
export function corruptPack(file: string, offset: number, what: string): HoldfastError {
  return new HoldfastError("CORRUPT_BLOB", `${file} is damaged at ${offset}: ${what}`, {
    file,
    offset,
  });
}

/** What the system refused, as an error of this package; anything else as it is. */
export function packRefused(file: string, doing: string, cause: unknown): unknown {
  const code = errnoCode(cause);
  if (code === undefined || cause instanceof HoldfastError) return cause;
  const message = `${doing} ${file} failed: ${code}`;
  if (code === "ENOSPC" || code === "EDQUOT") {
    return new HoldfastError("DISK_FULL", message, { file }, cause);
  }
  if (code === "ENOENT") return new HoldfastError("MISSING_FILE", message, { file }, cause);
  return new HoldfastError("IO", message, { file }, cause);
}
