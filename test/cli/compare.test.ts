/** What differs between two lists of rows, and between two stores. */
import { join } from "node:path";
import fc from "fast-check";
import { afterAll, beforeAll, expect, test } from "vitest";
import { compareRows } from "../../src/codec/compare-rows.js";
import { defineTable, float64, integer, nullable, open, string } from "../../src/index.js";
import { ensureBuilt } from "../support/built.js";
import { items, makeDirectory, openStore, removeDirectories } from "./frames.js";
import { hashOf, holdfast } from "./stores.js";

beforeAll(ensureBuilt);
afterAll(removeDirectories);

const fields = { value: nullable(integer()), ratio: float64() };
const table = defineTable({ name: "t", version: 1, key: integer(), fields });
const byNumber = (a: unknown, b: unknown) => (a as number) - (b as number);

test("of any two lists: exactly what makes one of the other", () => {
  const rows = fc.dictionary(
    fc.integer({ min: 0, max: 9 }).map(String),
    fc.record({ value: fc.option(fc.nat(2)), ratio: fc.constantFrom(0, -0, 1) }),
  );
  fc.assert(
    fc.property(rows, rows, (before, after) => {
      const list = (of: object) =>
        Object.entries(of)
          .map(([key, row]) => [Number(key), row] as const)
          .sort(([a], [b]) => a - b);
      const made = new Map<unknown, Record<string, unknown>>(
        list(before).map(([key, row]) => [key, { ...row }]),
      );
      for (const { change, key, fields } of compareRows(
        list(before),
        list(after),
        byNumber,
        table.fields,
      )) {
        expect(fields.length).toBeGreaterThan(0);
        if (change === "removed") made.delete(key);
        if (change === "added") made.set(key, {});
        for (const { field, after: value } of change === "removed" ? [] : fields) {
          const row = made.get(key) as Record<string, unknown>;
          row[field] = value === "-0" ? -0 : value;
        }
      }
      const found = [...made].sort(([a], [b]) => byNumber(a, b));
      expect(found).toEqual(list(after).map(([key, row]) => [key, { ...row }]));
    }),
    { numRuns: 500 },
  );
});

async function pair() {
  const place = await makeDirectory();
  const [first, second] = [join(place, "first"), join(place, "second")];
  const store = await openStore(first);
  for (const key of [1, 2, 3]) await store.table(items).put(key, { value: key, text: "a" });
  await store.fork(second);
  await store.close();
  return { first, second };
}

test("a fork holds the same, until one of the two goes on", async () => {
  const { first, second } = await pair();
  const same = await holdfast("compare", first, second);
  expect(same).toMatchObject({ code: 0, stderr: "" });
  expect(same.stdout).toContain("they hold the same");
  const store = await openStore(second);
  await store.table(items).put(1, { value: 1, text: "b" });
  await store.table(items).delete(2);
  await store.table(items).put(4, { value: 4, text: "new" });
  await store.close();
  const hashes = [hashOf(first), hashOf(second)];
  const { code, stdout } = await holdfast("compare", first, second);
  expect(code).toBe(1);
  expect(stdout).toContain('~ items 1: text "a" -> "b"');
  expect(stdout).toContain('- items 2: value 2, text "a"');
  expect(stdout).toContain('+ items 4: value 4, text "new"');
  const json = await holdfast("compare", second, first, "--json");
  expect(json.code).toBe(1);
  expect(
    json.stdout
      .trim()
      .split("\n")
      .map((line) => JSON.parse(line)),
  ).toEqual([
    {
      table: "items",
      change: "changed",
      key: 1,
      fields: [{ field: "text", before: "b", after: "a" }],
    },
    {
      table: "items",
      change: "added",
      key: 2,
      fields: [
        { field: "value", after: 2 },
        { field: "text", after: "a" },
      ],
    },
    {
      table: "items",
      change: "removed",
      key: 4,
      fields: [
        { field: "value", before: 4 },
        { field: "text", before: "new" },
      ],
    },
    { table: "items", schema: "same", added: 1, removed: 1, changed: 1 },
  ]);
  expect([hashOf(first), hashOf(second)]).toEqual(hashes);
});

test("another table, another key: told, and a difference", async () => {
  const { first } = await pair();
  const other = join(await makeDirectory(), "other");
  const keyed = defineTable({ name: "items", version: 1, key: string(), fields: { a: string() } });
  const more = defineTable({ name: "more", version: 1, key: string(), fields: { a: string() } });
  const store = await open(other, { tables: [keyed, more], environment: "test" });
  await store.close();
  const { code, stdout } = await holdfast("compare", first, other);
  expect(code).toBe(1);
  expect(stdout).toContain("other key");
  expect(stdout).toContain("only in the second");
});

test("what cannot be looked at is no difference", async () => {
  const { first } = await pair();
  const nothing = join(await makeDirectory(), "nothing");
  expect((await holdfast("compare", first, nothing)).code).toBe(2);
  expect((await holdfast("compare", first, first, "--limit", "x")).code).toBe(2);
});
