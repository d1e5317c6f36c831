/**
 * The tables of the replay. What the market says is `important`: it can be read from the tape again
 * up to the place that is durable. What the engine itself decides and owns is `critical`.
 *
 * Decimals have eight digits after the point everywhere (see exact.ts).
 */
import {
  boolean,
  decimal,
  defineTable,
  enumeration,
  type InputOf,
  integer,
  type RowOf,
  string,
  timestamp,
} from "../index.js";
import { SCALE } from "./exact.js";

const amount = () => decimal(SCALE);

/** How far the tape has been replayed: one row, written by every event's transaction. */
export const progress = defineTable({
  name: "progress",
  version: 1,
  tier: "important",
  key: string(),
  fields: {
    /** Events replayed. */
    event: integer(),
    line: integer(),
    bytes: integer(),
    crc: integer(),
    time: timestamp(),
    symbol: string(),
    format: string(),
  },
});

/** What of the market is not a level: one row. */
export const market = defineTable({
  name: "market",
  version: 1,
  tier: "important",
  key: string(),
  fields: {
    bookLastId: integer(),
    bookSynced: boolean(),
    bookFresh: boolean(),
    /** Update id of the best prices below; 0 while there are none. */
    topId: integer(),
    bid: amount(),
    bidQuantity: amount(),
    ask: amount(),
    askQuantity: amount(),
    tradeCount: integer(),
    lastPrice: amount(),
  },
});

/** The order book. The key is side and price in 1e-8 units, so that levels sort by price. */
export const bookLevels = defineTable({
  name: "bookLevels",
  version: 1,
  tier: "important",
  key: [string(), integer()],
  fields: { quantity: amount() },
});

/** The last trades of the tape, in a ring of slots. */
export const lastTrades = defineTable({
  name: "lastTrades",
  version: 1,
  tier: "important",
  key: integer(),
  fields: {
    number: integer(),
    event: integer(),
    time: timestamp(),
    price: amount(),
    quantity: amount(),
    aggressor: enumeration(["buy", "sell", "unknown"]),
  },
});

/** Depth diffs seen before the first snapshot, as their lines, by line number. */
export const keptDiffs = defineTable({
  name: "keptDiffs",
  version: 1,
  tier: "important",
  key: integer(),
  fields: { text: string() },
});

/** What stands before an open order at its price, by order id: an estimate, see fills.ts. */
export const queueAhead = defineTable({
  name: "queueAhead",
  version: 1,
  tier: "important",
  key: integer(),
  fields: { quantity: amount() },
});

/** What is traded and within which limits: one row by symbol, written once. */
export const instruments = defineTable({
  name: "instruments",
  version: 1,
  tier: "critical",
  key: string(),
  fields: {
    contract: enumeration(["spot", "linear", "inverse"]),
    base: string(),
    quote: string(),
    settle: string(),
    contractSize: amount(),
    tick: amount(),
    lot: amount(),
    makerRate: amount(),
    takerRate: amount(),
    /** Equity at the start, in the settlement currency. */
    capital: amount(),
    orderQuantity: amount(),
    maxPosition: amount(),
    maxDrawdown: amount(),
    /** Distance of the inner quotes from the middle, and how far it may drift before an amend. */
    halfSpread: amount(),
    amendDistance: amount(),
  },
});

export const orders = defineTable({
  name: "orders",
  version: 1,
  tier: "critical",
  key: integer(),
  fields: {
    side: enumeration(["buy", "sell"]),
    kind: enumeration(["quote", "take"]),
    /** Which quote of its side: 0 the inner one. */
    level: integer(),
    status: enumeration(["open", "filled", "cancelled"]),
    price: amount(),
    quantity: amount(),
    filled: amount(),
    /** Nonce of the last request sent for this order; strictly increasing over all orders. */
    request: integer(),
    amends: integer(),
    placedEvent: integer(),
    changedEvent: integer(),
    changed: timestamp(),
  },
  checks: {
    filledWithinQuantity: ({ filled, quantity }) =>
      (filled.sign() >= 0 && filled.compare(quantity) <= 0) || `filled ${filled} of ${quantity}`,
    pricePositive: ({ price }) => price.sign() > 0,
  },
});

export const fills = defineTable({
  name: "fills",
  version: 1,
  tier: "critical",
  key: integer(),
  fields: {
    order: integer(),
    event: integer(),
    time: timestamp(),
    side: enumeration(["buy", "sell"]),
    liquidity: enumeration(["maker", "taker"]),
    price: amount(),
    quantity: amount(),
    /** Fee and profit of this fill, in the settlement currency. */
    fee: amount(),
    realised: amount(),
  },
});

export const positions = defineTable({
  name: "positions",
  version: 1,
  tier: "critical",
  key: string(),
  fields: {
    quantity: amount(),
    /** What the open quantity was bought for; below zero: what it was sold short for. */
    cost: amount(),
    realised: amount(),
    fees: amount(),
    limit: amount(),
  },
  checks: {
    withinLimit: ({ quantity, limit }) =>
      quantity.abs().compare(limit) <= 0 || `position ${quantity}, limit ${limit}`,
  },
});

export const balances = defineTable({
  name: "balances",
  version: 1,
  tier: "critical",
  key: string(),
  fields: {
    total: amount(),
    /** Part of the total that open orders may need. */
    reserved: amount(),
  },
  checks: {
    notNegative: ({ total }) => total.sign() >= 0 || `balance ${total}`,
    reservedWithinTotal: ({ total, reserved }) =>
      (reserved.sign() >= 0 && reserved.compare(total) <= 0) || `${reserved} of ${total} reserved`,
  },
});

/** Risk figures by symbol, in the settlement currency. */
export const risk = defineTable({
  name: "risk",
  version: 1,
  tier: "critical",
  key: string(),
  fields: {
    mark: amount(),
    /** Value of the position at the mark, without sign. */
    exposure: amount(),
    /** Value of all open buy and sell orders at their prices, without sign. */
    openBuys: amount(),
    openSells: amount(),
    equity: amount(),
    peakEquity: amount(),
    drawdown: amount(),
    largestDrawdown: amount(),
    markedEvent: integer(),
  },
  checks: { drawdownNotNegative: ({ drawdown }) => drawdown.sign() >= 0 },
});

/** The last number given out, by kind: "order", "fill", "request". */
export const nonces = defineTable({
  name: "nonces",
  version: 1,
  tier: "critical",
  key: string(),
  fields: { last: integer() },
});

/** What the strategy remembers, by symbol, and how often it has acted. */
export const strategies = defineTable({
  name: "strategies",
  version: 1,
  tier: "critical",
  key: string(),
  fields: {
    /** The largest drawdown allowed was passed: no more quotes, the position is closed. */
    halted: boolean(),
    lastTakeEvent: integer(),
    placed: integer(),
    amended: integer(),
    cancelled: integer(),
    taken: integer(),
  },
});

/** Every table of the replay, in the order of their names. */
export const REPLAY_TABLES = [
  balances,
  bookLevels,
  fills,
  instruments,
  keptDiffs,
  lastTrades,
  market,
  nonces,
  orders,
  positions,
  progress,
  queueAhead,
  risk,
  strategies,
] as const;

export type ProgressRow = RowOf<typeof progress>;
export type MarketRow = RowOf<typeof market>;
export type InstrumentRow = RowOf<typeof instruments>;
export type OrderRow = RowOf<typeof orders>;
export type FillRow = RowOf<typeof fills>;
export type PositionRow = RowOf<typeof positions>;
export type BalanceRow = RowOf<typeof balances>;
export type RiskRow = RowOf<typeof risk>;
export type StrategyRow = RowOf<typeof strategies>;
export type FillInput = InputOf<typeof fills>;
