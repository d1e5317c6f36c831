import { describe, expect, test } from "vitest";
import { toHex } from "../../src/base/bytes.js";
import { portableChecksum } from "../../src/disk/checksum.js";
import type { Disk } from "../../src/disk/disk.js";
import {
  FRAME_AT,
  FRAME_HEADER_BYTES,
  RECORD_AT,
  SEGMENT_HEADER_BYTES,
} from "../../src/log/format.js";
import { HistoryHash } from "../../src/log/history-hash.js";
import type { LogRecord } from "../../src/log/record.js";
import type { ManifestArchive, ManifestSegment } from "../../src/manifest/format.js";
import { decodeBlock, encodeBlock } from "../../src/run/block.js";
import { BLOCK_KIND } from "../../src/run/format.js";
import { archive } from "../../src/snapshot/archive.js";
import {
  ARCHIVE_AT,
  ARCHIVE_HEADER_BYTES,
  archiveFileName,
  decodeArchiveHeader,
  encodeArchiveHeader,
  parseArchiveFileName,
} from "../../src/snapshot/archive-format.js";
import { describeArchive } from "../../src/snapshot/describe-archive.js";
import { expiredArchives } from "../../src/snapshot/history.js";
import type { ArchiveJob, ArchiveResult } from "../../src/snapshot/jobs.js";
import { readArchive } from "../../src/snapshot/read-archive.js";
import { reseal } from "../log/frames.js";
import { SimulatedMachine } from "../sim/disk.js";
import { DIRECTORY, del, LogMaker, malform, put, STORE_ID } from "./log.js";
import { contextOn } from "./rows.js";

/** Of the segments. */
const WRITER = "tester";
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
  const make = (before?: ArchiveJob["before"]): Promise<ArchiveResult> =>
    machine.run(archive({ ...job, ...(before && { before }) }, contextOn(disk)));
  return { machine, disk, log, segment, make, result: await make() };
}

type Archived = Awaited<ReturnType<typeof archived>>;

async function read(
  { machine, disk, result }: Archived,
  from?: number,
  through?: number,
  checkHistory = false,
) {
  const seen: number[] = [];
  const options = {
    disk,
    directory: DIRECTORY,
    storeId: STORE_ID,
    archive: result.archive,
    previousChecksum: 0,
    checkHistory,
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

test("a segment that ends before its last transaction, or whose records are none", async () => {
  const made = await archived();
  const { machine, disk, segment, result } = made;
  const again = (change: object) => {
    const job = { kind: "archive", directory: DIRECTORY, storeId: STORE_ID } as const;
    return machine.run(archive({ ...job, segment: { ...segment, ...change } }, contextOn(disk)));
  };
  await expect(again({ lastSequence: result.archive.lastSequence + 1 })).rejects.toMatchObject({
    code: "CORRUPT_LOG",
    message: expect.stringContaining("the segment ends before transaction 122"),
  });
  malform(machine, 1, 512, "record");
  await expect(again({})).rejects.toMatchObject({
    code: "CORRUPT_LOG",
    message: expect.stringContaining("a record's length is out of bounds"),
  });
  expect(machine.files()).not.toContain(PATH);
});

describe("the hash of the history", () => {
  const ZERO = Buffer.alloc(32);

  function plainly(made: Archived, base: Uint8Array = ZERO): Promise<string> {
    const { machine, disk, result } = made;
    const hash = new HistoryHash(base);
    const options = { disk, directory: DIRECTORY, storeId: STORE_ID, archive: result.archive };
    const visit = (record: LogRecord): void => hash.add(record, WRITER);
    return machine.run(readArchive({ ...options, visit }).then(() => hash.head));
  }

  test("is that of its transactions, from nothing or from where the archive before ends", async () => {
    const made = await archived();
    const { historyBase, historyHash } = made.result.archive;
    expect(Buffer.from(historyBase as Uint8Array)).toEqual(ZERO);
    expect(toHex(historyHash as Uint8Array)).toBe(await plainly(made));
    const hash = Buffer.alloc(32, 7);
    const { archive: next } = await made.make({ sequence: 0, hash });
    expect(next.historyBase).toEqual(hash);
    expect(toHex(next.historyHash as Uint8Array)).toBe(await plainly(made, hash));
    const { archive: apart } = await made.make({ sequence: 3, hash });
    expect(apart).toEqual(made.result.archive);
  });

  test("goes through segments that are kept for snapshots, unless they are damaged", async () => {
    const machine = new SimulatedMachine({ seed: 3 });
    const disk = machine.boot();
    await machine.run(disk.createDirectory(DIRECTORY));
    const log = new LogMaker(disk, 64 * 1024);
    await machine.run(log.append("declare"));
    for (let i = 0; i < 3; i++) {
      await machine.run(log.append([put(`${i}`, "row")], [put("b", `${i}`)]));
      await machine.run(log.rotate());
    }
    const [first, second, third] = log.segments as [ManifestSegment, ...ManifestSegment[]];
    const make = (segment: ManifestSegment | undefined, more: Partial<ArchiveJob>) => {
      const job = { kind: "archive", directory: DIRECTORY, storeId: STORE_ID } as const;
      const whole = { ...job, segment: segment as ManifestSegment, ...more };
      return machine.run(archive(whole, contextOn(disk)).then((result) => result.archive));
    };
    const markOf = ({ lastSequence: sequence, historyHash }: ManifestArchive) => {
      return { sequence, hash: historyHash as Uint8Array };
    };
    const one = await make(first, {});
    const two = await make(second, { before: markOf(one) });
    const three = await make(third, { before: markOf(two) });
    expect(three.historyBase).toEqual(two.historyHash);
    const between = [first, second as ManifestSegment];
    expect(await make(third, { between })).toEqual(three);
    expect(await make(third, { before: markOf(one), between: between.slice(1) })).toEqual(three);
    const path = `${DIRECTORY}/0000000000000002.log`;
    machine.flipBit(path, 620);
    const anew = await make(third, { between });
    expect(Buffer.from(anew.historyBase as Uint8Array)).toEqual(ZERO);
    await machine.run(disk.remove(path));
    expect(await make(third, { between })).toEqual(anew);
    const aborted = AbortSignal.abort();
    const job = { kind: "archive", directory: DIRECTORY, storeId: STORE_ID, between } as const;
    const cancelled = archive(
      { ...job, segment: third as ManifestSegment },
      contextOn(disk, aborted),
    );
    await expect(machine.run(cancelled)).rejects.toMatchObject({ code: "CLOSED" });
  });

  test("of a segment without a frame is that of what is before", async () => {
    const machine = new SimulatedMachine({ seed: 3 });
    const disk = machine.boot();
    await machine.run(disk.createDirectory(DIRECTORY));
    const log = new LogMaker(disk, 64 * 1024);
    await machine.run(log.append("declare"));
    await machine.run(log.rotate());
    const whole = log.segments[1] as ManifestSegment;
    const segment = { ...whole, state: "sealed", bytes: whole.alignment, lastSequence: 1 } as const;
    const job = { kind: "archive", directory: DIRECTORY, storeId: STORE_ID, segment } as const;
    const before = { sequence: 1, hash: Buffer.alloc(32, 9) };
    const made = await machine.run(archive({ ...job, before }, contextOn(disk)));
    const { historyBase, historyHash } = made.archive;
    expect(made.archive).toMatchObject({ firstSequence: 2, lastSequence: 1 });
    expect([historyBase, historyHash].map((bytes) => toHex(bytes as Uint8Array))).toEqual([
      toHex(before.hash),
      toHex(before.hash),
    ]);
  });
});

/** Of the frame there. */
function payloadOf(content: Buffer, at: number): number {
  return content.readUInt32LE(at + FRAME_AT.payloadBytes);
}

describe("an archive with another content, under good checksums", () => {
  /** The content of its one block is the header of the segment, then the frames. */
  async function reforged(change: (content: Buffer) => void): Promise<Archived> {
    const made = await archived(900, 3);
    const { machine, disk, result } = made;
    const bytes = Buffer.from(machine.read(PATH));
    const seed = bytes.readUInt32LE(ARCHIVE_AT.checksum);
    const offset = ARCHIVE_HEADER_BYTES;
    const place = { kind: BLOCK_KIND.archive, fileId: 1, offset, seed, file: PATH };
    const content = decodeBlock(bytes.subarray(offset), place, disk);
    change(content);
    const block = encodeBlock({ ...place, raw: content, compress: true }, disk);
    const whole = Buffer.concat([bytes.subarray(0, offset), block]);
    machine.mutate(PATH, () => whole);
    const entry = { ...result.archive, bytes: whole.length };
    return { ...made, result: { ...result, archive: entry } };
  }

  const describeOf = ({ machine, disk }: Archived, segmentId = 1, tools: Disk = disk) =>
    machine.run(
      disk.open(PATH).then(async (file) => {
        const place = { storeId: Buffer.from(STORE_ID, "hex"), segmentId };
        return describeArchive(tools, file, place).finally(() => file.close());
      }),
    );

  const CHANGES: readonly [string, (content: Buffer) => void, string, string | undefined][] = [
    [
      "another segment's header",
      (content) => void content.fill(0, 0, SEGMENT_HEADER_BYTES),
      "the segment's header is damaged",
      "the header of its segment is damaged",
    ],
    [
      "no frame",
      (content) => void content.fill(0, SEGMENT_HEADER_BYTES, SEGMENT_HEADER_BYTES + 4),
      "there is no frame",
      "its first frame is damaged",
    ],
    [
      "a frame whose records have another checksum",
      (content) => {
        content[SEGMENT_HEADER_BYTES + FRAME_HEADER_BYTES + RECORD_AT.timeMicros]! ^= 1;
      },
      "a frame fails its checksum",
      undefined,
    ],
    [
      "a record that is none",
      (content) => {
        const record = SEGMENT_HEADER_BYTES + FRAME_HEADER_BYTES;
        content.writeUInt32LE(5, record + RECORD_AT.recordBytes);
        reseal(content, SEGMENT_HEADER_BYTES);
      },
      "a record's length is out of bounds",
      undefined,
    ],
  ];

  test.each(CHANGES)("%s", async (_name, change, why, described) => {
    const made = await reforged(change);
    await expect(read(made)).rejects.toMatchObject({
      code: "CORRUPT_LOG",
      message: expect.stringContaining(why),
      data: { file: PATH, offset: ARCHIVE_HEADER_BYTES },
    });
    if (described !== undefined) expect(await describeOf(made)).toBe(described);
  });

  test("that its own hash of the history tells from what was archived", async () => {
    const made = await reforged((content) => {
      let last = SEGMENT_HEADER_BYTES;
      for (let at = last; at < content.length; at += FRAME_HEADER_BYTES + payloadOf(content, at)) {
        last = at;
      }
      content[content.length - 1]! ^= 1;
      reseal(content, last);
    });
    expect((await read(made)).records).toBe(7);
    await expect(read(made, undefined, undefined, true)).rejects.toMatchObject({
      code: "CORRUPT_LOG",
      message: expect.stringContaining("its transactions are not those that were archived"),
      data: { file: PATH, offset: ARCHIVE_HEADER_BYTES },
    });
  });

  test("what it says of itself, and why it says nothing", async () => {
    const made = await archived();
    const { machine, result } = made;
    const { id, firstSequence, bytes, epoch, alignment } = result.archive;
    const known = { id, firstSequence, bytes, epoch, alignment };
    expect(await describeOf(made)).toMatchObject(known);
    expect(await describeOf(made, 2)).toBe("its header is that of another archive");
    const good = machine.read(PATH).slice();
    machine.flipBit(PATH, ARCHIVE_HEADER_BYTES + 100);
    expect(await describeOf(made)).toBe("its first block is damaged");
    machine.mutate(PATH, () => good.slice(0, ARCHIVE_HEADER_BYTES + 3));
    expect(await describeOf(made)).toBe("there is no block where the first one should be");
  });

  test("a mistake of the program is thrown by both, and not called damage", async () => {
    const made = await archived();
    const mistake = new TypeError("no such thing");
    const compressor = {
      ...made.disk.compressor,
      decompress: () => {
        throw mistake;
      },
    };
    const disk: Disk = Object.create(made.disk, { compressor: { value: compressor } });
    await expect(read({ ...made, disk })).rejects.toBe(mistake);
    await expect(describeOf(made, 1, disk)).rejects.toBe(mistake);
  });

  test("fewer transactions than the manifest says, or another link", async () => {
    const made = await archived();
    const { result } = made;
    const entry = { ...result.archive, lastSequence: 500 };
    const longer = { ...made, result: { ...result, archive: entry } };
    await expect(read(longer)).rejects.toThrow("it ends before transaction 500");
    const first = { ...result.archive, firstSequence: 2 };
    const other = { ...made, result: { ...result, archive: first } };
    await expect(read(other)).rejects.toThrow("a frame does not continue the one before it");
  });
});

test("headers: cut off, of a later format, of another archive", async () => {
  const place = { storeId: Buffer.from(STORE_ID, "hex"), segmentId: 7 };
  const { bytes, seed } = encodeArchiveHeader(place, portableChecksum);
  const decode = (one: Uint8Array, of = place) => decodeArchiveHeader(one, of, portableChecksum);
  expect(decode(bytes)).toEqual({ ok: true, seed });
  expect(decode(bytes.subarray(0, 63))).toMatchObject({ detail: "its header is cut off" });
  const detail = "its header is that of another archive";
  expect(decode(bytes, { ...place, segmentId: 8 })).toMatchObject({ why: "damaged", detail });
  const later = Buffer.from(bytes);
  later.writeUInt32LE(9, ARCHIVE_AT.formatVersion);
  const sum = portableChecksum.crc32c(later, ARCHIVE_AT.formatVersion, later.length);
  later.writeUInt32LE(sum, ARCHIVE_AT.checksum);
  expect(decode(later)).toMatchObject({ why: "version", detail: "it is of format version 9" });
  const made = await archived(900, 3);
  made.machine.mutate(PATH, (old) => {
    const whole = Buffer.from(old);
    whole.writeUInt32LE(9, ARCHIVE_AT.formatVersion);
    const checksum = portableChecksum.crc32c(whole, ARCHIVE_AT.formatVersion, 64);
    whole.writeUInt32LE(checksum, ARCHIVE_AT.checksum);
    return whole;
  });
  const data = { file: PATH };
  await expect(read(made)).rejects.toMatchObject({ code: "FORMAT_VERSION", data });
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
