/** The tables of limits and risk: `critical`, and fixed. */
import {
  decimal,
  defineTable,
  enumeration,
  integer,
  nullable,
  type RowOf,
  string,
  timestamp,
} from "../index.js";
import { SCALE } from "./amounts.js";

const amount = () => decimal(SCALE);

/** Limits by symbol; null: none. */
export const symbolLimits = defineTable({
  name: "trading.symbolLimits",
  version: 1,
  key: string(),
  resident: true,
  fields: {
    maxPosition: nullable(amount()),
    maxOrderQuantity: nullable(amount()),
    maxOrderValue: nullable(amount()),
    maxOpenOrders: nullable(integer()),
  },
});

/** Limits of the whole, in one row. */
export const portfolioLimits = defineTable({
  name: "trading.portfolioLimits",
  version: 1,
  key: string(),
  resident: true,
  fields: {
    /** Sum of all positions' values without sign, open orders counted as filled. */
    maxExposure: nullable(amount()),
    /** Part of the peak: 0.2 for 20 %. */
    maxDrawdown: nullable(amount()),
  },
});

/** Quantity of working orders, by symbol. */
export const exposures = defineTable({
  name: "trading.exposures",
  version: 1,
  key: string(),
  resident: true,
  fields: { openBuys: amount(), openSells: amount(), openOrders: integer() },
  checks: {
    notNegative: ({ openBuys, openSells, openOrders }) =>
      openBuys.sign() >= 0 && openSells.sign() >= 0 && openOrders >= 0,
  },
});

/** The whole, in the currency of the reports: one row. */
export const portfolio = defineTable({
  name: "trading.portfolio",
  version: 1,
  key: string(),
  resident: true,
  fields: {
    /** Null while a price is missing. */
    nav: nullable(amount()),
    /** The highest net asset value, moved along by deposits and withdrawals. */
    peak: nullable(amount()),
    /** Parts of the peak. */
    drawdown: amount(),
    largestDrawdown: amount(),
    /** Number of the row in `drawdowns` that is being lived through; 0: at the peak. */
    drawdownNumber: integer(),
    halted: enumeration(["no", "drawdown", "mismatch", "manual"]),
    haltReason: string(),
  },
});

/** Times below the peak, from 1. */
export const drawdowns = defineTable({
  name: "trading.drawdowns",
  version: 1,
  key: integer(),
  fields: {
    peak: amount(),
    trough: amount(),
    began: timestamp(),
    troughTime: timestamp(),
    /** Null while it lasts. */
    ended: nullable(timestamp()),
  },
});

/** Token buckets by name. Tokens are counted in millionths. */
export const rateLimits = defineTable({
  name: "trading.rateLimits",
  version: 1,
  key: string(),
  resident: true,
  fields: {
    capacityMillionths: integer(),
    perSecond: integer(),
    millionths: integer(),
    time: timestamp(),
  },
});

export type PortfolioRow = RowOf<typeof portfolio>;
export type SymbolLimits = RowOf<typeof symbolLimits>;
export type PortfolioLimits = RowOf<typeof portfolioLimits>;
