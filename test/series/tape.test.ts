/** A recorded tape goes into a series and comes out of it to the bit; candles are those of a sum. */
import { createReadStream } from "node:fs";
import { createInterface } from "node:readline";
import { createGunzip } from "node:zlib";
import { beforeAll, expect, test } from "vitest";
import { boolean, decimal, defineSeries, int64, ohlcv, timestamp } from "../../src/index.js";
import { SimulatedMachine } from "../sim/disk.js";
import { openOn } from "../support/simulated-store.js";

const TAPE = new URL("../../tapes/binance_spot_btcusdt_20240808.jsonl.gz", import.meta.url);

const trades = defineSeries({
  name: "trades",
  columns: {
    exchangeTime: timestamp(),
    id: int64(),
    price: decimal(2),
    quantity: decimal(5),
    sellerTook: boolean(),
  },
  late: "insert",
});

interface Trade {
  readonly time: number;
  readonly exchangeTime: number;
  readonly id: bigint;
  readonly price: string;
  readonly quantity: string;
  readonly sellerTook: boolean;
}

const tape: Trade[] = [];

beforeAll(async () => {
  const input = createReadStream(TAPE).pipe(createGunzip());
  for await (const line of createInterface({ input })) {
    if (!line.includes('"btcusdt@trade"')) continue;
    const { data } = JSON.parse(line.slice(20));
    tape.push({
      time: Number(line.slice(0, 16)),
      exchangeTime: data.T * 1000,
      id: BigInt(data.t),
      price: data.p,
      quantity: data.q,
      sellerTook: data.m,
    });
  }
});

/** As an integer at that scale; the tape has two digits more than the market. */
function scaled(text: string, scale: number): bigint {
  const [whole = "", fraction = ""] = text.split(".");
  expect(fraction.slice(scale)).toMatch(/^0*$/);
  return BigInt(whole + fraction.slice(0, scale).padEnd(scale, "0"));
}

function columnsOf(rows: readonly Trade[]) {
  return {
    time: rows.map(({ time }) => time),
    exchangeTime: rows.map(({ exchangeTime }) => exchangeTime),
    id: rows.map(({ id }) => id),
    price: rows.map(({ price }) => price),
    quantity: rows.map(({ quantity }) => quantity),
    sellerTook: rows.map(({ sellerTook }) => sellerTook),
  };
}

test("the trades of the tape, over runs and an opening", async () => {
  expect(tape.length).toBe(9_757);
  const machine = new SimulatedMachine({ seed: 1 });
  const options = { series: [trades], frameBytesMax: 1024 * 1024, segmentBytes: 4 * 1024 * 1024 };
  let store = await openOn(machine, options);
  const half = tape.length >> 1;
  for (let at = 0; at < half; at += 50) {
    await machine.run(
      store.series(trades).append(columnsOf(tape.slice(at, Math.min(half, at + 50)))),
    );
  }
  await machine.run(store.series(trades).append(columnsOf(tape.slice(half))));
  await machine.run(store.close());
  store = await openOn(machine, options);
  const { time, columns, length } = store.series(trades).range();
  expect(length).toBe(tape.length);
  expect([...time]).toEqual(tape.map((trade) => trade.time));
  expect([...columns.exchangeTime]).toEqual(tape.map(({ exchangeTime }) => exchangeTime));
  expect([...columns.id]).toEqual(tape.map(({ id }) => id));
  expect([...columns.price]).toEqual(tape.map(({ price }) => scaled(price, 2)));
  expect([...columns.quantity]).toEqual(tape.map(({ quantity }) => scaled(quantity, 5)));
  expect([...columns.sellerTook]).toEqual(tape.map(({ sellerTook }) => Number(sellerTook)));

  for (const bucketMicros of [1_000_000, 60_000_000]) {
    const candles = store.series(trades).resample(bucketMicros, ohlcv("price", "quantity"));
    expect([...candles.rows()].map(plainCandle)).toEqual(candlesOf(bucketMicros));
  }
  await machine.run(store.close());
});

type Candle = readonly [time: number, open: string, high: string, low: string, ...string[]];

function plainCandle(candle: Readonly<Record<string, unknown>> & { time: number }): Candle {
  const { time, open, high, low, close, volume, count } = candle;
  return [time, `${open}`, `${high}`, `${low}`, `${close}`, `${volume}`, `${count}`];
}

function candlesOf(bucketMicros: number): Candle[] {
  const text = (value: bigint, scale: number) => {
    const digits = value.toString().padStart(scale + 1, "0");
    return `${digits.slice(0, -scale)}.${digits.slice(-scale)}`;
  };
  const buckets = new Map<number, Trade[]>();
  for (const trade of tape) {
    const start = trade.time - (trade.time % bucketMicros);
    const bucket = buckets.get(start) ?? [];
    buckets.set(start, bucket);
    bucket.push(trade);
  }
  return [...buckets].map(([time, rows]) => {
    const prices = rows.map(({ price }) => scaled(price, 2));
    const volume = rows.reduce((sum, { quantity }) => sum + scaled(quantity, 5), 0n);
    const sorted = prices.toSorted((a, b) => (a < b ? -1 : a > b ? 1 : 0));
    const [low, high] = [sorted[0] as bigint, sorted.at(-1) as bigint];
    return [
      time,
      text(prices[0] as bigint, 2),
      text(high, 2),
      text(low, 2),
      text(prices.at(-1) as bigint, 2),
      text(volume, 5),
      `${rows.length}`,
    ];
  });
}
