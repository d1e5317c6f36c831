/**
 * After an opening the rows of a small table came back into memory, and from then on ranges looked
 * nowhere else: but rows that had only been read stood in no order, and ranges passed them over.
 */
import { expect, test } from "vitest";
import { defineTable, integer, type Store, string } from "../../src/index.js";
import { SimulatedMachine } from "../sim/disk.js";
import { fill, idle, items, keysOf, openOn, upTo } from "../support/simulated-store.js";

const resident = defineTable({
  name: "resident",
  version: 1,
  key: integer(),
  resident: true,
  fields: { text: string() },
});

/** A machine with a store of 120 rows, all of them in runs. */
async function closedStore(): Promise<SimulatedMachine> {
  const machine = new SimulatedMachine({ seed: 1 });
  const store = await openOn(machine, { tables: [items, resident] });
  await fill(machine, store, 0, 120);
  for (let key = 0; key < 120; key++) void store.table(resident).put(key, { text: "" });
  await machine.run(store.close());
  machine.crash("kill");
  return machine;
}

async function opened(): Promise<{ machine: SimulatedMachine; store: Store }> {
  const machine = await closedStore();
  const store = await openOn(machine, { tables: [items, resident] });
  return { machine, store };
}

test("a range of a table that was read back into memory has all of its rows", async () => {
  const { machine, store } = await opened();
  expect(keysOf(store)).toEqual(upTo(120));
  await idle(machine);
  expect(store.stats().tables).toMatchObject({ items: 120 });
  expect(keysOf(store)).toEqual(upTo(120));
  expect([...store.table(items).keys({ reverse: true, limit: 2 })]).toEqual([119, 118]);
});

test("so it has if nobody asked for a range before", async () => {
  const { machine, store } = await opened();
  await idle(machine);
  expect(keysOf(store)).toEqual(upTo(120));
});

test("a range that was begun before all rows were back has the rest of them", async () => {
  const { machine, store } = await opened();
  const keys = store.table(items).keys();
  const found = [keys.next().value, keys.next().value];
  await idle(machine);
  expect([...found, ...keys]).toEqual(upTo(120));
});

test("a range of a resident table has the rows that runs held", async () => {
  const { store } = await opened();
  expect([...store.table(resident).keys()]).toEqual(upTo(120));
});
