// The tables that all contenders have, and rows for them. A decimal is an integer coefficient for
// peers, as an application of theirs would keep it, and a Decimal for the store.
import { encode } from "@msgpack/msgpack";

/** By table: the type of each field. All keys are strings. */
export const TABLES = {
  orders: {
    symbol: "string",
    client: "string",
    venue: "string",
    price: "decimal",
    quantity: "decimal",
    side: "string",
    placed: "timestamp",
    filled: "integer",
    open: "boolean",
  },
  positions: { quantity: "decimal", average: "decimal", updated: "timestamp" },
  balances: { amount: "decimal", reserved: "decimal" },
  risk: { exposure: "decimal", orders: "integer" },
  nonces: { next: "integer" },
  quotes: {
    bid: "decimal",
    bidQuantity: "decimal",
    ask: "decimal",
    askQuantity: "decimal",
    update: "integer",
  },
  usertable: Object.fromEntries(Array.from({ length: 10 }, (_, i) => [`field${i}`, "string"])),
};

/** Digits after the point of every decimal. */
export const SCALE = 8;

export const TABLE_NAMES = Object.keys(TABLES);

const KEYS = Array.from({ length: 1000 }, (_, i) => `order-${i}`);
const CLIENTS = Array.from({ length: 16 }, (_, i) => `client-${1000 + i}`);
const SYMBOLS = ["BTCUSDT", "ETHUSDT", "SOLUSDT", "BNBUSDT"];

/** Makes rows with the decimals of one contender; no two of a run are the same. */
export class Rows {
  #decimal;
  #prices;
  #quantities;
  #next = 0;

  constructor(decimal) {
    this.#decimal = decimal;
    this.#prices = Array.from({ length: 64 }, (_, i) => decimal(6_170_063_000_000 + i * 1_000_000));
    this.#quantities = Array.from({ length: 64 }, (_, i) => decimal(10_000_000 + i * 100_000));
  }

  /** `[key, row]` of table "orders": one of a thousand keys. */
  nextOrder() {
    const i = this.#next++;
    return [KEYS[i % 1000], this.order(i)];
  }

  order(i) {
    return {
      symbol: SYMBOLS[i & 3],
      client: CLIENTS[i & 15],
      venue: "binance",
      price: this.#prices[i & 63],
      quantity: this.#quantities[(i >> 6) & 63],
      side: (i & 1) === 0 ? "buy" : "sell",
      placed: 1_723_161_254_000_000 + i,
      filled: i,
      open: true,
    };
  }

  /** One fill: five rows of five tables. */
  nextFill() {
    const i = this.#next++;
    const decimal = this.#decimal;
    const symbol = SYMBOLS[i & 3];
    const at = 1_723_161_254_000_000 + i;
    const position = { quantity: decimal(i * 1000), average: this.#prices[i & 63], updated: at };
    return [
      ["orders", KEYS[i % 1000], this.order(i)],
      ["positions", symbol, position],
      ["balances", CLIENTS[i & 15], { amount: decimal(1e12 - i), reserved: decimal(i) }],
      ["risk", symbol, { exposure: decimal(i * 61_700), orders: i & 1023 }],
      ["nonces", CLIENTS[i & 15], { next: i }],
    ];
  }
}

/** What a row holds, whoever keeps it: its values as a msgpack array, without names, and its key. */
export function logicalBytes(key, row) {
  const values = Object.values(row).map((value) =>
    typeof value === "object" ? Number(value.coefficient) : value,
  );
  return encode(values).length + Buffer.byteLength(key);
}

/** The same rows as `Rows` makes, to weigh what they hold. */
export function meanOrderBytes() {
  const rows = new Rows((coefficient) => coefficient);
  const count = 1000;
  let sum = 0;
  for (let i = 0; i < count; i++) sum += logicalBytes(...rows.nextOrder());
  return sum / count;
}

export function meanFillBytes() {
  const rows = new Rows((coefficient) => coefficient);
  const count = 1000;
  let sum = 0;
  for (let i = 0; i < count; i++) {
    for (const [, key, row] of rows.nextFill()) sum += logicalBytes(key, row);
  }
  return sum / count;
}
