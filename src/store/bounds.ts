/** Bounds that are constants for everybody but tests, which want to meet everything early. */
import { HoldfastError } from "../base/errors.js";
import { BACK_PRESSURE_SLOW_BYTES, BACK_PRESSURE_STOP_BYTES } from "../base/limits.js";

export interface StoreBounds {
  /** A file of a run is finished once it is about this long. */
  readonly fileBytes?: number;
  /** Memory of one flush for rows. */
  readonly arenaBytes?: number;
  /** Runs of a tier that are merged into one of the next. */
  readonly runsPerTier?: number;
  /** With so many runs, merges no longer wait for the budget. */
  readonly runsHurry?: number;
  /** With so many, writers are slowed, and stopped. */
  readonly runsSlow?: number;
  readonly runsStop?: number;
  /** From the opening until a thread for the background is started. */
  readonly startDelayMillis?: number;
  /** In place of `scrubEveryHours`. */
  readonly scrubEveryMillis?: number;
  /** Size of what no run holds at which writers are slowed, and stopped. */
  readonly slowBytes?: number;
  readonly stopBytes?: number;
  /** Memory for rows, and for blocks of runs: both together in place of `cacheBytes`. */
  readonly rowBytes?: number;
  readonly blockBytes?: number;
}

/** The least value of each. */
const LEAST: Required<StoreBounds> = {
  fileBytes: 1,
  arenaBytes: 1,
  runsPerTier: 2,
  runsHurry: 2,
  runsSlow: 2,
  runsStop: 2,
  startDelayMillis: 0,
  scrubEveryMillis: 0,
  slowBytes: 1,
  stopBytes: 1,
  rowBytes: 0,
  blockBytes: 0,
};

/** Throws INVALID_ARGUMENT. */
export function checkBounds(bounds: unknown): void {
  if (typeof bounds !== "object" || bounds === null) {
    throw new HoldfastError("INVALID_ARGUMENT", "bounds must be an object");
  }
  for (const [name, value] of Object.entries(bounds)) {
    const least = LEAST[name as keyof StoreBounds];
    if (Number.isSafeInteger(value) && least !== undefined && value >= least) continue;
    throw new HoldfastError("INVALID_ARGUMENT", `bounds.${name} cannot be ${String(value)}`);
  }
}

/** Memory for rows and for blocks. Rows are what is asked for; blocks are what they come from. */
export function splitCache(
  cacheBytes: number,
  bounds: StoreBounds,
): { rowBytes: number; blockBytes: number } {
  const blockBytes = bounds.blockBytes ?? Math.floor(cacheBytes / 3);
  return { rowBytes: bounds.rowBytes ?? cacheBytes - Math.floor(cacheBytes / 3), blockBytes };
}

/** What the background keeps to. */
export function backgroundBounds(bounds: StoreBounds) {
  const { rowBytes: _, blockBytes: __, startDelayMillis: ___, ...rest } = bounds;
  return {
    slowBytes: BACK_PRESSURE_SLOW_BYTES,
    stopBytes: BACK_PRESSURE_STOP_BYTES,
    ...rest,
  };
}
