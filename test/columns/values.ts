/** Values of columns: hostile ones, and such as markets make. */
import type { ColumnValues } from "../../src/columns/columns.js";
import fc from "../support/properties.js";

const INT64_MIN = -(2n ** 63n);
const INT64_MAX = 2n ** 63n - 1n;

/** Every kind of bits, NaN with a payload too. */
const anyBits = fc.oneof(
  fc.bigInt({ min: INT64_MIN, max: INT64_MAX }),
  fc.constantFrom(INT64_MIN, INT64_MAX, 0n, -1n, 1n, 2n ** 53n, 2n ** 52n, -(2n ** 52n)),
);

const anyFloat = fc.oneof(
  fc.double(),
  fc.constantFrom(0, -0, Number.NaN, Infinity, -Infinity, 5e-324, -5e-324, 1.7e308, 2 ** 53),
  fc.integer({ min: -1_000_000, max: 1_000_000 }).map((n) => n / 100),
);

function floatsOf(bits: readonly bigint[]): Float64Array {
  return new Float64Array(BigInt64Array.from(bits).buffer);
}

/** Steps from value to value: small ones, none, and now and then a wild one. */
const step = fc.oneof(
  { weight: 6, arbitrary: fc.bigInt({ min: -3n, max: 3n }) },
  { weight: 3, arbitrary: fc.constant(0n) },
  { weight: 2, arbitrary: fc.bigInt({ min: -100_000n, max: 100_000n }) },
  { weight: 1, arbitrary: anyBits },
);

function walk(count: number): fc.Arbitrary<BigInt64Array> {
  const values = fc.array(step, { minLength: count, maxLength: count });
  return fc.tuple(values, fc.constantFrom(1n, 1000n, 2n ** 30n)).map(([steps, scale]) => {
    let value = 0n;
    return BigInt64Array.from(steps, (one) => {
      value = BigInt.asIntN(64, value + one * scale);
      return value;
    });
  });
}

function listOf<T>(one: fc.Arbitrary<T>, count: number): fc.Arbitrary<T[]> {
  return fc.array(one, { minLength: count, maxLength: count });
}

const text = fc.oneof(
  fc.constantFrom("BTC-USD", "ETH-USD", ""),
  fc.string({ unit: "binary", maxLength: 12 }),
  fc.constantFrom("\ud800", "a\udc00b", "😀"),
);

export function anyColumn(count: number): fc.Arbitrary<ColumnValues> {
  const int64 = (values: BigInt64Array): ColumnValues => ({ type: "int64", values });
  const float64 = (values: Float64Array): ColumnValues => ({ type: "float64", values });
  return fc.oneof(
    listOf(anyBits, count).map((bits) => int64(BigInt64Array.from(bits))),
    walk(count).map(int64),
    listOf(anyBits, count).map((bits) => float64(floatsOf(bits))),
    listOf(anyFloat, count).map((floats) => float64(Float64Array.from(floats))),
    walk(count).map((lanes) => float64(Float64Array.from(lanes, (n) => Number(n) / 1000))),
    walk(count).map((lanes) =>
      float64(Float64Array.from(lanes, (n) => Math.fround(Number(n) / 7))),
    ),
    listOf(fc.boolean(), count).map((bits): ColumnValues => {
      return { type: "boolean", values: Uint8Array.from(bits, Number) };
    }),
    listOf(text, count).map((values): ColumnValues => ({ type: "string", values })),
  );
}

/** Sizes around those of blocks, states and stretches of the sample. */
const size = fc.oneof(
  fc.integer({ min: 0, max: 12 }),
  fc.constantFrom(127, 128, 129, 257, 1040, 1041, 2100),
);

export const anyColumns = size.chain((count) =>
  fc.tuple(
    fc.constant(count),
    fc
      .array(anyColumn(count), { minLength: 1, maxLength: 5 })
      // Columns that are near another one.
      .chain((columns) =>
        fc.boolean().map((twice) => (twice ? [...columns, ...columns] : columns)),
      ),
  ),
);

/** Bytes of the values, or their texts: NaN compares by its payload so. */
export function bitsOf({ type, values }: ColumnValues): string | readonly string[] {
  if (type === "string") return values;
  return Buffer.from(values.buffer, values.byteOffset, values.byteLength).toString("hex");
}

export function sliceOf(column: ColumnValues, from: number, to: number): ColumnValues {
  return { type: column.type, values: column.values.slice(from, to) } as ColumnValues;
}

/** Quotes of an exchange, from a fixed sequence of numbers. */
export function quotes(count: number): ColumnValues[] {
  let state = 1;
  const below = (n: number): number => {
    state = (Math.imul(state, 1_103_515_245) + 12_345) >>> 0;
    return (state >>> 8) % n;
  };
  let [time, bid] = [1_723_161_255_000_000n, 6_180_020];
  const columns = {
    time: new BigInt64Array(count),
    exchangeTime: new BigInt64Array(count),
    bid: new Float64Array(count),
    ask: new Float64Array(count),
    isBuy: new Uint8Array(count),
    symbol: new Array<string>(count),
  };
  for (let i = 0; i < count; i++) {
    time += BigInt(below(10) === 0 ? below(100_000) : below(50));
    bid += below(20) === 0 ? below(7) - 3 : 0;
    columns.time[i] = time;
    columns.exchangeTime[i] = (time / 1000n) * 1000n + 1_270_000n;
    columns.bid[i] = bid / 100;
    columns.ask[i] = (bid + 10) / 100;
    columns.isBuy[i] = below(2);
    columns.symbol[i] = below(9) === 0 ? "ETHUSDT" : "BTCUSDT";
  }
  return [
    { type: "int64", values: columns.time },
    { type: "int64", values: columns.exchangeTime },
    { type: "float64", values: columns.bid },
    { type: "float64", values: columns.ask },
    { type: "boolean", values: columns.isBuy },
    { type: "string", values: columns.symbol },
  ];
}
