/** The number that says whether two stores hold the same rows, beside one that is plainly computed. */
import { createHash } from "node:crypto";
import { expect, test } from "vitest";
import type { Manifest, ManifestSnapshot } from "../../src/manifest/format.js";
import { digest } from "../../src/snapshot/digest.js";
import { manifest as sample } from "../manifest/content.js";
import { SimulatedMachine } from "../sim/disk.js";
import {
  ALIGNMENT,
  DIRECTORY,
  LogMaker,
  type Model,
  type Operation,
  put,
  STORE_ID,
} from "./log.js";
import { contextOn, sorted } from "./rows.js";

const SCRATCH = "/data/scratch";

async function digestOf(rows: readonly Operation[]) {
  const machine = new SimulatedMachine({ seed: 1 });
  const disk = machine.boot();
  for (const path of [DIRECTORY, SCRATCH]) await machine.run(disk.createDirectory(path));
  const log = new LogMaker(disk, 4 * 1024 * 1024, '{"name":"t","version":1}');
  await machine.run(log.append("declare"));
  for (let i = 0; i < rows.length; i += 10) {
    await machine.run(log.append(rows.slice(i, i + 10)));
  }
  const state = {
    runs: [],
    runsThrough: 0,
    replayFrom: { segmentId: 1, offset: ALIGNMENT, sequence: 1, frameChecksum: 0 },
  };
  const snapshot: ManifestSnapshot = {
    ...{ name: "s", sequence: log.lastSequence, createdMicros: 1, state },
    segments: log.segments.map(({ id }) => id),
  };
  const manifest: Manifest = {
    ...sample,
    ...{ storeId: STORE_ID, segments: log.segments, tables: [], state, files: [] },
    snapshots: [snapshot],
  };
  const source = { directory: DIRECTORY, manifest, snapshot };
  const bounds = { arenaBytes: 200_000, fileBytes: 100_000 };
  const job = { kind: "digest", source, scratch: SCRATCH, bounds } as const;
  const result = await machine.run(digest(job, contextOn(disk)));
  expect(machine.files().filter((path) => path.startsWith(SCRATCH))).toEqual([]);
  return { ...result, model: log.modelAt(log.lastSequence) };
}

/** By the words of the documentation, a row at a time. */
function plainly(model: Model): string {
  const hash = createHash("sha256");
  for (const [key, row] of sorted(model)) {
    const numbers = Buffer.alloc(12);
    [key.length, row.length, 1].forEach((number, i) => {
      numbers.writeUInt32LE(number, 4 * i);
    });
    hash.update(numbers).update(key, "latin1").update(row, "latin1");
  }
  return hash.digest("hex");
}

test.each([
  ["nothing", []],
  ["many small rows", Array.from({ length: 2500 }, (_, i) => put(`key ${i}`, `row ${i % 7}`))],
  [
    "rows that fill a piece, and one that is larger than a piece",
    [
      ...Array.from({ length: 200 }, (_, i) => put(`k${i}`, "x".repeat(997 + i))),
      put("large", "y".repeat(100_000)),
      // What its key leaves of a piece is less than the three numbers before the next row.
      ...Array.from({ length: 40 }, (_, i) => put(`z${i}`, "z".repeat(65_500 - i))),
    ],
  ],
] as const)("of %s", async (_, rows) => {
  const { digest: found, rows: count, model } = await digestOf(rows);
  expect(found).toBe(plainly(model));
  expect(count).toBe(model.size);
});
