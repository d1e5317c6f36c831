/** Positions and balances made again from nothing but fills and cash movements. */
import type { Decimal, Store } from "../index.js";
import { ZERO } from "./amounts.js";
import { changesOf } from "./fills.js";
import { foldAll, type NamedFill } from "./fold.js";
import { cashMovements, fills, instruments, type PositionRow } from "./tables.js";

export interface Rebuilt {
  /** By symbol. */
  readonly positions: ReadonlyMap<string, PositionRow>;
  /** By venue and currency, as `venue currency`. */
  readonly balances: ReadonlyMap<string, Decimal>;
}

/** What the tables of positions and balances have to hold, if nothing was ever lost. */
export function rebuild(store: Store): Rebuilt {
  const bySymbol = new Map<string, NamedFill[]>();
  for (const [[symbol, tradeId], fill] of store.table(fills).entries()) {
    const list = bySymbol.get(symbol);
    if (list === undefined) bySymbol.set(symbol, [[tradeId, fill]]);
    else list.push([tradeId, fill]);
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
    const { position, fills: folded } = foldAll(list, instrument);
    positions.set(symbol, position);
    for (const [, fill] of folded) {
      for (const [currency, change] of changesOf(fill, instrument)) {
        credit(instrument.venue, currency, change);
      }
    }
  }
  for (const [[venue], { currency, amount }] of store.table(cashMovements).entries()) {
    credit(venue, currency, amount);
  }
  return { positions, balances };
}
