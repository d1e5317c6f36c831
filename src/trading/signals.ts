/** The log of what strategies wanted. */
import type { Decimal } from "../index.js";
import { type Amount, amountOf, SCALE, times, ZERO } from "./amounts.js";
import { settleOf } from "./instruments.js";
import { portfolioNow, rateOf } from "./portfolio.js";
import { valueAt } from "./positions.js";
import type { Step } from "./step.js";
import { marks, signalLog } from "./tables.js";

export interface Signal {
  readonly symbol: string;
  /** In one's own words: "long", "flat", "rebalance". */
  readonly signal: string;
  /** How sure the strategy is; a float, for statistics. */
  readonly confidence: number;
  /** The part of the net asset value that the position should have; below zero: short. */
  readonly targetWeight: Amount;
  readonly reason?: string | undefined;
}

export function logSignal(step: Step, signal: Signal): void {
  const { symbol, confidence, reason = "" } = signal;
  step.put(signalLog, step.auditKey(symbol), {
    signal: signal.signal,
    confidence,
    targetWeight: amountOf(signal.targetWeight),
    actualWeight: weightOf(step, symbol) ?? null,
    reason,
  });
}

/** The part of the net asset value that a position is; undefined while a price is missing. */
export function weightOf(step: Step, symbol: string): Decimal | undefined {
  const { quantity } = step.position(symbol);
  if (quantity.isZero()) return ZERO;
  const instrument = step.instrument(symbol);
  const price = step.tx.get(marks, symbol)?.price;
  const rate = rateOf(step, settleOf(instrument));
  const { nav } = portfolioNow(step);
  if (price === undefined || rate === undefined || nav === null || nav.isZero()) return undefined;
  const value = valueAt(quantity, price, instrument);
  // An inverse one that is long has a value below zero: what it gains, it gains towards zero.
  const signed = instrument.kind === "inverse" ? value.negate() : value;
  return times(signed, rate).div(nav, SCALE, "half-even");
}
