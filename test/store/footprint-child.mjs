// Puts rows of several shapes; tells what the heap grew by for each row, and what was counted.
import {
  Decimal,
  decimal,
  defineTable,
  integer,
  list,
  open,
  string,
  timestamp,
} from "../../dist/index.js";

const ROWS = 5_000;
const WARM_UP = 1_000;

const money = (i) => Decimal.fromCoefficient(4_000_000_000 + i, 8);
const text = (i) => `key-of-${String(i).padStart(8, "0")}`;

const shape = (name, key, fields, keyOf, rowOf) => ({
  definition: defineTable({ name, version: 1, key, fields }),
  keyOf,
  rowOf,
});

const SHAPES = [
  shape(
    "tiny",
    integer(),
    { n: integer() },
    (i) => i,
    (i) => ({ n: i }),
  ),
  shape(
    "text",
    string(),
    { text: string() },
    (i) => text(i),
    (i) => ({ text: text(i).repeat(30) }),
  ),
  shape(
    "prices",
    string(),
    { bid: decimal(8), ask: decimal(8), last: decimal(8), at: timestamp() },
    (i) => text(i),
    (i) => ({ bid: money(i), ask: money(i + 1), last: money(i + 2), at: 1.7e15 + i }),
  ),
  shape(
    "pairs",
    [integer(), string()],
    { amount: decimal(8), note: string() },
    (i) => [i, "BTC-USDT"],
    (i) => ({ amount: money(i), note: text(i) }),
  ),
  shape(
    "lists",
    integer(),
    { fills: list(timestamp()) },
    (i) => i,
    (i) => ({ fills: Array.from({ length: 20 }, (_, j) => 1.7e15 + i + j) }),
  ),
];

async function settledHeap() {
  for (let i = 0; i < 5; i++) {
    globalThis.gc();
    await new Promise((resolve) => setImmediate(resolve));
  }
  return process.memoryUsage().heapUsed;
}

const store = await open(process.argv[2], {
  tables: SHAPES.map(({ definition }) => definition),
  cacheBytes: 1_000_000_000,
  recoveryBudgetMillis: 60_000,
});
const told = [];
for (const { definition, keyOf, rowOf } of SHAPES) {
  const table = store.table(definition);
  const put = async (from, to) => {
    for (let i = from; i < to; i++) {
      const durable = table.put(keyOf(i), rowOf(i));
      if (i % 500 === 0) await durable;
    }
    await store.durable();
    // Until it is asked for, a row is packed and takes less.
    for (let i = from; i < to; i++) table.get(keyOf(i));
  };
  await put(0, WARM_UP);
  const heap = await settledHeap();
  const counted = store.stats().memory.rowBytes;
  await put(WARM_UP, WARM_UP + ROWS);
  told.push({
    name: definition.name,
    heap: ((await settledHeap()) - heap) / ROWS,
    counted: (store.stats().memory.rowBytes - counted) / ROWS,
  });
}
await store.close();
process.stdout.write(JSON.stringify(told));
