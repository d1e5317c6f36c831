/** What replay costs on a machine, learned from every opening that had something to replay. */
import type { ReplayCost } from "./format.js";

/**
 * Before anything was measured: about what an ordinary machine takes in a process that has just
 * been started, whose code is not compiled yet.
 */
export const REPLAY_COST_DEFAULT: ReplayCost = { microsPerOperation: 3, microsPerKilobyte: 1 };

/** What one replay did, and how long it took. */
export interface ReplayMeasurement {
  readonly operations: number;
  /**
   * Of the log up to its end, as the tail of a running store is weighed: what is looked through
   * behind it takes as long for a short tail as for a long one.
   */
  readonly bytes: number;
  /** Work on these operations; what was waited for is none of it. */
  readonly micros: number;
}

/** Below these a replay says more about the clock and the first read than about the machine. */
const OPERATIONS_MIN = 1000;
const MICROS_MIN = 1000;

/** A new measurement counts for this part; one replay is one sample of a busy machine. */
const WEIGHT = 0.5;

/** One replay changes the cost by no more than this factor: a machine may have been asleep. */
const RATIO_MAX = 4;

const COST_MIN = 0.001;
const COST_MAX = 1_000_000;

/** What a replay is expected to take, in microseconds. */
export function expectedReplayMicros(cost: ReplayCost, operations: number, bytes: number): number {
  return cost.microsPerOperation * operations + cost.microsPerKilobyte * (bytes / 1024);
}

/**
 * The cost after one more measurement. One replay cannot tell the two parts apart, so both are
 * scaled by how far it was from what was expected.
 */
export function learnReplayCost(cost: ReplayCost, measured: ReplayMeasurement): ReplayCost {
  const { operations, bytes, micros } = measured;
  if (operations < OPERATIONS_MIN || micros < MICROS_MIN) return cost;
  const expected = expectedReplayMicros(cost, operations, bytes);
  const ratio = expected > 0 ? micros / expected : RATIO_MAX;
  const factor = 1 + WEIGHT * (Math.min(RATIO_MAX, Math.max(1 / RATIO_MAX, ratio)) - 1);
  return {
    microsPerOperation: bounded(cost.microsPerOperation * factor),
    microsPerKilobyte: bounded(cost.microsPerKilobyte * factor),
  };
}

function bounded(micros: number): number {
  return Math.min(COST_MAX, Math.max(COST_MIN, micros));
}
