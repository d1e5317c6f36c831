/**
 * Stores whose schemas have changed four times, restored, salvaged and brought back from a backup:
 * rows of every version are there, and become those of today as they do in the store itself.
 */
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { salvageStore } from "../../src/cli/salvage-store.js";
import { verifyStore } from "../../src/cli/verify-store.js";
import {
  decimal,
  defineTable,
  float64,
  int64,
  integer,
  nullable,
  open,
  type Store,
  string,
  type TableDefinition,
  was,
  withDefault,
} from "../../src/index.js";
import { runFileName } from "../../src/run/format.js";
import { ensureBuilt } from "../support/built.js";
import { copyOf, flip, makeDirectory, manifestOf, removeDirectories } from "./frames.js";
import { holdfast } from "./stores.js";

const one = defineTable({
  name: "orders",
  version: 1,
  key: integer(),
  fields: { price: float64(), qty: integer(), note: string() },
});
/** By the rules alone. */
const two = defineTable({
  name: "orders",
  version: 2,
  key: integer(),
  fields: {
    quantity: was(int64(), "qty"),
    price: float64(),
    venue: withDefault(string(), "XNAS"),
  },
  drops: ["note"],
});
/** By code. */
const three = defineTable({
  name: "orders",
  version: 3,
  key: integer(),
  fields: { price: decimal(2), quantity: int64(), venue: string(), id: string() },
  previous: two,
  up: ({ price, quantity, venue }, key) => ({
    ...{ price: price.toFixed(2), quantity, venue, id: `${key}!` },
  }),
});
/** By the rules, on top of that. */
const four = defineTable({
  name: "orders",
  version: 4,
  key: integer(),
  fields: { price: decimal(4), quantity: int64(), venue: nullable(string()), id: string() },
  previous: three,
});

type Version = readonly [table: TableDefinition, row: (i: number) => object];

const VERSIONS = [
  [one, (i: number) => ({ price: i / 4, qty: i, note: "x".repeat(i % 50) })],
  [two, (i: number) => ({ price: i / 4, quantity: BigInt(i), venue: `V${i % 3}` })],
  [
    three,
    (i: number) => ({ price: `${i}.25`, quantity: BigInt(i), venue: `V${i % 3}`, id: `id ${i}` }),
  ],
  [four, (i: number) => ({ price: `${i}.1234`, quantity: BigInt(i), venue: null, id: `id ${i}` })],
] as unknown as readonly Version[];

const SALVAGE = { writerId: "tester", environment: "test" };

/** Rows of one version; a third of them are written again by the next. */
const ROWS = 300;
const STEP = 200;

const openAs = (directory: string, table: TableDefinition): Promise<Store> =>
  open(directory, {
    tables: [table],
    environment: "test",
    writerId: "tester",
    segmentBytes: 64 * 1024,
    frameBytesMax: 8192,
    finalSnapshotMillis: 0,
    history: "all",
    onWarning: () => {},
  });

const rowsOf = (store: Store, table: TableDefinition): Record<string, string> =>
  Object.fromEntries(
    [...store.table(table).entries()].map(([key, row]) => [
      String(key),
      JSON.stringify(row, (_, value) => (typeof value === "bigint" ? `${value}n` : value)),
    ]),
  );

/** What a store holds, read with the newest version. */
async function read(directory: string): Promise<Record<string, string>> {
  const store = await openAs(await copyOf(directory), four);
  const rows = rowsOf(store, four);
  await store.close();
  return rows;
}

let directory: string;
let backups: string;
/** With the newest version's eyes, after each version was written with. */
const known: Record<string, string>[] = [];

beforeAll(async () => {
  ensureBuilt();
  directory = await makeDirectory();
  backups = join(await makeDirectory(), "backups");
  for (const [index, [table, row]] of VERSIONS.entries()) {
    const store = await openAs(directory, table);
    for (let i = index * STEP; i < index * STEP + ROWS; i += 20) {
      await store.transact((tx) => {
        for (let key = i; key < i + 20; key++) tx.put(table, key, row(key));
        if (index > 0) tx.delete(table, i - STEP + 1);
      });
      // Runs with rows of one version, of two, and a log with those of the last.
      if (i % 100 === 60) await store.flush();
    }
    await store.snapshot(`v${index + 1}`);
    if (index === VERSIONS.length - 1) await store.backup(backups);
    await store.close();
    known.push(await read(directory));
  }
});

afterAll(removeDirectories);

test.each([1, 2, 3, 4])(
  "the snapshot of version %i, restored, is today's rows of then",
  async (version) => {
    const to = join(await makeDirectory(), "restored");
    const { code, stderr } = await holdfast("restore", directory, `v${version}`, to, "--json");
    expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
    expect(await read(to)).toEqual(known[version - 1]);
    // And the code of then still reads it.
    const [table] = VERSIONS[version - 1] as Version;
    const store = await openAs(await copyOf(to), table);
    expect(Object.keys(rowsOf(store, table))).toEqual(Object.keys(known[version - 1] as object));
    await store.close();
  },
);

test("a backup, restored, has all rows", async () => {
  const to = join(await makeDirectory(), "restored");
  const { code, stderr } = await holdfast("restore", backups, "newest", to, "--json");
  expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
  expect(await read(to)).toEqual(known[3]);
});

describe("salvaged", () => {
  async function salvage(damaged: string) {
    const to = join(await makeDirectory(), "saved");
    const report = await salvageStore({ directory: damaged, to, ...SALVAGE });
    expect((await verifyStore(to)).findings).toEqual([]);
    return { report, rows: await read(to) };
  }

  test("whole, it has every row", async () => {
    const { report, rows } = await salvage(directory);
    expect(report).toMatchObject({ complete: true, lost: [] });
    expect(rows).toEqual(known[3]);
  });

  test("without a manifest, too: what each version was stands in the log and the runs", async () => {
    const damaged = await copyOf(directory);
    for (const slot of [0, 1]) await flip(join(damaged, `manifest.${slot}`), 200);
    const { rows } = await salvage(damaged);
    const wrong = Object.entries(rows).filter(([key, row]) => known[3]?.[key] !== row);
    expect(wrong).toEqual([]);
    expect(Object.keys(rows).length).toBeGreaterThan(ROWS);
  });

  test("with a damaged run, what is left is right, and what is not was told", async () => {
    const { files } = await manifestOf(directory);
    expect(files.length).toBeGreaterThan(1);
    for (const { id } of [files[0], files.at(-1)] as typeof files) {
      const damaged = await copyOf(directory);
      await flip(join(damaged, runFileName(id)), 4096 + 100);
      const { report, rows } = await salvage(damaged);
      const wrong = Object.entries(rows).filter(([key, row]) => known[3]?.[key] !== row);
      expect(wrong).toEqual([]);
      if (Object.keys(rows).length < Object.keys(known[3] as object).length) {
        expect(report.lost.length).toBeGreaterThan(0);
      }
    }
  });
});
