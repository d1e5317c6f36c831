/** Two snapshots without a name, made at once of the same state, wanted to be called the same. */
import { expect, test } from "vitest";
import { SimulatedMachine } from "../sim/disk.js";
import { fill, openOn } from "../support/simulated-store.js";

test("snapshots without a name that are made at once get names of their own", async () => {
  const machine = new SimulatedMachine({ seed: 1 });
  const store = await openOn(machine);
  await fill(machine, store, 0, 5);
  const made = await machine.run(Promise.all([1, 2, 3].map(() => store.snapshot())));
  const sequence = store.lastSequence;
  expect(made.map(({ name }) => name).sort()).toEqual([
    `snapshot-${sequence}`,
    `snapshot-${sequence}-2`,
    `snapshot-${sequence}-3`,
  ]);
});
