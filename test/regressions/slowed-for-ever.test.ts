/**
 * Small transactions, each in a frame of its own, fill the log with padding. Writers were slowed and
 * stopped by its length, but a run was made only of what took long to replay or much memory: with a
 * large recovery budget that was never, and so every write was refused from then on.
 */
import { expect, test } from "vitest";
import { nextFlush } from "../../src/snapshot/trigger.js";
import { SimulatedMachine } from "../sim/disk.js";
import { fill, items, openOn } from "../support/simulated-store.js";

const COST = { microsPerOperation: 1, microsPerKilobyte: 1 };

test("what slows writers has a run made of it", () => {
  const options = { recoveryBudgetMicros: 60e6, slowBytes: 1e6, stopBytes: 2e6 };
  for (const [bytes, memoryBytes] of [
    [1e6, 0],
    [0, 1e6],
  ] as const) {
    const tail = { operations: 10, bytes, memoryBytes };
    expect(nextFlush(tail, COST, options).flush).toBe(true);
  }
});

test("a store whose log is mostly padding goes on", async () => {
  const machine = new SimulatedMachine({ seed: 1 });
  const bounds = { slowBytes: 40_000, stopBytes: 80_000 };
  const store = await openOn(machine, { recoveryBudgetMillis: 60_000, bounds });
  await fill(machine, store, 0, 100, 1);
  expect(store.stats().background.flushes.done).toBeGreaterThan(1);
  expect(store.table(items).count()).toBe(100);
});
