/** From a snapshot to rows elsewhere: its log by hand, and the tables that come of it. */
import { describe, expect, test } from "vitest";
import type { Manifest, ManifestSnapshot } from "../../src/manifest/format.js";
import type { RunProperties } from "../../src/run/properties.js";
import { restoreRows } from "../../src/snapshot/restore.js";
import { RestoredTables } from "../../src/snapshot/restored-tables.js";
import { RunOutput } from "../../src/snapshot/run-output.js";
import { SpilledRows } from "../../src/snapshot/spilled-rows.js";
import { manifest as sample } from "../manifest/content.js";
import { SimulatedMachine } from "../sim/disk.js";
import { ALIGNMENT, DIRECTORY, LogMaker, malform, put, STORE_ID } from "./log.js";
import { contextOn, rowsOf, TABLES } from "./rows.js";

const TO = "/data/restored";
const SCHEMA = '{"name":"t","version":1}';

/** A declaration, and a thousand rows and more behind it. */
async function scene(schema = SCHEMA, sequence = 13, sealed = false) {
  const machine = new SimulatedMachine({ seed: 1 });
  const disk = machine.boot();
  for (const directory of [DIRECTORY, TO]) await machine.run(disk.createDirectory(directory));
  const log = new LogMaker(disk, 1024 * 1024, schema);
  await machine.run(log.append("declare"));
  for (let i = 0; i < 12; i++) {
    const rows = Array.from({ length: 100 }, (_, k) => put(`${100 * i + k}`, "x".repeat(20)));
    await machine.run(log.append(rows));
  }
  const state = {
    runs: [],
    runsThrough: 0,
    replayFrom: { segmentId: 1, offset: ALIGNMENT, sequence: 1, frameChecksum: 0 },
  };
  const segments = log.segments.map(({ id }) => id);
  if (sealed) await machine.run(log.rotate());
  const snapshot: ManifestSnapshot = { name: "s", sequence, createdMicros: 1, state, segments };
  const manifest: Manifest = {
    ...sample,
    storeId: STORE_ID,
    segments: log.segments,
    tables: [],
    state,
    files: [],
    snapshots: [snapshot],
  };
  const restore = () =>
    machine.run(
      restoreRows(
        disk,
        { directory: DIRECTORY, manifest, snapshot },
        { directory: TO, storeId: STORE_ID, arenaBytes: 20_000, fileBytes: 4096 },
      ),
    );
  return { machine, disk, log, restore };
}

test("all rows, and the tables that its log declares", async () => {
  const { machine, disk, log, restore } = await scene();
  const { files, tables, rowsOf: counts } = await restore();
  expect(tables).toEqual([{ id: 1, name: "t", schemas: [{ name: "t", version: 1 }] }]);
  expect([...counts]).toEqual([[1, 1200]]);
  expect(files.length).toBeGreaterThan(1);
  const ids = files.map(({ id }) => id);
  const run = { id: 1, tier: 0, firstSequence: 1, lastSequence: 13, files: ids };
  const rows = await machine.run(rowsOf(disk, [run], files, TO));
  expect(new Map(rows)).toEqual(log.modelAt(13));
  // What was spilled on the way is gone.
  expect(machine.files().filter((path) => path.startsWith(TO))).toHaveLength(files.length);
});

test("one of nothing is nothing", async () => {
  const { restore } = await scene(SCHEMA, 0);
  expect(await restore()).toMatchObject({ files: [], tables: [] });
});

describe("refused", () => {
  test("a log that ends before the snapshot does", async () => {
    const { restore } = await scene(SCHEMA, 20, true);
    await expect(restore()).rejects.toMatchObject({
      code: "CORRUPT_LOG",
      message: expect.stringContaining("the log ends before the snapshot does"),
    });
  });

  test.each(['{"name":"t"}', '{"name":5,"version":1}', "5", "null", "no JSON"])(
    "a schema that is %s",
    async (schema) => {
      const { restore } = await scene(schema);
      await expect(restore()).rejects.toThrow("a schema is not one");
    },
  );

  test.each([
    ["record", "a record's length is out of bounds"],
    ["operation", "operation kind 9 is unknown"],
  ] as const)("a %s that is none", async (what, why) => {
    const { machine, restore } = await scene();
    malform(machine, 1, ALIGNMENT, what);
    await expect(restore()).rejects.toMatchObject({
      code: "CORRUPT_LOG",
      message: expect.stringContaining(why),
    });
    expect(machine.files().filter((path) => path.startsWith(TO))).toEqual([]);
  });
});

describe("tables", () => {
  const schema = (version: number) => ({ name: "t", version });

  test("each version once, as it was declared; those of no row are not the snapshot's", () => {
    const tables = new RestoredTables([
      { id: 1, name: "t", schemas: [schema(1)] },
      { id: 2, name: "unused", schemas: [schema(1)] },
    ]);
    expect(tables.declare(1, JSON.stringify(schema(2)))).toBe(true);
    expect(tables.declare(1, JSON.stringify(schema(2)))).toBe(true);
    tables.addRow(1, 1);
    tables.addRow(1, 1);
    const known = { id: 1, name: "t", schemas: [schema(1), schema(2)] };
    expect(tables.list).toEqual([known]);
    expect(tables.all).toEqual([known, { id: 2, name: "unused", schemas: [schema(1)] }]);
  });

  test("those that nobody is known to have declared stand around those that were, by their number", () => {
    const versions = [schema(5), schema(3), schema(1), schema(2)];
    const tables = new RestoredTables([{ id: 1, name: "t", schemas: versions }]);
    for (const version of [3, 2]) tables.declare(1, JSON.stringify(schema(version)));
    tables.addRow(1, 5);
    const schemas = [schema(1), schema(3), schema(2), schema(5)];
    expect(tables.list).toEqual([{ id: 1, name: "t", schemas }]);
  });

  test("of a file of a run what is a schema", () => {
    const tables = new RestoredTables([]);
    const counts = { rows: 1, tombstones: 0 };
    const table = { id: 3, name: "t", schemas: [{}, schema(4)], ...counts };
    tables.addFile({ tables: [table] } as unknown as RunProperties);
    expect(tables.list).toEqual([{ id: 3, name: "t", schemas: [schema(4)] }]);
  });
});

describe("rows on their way", () => {
  const options = {
    directory: TO,
    storeId: STORE_ID,
    fileIds: { first: 1, count: 50 },
    fileBytes: 1_000_000,
    firstSequence: 1,
    lastSequence: 1,
    tables: TABLES,
  };

  test("nothing to spill makes no run", async () => {
    const { machine, disk } = await scene();
    const rows = new SpilledRows(1000, contextOn(disk), () => options);
    await machine.run(rows.spill());
    expect({ runs: rows.runs, files: rows.files }).toEqual({ runs: [], files: [] });
  });

  test("an output without a file has nothing to write; one that is not full stays open", async () => {
    const { machine, disk } = await scene();
    const output = new RunOutput(options, contextOn(disk));
    await machine.run(output.flush());
    expect({ due: output.due, bytes: output.bytesWritten }).toEqual({ due: false, bytes: 0 });
    const writer = await machine.run(output.open());
    for (let i = 0; i < 40; i++) {
      const key = Buffer.from([0, 1, i]);
      const row = Buffer.from(Array.from({ length: 8000 }, (_, k) => (k * (i + 3) * 31) % 251));
      writer.add(key, 0, 3, 1, row, 0, row.length);
    }
    await machine.run(output.flush());
    expect(output.bytesWritten).toBeGreaterThan(0);
    expect(output.writer).toBe(writer);
    const files = await machine.run(output.finish());
    expect(files).toMatchObject([{ id: 1, rows: 40 }]);
  });
});
