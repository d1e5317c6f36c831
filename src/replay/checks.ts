/** Rules over several tables that every transaction of the replay has to keep. */
import type { StoreCheck } from "../index.js";
import { balances, instruments, positions } from "./tables.js";

/**
 * The cash is what trading made of the capital: profit realised less fees and, on a spot market,
 * less what the coins held were bought for. It may never be off by as much as the last digit.
 */
export function cashAddsUp(symbol: string): StoreCheck {
  return {
    name: "cashAddsUp",
    tables: [positions, balances],
    holds(tx) {
      const instrument = tx.get(instruments, symbol);
      const position = tx.get(positions, symbol);
      if (instrument === undefined || position === undefined) return true;
      const earned = instrument.capital.add(position.realised).sub(position.fees);
      const spot = instrument.contract === "spot";
      const expected = spot ? earned.sub(position.cost) : earned;
      const cash = tx.get(balances, instrument.settle)?.total;
      return cash?.equals(expected) || `${cash} ${instrument.settle}, but ${expected} were made`;
    },
  };
}
