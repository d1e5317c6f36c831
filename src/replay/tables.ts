/**
 * The tables of the replay beside those of `holdfast/trading`, which hold orders, fills, positions,
 * balances, limits and nonces. What the market says is `important`: it can be read from the tape
 * again up to the place that is durable. What the strategy decides is `critical`.
 *
 * Decimals have eight digits after the point everywhere (see exact.ts).
 */
import {
  boolean,
  decimal,
  defineTable,
  enumeration,
  integer,
  type RowOf,
  string,
  type TableDefinition,
  timestamp,
} from "../index.js";
import { TRADING_TABLES } from "../trading/index.js";
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
    /** The latest time so far: the clock of the engine. */
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

/** What stands before an open quote at its price, by its number: an estimate, see fills.ts. */
export const queueAhead = defineTable({
  name: "queueAhead",
  version: 1,
  tier: "important",
  key: integer(),
  fields: { quantity: amount() },
});

/** How a symbol is traded, and at what fees: worked out from the tape, written once. */
export const plans = defineTable({
  name: "plans",
  version: 1,
  key: string(),
  fields: {
    /** What the account begins with, in the currency of settlement. */
    capital: amount(),
    makerRate: amount(),
    takerRate: amount(),
    orderQuantity: amount(),
    maxPosition: amount(),
    halfSpread: amount(),
    /** How far a quote may be from where it should stand before it is moved. */
    amendDistance: amount(),
  },
});

/** The open quotes, by the number of their order: what a venue does not know of them. */
export const quotes = defineTable({
  name: "quotes",
  version: 1,
  key: integer(),
  fields: {
    /** Which quote of its side: 0 the inner one. */
    level: integer(),
    placedEvent: integer(),
  },
});

/** What the strategy remembers, by symbol, and how often it has acted. */
export const strategies = defineTable({
  name: "strategies",
  version: 1,
  key: string(),
  fields: {
    lastTakeEvent: integer(),
    placed: integer(),
    amended: integer(),
    cancelled: integer(),
    taken: integer(),
  },
});

/** Every table of a replay, in the order of their names. */
export const REPLAY_TABLES: readonly TableDefinition[] = [
  ...([
    bookLevels,
    keptDiffs,
    lastTrades,
    market,
    plans,
    progress,
    queueAhead,
    quotes,
    strategies,
    ...TRADING_TABLES,
  ] as unknown as TableDefinition[]),
].sort((a, b) => (a.name < b.name ? -1 : 1));

export type MarketRow = RowOf<typeof market>;
export type PlanRow = RowOf<typeof plans>;
export type StrategyRow = RowOf<typeof strategies>;
