import { expect, test } from "vitest";
import { SimulatedMachine } from "../sim/disk.js";
import { idle, openOn } from "../support/simulated-store.js";

test("scrubbing a store that has no files yet finds nothing, and nothing fails", async () => {
  const machine = new SimulatedMachine({ seed: 1 });
  const store = await openOn(machine, { bounds: { scrubEveryMillis: 200 } });
  await idle(machine, 1000);
  const { scrubs, runs } = store.stats().background;
  expect(runs).toBe(0);
  expect(scrubs).toMatchObject({ bytes: 0, findings: 0, failures: 0 });
  expect(scrubs.error).toBeUndefined();
  await machine.run(store.close());
});
