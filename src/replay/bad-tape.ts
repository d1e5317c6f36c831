import { HoldfastError } from "../index.js";

/** Where something stands on a tape: the file and the line in it, from 1. */
export interface TapeSpot {
  readonly file: string;
  readonly line: number;
}

/**
 * The one error of unreadable input: `BAD_TAPE`, its message starting with `file:line:`.
 *
 * `line` 0 means the file as a whole.
 */
export function badTape(spot: TapeSpot, message: string, cause?: unknown): HoldfastError {
  const where = spot.line > 0 ? `${spot.file}:${spot.line}` : spot.file;
  return new HoldfastError("BAD_TAPE", `${where}: ${message}`, { file: spot.file }, cause);
}
