/** Schemas that evolve, and what looks back or branches off: states of the past, history, forks. */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import {
  defineTable,
  integer,
  open,
  openHistory,
  string,
  was,
  withDefault,
} from "../../src/index.js";

const first = defineTable({
  name: "orders",
  version: 1,
  key: string(),
  fields: { qty: integer() },
});
const second = defineTable({
  name: "orders",
  version: 2,
  key: string(),
  fields: { quantity: was(integer(), "qty"), venue: withDefault(string(), "XNAS") },
});
const third = defineTable({
  name: "orders",
  version: 3,
  key: string(),
  fields: { lots: integer(), venue: string() },
  previous: second,
  up: (row) => ({ lots: row.quantity / 100, venue: row.venue }),
});

let directory: string;
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), "holdfast-past-"));
});
afterEach(() => rm(directory, { recursive: true }));

const at = (name: string) => join(directory, name);
const base = { history: "all", backend: "portable", onWarning: () => {} } as const;

/** Three versions, each with a row of its own, and one key that all of them have written. */
async function threeGenerations(): Promise<readonly number[]> {
  const ends: number[] = [];
  const one = await open(at("store"), { ...base, tables: [first] });
  await one.table(first).put("a", { qty: 100 });
  await one.flush();
  ends.push(one.lastSequence);
  await one.close();
  const two = await open(at("store"), { ...base, tables: [second] });
  await two.table(second).put("b", { quantity: 200 });
  await two.flush();
  await two.table(second).put("a", { quantity: 300, venue: "XLON" });
  ends.push(two.lastSequence);
  await two.close();
  const three = await open(at("store"), { ...base, tables: [third] });
  await three.table(third).put("c", { lots: 4, venue: "XETR" });
  await three.table(third).delete("a");
  ends.push(three.lastSequence);
  await three.close();
  return ends;
}

test("a state of the past shows rows as the versions in force now have them", async () => {
  const [afterFirst, afterSecond, afterThird] = (await threeGenerations()) as [
    number,
    number,
    number,
  ];
  const store = await open(at("store"), { ...base, tables: [third] });
  const rowsAt = async (sequence: number) => {
    const past = await store.at(sequence);
    const rows = Object.fromEntries(past.table(third).entries());
    await past.close();
    return rows;
  };
  const b = { lots: 2, venue: "XNAS" };
  expect(await rowsAt(afterFirst)).toEqual({ a: { lots: 1, venue: "XNAS" } });
  expect(await rowsAt(afterSecond)).toEqual({ a: { lots: 3, venue: "XLON" }, b });
  expect(await rowsAt(afterThird)).toEqual({ b, c: { lots: 4, venue: "XETR" } });
  await store.close();
});

test("the history of a key shows each row as it was written", async () => {
  await threeGenerations();
  const store = await open(at("store"), { ...base, tables: [third] });
  const seen: unknown[] = [];
  for await (const { before, after } of store.table(third).history("a")) seen.push([before, after]);
  await store.close();
  const [one, two] = [{ qty: 100 }, { quantity: 300, venue: "XLON" }];
  expect(seen).toEqual([
    [undefined, one],
    [one, two],
    [two, undefined],
  ]);
  const past = await openHistory(at("store"));
  const beside: unknown[] = [];
  for await (const { before, after } of past.history("orders", "a")) beside.push([before, after]);
  expect(beside).toEqual(seen);
});

test("a fork has the versions of its parent, and goes on by itself", async () => {
  await threeGenerations();
  const store = await open(at("store"), { ...base, tables: [third] });
  await store.fork(at("fork"));
  await store.table(third).put("d", { lots: 5, venue: "XNAS" });
  await store.close();
  await expect(open(at("fork"), { ...base, tables: [second] })).rejects.toMatchObject({
    code: "SCHEMA_MISMATCH",
  });
  const fork = await open(at("fork"), { ...base, tables: [third] });
  await fork.table(third).put("e", { lots: 6, venue: "XNAS" });
  const rows = Object.fromEntries(fork.table(third).entries());
  expect(rows).toEqual({
    b: { lots: 2, venue: "XNAS" },
    c: { lots: 4, venue: "XETR" },
    e: { lots: 6, venue: "XNAS" },
  });
  await fork.close();
});
