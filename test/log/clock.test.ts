/** The clock of the machine may jump: transactions have times that never go back. */
import { expect, test } from "vitest";
import { verifyStore } from "../../src/cli/verify-store.js";
import { closedStore, DIRECTORY, fill, keysOf, openOn, upTo } from "../support/simulated-store.js";

test("a clock that was put back, while the store is open and between two openings", async () => {
  const machine = await closedStore(3);
  for (const rows of [6, 9]) {
    const store = await openOn(machine, { finalSnapshotMillis: 0 });
    await fill(machine, store, rows - 3, rows - 1);
    machine.jumpClock(-3_600_000_000);
    await fill(machine, store, rows - 1, rows);
    await machine.run(store.close());
    machine.crash("kill");
    machine.jumpClock(-3_600_000_000);
  }
  const verifying = verifyStore(DIRECTORY, () => {}, machine.boot());
  const { findings, verdict } = await machine.run(verifying);
  expect({ verdict, findings }).toMatchObject({ verdict: "sound" });
  expect(keysOf(await openOn(machine))).toEqual(upTo(9));
});
