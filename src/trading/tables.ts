/**
 * The tables of a trading state. All of them are `critical`: what they acknowledge is on disk. The
 * definitions are fixed and frozen; `openTrading` refuses a store that was opened with others. Only
 * the log of signals, which no decision is taken from, is `important`.
 */
import {
  boolean,
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
import {
  reconciled,
  recoveryReports,
  riskEvents,
  signalLog,
  tradeHistory,
} from "./audit-tables.js";
import { ORDER_STATUSES } from "./order-states.js";
import {
  drawdowns,
  exposures,
  portfolio,
  portfolioLimits,
  rateLimits,
  symbolLimits,
} from "./risk-tables.js";

export * from "./audit-tables.js";
export * from "./risk-tables.js";

const amount = () => decimal(SCALE);
const side = () => enumeration(["buy", "sell"]);

/** What is traded, by symbol. A symbol belongs to one venue. */
export const instruments = defineTable({
  name: "trading.instruments",
  // 2: inverse contracts.
  version: 2,
  key: string(),
  resident: true,
  fields: {
    venue: string(),
    /** "spot": a fill moves both currencies. "linear": only its profit, in the quote currency. */
    kind: enumeration(["spot", "linear", "inverse"]),
    base: string(),
    quote: string(),
    /** How much of the base currency one unit of quantity is; inverse: of the quote currency. */
    multiplier: amount(),
    /** Prices and quantities of orders are multiples of these; 0: any. */
    tick: amount(),
    lot: amount(),
  },
});

/** Orders by client id. */
export const orders = defineTable({
  name: "trading.orders",
  version: 1,
  key: string(),
  fields: {
    symbol: string(),
    venue: string(),
    venueId: nullable(string()),
    type: enumeration(["market", "limit", "stop", "stop-limit"]),
    side: side(),
    price: nullable(amount()),
    stopPrice: nullable(amount()),
    quantity: amount(),
    filled: amount(),
    /** Sum of price x quantity of its fills. */
    filledValue: amount(),
    reduceOnly: boolean(),
    status: enumeration(ORDER_STATUSES),
    /** Why it is in that state, where somebody said. */
    reason: string(),
    created: timestamp(),
    changed: timestamp(),
  },
  checks: {
    filledWithinQuantity: ({ filled, quantity }) =>
      (filled.sign() >= 0 && filled.compare(quantity) <= 0) || `filled ${filled} of ${quantity}`,
  },
});

/** The orders that may still be filled, by venue and client id. */
export const workingOrders = defineTable({
  name: "trading.workingOrders",
  version: 1,
  key: [string(), string()],
  resident: true,
  fields: { symbol: string() },
});

/**
 * Changes of working orders that were asked for and not answered, by client id: the order has its
 * old terms until the venue says that it has these.
 */
export const amendments = defineTable({
  name: "trading.amendments",
  version: 1,
  key: string(),
  resident: true,
  fields: {
    price: nullable(amount()),
    stopPrice: nullable(amount()),
    quantity: amount(),
    asked: timestamp(),
  },
});

/** Client ids by venue and the venue's id. */
export const orderIds = defineTable({
  name: "trading.orderIds",
  version: 1,
  key: [string(), string()],
  fields: { clientId: string() },
});

/** Fills by symbol and the venue's trade id. */
export const fills = defineTable({
  name: "trading.fills",
  version: 1,
  key: [string(), string()],
  fields: {
    /** The how-manieth of its symbol that was applied; from 1. The fold goes by time and id. */
    number: integer(),
    /** Not a trade: a correction that makes our position the venue's. */
    adjustment: boolean(),
    /** Null where the order is none of ours. */
    clientId: nullable(string()),
    side: side(),
    price: amount(),
    quantity: amount(),
    fee: amount(),
    feeCurrency: string(),
    /** Profit that it realised, before its fee, in the currency of settlement. */
    realised: amount(),
    /** When it happened, as the venue says. */
    time: timestamp(),
    /** Sequence of the transaction that applied it. */
    sequence: integer(),
    reason: string(),
  },
});

/** Positions by symbol. */
export const positions = defineTable({
  name: "trading.positions",
  version: 1,
  key: string(),
  resident: true,
  fields: {
    quantity: amount(),
    cost: amount(),
    realised: amount(),
    /** Fees that were paid in the currency of settlement; others are in the balances only. */
    fees: amount(),
    /** How many fills there are, and the last of them by time and trade id. */
    fills: integer(),
    lastTime: timestamp(),
    lastTradeId: string(),
  },
});

/** What a position was after some of its fills, by symbol, time and trade id of the fill. */
export const foldPoints = defineTable({
  name: "trading.foldPoints",
  version: 1,
  key: [string(), timestamp(), string()],
  fields: { quantity: amount(), cost: amount() },
});

/** The newest price of a symbol. */
export const marks = defineTable({
  name: "trading.marks",
  version: 1,
  key: string(),
  resident: true,
  fields: { price: amount(), time: timestamp() },
});

/** What one unit of a currency is worth in the currency of the reports. */
export const rates = defineTable({
  name: "trading.rates",
  version: 1,
  key: string(),
  resident: true,
  fields: { rate: amount(), time: timestamp() },
});

/** What is held, by venue and currency. */
export const balances = defineTable({
  name: "trading.balances",
  version: 1,
  key: [string(), string()],
  resident: true,
  fields: { total: amount() },
});

/** Deposits, withdrawals and corrections: what changed a balance and was no fill. */
export const cashMovements = defineTable({
  name: "trading.cashMovements",
  version: 1,
  key: [string(), integer()],
  fields: {
    currency: string(),
    amount: amount(),
    reason: string(),
    time: timestamp(),
    sequence: integer(),
  },
});

/** The last number given out, by kind. */
export const counters = defineTable({
  name: "trading.counters",
  version: 1,
  key: string(),
  resident: true,
  fields: { last: integer() },
});

/** By venue: every nonce up to `reserved` may have been used. */
export const nonceBlocks = defineTable({
  name: "trading.nonceBlocks",
  version: 1,
  key: string(),
  resident: true,
  fields: {
    policy: enumeration(["counter", "milliseconds", "microseconds"]),
    reserved: integer(),
  },
});

/** Of the program that trades: one row. */
export const sessions = defineTable({
  name: "trading.sessions",
  version: 1,
  key: string(),
  resident: true,
  fields: {
    /** How often it was opened. */
    lives: integer(),
    /** When it was opened first; fills of before that are not ours, unless the order is. */
    began: timestamp(),
    started: timestamp(),
    /** Time of the last event. */
    changed: timestamp(),
  },
});

/** All tables of a trading state, for the option `tables` of `open`. */
export const TRADING_TABLES = Object.freeze([
  amendments,
  balances,
  cashMovements,
  counters,
  drawdowns,
  exposures,
  fills,
  foldPoints,
  instruments,
  marks,
  nonceBlocks,
  orderIds,
  orders,
  portfolio,
  portfolioLimits,
  positions,
  rateLimits,
  rates,
  reconciled,
  recoveryReports,
  riskEvents,
  sessions,
  signalLog,
  symbolLimits,
  tradeHistory,
  workingOrders,
] as const);

export type InstrumentRow = RowOf<typeof instruments>;
export type OrderRow = RowOf<typeof orders>;
export type AmendmentRow = RowOf<typeof amendments>;
export type FillRow = RowOf<typeof fills>;
export type PositionRow = RowOf<typeof positions>;
