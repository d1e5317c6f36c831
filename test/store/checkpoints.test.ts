/** Named snapshots that a store takes by itself, on a schedule and when it is closed. */
import { expect, test } from "vitest";
import { open, type StoreWarning } from "../../src/index.js";
import { SimulatedMachine } from "../sim/disk.js";
import { DIRECTORY, fill, idle, items, keysOf, openOn, upTo } from "../support/simulated-store.js";

const MINUTE = 60_000;
const names = (store: { snapshots(): { name: string }[] }) =>
  store.snapshots().map(({ name }) => name);

test("one so often, if anything was written; the newest are kept, and others' are not touched", async () => {
  const machine = new SimulatedMachine({ seed: 1 });
  const store = await openOn(machine, { checkpoints: { everyMinutes: 10, keep: 2 } });
  await machine.run(store.snapshot("mine"));
  await fill(machine, store, 0, 3);
  expect(names(store)).toEqual(["mine"]);
  await idle(machine, 10 * MINUTE);
  expect(names(store)).toEqual(["mine", "checkpoint-4"]);
  await idle(machine, 25 * MINUTE);
  expect(names(store)).toEqual(["mine", "checkpoint-4"]);
  for (const rows of [5, 7, 9]) {
    await fill(machine, store, rows, rows + 1);
    await idle(machine, 10 * MINUTE);
  }
  expect(names(store)).toEqual(["mine", "checkpoint-6", "checkpoint-7"]);
  await fill(machine, store, 10, 11);
  await machine.run(store.close());
  const again = await openOn(machine);
  expect(names(again)).toEqual(["mine", "checkpoint-7", "checkpoint-8"]);
  expect(again.recovery.transactionsReplayed).toBe(0);
  await machine.run(again.close());
  const at = { disk: machine.boot(), tables: [items], environment: "test" };
  const opened = await machine.run(open(DIRECTORY, { ...at, at: "checkpoint-7" }));
  expect([...opened.table(items).keys()]).toEqual([0, 1, 2, 5, 7, 9]);
  await machine.run(opened.close());
});

test("one that fails is told, and the next one comes", async () => {
  const warnings: StoreWarning[] = [];
  const machine = new SimulatedMachine({ seed: 2 });
  const store = await openOn(machine, {
    checkpoints: { everyMinutes: 1, onClose: false },
    onWarning: (warning) => void warnings.push(warning),
  });
  await fill(machine, store, 0, 3);
  // Somebody has taken the name.
  await machine.run(store.snapshot("checkpoint-5"));
  await fill(machine, store, 3, 4);
  await idle(machine, MINUTE + 1000);
  expect(warnings).toMatchObject([{ code: "BACKGROUND" }]);
  await fill(machine, store, 4, 5);
  await idle(machine, MINUTE);
  expect(names(store)).toEqual(["checkpoint-5", "checkpoint-6"]);
  expect(keysOf(store)).toEqual(upTo(5));
  await machine.run(store.close());
});

test.each([{ everyMinutes: 0 }, { keep: 501 }, { onClose: "yes" }, { often: true }])(
  "%j is refused",
  async (checkpoints) => {
    const machine = new SimulatedMachine({ seed: 3 });
    const opening = openOn(machine, { checkpoints: checkpoints as never });
    await expect(opening).rejects.toMatchObject({ code: "INVALID_ARGUMENT" });
  },
);
