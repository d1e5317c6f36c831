/** What series refuse, by code and place, and that nothing is written then; and how they evolve. */
import { describe, expect, expectTypeOf, test } from "vitest";
import {
  boolean,
  bytes,
  type Decimal,
  decimal,
  defineSeries,
  defineTable,
  float64,
  int64,
  integer,
  isHoldfastError,
  type Store,
  string,
  timestamp,
  withDefault,
} from "../../src/index.js";
import { SimulatedMachine } from "../sim/disk.js";
import { Random } from "../sim/random.js";
import { items, openOn } from "../support/simulated-store.js";

const quotes = defineSeries({
  name: "quotes",
  columns: {
    seen: timestamp(),
    bid: decimal(2),
    size: float64(),
    count: integer(),
    id: int64(),
    firm: boolean(),
    venue: string(),
  },
});

const good = {
  ...{ time: 10, seen: 11, bid: "1.25", size: 0.5, count: 3, id: 7n, firm: true, venue: "X" },
} as const;

async function opened() {
  const machine = new SimulatedMachine({ seed: 1 });
  return { machine, store: await openOn(machine, { series: [quotes] }) };
}

function refusal(work: () => unknown): { code: string; field?: string; series?: string } {
  try {
    work();
  } catch (error) {
    if (!isHoldfastError(error)) throw error;
    const { field, series } = error.data;
    return {
      code: error.code,
      ...(field !== undefined && { field }),
      ...(series !== undefined && { series }),
    };
  }
  return { code: "none" };
}

describe("rows", () => {
  const wrong: [string, object, string | undefined][] = [
    ["a decimal that is a float", { ...good, bid: 1.25 }, "bid"],
    ["a decimal with more digits", { ...good, bid: "1.255" }, "bid"],
    ["a decimal that is not finite", { ...good, bid: "NaN" }, "bid"],
    ["a decimal of more than 64 bits", { ...good, bid: "92233720368547758.08" }, "bid"],
    ["a float that is not finite", { ...good, size: Number.NaN }, "size"],
    ["an integer with a fraction", { ...good, count: 1.5 }, "count"],
    ["an int64 that is a number", { ...good, id: 7 }, "id"],
    ["an int64 that is too great", { ...good, id: 2n ** 63n }, "id"],
    ["a boolean that is a number", { ...good, firm: 1 }, "firm"],
    ["a text that is too long", { ...good, venue: "é".repeat(128) }, "venue"],
    ["a lone surrogate", { ...good, venue: "\ud800" }, "venue"],
    ["a time with a fraction", { ...good, time: 10.5 }, "time"],
    ["a time that is missing", { ...good, time: undefined }, "time"],
    ["a column that is missing", { ...good, bid: undefined }, "bid"],
    ["a column that is unknown", { ...good, ask: "1.26" }, "ask"],
    ["a list in a row", { ...good, bid: ["1.25"] }, "bid"],
    ["a batch with one value", { ...good, time: [10] }, "seen"],
    ["no row at all", [], "time"],
  ];

  test.each(wrong)("%s", async (_, row, field) => {
    const { machine, store } = await opened();
    const code = refusal(() => store.series(quotes).appendSync(row as never));
    expect(code).toEqual({ code: "INVALID_ROW", field, series: "quotes" });
    expect(store.series(quotes).count()).toBe(0);
    expect(store.lastSequence).toBe(1);
    await machine.run(store.close());
  });

  test("a batch says which row", async () => {
    const { store } = await opened();
    const lists = Object.fromEntries(Object.entries(good).map(([name, one]) => [name, [one, one]]));
    const batch = { ...lists, bid: ["1.25", "1.2x"] };
    expect(() => store.series(quotes).appendSync(batch as never)).toThrow(
      'series "quotes", column "bid", row 1 of the batch',
    );
    const shorter = { ...lists, id: [1n] };
    expect(() => store.series(quotes).appendSync(shorter as never)).toThrow(
      "it has 1 values, and the batch 2 rows",
    );
  });

  test("late rows: the error names series and times", async () => {
    const { store } = await opened();
    store.series(quotes).appendSync(good);
    const late = () => store.series(quotes).appendSync({ ...good, time: 9 });
    expect(refusal(late)).toEqual({ code: "LATE_ROW", series: "quotes" });
    expect(late).toThrow("the row has time 9, and one before it 10");
    expect(store.series(quotes).count()).toBe(1);
  });

  test("what was caught after a write takes the transaction back", async () => {
    const { machine, store } = await opened();
    const work = store.transact((tx) => {
      tx.put(items, 1, { value: 1, text: "" });
      const rows = 4_000;
      const list = <T>(value: T) => Array.from({ length: rows }, () => value);
      // Far more than a frame of this store, whatever the codec makes of it.
      const venue = list("").map((_, i) => `${i}${"x".repeat(200)}${Math.sqrt(i)}`);
      const batch = {
        ...{ time: list(1), seen: list(1), bid: list("1.00"), size: list(1), count: list(1) },
        ...{ id: list(1n), firm: list(true), venue },
      };
      expect(refusal(() => tx.series(quotes).append(batch)).code).toBe("TOO_LARGE");
    });
    await expect(machine.run(work)).rejects.toMatchObject({ code: "TOO_LARGE" });
    expect(store.table(items).has(1)).toBe(false);
    expect(store.series(quotes).count()).toBe(0);
    expect(await machine.run(store.series(quotes).append(good))).toBe(1);
  });

  test("a check reads a series, and writes none", async () => {
    const machine = new SimulatedMachine({ seed: 1 });
    const check = {
      name: "few",
      tables: [items],
      holds: (tx: Parameters<Parameters<Store["transact"]>[0]>[0]) => {
        if (tx.series(quotes).count() > 0) tx.series(quotes).append(good);
        return true;
      },
    };
    const store = await openOn(machine, { series: [quotes], checks: [check] });
    await machine.run(store.table(items).put(1, { value: 1, text: "" }));
    await machine.run(store.series(quotes).append(good));
    const second = store.table(items).put(2, { value: 2, text: "" });
    await expect(machine.run(second)).rejects.toThrow("a check reads");
    expect(store.series(quotes).count()).toBe(1);
  });
});

describe("reads", () => {
  const reads: [string, (store: Store) => unknown][] = [
    [
      "a column that is not there",
      (store) => store.series(quotes).range({ columns: ["ask" as "bid"] }),
    ],
    ["an option that is not there", (store) => store.series(quotes).range({ from: 1 } as object)],
    ["a time with a fraction", (store) => store.series(quotes).at(0.5)],
    ["a bound that is none", (store) => store.series(quotes).range({ gte: Number.NaN })],
    ["a negative count", (store) => store.series(quotes).last(-1)],
    ["an empty bucket", (store) => store.series(quotes).resample(0, { rows: "count" })],
    ["a sum of texts", (store) => store.series(quotes).resample(1, { all: { sum: "venue" } })],
    [
      "an unknown aggregate",
      (store) => store.series(quotes).resample(1, { a: { mean: "bid" } as never }),
    ],
    [
      "another series",
      (store) => store.series(defineSeries({ name: "quotes", columns: { a: int64() } })),
    ],
  ];

  test.each(reads)("%s", async (_, read) => {
    const { store } = await opened();
    expect(refusal(() => read(store)).code).toBe("INVALID_ARGUMENT");
  });

  test("a sum of more than 64 bits", async () => {
    const { store } = await opened();
    const greatest = { ...good, id: 2n ** 63n - 1n };
    store.series(quotes).appendSync(greatest);
    expect(store.series(quotes).resample(60, { ids: { sum: "id" } }).columns.ids).toEqual(
      BigInt64Array.of(2n ** 63n - 1n),
    );
    store.series(quotes).appendSync(greatest);
    const sum = () => store.series(quotes).resample(60, { ids: { sum: "id" } });
    expect(refusal(sum)).toEqual({ code: "TOO_LARGE", field: "ids", series: "quotes" });
  });

  test("a view that was released, a store that is closed, a transaction that is over", async () => {
    const { machine, store } = await opened();
    const series = store.series(quotes);
    const view = store.view();
    const seen = view.series(quotes);
    view.release();
    expect(refusal(() => seen.count()).code).toBe("CLOSED");
    const kept = store.transactSync((tx) => tx.series(quotes));
    expect(refusal(() => kept.append(good)).code).toBe("INVALID_ARGUMENT");
    expect(refusal(() => kept.count()).code).toBe("INVALID_ARGUMENT");
    await machine.run(store.close());
    expect(refusal(() => series.count()).code).toBe("CLOSED");
    expect(refusal(() => series.appendSync(good)).code).toBe("CLOSED");
  });

  test("rows have the types of their columns", async () => {
    const { store } = await opened();
    store.series(quotes).appendSync(good);
    const slice = store.series(quotes).range({ columns: ["bid", "firm"] });
    expectTypeOf(slice.columns).toEqualTypeOf<{
      readonly bid: BigInt64Array;
      readonly firm: Uint8Array;
    }>();
    const row = store.series(quotes).at(10);
    expectTypeOf(row?.bid).toEqualTypeOf<Decimal | undefined>();
    expect(`${row?.bid} ${row?.firm} ${row?.id} ${row?.seen}`).toBe("1.25 true 7 11");
    expect([...slice.numbers("bid")]).toEqual([1.25]);
    const candles = store.series(quotes).resample(60, { low: { min: "bid" }, rows: "count" });
    expectTypeOf(candles.columns).toEqualTypeOf<{
      readonly low: BigInt64Array;
      readonly rows: Float64Array;
    }>();
    expect(() => slice.numbers("firm")).toThrow("no column of numbers");
  });
});

describe("definitions", () => {
  const columns = { price: decimal(2) };
  const wrong: [string, object][] = [
    ["a name that is none", { name: "1st", columns }],
    ["no columns", { name: "a", columns: {} }],
    ["a column called time", { name: "a", columns: { time: int64() } }],
    ["a column of bytes", { name: "a", columns: { raw: bytes() } }],
    ["an unknown option", { name: "a", columns, key: string() }],
    ["an unknown policy", { name: "a", columns, late: "ignore" }],
    ["a cached series", { name: "a", columns, tier: "cached" }],
    ["a capacity of nothing", { name: "a", columns, capacity: { rows: 0 } }],
    ["an unknown capacity", { name: "a", columns, capacity: { hours: 1 } }],
    ["a chunk of one row", { name: "a", columns, chunkRows: 1 }],
  ];

  test.each(wrong)("%s", (_, options) => {
    expect(refusal(() => defineSeries(options as never)).code).toBe("INVALID_SCHEMA");
  });

  test("the same series twice, and a table of the name of one of theirs", async () => {
    const machine = new SimulatedMachine({ seed: 1 });
    const twice = openOn(machine, { series: [quotes, quotes] });
    await expect(twice).rejects.toMatchObject({ code: "INVALID_ARGUMENT" });
    const table = defineTable({ name: "series.tail", version: 1, key: string(), fields: columns });
    const taken = openOn(machine, { series: [quotes], tables: [table] });
    await expect(taken).rejects.toMatchObject({ code: "INVALID_ARGUMENT" });
  });

  /** A store whose series was made with these columns, and has 20 rows in chunks of 16. */
  async function storeWith(series: ReturnType<typeof defineSeries>) {
    const machine = new SimulatedMachine({ seed: 1 });
    const store = await openOn(machine, { series: [series] });
    const time = Array.from({ length: 20 }, (_, i) => i);
    store.series(series).appendSync({ time, price: time.map(String), size: time } as never);
    await machine.run(store.close());
    return machine;
  }

  const first = defineSeries({
    name: "a",
    columns: { price: decimal(2), size: float64() },
    chunkRows: 16,
  });

  test.each([
    ["another scale", { price: decimal(3), size: float64() }, /price" is stored as decimal\(2\)/],
    ["another type", { price: decimal(2), size: int64() }, /size" is stored as float64/],
    ["one less", { price: decimal(2) }, /"size" is stored, and not declared/],
    ["another order", { size: float64(), price: decimal(2) }, /"price" is stored as number 1/],
    [
      "a new one without a default",
      { price: decimal(2), size: float64(), id: int64() },
      /"id" is new/,
    ],
  ])("another definition is refused: %s", async (_, changed, message) => {
    const machine = await storeWith(first);
    const other = defineSeries({ name: "a", columns: changed });
    const opening = openOn(machine, { series: [other] });
    await expect(opening).rejects.toMatchObject({ code: "SCHEMA_MISMATCH", data: { series: "a" } });
    await expect(openOn(machine, { series: [other] })).rejects.toThrow(message);
    const same = await openOn(machine, { series: [first] });
    expect(same.series(first).count()).toBe(20);
  });

  test("a column that was added has its default in older rows, and stays", async () => {
    const machine = await storeWith(first);
    const second = defineSeries({
      name: "a",
      columns: {
        ...{ price: decimal(2), size: float64() },
        ...{ side: withDefault(string(), "none"), fee: withDefault(decimal(4), "0.0010") },
      },
      chunkRows: 16,
    });
    const store = await openOn(machine, { series: [second] });
    store.series(second).appendSync({ time: 20, price: "20.00", size: 20, side: "buy" });
    const more = Array.from({ length: 20 }, (_, i) => 21 + i);
    store.series(second).appendSync({
      time: more,
      price: more.map(String),
      size: more,
      side: more.map(() => "sell"),
      fee: more.map(() => "1"),
    });
    const expectAll = (one: Store) => {
      const { columns: read, length } = one.series(second).range();
      expect(length).toBe(41);
      expect(read.side.slice(18, 22)).toEqual(["none", "none", "buy", "sell"]);
      expect([...read.fee.slice(18, 22)]).toEqual([10n, 10n, 10n, 10_000n]);
      expect([...one.series(second).resample(1_000, { fee: { sum: "fee" } }).columns.fee]).toEqual([
        21n * 10n + 20n * 10_000n,
      ]);
    };
    expectAll(store);
    machine.crash("kill");
    const again = await openOn(machine, { series: [second] });
    expectAll(again);
    await machine.run(again.close());
    await expect(openOn(machine, { series: [first] })).rejects.toThrow('"side" is stored');
  });

  test("a capacity of bytes forgets whole chunks, and never the newest", async () => {
    const noise = defineSeries({
      name: "noise",
      columns: { a: float64(), b: float64(), c: float64() },
      capacity: { bytes: 65_536 },
    });
    const machine = new SimulatedMachine({ seed: 1 });
    const sizes = { frameBytesMax: 1024 * 1024, segmentBytes: 4 * 1024 * 1024 };
    const store = await openOn(machine, { series: [noise], ...sizes });
    const random = new Random(5);
    // A chunk of 4,096 rows that nothing can be made of takes more than the capacity by itself.
    const part = (from: number) => {
      const time = Array.from({ length: 1_024 }, (_, i) => from + i);
      const values = () => time.map(() => random.below(2 ** 32) / 2 ** 32 + random.below(2 ** 31));
      return { time, a: values(), b: values(), c: values() };
    };
    for (let from = 0; from < 9 * 1_024; from += 1_024) {
      await machine.run(store.series(noise).append(part(from)));
    }
    expect(store.series(noise).count()).toBe(5 * 1_024);
    expect(store.series(noise).range().time[0]).toBe(4 * 1_024);
    await machine.run(store.close());
  });

  test("capacity and policies are the code's", async () => {
    const machine = await storeWith(first);
    const smaller = defineSeries({
      name: "a",
      columns: { price: decimal(2), size: float64() },
      ...{ capacity: { rows: 3 }, late: "drop", chunkRows: 16 },
    });
    const store = await openOn(machine, { series: [smaller] });
    expect([...store.series(smaller).range().time]).toEqual([17, 18, 19]);
    expect(store.series(smaller).appendSync({ time: 5, price: "1", size: 1 })).toBe(0);
    expect(store.series(smaller).appendSync({ time: 21, price: "1", size: 1 })).toBe(1);
    expect(store.series(smaller).count()).toBe(3);
  });
});
