import { expect, test } from "vitest";
import type { ManifestSegment } from "../../src/manifest/format.js";
import { archive } from "../../src/snapshot/archive.js";
import { archiveFileName, parseArchiveFileName } from "../../src/snapshot/archive-format.js";
import { expiredArchives } from "../../src/snapshot/history.js";
import type { ArchiveResult } from "../../src/snapshot/jobs.js";
import { readArchive } from "../../src/snapshot/read-archive.js";
import { SimulatedMachine } from "../sim/disk.js";
import { DIRECTORY, del, LogMaker, put, STORE_ID } from "./log.js";
import { contextOn } from "./rows.js";

const PATH = `${DIRECTORY}/${archiveFileName(1)}`;

async function archived(rowBytes = 900, frames = 60) {
  const machine = new SimulatedMachine({ seed: 3 });
  const disk = machine.boot();
  await machine.run(disk.createDirectory(DIRECTORY));
  const log = new LogMaker(disk, 1024 * 1024);
  await machine.run(log.append("declare"));
  for (let i = 0; i < frames; i++) {
    await machine.run(
      log.append([put(`${i}`, "x".repeat(rowBytes)), del("a")], [put("b", `${i}`)]),
    );
    if (i % 10 === 0) await machine.run(log.append());
  }
  await machine.run(log.rotate());
  const segment = log.segments[0] as ManifestSegment;
  const job = { kind: "archive", directory: DIRECTORY, storeId: STORE_ID, segment } as const;
  const make = (): Promise<ArchiveResult> => machine.run(archive(job, contextOn(disk)));
  return { machine, disk, log, segment, make, result: await make() };
}

type Archived = Awaited<ReturnType<typeof archived>>;

async function read({ machine, disk, result }: Archived, from?: number, through?: number) {
  const seen: number[] = [];
  const options = {
    disk,
    directory: DIRECTORY,
    storeId: STORE_ID,
    archive: result.archive,
    previousChecksum: 0,
    visit: (record: { sequence: number; operationCount: number }) => {
      seen.push(record.sequence);
    },
    ...(from === undefined ? {} : { fromSequence: from }),
    ...(through === undefined ? {} : { throughSequence: through }),
  };
  const reading = await machine.run(readArchive(options));
  return { seen, ...reading };
}

test("an archive has every frame of its segment, and is far smaller", async () => {
  const made = await archived();
  const { result, segment } = made;
  expect(result).toMatchObject({ frames: 67, bytesWritten: result.archive.bytes });
  expect(result.archive).toMatchObject({ id: 1, firstSequence: 1, lastSequence: 121, epoch: 1 });
  expect(result.archive.lastMicros).toBe(1_700_000_000_000_121);
  expect(result.archive.bytes).toBeLessThan(segment.bytes / 5);
  const all = await read(made);
  expect(all.seen).toEqual(Array.from({ length: 121 }, (_, i) => i + 1));
  expect(all).toMatchObject({ frames: 67, records: 121 });
  expect((await read(made, 17, 19)).seen).toEqual([17, 18, 19]);
});

test("frames larger than a block have one of their own; the file is the same each time", async () => {
  const made = await archived(300_000, 3);
  const first = made.machine.read(PATH).slice();
  expect((await read(made)).records).toBe(7);
  await made.make();
  expect(made.machine.read(PATH)).toEqual(first);
});

test("what an attempt before has left behind is overwritten", async () => {
  const made = await archived();
  made.machine.mutate(PATH, (bytes) => Buffer.concat([bytes, Buffer.alloc(5000, 7)]));
  await made.make();
  expect((await read(made)).records).toBe(121);
});

test("one bit anywhere is CORRUPT_LOG, with file and offset", async () => {
  const made = await archived();
  const good = made.machine.read(PATH).slice();
  for (let at = 0; at < good.length; at += 1 + (at % 13)) {
    made.machine.flipBit(PATH, at, at % 8);
    const error = await read(made).catch((e: unknown) => e);
    expect(error, `byte ${at}`).toMatchObject({ code: "CORRUPT_LOG", data: { file: PATH } });
    made.machine.mutate(PATH, () => good.slice());
  }
  expect((await read(made)).records).toBe(121);
});

test("a file that is too long, too short, of another segment, or gone", async () => {
  const made = await archived();
  const good = made.machine.read(PATH).slice();
  for (const bytes of [good.slice(0, -1), good.slice(0, 20), Buffer.concat([good, good])]) {
    made.machine.mutate(PATH, () => bytes);
    await expect(read(made)).rejects.toMatchObject({ code: "CORRUPT_LOG" });
  }
  made.machine.mutate(PATH, () => good);
  const { archive: entry } = made.result;
  const other = { ...made, result: { ...made.result, archive: { ...entry, epoch: 2 } } };
  await expect(read(other)).rejects.toMatchObject({ code: "CORRUPT_LOG" });
  await made.machine.run(made.disk.remove(PATH));
  await expect(read(made)).rejects.toMatchObject({ code: "MISSING_FILE" });
});

test("damage in the segment is found, and no archive is left", async () => {
  const made = await archived();
  made.machine.flipBit(`${DIRECTORY}/0000000000000001.log`, 5000);
  await expect(made.make()).rejects.toMatchObject({ code: "CORRUPT_LOG" });
  expect(made.machine.files()).not.toContain(PATH);
});

test("names", () => {
  expect(parseArchiveFileName(archiveFileName(17))).toBe(17);
  expect(parseArchiveFileName("0000000000000000.archive")).toBeUndefined();
  expect(parseArchiveFileName("17.archive")).toBeUndefined();
});

test("the oldest archives expire first, and never one in the middle", () => {
  const archives = [5, 3, 4].map((id) => ({
    id,
    firstSequence: id,
    lastSequence: id,
    lastMicros: id * 1_000_000,
    bytes: 100,
    epoch: 1,
    alignment: 512,
  }));
  const ids = (history: Parameters<typeof expiredArchives>[1]) =>
    expiredArchives(archives, history, 6_000_000).map((one) => one.id);
  expect(ids("all")).toEqual([]);
  expect(ids("none")).toEqual([]);
  expect(ids({ keepForMillis: 2_000 })).toEqual([3]);
  expect(ids({ keepForMillis: 0 })).toEqual([3, 4, 5]);
  expect(ids({ keepBytes: 250 })).toEqual([3]);
  expect(ids({ keepBytes: 0 })).toEqual([3, 4, 5]);
  expect(ids({ keepBytes: 300 })).toEqual([]);
});
