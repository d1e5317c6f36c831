/**
 * Rows that were put and deleted in the part of the log that an opening replays left no trace in memory.
 * A run that was then made of the first half of it had them, and they were there again: for views, and,
 * once anything had left memory, for everybody.
 */
import { expect, test } from "vitest";
import type { Store } from "../../src/index.js";
import { SimulatedMachine } from "../sim/disk.js";
import { items, keysOf, openOn, upTo } from "../support/simulated-store.js";

const ROWS = 200;
const options = {
  finalSnapshotMillis: 0,
  // Runs end in the middle of the log; the rows of half of it fit into memory.
  bounds: { arenaBytes: 8000, runsPerTier: 100, rowBytes: 30_000 },
};

async function work(store: Store): Promise<void> {
  const table = store.table(items);
  for (let key = 0; key < ROWS; key++) await table.put(key, { value: key, text: "x".repeat(100) });
  for (let key = ROWS / 2; key < ROWS; key++) await table.delete(key);
}

test("what the log says was deleted stays so while runs are made of it piece by piece", async () => {
  const machine = new SimulatedMachine({ seed: 1 });
  const first = await openOn(machine, { ...options, recoveryBudgetMillis: 60_000 });
  await machine.run(Promise.resolve().then(() => work(first)));
  expect(first.stats().background.runs).toBe(0);
  machine.crash("kill");
  const store = await openOn(machine, { ...options, recoveryBudgetMillis: 60_000 });
  const flushed = store.flush();
  let looks = 0;
  for (let runs = 0; runs < 4; ) {
    await machine.step();
    if (store.stats().background.runs === runs) continue;
    runs = store.stats().background.runs;
    const view = store.view();
    expect([...view.table(items).keys()]).toEqual(upTo(ROWS / 2));
    view.release();
    expect(keysOf(store)).toEqual(upTo(ROWS / 2));
    expect(store.table(items).get(ROWS - 1)).toBeUndefined();
    looks++;
  }
  expect(looks).toBeGreaterThanOrEqual(3);
  await machine.run(flushed);
  expect(keysOf(store)).toEqual(upTo(ROWS / 2));
});
