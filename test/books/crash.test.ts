/**
 * A machine that dies at any operation of a program that takes snapshots and updates of a book, in
 * transactions with a patch of a row, and makes runs: what is there afterwards is what the steps up
 * to one have made, in book and row alike, and all that were acknowledged are among them.
 */
import { expect, test } from "vitest";
import {
  defineBook,
  defineTable,
  float64Array,
  type Store,
  slice,
  string,
} from "../../src/index.js";
import { type CrashKind, SimulatedMachine } from "../sim/disk.js";
import { Random } from "../sim/random.js";
import { openOn } from "../support/simulated-store.js";

const book = defineBook({
  ...{ name: "b", priceScale: 0, quantityScale: 0, dialect: "spot", tier: "critical" },
} as const);
const features = defineTable({
  name: "features",
  version: 1,
  key: string(),
  fields: { steps: float64Array({ length: 64 }) },
  patches: true,
});
const OPTIONS = { books: [book], tables: [features], bounds: { startDelayMillis: 0 } };

const STEPS = 16;

type Levels = [string, string][];

/** Of each step the levels that it sets; every sixth is a snapshot instead. */
const plan = Array.from({ length: STEPS }, (_, step) => {
  const random = new Random(step + 1);
  const levels = (from: number): Levels =>
    Array.from({ length: 1 + random.below(5) }, () => [
      String(from + random.below(20)),
      String(random.below(4)),
    ]);
  return { isSnapshot: step % 6 === 0, bids: levels(100), asks: levels(200) };
});

/** Levels after so many steps, as text. */
const expected = Array.from({ length: STEPS + 1 }, (_, count) => {
  const sides = { bids: new Map<string, string>(), asks: new Map<string, string>() };
  for (const step of plan.slice(0, count)) {
    for (const side of ["bids", "asks"] as const) {
      if (step.isSnapshot) sides[side].clear();
      for (const [price, quantity] of step[side]) {
        if (quantity === "0") sides[side].delete(price);
        else sides[side].set(price, quantity);
      }
    }
  }
  const sorted = (levels: Map<string, string>) =>
    [...levels].map((level) => level.join(" ")).sort();
  return { bids: sorted(sides.bids), asks: sorted(sides.asks) };
});

async function work(store: Store, from: number, acknowledged: (step: number) => void) {
  const table = store.table(features);
  if (!table.has("f")) await table.put("f", { steps: new Float64Array(64) });
  for (let step = from; step < STEPS; step++) {
    const { isSnapshot, bids, asks } = plan[step] as (typeof plan)[number];
    await store.transact((tx) => {
      if (isSnapshot) tx.book(book).snapshot({ lastId: step + 1, bids, asks });
      else tx.book(book).update({ firstId: step + 1, lastId: step + 1, bids, asks });
      tx.patch(features, "f", { steps: slice(step, Float64Array.of(1)) });
    });
    acknowledged(step + 1);
    if (step === 4 || step === 9) await store.flush();
  }
  await store.close();
}

/** How many steps there are; fails where book and row do not agree. */
function stepsIn(store: Store): number {
  const count =
    store
      .table(features)
      .get("f")
      ?.steps.reduce((sum, one) => sum + one, 0) ?? 0;
  const { bids, asks } = store.book(book).top(100);
  const text = (levels: typeof bids) =>
    levels.map(({ price, quantity }) => `${price} ${quantity}`).sort();
  expect({ bids: text(bids), asks: text(asks) }).toEqual(expected[count]);
  expect(store.book(book).lastId).toBe(count === 0 ? undefined : count);
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

/** Every operation, or some. */
function placesIn({ acknowledged, all }: { acknowledged: number[]; all: number }): number[] {
  const stride = process.env.HOLDFAST_SEEDS !== undefined ? 1 : Math.floor(all / 12);
  const strided = Array.from({ length: Math.floor(all / stride) }, (_, i) => 1 + i * stride);
  return [...strided, ...acknowledged.filter((_, i) => i % 3 === 0).map((at) => at + 1)];
}

/** Dies, is opened, goes on, and ends as if nothing had been. */
async function dieAt(operation: number, kind: CrashKind): Promise<number> {
  const machine = new SimulatedMachine({ seed: operation });
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
  const found = new Set<number>();
  for (const at of placesIn(operations)) found.add(await dieAt(at, kind));
  // The crashes have met the work at many of its steps.
  expect(found.size).toBeGreaterThan(STEPS / 4);
});
