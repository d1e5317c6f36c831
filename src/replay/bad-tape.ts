import { HoldfastError, isHoldfastError } from "../index.js";

/** Where something stands on a tape: the file and the line in it, from 1. */
export interface TapeSpot {
  readonly file: string;
  readonly line: number;
}

/** Something is wrong with what a tape says; thrown where its place is not known. */
export class TapeProblem extends Error {
  override readonly name = "TapeProblem";
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

/**
 * The `BAD_TAPE` error of what was thrown over a line, if that is the tape's fault: a problem we
 * found, JSON that is none, a number that is no decimal. Anything else is returned as it is.
 */
export function atPlace(spot: TapeSpot, error: unknown): unknown {
  const fromTape =
    error instanceof TapeProblem ||
    error instanceof SyntaxError ||
    isHoldfastError(error, "INVALID_ARGUMENT");
  return fromTape ? badTape(spot, error.message, error) : error;
}
