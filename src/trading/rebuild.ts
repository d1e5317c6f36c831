/** Positions and balances made again from nothing but fills and cash movements. */
import type { Decimal, Store } from "../index.js";
import { ZERO } from "./amounts.js";
import { changesOf } from "./fills.js";
import { afterFill, FLAT } from "./positions.js";
import { cashMovements, type FillRow, fills, instruments, type PositionRow } from "./tables.js";

export interface Rebuilt {
  /** By symbol. */
  readonly positions: ReadonlyMap<string, PositionRow>;
  /** By venue and currency, as `venue currency`. */
  readonly balances: ReadonlyMap<string, Decimal>;
}

/** What the tables of positions and balances have to hold, if nothing was ever lost. */
export function rebuild(store: Store): Rebuilt {
  const bySymbol = new Map<string, FillRow[]>();
  for (const [[symbol], fill] of store.table(fills).entries()) {
    const list = bySymbol.get(symbol);
    if (list === undefined) bySymbol.set(symbol, [fill]);
    else list.push(fill);
  }
  const positions = new Map<string, PositionRow>();
  const balances = new Map<string, Decimal>();
  const credit = (venue: string, currency: string, change: Decimal) => {
    const place = `${venue} ${currency}`;
    balances.set(place, (balances.get(place) ?? ZERO).add(change));
  };
  for (const [symbol, list] of bySymbol) {
    const instrument = store.table(instruments).get(symbol);
    if (instrument === undefined) continue;
    let position: PositionRow = { ...FLAT, fees: ZERO, fills: 0 };
    for (const fill of list.sort((a, b) => a.number - b.number)) {
      const after = afterFill(position, fill, instrument.multiplier);
      const paid = fill.feeCurrency === instrument.quote ? fill.fee : ZERO;
      const realised = after.realised.sub(position.realised);
      position = { ...after, fees: position.fees.add(paid), fills: fill.number };
      for (const [currency, change] of changesOf({ ...fill, realised }, instrument)) {
        credit(instrument.venue, currency, change);
      }
    }
    positions.set(symbol, position);
  }
  for (const [[venue], { currency, amount }] of store.table(cashMovements).entries()) {
    credit(venue, currency, amount);
  }
  return { positions, balances };
}
