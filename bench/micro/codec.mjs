/**
 * What rows, keys and decimals cost the hot thread, in nanoseconds each, beside `@msgpack/msgpack`.
 * Run: npm run build:ts && node bench/micro/codec.mjs [folder of the built codec]
 */
import { resolve } from "node:path";
import { pathToFileURL } from "node:url";
import { Decoder, Encoder } from "@msgpack/msgpack";
import { Bench } from "tinybench";

/** Operations of one sample: a clock read costs more than a short one of them. */
const BATCH = 1000;

const folder = pathToFileURL(`${resolve(process.argv[2] ?? "dist/codec")}/`);
const load = (name) => import(new URL(`${name}.js`, folder).href);
const { boolean, decimal, defineTable, enumeration, integer, string, timestamp } =
  await load("schema");
const { compileRow, interpretRow } = await load("row");
const { compileKey } = await load("key");
const { Decimal } = await load("decimal");

const orders = defineTable({
  name: "orders",
  version: 1,
  key: string(),
  fields: {
    id: string(),
    symbol: string(),
    account: string(),
    price: decimal(8),
    quantity: decimal(8),
    side: enumeration(["buy", "sell"]),
    at: timestamp(),
    filled: integer(),
    open: boolean(),
  },
});
const pairs = defineTable({
  name: "p",
  version: 1,
  key: [string(), integer()],
  fields: { a: string() },
});

const inputs = Array.from({ length: BATCH }, (_, index) => ({
  id: `order-${10_000 + index}`,
  symbol: index % 2 === 0 ? "BTC-USDT" : "ETH-USDT",
  account: `acct-${1000 + (index % 100)}`,
  price: Decimal.of(`${61_000 + index}.63`, 8),
  quantity: Decimal.of(`0.${100 + index}`, 8),
  side: index % 3 === 0 ? "buy" : "sell",
  at: 1_754_000_000_000_000 + index * 977,
  filled: index * 17,
  open: index % 2 === 0,
}));
const context = { table: "orders", key: "order-1" };
const target = new Uint8Array(4 * 1024 * 1024);
const bench = new Bench({ time: 500, warmupTime: 300 });

/** Adds an operation; it gets the index of its input. */
function add(name, operation) {
  bench.add(name, () => {
    for (let index = 0; index < BATCH; index++) operation(index);
  });
}

for (const [name, compile] of [
  ["generated", compileRow],
  ["closures", interpretRow],
]) {
  const codec = compile(orders);
  const rows = inputs.map((input) => codec.normalize(input, context));
  const stored = rows.map((row) => target.slice(0, codec.encode(row, target, 0, target.length)));
  const kept = new Array(BATCH);
  add(`${name}: normalize`, (i) => {
    kept[i] = codec.normalize(inputs[i], context);
  });
  add(`${name}: normalize, spread of a row`, (i) => {
    kept[i] = codec.normalize({ ...rows[i], filled: i }, context);
  });
  add(`${name}: encode`, (i) => codec.encode(rows[i], target, i * 128, target.length));
  add(`${name}: normalize + encode`, (i) => {
    const row = codec.normalize(inputs[i], context);
    kept[i] = row;
    codec.encode(row, target, i * 128, target.length);
  });
  add(`${name}: decode`, (i) => {
    kept[i] = codec.decode(stored[i], 0, stored[i].length);
  });
  console.log(`${name}: ${stored[0].length} bytes a row`);
}

const plain = inputs.map((row) => [
  row.id,
  row.symbol,
  row.account,
  row.price.coefficient,
  row.quantity.coefficient,
  row.side === "buy" ? 0 : 1,
  row.at,
  row.filled,
  row.open,
]);
const [encoder, decoder] = [new Encoder(), new Decoder()];
const packed = plain.map((row) => encoder.encode(row));
add("msgpack: encodeSharedRef of the array", (i) => encoder.encodeSharedRef(plain[i]));
add("msgpack: decode", (i) => decoder.decode(packed[i]));

const [single, tuple] = [compileKey(orders.key), compileKey(pairs.key)];
const tuples = inputs.map((row, index) => [row.symbol, index]);
const sink = new Array(BATCH);
add("key, string: validate + encode", (i) => {
  single.encode(single.validate(inputs[i].id, "orders"), target, i * 64, target.length);
});
add("key, tuple: validate + encode", (i) => {
  tuple.encode(tuple.validate(tuples[i], "p"), target, i * 64, target.length);
});
add("key, string: mapKey", (i) => {
  sink[i] = single.mapKey(inputs[i].id);
});
add("key, tuple: mapKey", (i) => {
  sink[i] = tuple.mapKey(tuples[i]);
});
add("key, string: compare", (i) => {
  sink[i] = single.compare(inputs[i].id, inputs[BATCH - 1 - i].id);
});
add("decimal: add", (i) => {
  sink[i] = inputs[i].price.add(inputs[BATCH - 1 - i].price);
});
add("decimal: mul", (i) => {
  sink[i] = inputs[i].price.mul(inputs[BATCH - 1 - i].quantity);
});
add("decimal: mul to scale 8", (i) => {
  sink[i] = inputs[i].price.mul(inputs[BATCH - 1 - i].quantity, 8, "half-even");
});
add("decimal: div", (i) => {
  sink[i] = inputs[i].price.div(inputs[BATCH - 1 - i].price, 8, "half-even");
});
add("decimal: compare", (i) => {
  sink[i] = inputs[i].price.compare(inputs[BATCH - 1 - i].price);
});
const texts = inputs.map((row) => row.price.toString());
add("decimal: of a text", (i) => {
  sink[i] = Decimal.of(texts[i], 8);
});
add("decimal: toString", (i) => {
  sink[i] = inputs[i].price.toString();
});

await bench.run();
console.table(
  bench.tasks.map(({ name, result }) => ({
    name,
    "ns, p50": Number(((result.latency.p50 * 1e6) / BATCH).toFixed(1)),
    "ns, p99": Number(((result.latency.p99 * 1e6) / BATCH).toFixed(1)),
  })),
);
