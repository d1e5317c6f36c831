/** How the errors of column chunks are made. */
import { HoldfastError } from "../base/errors.js";

/** A chunk that is not what was written. */
export function corruptChunk(what: string): HoldfastError {
  return new HoldfastError("CORRUPT_CHUNK", `a column chunk is damaged: ${what}`);
}
