// The state that is measured: four tables of a trading engine, every row of them 128 bytes, key
// included, as the store encodes it. Rows follow from a seed, so that any process can make any of them.
import {
  Decimal,
  decimal,
  defineTable,
  enumeration,
  integer,
  string,
  timestamp,
} from "../../dist/index.js";

/** Encoded key and row together. */
export const ROW_BYTES = 128;

export const SEED = 20_260_301;

const SYMBOLS = Array.from({ length: 64 }, (_, i) => {
  const base = ["BTC", "ETH", "SOL", "XRP", "ADA", "DOT", "LTC", "UNI"][i & 7];
  return `${base}-${["USDT", "USDC", "BUSD", "EURC", "GBPX", "JPYC", "FDUS", "TUSD"][i >> 3]}`;
});
const VENUES = ["binance", "bitmexx", "coinbas", "krakenx"];
const HEX = Array.from({ length: 65_536 }, (_, i) => i.toString(16).padStart(4, "0"));
const EPOCH_MICROS = 1_772_323_200_000_000;

/** A stream of 32-bit numbers; one at a time is in use, so there is but one. */
let stream = 0;

function startStream(...parts) {
  let hash = SEED;
  for (const part of parts) hash = Math.imul(hash ^ part, 0x9e3779b1) ^ (hash >>> 15);
  stream = hash;
}

function next() {
  stream = (stream + 0x9e3779b9) | 0;
  let mixed = stream ^ (stream >>> 16);
  mixed = Math.imul(mixed, 0x21f0aaad);
  mixed = Math.imul(mixed ^ (mixed >>> 15), 0x735a2d97);
  return (mixed ^ (mixed >>> 15)) >>> 0;
}

const ID_DIGITS = 16;
const DESKS = ["momentum", "mean-reversion", "market-making", "arbitrage", "hedging", "treasury"];
const LABELS = Array.from(
  { length: 32 },
  (_, i) =>
    `desk-${String(i).padStart(2, "0")}/${DESKS[i % DESKS.length]}/eu-west-1/production/main`,
);

/** A text such as ids of the outside world are: part of it always the same, 16 hex digits never. */
function reference(length) {
  const [high, low] = [next(), next()];
  const id = HEX[high >>> 16] + HEX[high & 0xffff] + HEX[low >>> 16] + HEX[low & 0xffff];
  return pick(LABELS).slice(0, length - ID_DIGITS) + id;
}

const pick = (list) => list[next() % list.length];

// Ranges are such that every value of a field takes the same number of bytes.
const price = () => Decimal.fromCoefficient(4_300_000_000 + next() * 1_000, 8);
const amount = () => Decimal.fromCoefficient(66_000 + (next() % 4_000_000_000), 6);
const time = () => EPOCH_MICROS + next() * 20;
const account = () => 100_000 + (next() % 2_000_000);
const number = () => 70_000 + (next() % 4_000_000_000);

const orders = defineTable({
  name: "orders",
  version: 1,
  key: string(),
  fields: {
    symbol: string(),
    account: integer(),
    side: enumeration(["buy", "sell"]),
    status: enumeration(["new", "open", "partial", "filled", "cancelled"]),
    price: decimal(8),
    quantity: decimal(6),
    filled: decimal(6),
    placed: timestamp(),
    updated: timestamp(),
    venue: string(),
    clientId: string(),
  },
});

const positions = defineTable({
  name: "positions",
  version: 1,
  key: [integer(), string()],
  fields: {
    quantity: decimal(6),
    averagePrice: decimal(8),
    realized: decimal(8),
    fees: decimal(8),
    margin: decimal(8),
    opened: timestamp(),
    updated: timestamp(),
    lastTrade: integer(),
    strategy: string(),
  },
});

const quotes = defineTable({
  name: "quotes",
  version: 1,
  key: string(),
  fields: {
    venue: string(),
    bid: decimal(8),
    ask: decimal(8),
    bidSize: decimal(6),
    askSize: decimal(6),
    last: decimal(8),
    high: decimal(8),
    low: decimal(8),
    time: timestamp(),
    trades: integer(),
    source: string(),
  },
});

const trades = defineTable({
  name: "trades",
  version: 1,
  key: integer(),
  fields: {
    symbol: string(),
    venue: string(),
    price: decimal(8),
    quantity: decimal(6),
    side: enumeration(["buy", "sell"]),
    buyer: integer(),
    seller: integer(),
    fee: decimal(8),
    time: timestamp(),
    orderId: string(),
  },
});

/** Of each table: its definition, a key by number, a row without its last text, and that text's length. */
export const TABLES = [
  {
    definition: orders,
    key: (index) => `o-${String(index).padStart(12, "0")}`,
    fill: 50,
    row: (fill) => ({
      symbol: pick(SYMBOLS),
      account: account(),
      side: (next() & 1) === 0 ? "buy" : "sell",
      status: pick(["new", "open", "partial", "filled", "cancelled"]),
      price: price(),
      quantity: amount(),
      filled: amount(),
      placed: time(),
      updated: time(),
      venue: pick(VENUES),
      clientId: reference(fill),
    }),
  },
  {
    definition: positions,
    key: (index) => [100_000 + (index >> 6), SYMBOLS[index & 63]],
    fill: 43,
    row: (fill) => ({
      quantity: amount(),
      averagePrice: price(),
      realized: price(),
      fees: price(),
      margin: price(),
      opened: time(),
      updated: time(),
      lastTrade: number(),
      strategy: reference(fill),
    }),
  },
  {
    definition: quotes,
    key: (index) => `${SYMBOLS[index & 63]}-${String(index >> 6).padStart(8, "0")}-C`,
    fill: 30,
    row: (fill) => ({
      venue: pick(VENUES),
      bid: price(),
      ask: price(),
      bidSize: amount(),
      askSize: amount(),
      last: price(),
      high: price(),
      low: price(),
      time: time(),
      trades: number(),
      source: reference(fill),
    }),
  },
  {
    definition: trades,
    key: (index) => 1_000_000_000 + index * 4,
    fill: 57,
    row: (fill) => ({
      symbol: pick(SYMBOLS),
      venue: pick(VENUES),
      price: price(),
      quantity: amount(),
      side: (next() & 1) === 0 ? "buy" : "sell",
      buyer: account(),
      seller: account(),
      fee: price(),
      time: time(),
      orderId: reference(fill),
    }),
  },
];

export const DEFINITIONS = TABLES.map(({ definition }) => definition);

export const keyOf = (table, index) => TABLES[table].key(index);

/** The row of a key after its `version`-th change; 0 is what the state is built with. */
export function rowOf(table, index, version) {
  startStream(table, index, version);
  return TABLES[table].row(TABLES[table].fill);
}

/** A key that sorts among those of the table, and that the table never has. */
export function absentKeyOf(table, index) {
  const key = keyOf(table, index);
  if (typeof key === "number") return key + 1 + (index % 3);
  if (typeof key === "string") return `${key}x`;
  return [key[0], `${key[1]}x`];
}
