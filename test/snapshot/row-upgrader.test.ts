/** Merges make rows of older versions rows of newer ones, as far as that takes no code. */
import { ExtData, encode } from "@msgpack/msgpack";
import { expect, test } from "vitest";
import { fromHex } from "../../src/base/bytes.js";
import { ROW_BYTES_MAX } from "../../src/base/limits.js";
import { describeSchema } from "../../src/codec/schema-description.js";
import { decimal, defineTable, int64, integer, string, was, withDefault } from "../../src/index.js";
import { readManifestSlots } from "../../src/manifest/manifest.js";
import { BlockCache } from "../../src/run/block-cache.js";
import { RunSet } from "../../src/run/run-set.js";
import { merge } from "../../src/snapshot/merge.js";
import { RowUpgrader } from "../../src/snapshot/row-upgrader.js";
import { SimulatedMachine } from "../sim/disk.js";
import { DIRECTORY, fill, items, openOn } from "../support/simulated-store.js";
import { contextOn } from "./rows.js";

const key = integer();
const name = "items";
const v2 = defineTable({
  ...{ name, version: 2, key },
  fields: { amount: was(int64(), "value"), text: string(), more: withDefault(string(), "m") },
});
const v3 = defineTable({
  ...{ name, version: 3, key, drops: ["more"] },
  fields: { text: string(), amount: decimal(18) },
});
const v4 = defineTable({
  ...{ name, version: 4, key, previous: v3, up: () => ({ text: "never" }) },
  fields: { text: string() },
});
const v5 = defineTable({ name, version: 5, key, fields: { text: string() } });

/** Three runs with rows of version 1 and 2, merged by whoever knows those versions of the table. */
async function merged(schemas: readonly unknown[]) {
  const machine = new SimulatedMachine({ seed: 1 });
  let store = await openOn(machine);
  for (let part = 0; part < 2; part++) {
    await fill(machine, store, part * 20, part * 20 + 20);
    await machine.run(store.flush());
  }
  await machine.run(store.close());
  store = await openOn(machine, { tables: [v2] });
  // A decimal of 18 digits after the point has room for 20 before it.
  for (const [id, amount] of [
    [3, 7n],
    [4, 2n ** 62n],
  ] as const) {
    await machine.run(store.table(v2).put(id, { amount, text: "two", more: "!" }));
  }
  await machine.run(store.table(v2).delete(5));
  await machine.run(store.flush());
  await machine.run(store.close());
  const disk = machine.boot();
  const { newest } = await machine.run(readManifestSlots(disk, DIRECTORY));
  const { state, files, storeId } = newest as NonNullable<typeof newest>;
  const place = { directory: DIRECTORY, storeId };
  const tables = [{ id: 1, name, schemas }];
  const result = await machine.run(
    merge(
      {
        ...{ ...place, kind: "merge", runs: state.runs, files, tables, dropTombstones: true },
        ...{ afterKey: undefined, throughKey: undefined, fileBytes: 4096 },
        fileIds: { first: 1000, count: 50 },
      },
      contextOn(disk),
    ),
  );
  const runs = [{ id: 1000, tier: 1, firstSequence: 1, lastSequence: 99, files: [] as number[] }];
  runs[0]?.files.push(...result.files.map(({ id }) => id));
  const set = await machine.run(
    RunSet.open({
      ...{ disk, directory: DIRECTORY, storeId: fromHex(storeId) as Uint8Array },
      ...{ runs, files: result.files, cache: new BlockCache(1e6) },
    }),
  );
  const versions: number[] = [];
  const cursor = set.cursor({});
  while (cursor.next()) versions.push(cursor.schemaVersion);
  return { machine, versions };
}

const SCHEMAS = [items, v2, v3, v4, v5].map((table) => describeSchema(table));

test("to the version in force", async () => {
  const { versions } = await merged(SCHEMAS.slice(0, 3));
  expect(versions).toEqual(new Array(39).fill(3));
});

test("up to the version that takes code", async () => {
  const { versions } = await merged(SCHEMAS);
  expect(versions).toEqual(new Array(39).fill(3));
});

test("not where there is nothing newer, nor where the store went back", async () => {
  const two = Array.from({ length: 39 }, (_, i) => (i === 3 || i === 4 ? 2 : 1));
  const [first, second] = SCHEMAS;
  expect((await merged([second, first])).versions).toEqual(two);
  expect((await merged([{ ...second, fields: 1 }, second])).versions).toEqual(two);
});

test("one that does not become a row stays as it is", async () => {
  const wide = defineTable({
    ...{ name, version: 2, key, fields: { value: decimal(18), text: string() } },
  });
  const wider = { ...describeSchema(wide), fields: [{ name: "value", type: { kind: "integer" } }] };
  // Rows that their own version does not describe are left for whoever asks for them.
  const { versions } = await merged(
    [wider, describeSchema(v3)].map((one, i) => ({ ...one, version: i + 1 })),
  );
  expect(new Set(versions)).toEqual(new Set([1, 2]));
});

test("a row that the rules make too large, or a number of too many digits, stays what it is", () => {
  const fields = { text: string(), amount: decimal(0) };
  const longer = { ...fields, more: withDefault(string(), "m".repeat(1000)) };
  const wider = { ...fields, amount: decimal(18) };
  const upgraded = (text: string, digits: number, later: typeof fields) => {
    const versions = [fields, later].map((of, i) =>
      describeSchema(defineTable({ ...{ name, version: i + 1, key }, fields: of })),
    );
    const unscaled = (10n ** BigInt(digits - 1)).toString(16).padStart(32, "0");
    const row = encode([text, new ExtData(1, Buffer.from(unscaled, "hex"))]);
    return new RowUpgrader([{ id: 1, name, schemas: versions }]).upgrade(1, 1, row, 0, row.length);
  };
  expect(upgraded("short", 20, longer)).toMatchObject({ version: 2 });
  expect(upgraded("x".repeat(ROW_BYTES_MAX - 500), 20, longer)).toBe(undefined);
  expect(upgraded("short", 20, wider)).toMatchObject({ version: 2 });
  expect(upgraded("short", 21, wider)).toBe(undefined);
  const damaged = Uint8Array.of(0xc1);
  const versions = [1, 2].map((version) =>
    describeSchema(defineTable({ name, version, key, fields: version === 1 ? fields : longer })),
  );
  const upgrader = new RowUpgrader([{ id: 1, name, schemas: versions }]);
  expect(upgrader.upgrade(1, 1, damaged, 0, 1)).toBe(undefined);
});

test("a table that has ever had patches keeps its rows: the log may have one of such a row", () => {
  const first = { ...describeSchema(items), patches: true } as const;
  const row = encode([7, "text"]);
  for (const schemas of [
    [first, describeSchema(v2)],
    [describeSchema(items), { ...describeSchema(v2), patches: true }],
  ]) {
    const upgrader = new RowUpgrader([{ id: 1, name, schemas }]);
    expect(upgrader.upgrade(1, 1, row, 0, row.length)).toBe(undefined);
  }
  const upgrader = new RowUpgrader([
    { id: 1, name, schemas: [describeSchema(items), describeSchema(v2)] },
  ]);
  expect(upgrader.upgrade(1, 1, row, 0, row.length)?.version).toBe(2);
});
