/**
 * A machine that dies at any operation of a program that appends, seals, inserts, forgets and makes
 * runs, in transactions with a table: what is there afterwards is what the transactions up to one
 * have made, in table and series alike, and all that were acknowledged are among them.
 */
import { expect, test } from "vitest";
import { defineTable, type OpenOptions, type Store, string, timestamp } from "../../src/index.js";
import { type CrashKind, SimulatedMachine } from "../sim/disk.js";
import { Random } from "../sim/random.js";
import { openOn } from "../support/simulated-store.js";
import { batchOf, lineOf, linesOf, PlainSeries, type Tick, ticks } from "./model.js";

const done = defineTable({
  name: "done",
  version: 1,
  key: string(),
  fields: { step: timestamp() },
});
const CAPACITY = { rows: 70 };
const series = ticks("insert", CAPACITY);
const other = ticks("reject", {}, "other");
const OPTIONS: OpenOptions = {
  tables: [done],
  series: [series, other],
  bounds: { startDelayMillis: 0 },
};

const STEPS = 16;

/** What the steps append: mostly in order, some late, some more than a chunk. */
function plan(): Tick[][] {
  const random = new Random(7);
  let time = 1_000;
  return Array.from({ length: STEPS }, () =>
    Array.from({ length: 1 + random.below(random.below(4) === 0 ? 40 : 9) }, () => {
      time += random.below(8);
      const at = random.below(5) === 0 ? time - random.below(120) : time;
      return {
        time: at,
        price: BigInt(random.below(1_000)),
        size: random.below(100) / 8,
        id: BigInt(at),
        buy: random.below(2) === 1,
        venue: `v${random.below(3)}`,
      };
    }),
  );
}

const steps = plan();

/** The rows after so many steps. */
const expected = Array.from({ length: STEPS + 1 }, (_, count) => {
  const plain = new PlainSeries("insert", CAPACITY);
  for (const rows of steps.slice(0, count)) plain.append(rows);
  return plain.visible.map(lineOf);
});

function inOrder(rows: readonly Tick[], step: number): Tick[] {
  return rows.map((row, i) => ({ ...row, time: step * 1_000 + i }));
}

async function work(store: Store, from: number, acknowledged: (step: number) => void) {
  for (let step = from; step < STEPS; step++) {
    await store.transact((tx) => {
      tx.series(series).append(batchOf(steps[step] as Tick[]));
      tx.put(done, "steps", { step: step + 1 });
      tx.series(other).append(batchOf(inOrder(steps[step] as Tick[], step)));
    });
    acknowledged(step + 1);
    if (step === 8) await store.flush();
  }
  await store.close();
}

/** How many steps there are; fails where series and table do not agree. */
function stepsIn(store: Store): number {
  const count = store.table(done).get("steps")?.step ?? 0;
  expect(linesOf(store.series(series).range())).toEqual(expected[count]);
  const others = steps.slice(0, count).flatMap(inOrder);
  expect(linesOf(store.series(other).range())).toEqual(others.map(lineOf));
  return count;
}

/** Operations until each step is acknowledged, and those of all. */
async function operationsOf(): Promise<{ acknowledged: number[]; all: number }> {
  const machine = new SimulatedMachine({ seed: 1 });
  const acknowledged: number[] = [];
  const store = await openOn(machine, OPTIONS);
  await machine.run(work(store, 0, () => acknowledged.push(machine.operations)));
  return { acknowledged, all: machine.operations };
}

/** Every operation, or some: about each step there are few, and many when runs are made. */
function placesIn({ acknowledged, all }: { acknowledged: number[]; all: number }): number[] {
  const every = process.env.HOLDFAST_SEEDS !== undefined;
  const stride = every ? 1 : Math.floor(all / 8);
  const strided = Array.from({ length: Math.floor(all / stride) }, (_, i) => 1 + i * stride);
  return [...strided, ...acknowledged.filter((_, i) => i % 3 === 0).map((at) => at + 1)];
}

/** Dies, is opened, goes on, and ends as if nothing had been. */
async function dieAt(operation: number, kind: CrashKind, seed: number): Promise<number> {
  const machine = new SimulatedMachine({ seed });
  machine.crashAfter(operation, kind);
  let acknowledged = 0;
  try {
    const store = await openOn(machine, OPTIONS);
    await machine.run(
      work(store, 0, (step) => {
        acknowledged = step;
      }),
    );
  } catch {
    // It has died, as it was meant to.
  }
  machine.crashAfter(Number.POSITIVE_INFINITY);
  const again = await openOn(machine, OPTIONS);
  const found = stepsIn(again);
  expect(found).toBeGreaterThanOrEqual(acknowledged);
  await machine.run(work(again, found, () => {}));
  const whole = await openOn(machine, OPTIONS);
  expect(stepsIn(whole)).toBe(STEPS);
  await machine.run(whole.close());
  return found;
}

test.each(["power", "kill"] as const)("cut short by %s", { timeout: 600_000 }, async (kind) => {
  const operations = await operationsOf();
  expect(operations.all).toBeGreaterThan(100);
  const found = new Set<number>();
  for (const at of placesIn(operations)) found.add(await dieAt(at, kind, at));
  // The crashes have met the work at many of its steps.
  expect(found.size).toBeGreaterThan(STEPS / 4);
});

test("what is left of a chunk that was sealed is no part of the next", async () => {
  const machine = new SimulatedMachine({ seed: 3 });
  const store = await openOn(machine, OPTIONS);
  const rows = inOrder(
    Array.from({ length: 20 }, () => steps[0]?.[0] as Tick),
    1,
  );
  const append = (from: number, to: number) =>
    machine.run(store.series(other).append(batchOf(rows.slice(from, to))));
  for (let i = 0; i < 15; i++) await append(i, i + 1);
  // The sixteenth seals: fifteen slots of the tail are left over, and the next row takes the first.
  await append(15, 16);
  await append(16, 17);
  machine.crash("kill");
  const again = await openOn(machine, OPTIONS);
  expect(linesOf(again.series(other).range())).toEqual(rows.slice(0, 17).map(lineOf));
  expect(again.series(other).last(1).time[0]).toBe(rows[16]?.time);
  await machine.run(again.close());
});
