/** The reader of the durable log, in ranges that no store gives it. */
import { describe, expect, test } from "vitest";
import { segmentFileName } from "../../src/log/format.js";
import type { ManifestSegment } from "../../src/manifest/format.js";
import { describeFailure } from "../../src/snapshot/context.js";
import { LogCursor, type LogRange } from "../../src/snapshot/log-cursor.js";
import { SimulatedMachine } from "../sim/disk.js";
import { ALIGNMENT, DIRECTORY, LogMaker, put, STORE_ID } from "./log.js";
import { contextOn } from "./rows.js";

/** Two segments of two frames each. */
async function makeLog() {
  const machine = new SimulatedMachine({ seed: 1 });
  const disk = machine.boot();
  await machine.run(disk.createDirectory(DIRECTORY));
  const log = new LogMaker(disk);
  for (let i = 0; i < 4; i++) {
    if (i === 2) await machine.run(log.rotate());
    await machine.run(log.append([put("key", `${i}`)]));
  }
  const range: LogRange = {
    directory: DIRECTORY,
    storeId: STORE_ID,
    segments: log.segments,
    from: { segmentId: 1, offset: ALIGNMENT, sequence: 1, frameChecksum: 0 },
    end: log.end,
  };
  /** Sequences of the frames of a range. */
  const read = (change: Partial<LogRange> = {}): Promise<number[]> => {
    const cursor = new LogCursor({ ...range, ...change }, contextOn(disk));
    const reading = async (): Promise<number[]> => {
      const seen: number[] = [];
      for (let frame = await cursor.peek(); frame !== undefined; frame = await cursor.peek()) {
        seen.push(frame.header.firstSequence);
        cursor.advance(frame.header);
      }
      return seen;
    };
    return machine.run(reading().finally(() => cursor.close()));
  };
  return { log, range, read };
}

test("it goes from segment to segment, to the end of its range", async () => {
  const { read } = await makeLog();
  expect(await read()).toEqual([1, 2, 3, 4]);
  expect(await read({ end: { segmentId: 2, bytes: 2 * ALIGNMENT } })).toEqual([1, 2, 3]);
});

test("an unsealed segment that is not the last ends before its file does", async () => {
  const { log, read } = await makeLog();
  const [first, second] = log.segments as [ManifestSegment, ManifestSegment];
  const open: ManifestSegment = { ...first, state: "active", bytes: log.segmentBytes };
  expect(await read({ segments: [open, second] })).toEqual([1, 2, 3, 4]);
});

describe("a place", () => {
  test("in no segment is the end", async () => {
    const { range, read } = await makeLog();
    expect(await read({ segments: [] })).toEqual([]);
    const from = { ...range.from, segmentId: 3 };
    expect(await read({ from })).toEqual([]);
  });

  test("in a segment that should be there is MISSING_FILE, with the directory", async () => {
    const { log, read } = await makeLog();
    await expect(read({ segments: log.segments.slice(1) })).rejects.toMatchObject({
      code: "MISSING_FILE",
      message: "segment 1 is not among those of the store",
      data: { file: DIRECTORY, sequence: 1 },
    });
  });

  test("whose frame does not continue what is said to be before it is damage", async () => {
    const { range, read } = await makeLog();
    const from = { ...range.from, frameChecksum: 1 };
    const data = { file: `${DIRECTORY}/${segmentFileName(1)}`, offset: ALIGNMENT, sequence: 1 };
    await expect(read({ from })).rejects.toMatchObject({ code: "CORRUPT_LOG", data });
    expect(await read({ from, anyLink: true })).toEqual([1, 2, 3, 4]);
  });
});

test("errors of the system as those of this package, with their file where they say it", () => {
  const system = (code: string, path?: string) => Object.assign(new Error(code), { code, path });
  const of = (error: unknown) => describeFailure(error, "a job");
  expect(of(system("ENOSPC", "a"))).toMatchObject({ code: "DISK_FULL", data: { file: "a" } });
  expect(of(system("ENOENT", "a"))).toMatchObject({ code: "MISSING_FILE", data: { file: "a" } });
  expect(of(system("EIO"))).toMatchObject({ code: "IO", data: {} });
  const mistake = new TypeError("no");
  expect(of(mistake)).toBe(mistake);
});
