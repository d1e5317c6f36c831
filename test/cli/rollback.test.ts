/** Going back on the command line, and what transactions say of themselves. */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { Decimal, open } from "../../src/index.js";
import { ensureBuilt } from "../support/built.js";
import { makeDirectory, removeDirectories } from "./frames.js";
import { balances, hashOf, holdfast, jsonLines, positions } from "./stores.js";

const row = (quantity: string) =>
  ({ symbol: "BTC", quantity: Decimal.of(quantity), side: "long", note: null }) as const;

let directory: string;

/** 1 declares; 2 is a signal, 3 an order, 4 a fill; each is the cause of the next. */
beforeAll(async () => {
  ensureBuilt();
  directory = await makeDirectory();
  const tables = [positions, balances];
  const store = await open(directory, { tables, environment: "test", writerId: "tester" });
  const table = store.table(positions);
  await store
    .table(balances)
    .put(["signal", 1n], { amount: 1n }, { reason: "crossed", tags: { signal: "s-1" } });
  await store
    .table(balances)
    .put(["order", 1n], { amount: 1n }, { causedBy: 2, tags: { signal: "s-1" } });
  await table.put("a", row("1"), { causedBy: 3, reason: "fill" });
  await table.put("a", row("2"));
  await table.put("b", row("3"));
  await store.close();
});

afterAll(removeDirectories);

test("history tells why, and with --causes what caused it, up to where that began", async () => {
  const [first, second] = await jsonLines("history", directory, "positions", "a", "--causes");
  expect(first).toMatchObject({
    ...{ sequence: 4, reason: "fill", causedBy: 3 },
    causes: [
      { sequence: 3, causedBy: 2, tags: { signal: "s-1" } },
      { sequence: 2, reason: "crossed", tags: { signal: "s-1" } },
    ],
  });
  expect(second).toMatchObject({ sequence: 5, causes: [] });
  expect(second).not.toHaveProperty("reason");
  const { stdout } = await holdfast("history", directory, "positions", "a", "--causes");
  expect(stdout).toMatch(/ why\n.* fill \(caused by 3\)\n/);
  expect(stdout).toMatch(/← put balances +\(caused by 2; signal=s-1\)\n/);
  expect(stdout).toMatch(/← put balances +crossed \(signal=s-1\)\n/);
});

test("log and tail show it, and log finds by it", async () => {
  const found = await jsonLines("log", directory, "--tag", "signal=s-1");
  expect(found.map(({ sequence }) => sequence)).toEqual([2, 3]);
  expect(found[1]).toMatchObject({ causedBy: 2, tags: { signal: "s-1" } });
  const caused = await jsonLines("log", directory, "--caused-by", "3");
  expect(caused.map(({ sequence, reason }) => [sequence, reason])).toEqual([[4, "fill"]]);
  const { stdout } = await holdfast("log", directory, "--from", "2", "--to", "2");
  expect(stdout).toMatch(/tester\n {4}reason: crossed\n {4}tags: signal=s-1\n {4}put balances/);
  const tail = await jsonLines("tail", directory, "--from", "2", "--limit", "1");
  expect(tail[0]).toMatchObject({ sequence: 2, reason: "crossed", tags: { signal: "s-1" } });
  expect((await holdfast("log", directory, "--tag", "signal")).code).toBe(2);
  const verified = await holdfast("verify", directory);
  expect(verified.code).toBe(0);
});

test("rollback: checked, refused without a reason, done, and told", async () => {
  const before = hashOf(directory);
  const checked = await holdfast("rollback", directory, "--to", "4", "--check");
  expect(checked).toEqual({
    code: 0,
    stdout: expect.stringMatching(
      /^~ positions a: quantity: 2\.00000000 → 1\.00000000\n- positions b: .*\n2 rows would change\n$/,
    ),
    stderr: "",
  });
  expect(await jsonLines("rollback", directory, "--to", "4", "--check")).toHaveLength(2);
  const without = await holdfast("rollback", directory, "--to", "4");
  expect(without).toMatchObject({ code: 2, stderr: expect.stringContaining("needs a reason") });
  expect(hashOf(directory)).toBe(before);
  const args = ["rollback", directory, "--to", "4", "--reason", "bad feed", "--tag", "ticket=7"];
  const [info] = await jsonLines(...args);
  expect(info).toEqual({
    ...{ to: 4, atomic: true, firstSequence: 7, lastSequence: 7, transactions: 1 },
    tables: [{ table: "positions", added: 0, removed: 1, changed: 1 }],
  });
  const [told] = await jsonLines("log", directory, "--tag", "ticket=7");
  expect(told).toMatchObject({
    sequence: 7,
    reason: "bad feed",
    tags: { ticket: "7", "holdfast.rollback": "4", "holdfast.part": "1 of 1" },
  });
  const again = await holdfast(...args);
  expect(again.stdout).toBe("the state is what it was after transaction 4\n");
  const back = await holdfast("rollback", directory, "--to", "6", "--reason", "it was right");
  expect(back.stdout).toMatch(
    /positions +1 +0 +1\nas it was after transaction 6, by transaction 8\n/,
  );
});

test("a version of later without `down` is refused; a module has the `down`", async () => {
  const other = await makeDirectory();
  const source = (down: string) => `
    import { defineTable, integer, string } from "${new URL("../../dist/index.js", import.meta.url).href}";
    const one = defineTable({ name: "t", version: 1, key: string(), fields: { a: integer() } });
    export const before = one;
    export const t = defineTable({ name: "t", version: 2, key: string(),
      fields: { a: integer(), b: integer() }, previous: one, up: ({ a }) => ({ a, b: 1 }), ${down} });`;
  const file = join(await makeDirectory(), "without.mjs");
  const withDown = join(await makeDirectory(), "with.mjs");
  writeFileSync(file, source(""));
  writeFileSync(withDown, source("down: ({ a }) => ({ a })"));
  const { before, t } = await import(file);
  const options = { environment: "test", history: "all" } as const;
  let store = await open(other, { ...options, tables: [before] });
  await store.table(before).put("k", { a: 1 });
  await store.close();
  store = await open(other, { ...options, tables: [t] });
  await store.table(t).put("k", { a: 2, b: 2 });
  await store.close();
  for (const more of [["--check"], ["--reason", "x"]]) {
    const args = ["rollback", other, "--to", "2", "--module", file, ...more];
    const refused = await holdfast(...args);
    expect(refused).toMatchObject({ code: 1, stderr: expect.stringContaining("SCHEMA_MISMATCH") });
    expect(refused.stderr).toContain('table "t" version 2');
  }
  const args = ["rollback", other, "--to", "2", "--module", withDown, "--reason", "x"];
  expect((await holdfast(...args)).stdout).toContain("as it was after transaction 2");
});
