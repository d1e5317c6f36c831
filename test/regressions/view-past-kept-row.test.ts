/**
 * A view showed a row that had been overwritten long before it: an older view had kept that one in
 * memory, the row between was in runs only, and was taken out of memory's list when it was overwritten.
 */
import { expect, test } from "vitest";
import { SimulatedMachine } from "../sim/disk.js";
import { fill, items, openOn } from "../support/simulated-store.js";

test("what an older view keeps is not shown by a later one", async () => {
  const machine = new SimulatedMachine({ seed: 1 });
  const store = await openOn(machine);
  const put = (value: number) => void store.table(items).put(1, { value, text: "" });
  const valueIn = (view: ReturnType<typeof store.view>) => ({
    point: view.table(items).get(1)?.value,
    range: [...view.table(items).values()].find(({ value }) => value < 10)?.value,
  });
  put(1);
  const older = store.view();
  put(2);
  await machine.run(store.flush());
  const later = store.view();
  put(3);
  expect(valueIn(older)).toEqual({ point: 1, range: 1 });
  expect(valueIn(later)).toEqual({ point: 2, range: 2 });
  await fill(machine, store, 20, 25);
  await machine.run(store.flush());
  put(4);
  expect(valueIn(older)).toEqual({ point: 1, range: 1 });
  expect(valueIn(later)).toEqual({ point: 2, range: 2 });
  expect(valueIn(store.view())).toEqual({ point: 4, range: 4 });
});
