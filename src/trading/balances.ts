/** What is held, by venue and currency. */
import type { Decimal } from "../index.js";
import { times, ZERO } from "./amounts.js";
import { noteValue, rateOf } from "./portfolio.js";
import type { Step } from "./step.js";
import { balances, cashMovements } from "./tables.js";

/** A change of a balance that no fill makes. */
export interface CashMovement {
  readonly venue: string;
  readonly currency: string;
  /** Above zero: in. */
  readonly amount: Decimal;
  readonly reason: string;
}

/** Changes a balance; nothing is written for a change of zero. */
export function credit(step: Step, venue: string, currency: string, change: Decimal): void {
  if (change.isZero()) return;
  const rate = rateOf(step, currency);
  step.update(balances, [venue, currency], (row) => {
    const before = row?.total ?? ZERO;
    const total = before.add(change);
    step.moveNav(rate && times(before, rate), rate && times(total, rate));
    return { total };
  });
}

/** Books a deposit, a withdrawal or a correction. */
export function moveCash(step: Step, movement: CashMovement): void {
  const { venue, currency, amount, reason } = movement;
  credit(step, venue, currency, amount);
  step.put(cashMovements, [venue, step.nextNumber(`cash ${venue}`)], {
    currency,
    amount,
    reason,
    time: step.time,
    sequence: step.sequence,
  });
  const rate = rateOf(step, currency);
  noteValue(step, rate === undefined ? amount : times(amount, rate));
}
