import { expect, test } from "vitest";
import { segmentFileName } from "../../src/log/format.js";
import { flush } from "../../src/snapshot/flush.js";
import type { FlushJob, FlushResult } from "../../src/snapshot/jobs.js";
import { SimulatedMachine } from "../sim/disk.js";
import { DIRECTORY, del, LogMaker, malform, modelKey, put, STORE_ID } from "./log.js";
import { contextOn, rowsOf, sorted, TABLES } from "./rows.js";

async function makeLog(segmentBytes?: number) {
  const machine = new SimulatedMachine({ seed: 1 });
  const disk = machine.boot();
  await machine.run(disk.createDirectory(DIRECTORY));
  const log = new LogMaker(disk, segmentBytes);
  const append: LogMaker["append"] = (...all) => machine.run(log.append(...all));
  const run = (job: FlushJob): Promise<FlushResult> => machine.run(flush(job, contextOn(disk)));
  return { machine, disk, log, append, run };
}

function jobFor(log: LogMaker, before?: FlushResult, change: Partial<FlushJob> = {}): FlushJob {
  return {
    kind: "flush",
    directory: DIRECTORY,
    storeId: STORE_ID,
    segments: log.segments,
    from: before?.replayFrom ?? { segmentId: 0, offset: 0, sequence: 1, frameChecksum: 0 },
    runsThrough: before?.through ?? 0,
    through: log.lastSequence,
    end: log.end,
    tables: TABLES,
    dropTombstones: false,
    fileIds: { first: (before?.files.at(-1)?.id ?? 0) + 1, count: 20 },
    fileBytes: 16 * 1024 * 1024,
    arenaBytes: 1024 * 1024,
    base: { runs: [], files: [] },
    ...change,
  };
}

function runsOf(...results: FlushResult[]) {
  const runs = results.map((result, index) => ({
    id: result.files[0]?.id ?? 0,
    tier: 0,
    firstSequence: result.firstSequence,
    lastSequence: result.through,
    files: result.files.map((file) => file.id),
    index,
  }));
  return { runs: runs.reverse(), files: results.flatMap((result) => result.files) };
}

test("the newest row of each key, in the order of tables and keys", async () => {
  const { machine, disk, log, append, run } = await makeLog();
  await append("declare", [put("b", "1"), put("a", "old"), put("z", "far", 258)]);
  await append([put("a", "new")], [put("c", "gone"), put("a\xff\x00", "bytes")], [del("c")]);
  await append();
  await append([put("a", "other table", 2)]);
  const result = await run(jobFor(log));
  expect(result).toMatchObject({ through: 6, records: 6, operations: 9, declarations: 1 });
  expect(result.files).toMatchObject([{ id: 1, rows: 5, tombstones: 1 }]);
  const { runs, files } = runsOf(result);
  expect([...(await machine.run(rowsOf(disk, runs, files)))]).toEqual([
    [modelKey(1, "a"), "new"],
    [modelKey(1, "a\xff\x00"), "bytes"],
    [modelKey(1, "b"), "1"],
    [modelKey(2, "a"), "other table"],
    [modelKey(258, "z"), "far"],
  ]);
});

test("goes on where the last one stopped, over segments, seals and what is not durable", async () => {
  const { machine, disk, log, append, run } = await makeLog(4096);
  const results: FlushResult[] = [];
  for (let round = 0; round < 12; round++) {
    await append([put(`k${round % 5}`, `${round}`)], [del(`k${(round + 3) % 5}`)]);
    if (round % 3 === 0) await append();
    const { end, lastSequence } = log;
    // Not durable yet: it must not be looked at.
    await append([put("later", `${round}`)]);
    results.push(await run(jobFor(log, results.at(-1), { end, through: lastSequence })));
    expect(results.at(-1)?.through).toBe(lastSequence);
    const { runs, files } = runsOf(...results);
    const rows = await machine.run(rowsOf(disk, runs, files));
    expect(sorted(rows)).toEqual(sorted(log.modelAt(lastSequence)));
  }
  expect(log.segments.length).toBeGreaterThan(2);
});

test("a cut in the middle of a frame: the frame is read again, its beginning passed over", async () => {
  const { machine, disk, log, append, run } = await makeLog();
  await append([put("a", "1")]);
  await append([put("b", "2")], [put("c", "3")], [put("b", "4")]);
  const first = await run(jobFor(log, undefined, { through: 3 }));
  expect(first).toMatchObject({ through: 3, records: 3 });
  expect(first.replayFrom).toMatchObject({ segmentId: 1, sequence: 2 });
  const one = runsOf(first);
  const rows = await machine.run(rowsOf(disk, one.runs, one.files));
  expect(sorted(rows)).toEqual(sorted(log.modelAt(3)));
  const second = await run(jobFor(log, first));
  expect(second).toMatchObject({ firstSequence: 4, through: 4, records: 1, operations: 1 });
  const both = runsOf(first, second);
  const all = await machine.run(rowsOf(disk, both.runs, both.files));
  expect(sorted(all)).toEqual(sorted(log.modelAt(4)));
});

test("memory is bounded: it stops at a frame, and files are split", async () => {
  const { machine, disk, log, append, run } = await makeLog(256 * 1024);
  for (let i = 0; i < 60; i++)
    await append([put(`key ${i}`, `${i}`.padEnd(3000, String(i * 7919)))]);
  const results: FlushResult[] = [];
  while ((results.at(-1)?.through ?? 0) < log.lastSequence) {
    const job = jobFor(log, results.at(-1), { arenaBytes: 40_000, fileBytes: 6_000 });
    results.push(await run(job));
  }
  expect(results.length).toBeGreaterThan(3);
  expect(results[0]?.files.length).toBeGreaterThan(1);
  const { runs, files } = runsOf(...results);
  const rows = await machine.run(rowsOf(disk, runs, files));
  expect(sorted(rows)).toEqual(sorted(log.modelAt(60)));
});

test("a key that is overwritten for ever takes no more memory", async () => {
  const { log, append, run } = await makeLog(1024 * 1024);
  for (let i = 0; i < 200; i++) await append([put("same", "x".repeat(2000 - i))]);
  const result = await run(jobFor(log, undefined, { arenaBytes: 10_000 }));
  expect(result).toMatchObject({ through: 200, files: [{ rows: 1 }] });
});

test("with nothing below, deletions need no trace; with nothing left, there is no file", async () => {
  const { machine, log, append, run } = await makeLog();
  await append("declare", [put("a", "1"), del("b")], [del("a")]);
  const result = await run(jobFor(log, undefined, { dropTombstones: true }));
  expect(result).toMatchObject({ files: [], through: 3 });
  expect(machine.files().filter((path) => path.endsWith(".run"))).toEqual([]);
});

test.each([
  ["a frame", 0],
  ["a payload", 150],
])("damage to %s that was durable is CORRUPT_LOG", async (_what, at) => {
  const { machine, log, append, run } = await makeLog();
  await append([put("a", "1")]);
  const { bytes } = log.end;
  await append([put("b", "x".repeat(100))]);
  await append([put("c", "3")]);
  machine.flipBit(`${DIRECTORY}/${segmentFileName(1)}`, bytes + at);
  await expect(run(jobFor(log))).rejects.toMatchObject({
    code: "CORRUPT_LOG",
    data: { file: `${DIRECTORY}/${segmentFileName(1)}`, offset: bytes, sequence: 2 },
  });
  expect(machine.files().filter((path) => path.endsWith(".run"))).toEqual([]);
});

test("a segment that is gone is MISSING_FILE; one that is too short is CORRUPT_LOG", async () => {
  const { machine, disk, log, append, run } = await makeLog(4096);
  for (let i = 0; i < 30; i++) await append([put(`${i}`, "row".repeat(30))]);
  const path = `${DIRECTORY}/${segmentFileName(2)}`;
  machine.mutate(path, (bytes) => bytes.slice(0, 1024));
  await expect(run(jobFor(log))).rejects.toMatchObject({ code: "CORRUPT_LOG" });
  await machine.run(disk.remove(path));
  await expect(run(jobFor(log))).rejects.toMatchObject({ code: "MISSING_FILE" });
});

test("a log that ends before what is to be flushed, or holds what no writer writes", async () => {
  const { machine, log, append, run } = await makeLog();
  for (let i = 0; i < 3; i++) await append([put("a", `${i}`)]);
  await expect(run(jobFor(log, undefined, { through: 5 }))).rejects.toMatchObject({
    code: "CORRUPT_LOG",
    message: expect.stringContaining("the log ends before transaction 5"),
  });
  const last = log.end.bytes - 512;
  malform(machine, 1, last, "operation");
  await expect(run(jobFor(log))).rejects.toMatchObject({
    code: "CORRUPT_LOG",
    message: expect.stringContaining("operation kind 9 is unknown"),
    data: { offset: last, sequence: 3 },
  });
  malform(machine, 1, last, "record");
  await expect(run(jobFor(log))).rejects.toThrow("a record's length is out of bounds");
});
