/** `holdfast migrate`: checked beside a running program, interrupted, done, and gone back from. */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { ensureBuilt } from "../support/built.js";
import { makeDirectory, removeDirectories, verify } from "./frames.js";
import { hashOf, holdfast } from "./stores.js";

const ROWS = 2_000;

/** The application, before and after. */
const MODULE = `
import { defineTable, decimal, float64, integer, string, withDefault } from "DIST";
export const v1 = defineTable({
  name: "orders", version: 1, key: integer(), fields: { price: float64(), venue: string() },
});
export const tables = [
  defineTable({
    name: "orders", version: 2, key: integer(), fields: { price: decimal(2), venue: string() },
    previous: v1,
    up: ({ price, venue }, key) => UP,
    down: ({ price, venue }) => ({ price: Number(price), venue }),
  }),
  defineTable({
    name: "notes", version: VERSION, key: string(),
    fields: { text: string(), NOTE },
  }),
];
`;

interface Programs {
  readonly directory: string;
  readonly state: string;
  /** A module of the application; \`up\` is an expression. */
  module(name: string, up: string, version?: number): string;
}

async function programs(): Promise<Programs> {
  const directory = await makeDirectory();
  const dist = new URL("../../dist/index.js", import.meta.url).href;
  const module = (name: string, up: string, version = 2): string => {
    const file = join(directory, `${name}.mjs`);
    const note = version === 1 ? "" : 'by: withDefault(string(), "nobody")';
    const text = MODULE.replace("DIST", dist).replace("UP", up).replace("VERSION", `${version}`);
    writeFileSync(file, text.replace(", NOTE", note === "" ? "" : `, ${note}`));
    return file;
  };
  return { directory, state: join(directory, "state"), module };
}

const GOOD = "({ price: price.toFixed(2), venue })";

/** A store as the application of before leaves it. */
async function filled(): Promise<Programs> {
  const made = await programs();
  const { open } = await import(new URL("../../dist/index.js", import.meta.url).href);
  const { v1, tables } = await import(made.module("before", GOOD, 1));
  const store = await open(made.state, { tables: [v1, tables[1]], environment: "prod" });
  for (let i = 0; i < ROWS; i++) void store.table(v1).put(i, { price: i / 4, venue: `V${i % 3}` });
  await store.table(tables[1]).put("a", { text: "x" });
  await store.close();
  return made;
}

const run = async (...args: string[]) => {
  const { code, stdout, stderr } = await holdfast("migrate", ...args);
  return { code, stderr, stdout };
};

beforeAll(() => {
  ensureBuilt();
});

afterAll(removeDirectories);

test("--check reports the rows that fail, and code that is not the same twice; nothing changes", async () => {
  const { state, module } = await filled();
  const before = await hashOf(state);
  const bad = module(
    "bad",
    "{ if (key % 1000 === 7) throw new RangeError('no'); return GOOD; }".replace("GOOD", GOOD),
  );
  const { code, stdout, stderr } = await run(state, "--module", bad, "--check", "--json");
  expect({ code, stderr }).toEqual({ code: 1, stderr: "" });
  const [orders, notes] = JSON.parse(stdout);
  expect(orders).toMatchObject({ table: "orders", version: 2, rows: ROWS, failed: 2 });
  expect(orders.failures.map(({ key }: { key: number }) => key)).toEqual([7, 1007]);
  expect(orders.failures[0]).toMatchObject({ code: "MIGRATION_FAILED", version: 1 });
  expect(notes).toMatchObject({ table: "notes", version: 2, rows: 1, failed: 0 });
  const text = await run(state, "--module", bad, "--check");
  expect(text.stdout).toMatch(/^table +version +rows +failed\norders +2 +2,000 +2\nnotes/);
  expect(text.stdout).toContain('table "orders", key 7: its row of version 1 does not become one');
  const chance = module("chance", "({ price: price.toFixed(2), venue: String(Math.random()) })");
  const twice = await run(state, "--module", chance, "--check", "--json");
  expect(twice.code).toBe(1);
  expect(JSON.parse(twice.stdout)[0]).toMatchObject({ failed: ROWS });
  expect(twice.stdout).toContain("the same row gives another one each time");
  expect(await run(state, "--module", module("good", GOOD), "--check")).toMatchObject({ code: 0 });
  expect(await hashOf(state)).toBe(before);
});

test("--check works beside the program that has the store, and sees what it has written", async () => {
  const { state, module } = await filled();
  const { open } = await import(new URL("../../dist/index.js", import.meta.url).href);
  const { v1 } = await import(module("again", GOOD, 1));
  const store = await open(state, { tables: [v1], environment: "prod" });
  await store.table(v1).put(ROWS, { price: 1e300, venue: "new" });
  const check = await run(state, "--module", module("good", GOOD), "--check", "--json");
  await store.close();
  expect(check.code).toBe(1);
  const [orders] = JSON.parse(check.stdout);
  expect(orders).toMatchObject({ rows: ROWS + 1, failed: 1, failures: [{ key: ROWS }] });
});

test("rewrites all rows, says so, and goes back", async () => {
  const { state, module } = await filled();
  const file = module("after", GOOD);
  const { code, stdout, stderr } = await run(state, "--module", file);
  expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
  expect(stdout).toMatch(/^table +version +rows +rewritten +failed\norders +2 +2,000 +2,000 +0\n/);
  expect(await verify(state)).toMatchObject({ code: 0, findings: [] });
  const again = await run(state, "--module", file);
  expect(again.stdout).toBe("every row is of the version in force\n");
  const { open } = await import(new URL("../../dist/index.js", import.meta.url).href);
  const { v1, tables } = await import(file);
  const refused = open(state, { tables: [v1], environment: "prod" });
  await expect(refused).rejects.toThrow(/newer than the code.*--back orders=1/);
  const back = await run(state, "--module", file, "--back", "orders=1", "--json");
  expect(back.code).toBe(0);
  expect(JSON.parse(back.stdout)).toMatchObject([{ table: "orders", version: 1, rewritten: ROWS }]);
  const store = await open(state, { tables: [v1], environment: "prod" });
  expect(store.table(v1).count()).toBe(ROWS);
  expect(store.table(v1).get(7)).toEqual({ price: 1.75, venue: "V1" });
  await store.close();
  expect(tables).toHaveLength(2);
  expect(await verify(state)).toMatchObject({ code: 0, findings: [] });
});

test("what cannot be meant is refused", async () => {
  const { state, directory, module } = await filled();
  const file = module("after", GOOD);
  const empty = join(directory, "empty.mjs");
  writeFileSync(empty, "export const tables = [];");
  const REFUSED: [string[], RegExp][] = [
    [["--module", join(directory, "none.mjs")], /INVALID_ARGUMENT: .*cannot be loaded/],
    [["--module", empty], /INVALID_ARGUMENT: .*exports no tables/],
    [["--module", file, "--back", "orders=7"], /INVALID_ARGUMENT: --back orders=7: the module has/],
    [["--module", file, "--back", "orders=1", "--check"], /INVALID_ARGUMENT: .*not go together/],
    [[], /required option '--module <file>'/],
  ];
  for (const [args, message] of REFUSED) {
    const refused = await run(state, ...args);
    expect(refused).toMatchObject({ code: 2, stdout: "" });
    expect(refused.stderr).toMatch(message);
  }
});
