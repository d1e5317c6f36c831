/**
 * When the tail of the log is to become a run, and when writers are to be slowed. Pure functions.
 */
import { RUNS_SLOW, RUNS_STOP } from "../base/limits.js";
import type { ReplayCost } from "../manifest/format.js";
import { expectedReplayMicros } from "../manifest/replay-cost.js";

/** What lies behind the runs: what the next opening would have to read back. */
export interface TailFigures {
  readonly operations: number;
  /** Of the frames. */
  readonly bytes: number;
  /** Memory of the rows that no run holds yet. */
  readonly memoryBytes: number;
}

export interface TriggerOptions {
  /** How long reading back the tail may take. */
  readonly recoveryBudgetMicros: number;
  /** Beyond these writers are to be slowed, and stopped. */
  readonly slowBytes: number;
  readonly stopBytes: number;
  /** The same for the number of runs: each may have to be looked into by a read. */
  readonly runsSlow?: number;
  readonly runsStop?: number;
}

/**
 * A tail of this part of the budget is flushed: what is written while the flush goes on, and until
 * it is published, must fit into the rest.
 */
const BUDGET_PART = 0.7;

export interface FlushTrigger {
  readonly flush: boolean;
  /** What replaying the tail would take, as a part of the budget. */
  readonly urgency: number;
}

/** Whether to flush now. */
export function nextFlush(
  tail: TailFigures,
  cost: ReplayCost,
  options: TriggerOptions,
): FlushTrigger {
  const micros = expectedReplayMicros(cost, tail.operations, tail.bytes);
  const urgency = micros / options.recoveryBudgetMicros;
  // Memory is short before time is, where rows are large; and whatever slows writers, were it
  // frames that are mostly padding, has to be what sets the background to work as well.
  const heaviest = Math.max(tail.bytes, tail.memoryBytes);
  const heavy = heaviest >= options.slowBytes * BUDGET_PART;
  return { flush: tail.operations > 0 && (urgency >= BUDGET_PART || heavy), urgency };
}

/**
 * - "slow": the background falls behind; writers that can wait should.
 * - "stop": memory, or the time that recovery would take, is about to get out of hand.
 */
export type Pressure = "none" | "slow" | "stop";

/** The level falls only once the cause is well below its bound, so that it does not flicker. */
const RELEASE_PART = 0.75;

const LEVELS: readonly Pressure[] = ["none", "slow", "stop"];

/** The level of back-pressure, given the one before. */
export function nextPressure(
  before: Pressure,
  tail: TailFigures,
  runs: number,
  options: TriggerOptions,
): Pressure {
  const { slowBytes, stopBytes, runsSlow = RUNS_SLOW, runsStop = RUNS_STOP } = options;
  const bytes = Math.max(tail.bytes, tail.memoryBytes);
  const rank = LEVELS.indexOf(before);
  const reached = (figure: number, bound: number, level: number): boolean =>
    figure >= (rank >= level ? bound * RELEASE_PART : bound);
  if (reached(bytes, stopBytes, 2) || reached(runs, runsStop, 2)) return "stop";
  return reached(bytes, slowBytes, 1) || reached(runs, runsSlow, 1) ? "slow" : "none";
}
