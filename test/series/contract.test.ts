/** Series against a plain list of rows: any appends, any reads, over closings, kills and runs. */
import { describe, expect, test } from "vitest";
import type { LatePolicy, SeriesCapacity, SeriesReads, Store, View } from "../../src/index.js";
import { SimulatedMachine } from "../sim/disk.js";
import fc from "../support/properties.js";
import { openOn } from "../support/simulated-store.js";
import {
  batchOf,
  candlesIn,
  candlesOf,
  lineOf,
  linesOf,
  PlainSeries,
  sliced,
  type Tick,
  type TickValues,
  ticks,
} from "./model.js";

const values = {
  price: fc.oneof(
    fc.bigInt({ min: -100n, max: 100n }),
    fc.constantFrom(-(2n ** 63n), 2n ** 63n - 1n),
  ),
  size: fc.oneof(fc.double(), fc.constantFrom(-0, 0, Number.NaN, Infinity, -Infinity, 5e-324)),
  id: fc.oneof(fc.bigInt({ min: -3n, max: 3n }), fc.constantFrom(-(2n ** 63n), 2n ** 63n - 1n)),
  buy: fc.boolean(),
  venue: fc.oneof(fc.constantFrom("", "XNAS", "é😀"), fc.string({ maxLength: 20 })),
};

/** A row, and how far its time is from that of the row before it. */
const step = fc.record({
  by: fc.oneof(
    { weight: 6, arbitrary: fc.integer({ min: 0, max: 9 }) },
    { weight: 1, arbitrary: fc.integer({ min: -60, max: 60 }) },
  ),
  ...values,
});
type Step = typeof step extends fc.Arbitrary<infer T> ? T : never;

const command = fc.oneof(
  {
    weight: 8,
    arbitrary: fc.record({ kind: fc.constant("append"), steps: fc.array(step, { maxLength: 40 }) }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      kind: fc.constant("row"),
      steps: fc.array(step, { minLength: 1, maxLength: 1 }),
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      kind: fc.constantFrom("undone", "two"),
      steps: fc.array(step, { minLength: 2, maxLength: 40 }),
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      kind: fc.constantFrom("close", "kill", "flush", "view"),
      steps: fc.constant([] as Step[]),
    }),
  },
);
type Command = typeof command extends fc.Arbitrary<infer T> ? T : never;

const reads = fc.record({
  a: fc.integer({ min: -70, max: 400 }),
  b: fc.integer({ min: -70, max: 400 }),
  n: fc.integer({ min: 0, max: 70 }),
  bucket: fc.integer({ min: 1, max: 90 }),
});
type Reads = typeof reads extends fc.Arbitrary<infer T> ? T : never;

/** All reads there are, of one state, against the list. */
function expectReads(
  series: SeriesReads<TickValues>,
  rows: readonly Tick[],
  { a, b, n, bucket }: Reads,
) {
  const lines = rows.map(lineOf);
  expect(linesOf(series.range())).toEqual(lines);
  expect(series.count()).toBe(rows.length);
  const inside = rows.filter(({ time }) => a <= time && time < b);
  expect(linesOf(series.range({ gte: a, lt: b }))).toEqual(inside.map(lineOf));
  expect(linesOf(series.range({ gt: a - 1, lte: b - 1, limit: n }))).toEqual(
    inside.slice(0, n).map(lineOf),
  );
  expect(series.count({ gte: a, lt: b })).toBe(inside.length);
  const { columns } = series.range({ gte: a, columns: ["id", "venue"] });
  const from = rows.filter(({ time }) => a <= time);
  expect([...columns.id]).toEqual(from.map(({ id }) => id));
  expect(Object.keys(columns)).toEqual(["id", "venue"]);
  expect(linesOf(series.last(n))).toEqual(n === 0 ? [] : lines.slice(-n));
  const at = rows.findLast(({ time }) => time <= a);
  const found = series.at(a);
  expect(found === undefined ? undefined : `${found.time} ${found.id}`).toBe(
    at === undefined ? undefined : `${at.time} ${at.id}`,
  );
  expect(candlesIn(series, bucket)).toEqual(candlesOf(rows, bucket));
  expect(candlesIn(series, bucket, { gte: a, lt: b })).toEqual(candlesOf(inside, bucket));
}

/** The times of rows, from where the series stands. */
function rowsOf(steps: readonly Step[], newest: number): Tick[] {
  let time = Number.isFinite(newest) ? newest : 0;
  return steps.map(({ by, ...rest }) => {
    time += by;
    return { time, ...rest };
  });
}

class Run {
  readonly machine = new SimulatedMachine({ seed: 1 });
  readonly definition: ReturnType<typeof ticks>;
  readonly plain: PlainSeries;
  readonly pasts: { sequence: number; rows: readonly Tick[] }[] = [];
  store!: Store;
  view: { held: View; rows: readonly Tick[] } | undefined;

  constructor(late: LatePolicy, capacity: SeriesCapacity) {
    this.definition = ticks(late, capacity);
    this.plain = new PlainSeries(late, capacity);
  }

  async open(): Promise<void> {
    const options = { series: [this.definition], history: "all", recoveryBudgetMillis: 1 } as const;
    this.store = await openOn(this.machine, options);
  }

  get series() {
    return this.store.series(this.definition);
  }

  async apply({ kind, steps }: Command): Promise<void> {
    const { machine, store, plain } = this;
    const rows = rowsOf(steps, plain.newest);
    switch (kind) {
      case "close":
        this.view = undefined;
        await machine.run(store.close());
        machine.crash("kill");
        return this.open();
      case "kill":
        this.view = undefined;
        machine.crash("kill");
        return this.open();
      case "flush":
        return machine.run(store.flush());
      case "view":
        this.view?.held.release();
        this.view = { held: store.view(), rows: plain.visible };
        return;
      case "undone":
        await this.#undone(rows);
        return;
      case "two":
        return this.#two(rows);
      default:
        await this.#append(kind, rows);
    }
  }

  async #append(kind: string, rows: readonly Tick[]): Promise<void> {
    const expected = this.plain.append(rows);
    const [first] = rows;
    const input = kind === "row" && first !== undefined ? oneOf(first) : batchOf(rows);
    const taken = await this.machine.run(
      this.series.append(input).catch((error: { code: string }) => error.code),
    );
    expect(taken).toBe(expected ?? "LATE_ROW");
  }

  /** Two appends, and what lies between them, in a transaction that is then given up. */
  async #undone(rows: readonly Tick[]): Promise<void> {
    const half = rows.length >> 1;
    const work = this.store.transact((tx) => {
      const series = tx.series(this.definition);
      const copy = new PlainSeries(this.plain.late, this.plain.capacity);
      copy.rows = this.plain.rows;
      for (const part of [rows.slice(0, half), rows.slice(half)]) {
        if (copy.append(part) === undefined) throw new Error("given up");
        series.append(batchOf(part));
        expect(linesOf(series.range())).toEqual(copy.visible.map(lineOf));
      }
      throw new Error("given up");
    });
    await expect(this.machine.run(work)).rejects.toThrow("given up");
  }

  async #two(rows: readonly Tick[]): Promise<void> {
    const half = rows.length >> 1;
    const work = this.store.transact((tx) => {
      const series = tx.series(this.definition);
      for (const part of [rows.slice(0, half), rows.slice(half)]) {
        const expected = this.plain.append(part);
        try {
          expect(series.append(batchOf(part))).toBe(expected);
        } catch (error) {
          // What was refused was not written, and the transaction goes on.
          expect((error as { code?: string }).code).toBe("LATE_ROW");
          expect(expected).toBeUndefined();
        }
      }
    });
    await this.machine.run(work);
  }

  async check(one: Reads): Promise<void> {
    expectReads(this.series, this.plain.visible, one);
    if (this.view !== undefined) {
      expectReads(this.view.held.series(this.definition), this.view.rows, one);
    }
    this.pasts.push({ sequence: this.store.lastSequence, rows: this.plain.visible });
  }

  /** Every state there was, at its transaction. */
  async checkPast(one: Reads): Promise<void> {
    await this.machine.run(this.store.durable());
    for (const { sequence, rows } of this.pasts.filter((_, i) => i % 5 === 0)) {
      if (sequence === 0) continue;
      const past = await this.machine.run(this.store.at(sequence));
      expectReads(past.series(this.definition), rows, one);
      await past.close();
    }
  }
}

function oneOf({ price, ...rest }: Tick) {
  const digits = (price < 0n ? -price : price).toString().padStart(3, "0");
  const text = `${price < 0n ? "-" : ""}${digits.slice(0, -2)}.${digits.slice(-2)}`;
  return { price: text, ...rest };
}

const policies: [LatePolicy, SeriesCapacity][] = [
  ["reject", {}],
  ["drop", { rows: 25 }],
  ["insert", {}],
  ["insert", { rows: 40 }],
  ["insert", { ageMicros: 150 }],
  ["reject", { rows: 60, ageMicros: 90 }],
];

describe.each(policies)("late rows: %s, capacity: %o", (late, capacity) => {
  test("every read is that of the list", { timeout: 120_000 }, async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.tuple(command, reads), { minLength: 1, maxLength: 25 }),
        async (commands) => {
          const run = new Run(late, capacity);
          await run.open();
          for (const [one, what] of commands) {
            await run.apply(one);
            await run.check(what);
          }
          const [, last] = commands.at(-1) as [Command, Reads];
          await run.checkPast(last);
          const all = sliced(run.series);
          expect(await run.machine.run(all)).toEqual(run.plain.visible.map(lineOf));
          await run.machine.run(run.store.close());
        },
      ),
      { numRuns: Number(process.env.HOLDFAST_SEEDS ?? 0) > 0 ? 500 : 8 },
    );
  });
});

/** Chunks that begin at the same time, and rows that come before, between and behind them. */
test("many rows of few times, in any order", async () => {
  const times = fc.array(fc.integer({ min: 0, max: 4 }), { minLength: 1, maxLength: 30 });
  await fc.assert(
    fc.asyncProperty(fc.array(times, { minLength: 4, maxLength: 16 }), async (batches) => {
      const run = new Run("insert", {});
      await run.open();
      let id = 0n;
      for (const batch of batches) {
        const rows = batch.map((time) => {
          id++;
          return { time, price: id, size: 1, id, buy: true, venue: "" };
        });
        run.plain.append(rows);
        await run.machine.run(run.series.append(batchOf(rows)));
        expect(linesOf(run.series.range())).toEqual(run.plain.visible.map(lineOf));
      }
      expectReads(run.series, run.plain.visible, { a: 2, b: 4, n: 20, bucket: 2 });
      await run.machine.run(run.store.close());
    }),
    { numRuns: Number(process.env.HOLDFAST_SEEDS ?? 0) > 0 ? 2_000 : 15 },
  );
});
