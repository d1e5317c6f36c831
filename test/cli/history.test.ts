/** The commands about the past: at, history, diff, tail. */
import { afterAll, beforeAll, expect, test } from "vitest";
import { Decimal, open, type Store } from "../../src/index.js";
import { ensureBuilt } from "../support/built.js";
import { makeDirectory, removeDirectories } from "./frames.js";
import { balances, hashOf, holdfast, jsonLines, positions } from "./stores.js";

const row = (quantity: string, note: string | null) =>
  ({ symbol: "BTC", quantity: Decimal.of(quantity), side: "long", note }) as const;

let directory: string;

function openIt(at: string): Promise<Store> {
  const tables = [positions, balances];
  return open(at, { tables, environment: "test", writerId: "tester", history: "all" });
}

/** 1 declares; 2 to 5 change a row; 6 belongs to another table. */
async function fill(store: Store): Promise<void> {
  const table = store.table(positions);
  await table.put("a", row("1", null));
  await table.put("a", row("2.5", null));
  await table.put("b", row("7", "x"));
  await table.delete("a");
  await store.table(balances).put(["acc", 9n], { amount: 12n });
  await store.snapshot("evening");
}

beforeAll(async () => {
  ensureBuilt();
  directory = await makeDirectory();
  const store = await openIt(directory);
  await fill(store);
  await store.close();
});

afterAll(removeDirectories);

test("at: tables, rows, by sequence, time and name; nothing is changed", async () => {
  const before = hashOf(directory);
  expect(await jsonLines("at", directory, "4")).toEqual([
    {
      sequence: 4,
      tables: [
        { name: "positions", rows: 2 },
        { name: "balances", rows: 0 },
      ],
    },
  ]);
  const rows = await jsonLines("at", directory, "3", "positions");
  expect(rows).toEqual([
    { key: "a", row: { symbol: "BTC", quantity: "2.50000000", side: "long", note: null } },
  ]);
  const evening = await jsonLines("at", directory, "evening", "balances");
  expect(evening).toEqual([{ key: ["acc", "9"], row: { amount: "12" } }]);
  expect(await jsonLines("at", directory, "2200-01-01", "balances")).toEqual(evening);
  const { stdout } = await holdfast("at", directory, "4", "positions");
  expect(stdout).toMatch(/^key +symbol +quantity +side +note\na +BTC +2\.50000000 +long +null\n/);
  expect(hashOf(directory)).toBe(before);
});

test("history: every change of a key", async () => {
  const changes = await jsonLines("history", directory, "positions", "a");
  expect(changes.map(({ sequence }) => sequence)).toEqual([2, 3, 5]);
  expect(changes[1]).toMatchObject({
    writer: "tester",
    before: { quantity: "1.00000000" },
    after: { quantity: "2.50000000" },
  });
  const { stdout } = await holdfast("history", directory, "positions", "a", "--from", "3");
  expect(stdout).toMatch(/^sequence +time +writer +change +why\n/);
  expect(stdout).toContain("quantity: 1.00000000 → 2.50000000");
  expect(stdout).toContain("deleted");
  expect(await jsonLines("history", directory, "balances", '["acc","9"]')).toHaveLength(1);
});

test("diff: added, removed, changed", async () => {
  const { stdout, code } = await holdfast("diff", directory, "2", "evening");
  expect(code).toBe(0);
  expect(stdout.split("\n").map((line) => line.slice(0, 14))).toEqual([
    "- positions a:",
    "+ positions b:",
    '+ balances ["a',
    "",
  ]);
  expect((await holdfast("diff", directory, "2", "3")).stdout).toBe(
    "~ positions a: quantity: 1.00000000 → 2.50000000\n",
  );
  const only = await jsonLines("diff", directory, "2", "evening", "--table", "balances");
  expect(only.map(({ kind }) => kind)).toEqual(["added"]);
});

test("tail: follows another process without the lock, from any transaction on", async () => {
  const there = await makeDirectory();
  const store = await openIt(there);
  const following = jsonLines("tail", there, "--from", "1", "--limit", "6");
  await fill(store);
  const seen = await following;
  expect(seen.map(({ sequence }) => sequence)).toEqual([1, 2, 3, 4, 5, 6]);
  expect(seen[4]).toMatchObject({
    writer: "tester",
    operations: [{ operation: "delete", table: "positions", key: "a" }],
  });
  await store.close();
  const { stdout } = await holdfast("tail", there, "--from", "5", "--limit", "1");
  expect(stdout).toMatch(/^5 {2}\d{4}-.*Z {2}tester\n {2}delete positions a\n$/);
});

test("exit codes tell the truth", async () => {
  const empty = await makeDirectory();
  for (const args of [
    ["at", empty, "1"],
    ["tail", empty],
    ["diff", empty, "1", "2"],
  ]) {
    expect(await holdfast(...args)).toMatchObject({ code: 2, stdout: "" });
  }
  const late = await holdfast("at", directory, "999");
  expect(late).toMatchObject({ code: 2, stdout: "" });
  expect(late.stderr).toContain("there is no durable transaction 999; the last one is 6");
  const table = await holdfast("at", directory, "3", "nonesuch");
  expect(table.stderr).toContain('it has "positions", "balances"');
  expect(table.code).toBe(2);
  const key = await holdfast("history", directory, "balances", "acc");
  expect(key).toMatchObject({ code: 2, stdout: "" });
  const name = await holdfast("diff", directory, "3", "nonesuch");
  expect(name).toMatchObject({ code: 1, stdout: "" });
  expect(name.stderr).toContain("SNAPSHOT_NOT_FOUND");
});
