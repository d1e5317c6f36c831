// The row of nine fields that the design speaks of, different in every write.
import {
  boolean,
  Decimal,
  decimal,
  defineTable,
  enumeration,
  integer,
  string,
  timestamp,
} from "../dist/index.js";

export const orders = defineTable({
  name: "orders",
  version: 1,
  key: string(),
  fields: {
    symbol: string(),
    client: string(),
    venue: string(),
    price: decimal(8),
    quantity: decimal(8),
    side: enumeration(["buy", "sell"]),
    placed: timestamp(),
    filled: integer(),
    open: boolean(),
  },
});

export const KEYS = Array.from({ length: 1000 }, (_, i) => `order-${i}`);
const CLIENTS = Array.from({ length: 16 }, (_, i) => `client-${1000 + i}`);
const PRICES = Array.from({ length: 64 }, (_, i) => Decimal.of(`617${i}.63`, 8));
const QUANTITIES = Array.from({ length: 64 }, (_, i) => Decimal.of(`0.${100 + i}`, 8));

/** No two rows of a run are the same. */
export function row(i) {
  return {
    symbol: "BTCUSDT",
    client: CLIENTS[i & 15],
    venue: "binance",
    price: PRICES[i & 63],
    quantity: QUANTITIES[(i >> 6) & 63],
    side: (i & 1) === 0 ? "buy" : "sell",
    placed: 1_723_161_254_000_000 + i,
    filled: i,
    open: true,
  };
}
