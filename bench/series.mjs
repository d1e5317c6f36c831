// What a series costs: appends of a row and of batches, sealing, reads. `npm run bench -- series`
import { execFileSync } from "node:child_process";
import { createReadStream, mkdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { parseArgs } from "node:util";
import { createGunzip } from "node:zlib";
import { boolean, decimal, defineSeries, int64, ohlcv, open, timestamp } from "../dist/index.js";
import { cleanUp, cleanUpOnSignals, removeAtEnd } from "./children.mjs";
import { describeMachine } from "./machine.mjs";
import { micros, millis, number, textTable } from "./text.mjs";

const TAPE = new URL("../tapes/binance_spot_btcusdt_20240808.jsonl.gz", import.meta.url);
const CHUNK_ROWS = 4096;
/** Of five columns of 8 bytes and one of one. */
const ROW_BYTES = 41;

const columns = {
  exchangeTime: timestamp(),
  id: int64(),
  price: decimal(2),
  quantity: decimal(5),
  sellerTook: boolean(),
};
const define = (name) =>
  defineSeries({ name, columns, late: "insert", tier: "important", chunkRows: CHUNK_ROWS });
const [single, small, large] = ["single", "small", "large"].map(define);

async function readTrades() {
  const trades = [];
  const input = createReadStream(TAPE).pipe(createGunzip());
  for await (const line of createInterface({ input })) {
    if (!line.includes('"btcusdt@trade"')) continue;
    const { data } = JSON.parse(line.slice(20));
    trades.push({
      time: Number(line.slice(0, 16)),
      exchangeTime: data.T * 1000,
      id: BigInt(data.t),
      price: data.p,
      quantity: data.q,
      sellerTook: data.m,
    });
  }
  return trades;
}

/** So many rows as typed arrays: the tape again and again, each time behind the time before. */
function batchOf(trades, rows) {
  const span = trades.at(-1).time - trades[0].time + 1;
  const of = (type, value) =>
    type.from({ length: rows }, (_, i) => value(trades[i % trades.length], i));
  const later = (i) => Math.floor(i / trades.length) * span;
  const scaled = (text, scale) => BigInt(Math.round(Number(text) * 10 ** scale));
  return {
    time: of(Float64Array, ({ time }, i) => time + later(i)),
    exchangeTime: of(Float64Array, ({ exchangeTime }, i) => exchangeTime + later(i)),
    id: of(BigInt64Array, ({ id }, i) => id + BigInt(i - (i % trades.length))),
    price: of(BigInt64Array, ({ price }) => scaled(price, 2)),
    quantity: of(BigInt64Array, ({ quantity }) => scaled(quantity, 5)),
    sellerTook: of(Uint8Array, ({ sellerTook }) => Number(sellerTook)),
  };
}

const part = (batch, from, to) =>
  Object.fromEntries(
    Object.entries(batch).map(([name, values]) => [name, values.subarray(from, to)]),
  );

/** CPU of one call of `work`, in microseconds of this thread, the best of some rounds. */
function timed(rounds, work) {
  let best = Number.POSITIVE_INFINITY;
  for (let round = 0; round < rounds; round++) {
    const start = performance.now();
    work(round);
    best = Math.min(best, (performance.now() - start) * 1000);
  }
  return best;
}

/** Median of the time of a call that seals no chunk, and of one that does, in microseconds. */
async function appends(store, series, count, inputOf, rowsOf) {
  const handle = store.series(series);
  const plain = [];
  const sealing = [];
  let rows = 0;
  for (let i = 0; i < count; i++) {
    const input = inputOf(i);
    const start = performance.now();
    handle.append(input);
    const took = (performance.now() - start) * 1000;
    const before = Math.floor(rows / CHUNK_ROWS);
    rows += rowsOf;
    (Math.floor(rows / CHUNK_ROWS) > before ? sealing : plain).push(took);
    if (i % 256 === 255) await store.durable();
  }
  await store.durable();
  const median = (values) => values.sort((a, b) => a - b)[values.length >> 1];
  return { plain: median(plain), sealing: median(sealing) };
}

async function measure(directory, rows) {
  const trades = await readTrades();
  const store = await open(directory, { series: [single, small, large] });
  const batch = batchOf(trades, rows);
  const one = await appends(store, single, 2 * CHUNK_ROWS + 8, (i) => trades[i], 1);
  const hundred = await appends(
    store,
    small,
    Math.floor(rows / 100),
    (i) => part(batch, 100 * i, 100 * i + 100),
    100,
  );
  const whole = store.series(large);
  const per = 10 * CHUNK_ROWS;
  const begun = performance.now();
  for (let at = 0; at < rows; at += per) await whole.append(part(batch, at, at + per));
  await store.durable();
  const bulk = ((performance.now() - begun) * 1000) / rows;
  const all = timed(3, () => whole.range());
  const price = timed(3, () => whole.range({ columns: ["price"] }));
  const candles = timed(3, () => whole.resample(60_000_000, ohlcv("price", "quantity")));
  const middle = batch.time[rows >> 1];
  const at = timed(20, (i) => whole.at(middle + i * 1000));
  const last = timed(20, () => whole.last(100));
  const sealed = await bytesOf(store, directory);
  return { rows, one, hundred, bulk, all, price, candles, at, last, ...sealed };
}

/** Bytes of a row in sealed chunks, as the command tells. */
async function bytesOf(store, directory) {
  await store.close();
  const cli = new URL("../dist/cli/main.js", import.meta.url).pathname;
  const lines = execFileSync(process.execPath, [cli, "series", directory, "--json"], {
    encoding: "utf8",
  });
  const found = lines
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line));
  const { sealedBytes, sealedRows } = found.find(({ name }) => name === "large");
  return { rowBytes: sealedBytes / sealedRows };
}

function print({ rows, one, hundred, bulk, all, price, candles, at, last, rowBytes }) {
  const perSecond = (took) => `${number(rows / took, 1)} million rows/s`;
  console.log(
    textTable([
      ["trades of six columns", "time of the call", "rate"],
      ["append one row", micros(one.plain), ""],
      ["the same, sealing a chunk of 4,096", millis(one.sealing / 1000), ""],
      [
        "append 100 rows",
        micros(hundred.plain),
        `${number(100 / hundred.plain, 1)} million rows/s`,
      ],
      ["the same, sealing a chunk", millis(hundred.sealing / 1000), ""],
      [
        "a row in batches of ten chunks, to durable",
        micros(bulk),
        `${number(1 / bulk, 2)} million rows/s`,
      ],
      [`range of all ${number(rows)} rows`, millis(all / 1000), perSecond(all)],
      ["range of all, the price alone", millis(price / 1000), perSecond(price)],
      ["candles of a minute of all", millis(candles / 1000), perSecond(candles)],
      ["at, in a sealed chunk", micros(at), ""],
      ["last 100", micros(last), ""],
    ]),
  );
  console.log(
    `\na row in sealed chunks: ${number(rowBytes, 2)} bytes, ${number(ROW_BYTES / rowBytes, 1)}:1`,
  );
}

export async function series(args) {
  const { values } = parseArgs({
    args,
    options: {
      dir: { type: "string", default: ".tmp/bench" },
      rows: { type: "string" },
      quick: { type: "boolean", default: false },
      json: { type: "string" },
    },
  });
  const rows = Number(values.rows ?? (values.quick ? 100_000 : 1_000_000));
  const directory = join(values.dir, "series");
  cleanUpOnSignals();
  removeAtEnd(directory);
  rmSync(directory, { recursive: true, force: true });
  mkdirSync(values.dir, { recursive: true });
  try {
    const result = await measure(directory, rows);
    print(result);
    const machine = describeMachine();
    if (values.json !== undefined)
      writeFileSync(values.json, JSON.stringify({ machine, ...result }));
  } finally {
    cleanUp();
  }
}
