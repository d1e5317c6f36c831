/** Rules over several tables that every transaction of the replay has to keep. */
import type { StoreCheck } from "../index.js";
import { balances, instruments, positions, settleOf } from "../trading/index.js";
import { ZERO } from "./exact.js";
import { VENUE } from "./instrument.js";
import { plans } from "./tables.js";

/** The rules of an account that trades one symbol. */
export function accountChecks(symbol: string): StoreCheck[] {
  return [cashAddsUp(symbol), withinLimit(symbol)];
}

/**
 * The cash is what trading made of the capital: profit realised less fees and, on a spot market,
 * less what the coins held were bought for. It may never be off by as much as the last digit.
 */
function cashAddsUp(symbol: string): StoreCheck {
  return {
    name: "cashAddsUp",
    tables: [positions, balances],
    holds(tx) {
      const instrument = tx.get(instruments, symbol);
      const plan = tx.get(plans, symbol);
      if (instrument === undefined || plan === undefined) return true;
      const position = tx.get(positions, symbol);
      const { realised = ZERO, fees = ZERO, cost = ZERO, quantity = ZERO } = position ?? {};
      const { kind, base } = instrument;
      const held = (currency: string) => tx.get(balances, [VENUE, currency])?.total ?? ZERO;
      const earned = plan.capital.add(realised).sub(fees);
      const settle = settleOf(instrument);
      const expected = kind === "spot" ? earned.sub(cost) : earned;
      const cash = held(settle);
      if (!cash.equals(expected)) return `${cash} ${settle}, but ${expected} were made`;
      // What a spot account sells short it has borrowed.
      const coins = held(base);
      if (kind === "spot" && !coins.equals(quantity)) return `${coins} ${base} of ${quantity}`;
      return true;
    },
  };
}

/** No fills can make the position larger than it may be: the limits count every order as filled. */
function withinLimit(symbol: string): StoreCheck {
  return {
    name: "withinLimit",
    tables: [positions],
    holds(tx) {
      const position = tx.get(positions, symbol);
      const plan = tx.get(plans, symbol);
      if (position === undefined || plan === undefined) return true;
      const size = position.quantity.abs();
      return size.compare(plan.maxPosition) <= 0 || `position ${size} of ${plan.maxPosition}`;
    },
  };
}
