/** What is traded. */
import { type Amount, invalid, notNegativeOf, ONE, positiveOf, ZERO } from "./amounts.js";
import type { Step } from "./step.js";
import { type InstrumentRow, instruments } from "./tables.js";

export interface InstrumentInput {
  readonly venue: string;
  /**
   * "spot", the default: a fill moves both currencies. "linear": only its profit, in `quote`.
   * "inverse": only its profit, in `base`.
   */
  readonly kind?: "spot" | "linear" | "inverse" | undefined;
  readonly base: string;
  readonly quote: string;
  /** How much of `base` one unit of quantity is; of `quote` for "inverse". Default: 1. */
  readonly multiplier?: Amount | undefined;
  /** Prices of orders are multiples of it. Default: any. */
  readonly tick?: Amount | undefined;
  /** Quantities of orders are multiples of it. Default: any. */
  readonly lot?: Amount | undefined;
}

/** The currency that fees and profits of an instrument are in. */
export function settleOf({
  kind,
  base,
  quote,
}: Pick<InstrumentRow, "kind" | "base" | "quote">): string {
  return kind === "inverse" ? base : quote;
}

/** Declares an instrument. Once it is there only its tick and lot can change. */
export function setInstrument(step: Step, symbol: string, input: InstrumentInput): void {
  const { venue, kind = "spot", base, quote } = input;
  if (symbol === "") throw invalid("a symbol is not empty");
  const row = {
    ...{ venue, kind, base, quote },
    multiplier: positiveOf(input.multiplier ?? ONE, "multiplier"),
    tick: notNegativeOf(input.tick ?? ZERO, "tick"),
    lot: notNegativeOf(input.lot ?? ZERO, "lot"),
  };
  const known = step.tx.get(instruments, symbol);
  if (known !== undefined) {
    const same =
      known.venue === venue &&
      known.kind === kind &&
      known.base === base &&
      known.quote === quote &&
      known.multiplier.equals(row.multiplier);
    if (!same) throw invalid(`"${symbol}" is another instrument already`);
    if (known.tick.equals(row.tick) && known.lot.equals(row.lot)) return;
  }
  step.put(instruments, symbol, row);
}
