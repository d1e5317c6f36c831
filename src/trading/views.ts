/** Figures that are reckoned when they are asked for. */
import type { Decimal, Store, Transaction } from "../index.js";
import { invalid } from "./amounts.js";
import { grossExposure } from "./portfolio.js";
import { averagePriceOf, unrealisedOf } from "./positions.js";
import { weightOf } from "./signals.js";
import { NO_POSITION, Step } from "./step.js";
import { balances, instruments, marks, type PortfolioRow, positions } from "./tables.js";

/** A position, its money in the currency of settlement; undefined: its price is not known. */
export interface Position {
  readonly symbol: string;
  /** Above zero long, below zero short. */
  readonly quantity: Decimal;
  /** Undefined when it is flat. */
  readonly averagePrice: Decimal | undefined;
  /** What the open quantity was bought for. */
  readonly cost: Decimal;
  /** Profit of what was closed, before fees. */
  readonly realised: Decimal;
  readonly unrealised: Decimal | undefined;
  /** Fees that were paid in the currency of settlement. */
  readonly fees: Decimal;
  readonly lastPrice: Decimal | undefined;
}

/** The whole, in the currency of the reports. */
export interface Portfolio {
  /** Net asset value; undefined while a price is missing. */
  readonly nav: Decimal | undefined;
  readonly peak: Decimal | undefined;
  /** Part of the peak that is lost now, and that was lost at most. */
  readonly drawdown: Decimal;
  readonly largestDrawdown: Decimal;
  /** Positions without sign, working orders counted as filled; undefined: a price is missing. */
  readonly exposure: Decimal | undefined;
  readonly halted: PortfolioRow["halted"];
  readonly haltReason: string;
  /** Part of the net asset value by symbol of every position whose price is known. */
  readonly weights: ReadonlyMap<string, Decimal>;
  /** What is held, by venue and currency. */
  readonly balances: readonly { venue: string; currency: string; total: Decimal }[];
}

export function positionOf(store: Store, symbol: string): Position {
  const row = store.table(positions).get(symbol) ?? NO_POSITION;
  const instrument = store.table(instruments).get(symbol);
  const lastPrice = store.table(marks).get(symbol)?.price;
  const { quantity, cost, realised, fees } = row;
  const known = instrument !== undefined && lastPrice !== undefined;
  return Object.freeze({
    ...{ symbol, quantity, cost, realised, fees, lastPrice },
    averagePrice: instrument && averagePriceOf(row, instrument),
    unrealised: known ? unrealisedOf(row, lastPrice, instrument) : undefined,
  });
}

export function positionsOf(store: Store): Position[] {
  return [...store.table(positions).entries()]
    .filter(([, { quantity }]) => !quantity.isZero())
    .map(([symbol]) => positionOf(store, symbol));
}

export function portfolioOf(store: Store, currency: string, time: number): Portfolio {
  const step = new Step(reading(store), time, store.lastSequence, currency);
  const { nav, peak, drawdownNumber: _, ...figures } = step.portfolio();
  const weights = new Map<string, Decimal>();
  for (const symbol of store.table(positions).keys()) {
    const weight = weightOf(step, symbol);
    if (weight !== undefined && !weight.isZero()) weights.set(symbol, weight);
  }
  return Object.freeze({
    ...figures,
    nav: nav ?? undefined,
    peak: peak ?? undefined,
    exposure: grossExposure(step),
    weights,
    balances: [...store.table(balances).entries()].map(([[venue, of], { total }]) => ({
      ...{ venue, currency: of, total },
    })),
  });
}

/** A store as what reads a transaction; there is none, so that nothing can be written. */
function reading(store: Store): Transaction {
  const refuse = () => {
    throw invalid("a view of the state does not change it");
  };
  return {
    get: (table, key) => store.table(table).get(key),
    series: refuse,
    get blobs() {
      return refuse();
    },
    book: refuse,
    has: (table, key) => store.table(table).has(key),
    count: (table) => store.table(table).count(),
    entries: (table, range) => store.table(table).entries(range),
    keys: (table, range) => store.table(table).keys(range),
    values: (table, range) => store.table(table).values(range),
    put: refuse,
    update: refuse,
    patch: refuse,
    delete: refuse,
  };
}
