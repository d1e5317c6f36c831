/** The scan of a log made by hand: what it reads, and each of the refusals that no store runs into. */
import { describe, expect, test } from "vitest";
import { viewOf } from "../../src/base/bytes.js";
import { HoldfastError } from "../../src/base/errors.js";
import { portableChecksum } from "../../src/disk/checksum.js";
import type { Disk } from "../../src/disk/disk.js";
import {
  encodeSegmentHeader,
  FRAME_AT,
  FRAME_HEADER_BYTES,
  RECORD_AT,
  SEGMENT_AT,
  SEGMENT_HEADER_BYTES,
  segmentFileName,
} from "../../src/log/format.js";
import type { Manifest, ManifestSegment } from "../../src/manifest/format.js";
import { createManifest } from "../../src/manifest/keeper.js";
import { assertNotUsedLater } from "../../src/recovery/newer-epoch.js";
import { assertNotForeign, openLog } from "../../src/recovery/recover.js";
import { scanLog } from "../../src/recovery/scan.js";
import { placed } from "../../src/recovery/scan-problems.js";
import { PLACE, reseal, sealed } from "../log/frames.js";
import { manifest as sample } from "../manifest/content.js";
import { SimulatedMachine } from "../sim/disk.js";
import { ALIGNMENT, DIRECTORY, LogMaker, put, STORE_ID } from "../snapshot/log.js";

const SETTINGS = {
  environment: "test",
  allowEnvironmentChange: false,
  writerId: "tester",
  segmentBytes: 16 * 1024,
  frameBytesMax: 8192,
  framesInFlight: 8,
  alignment: ALIGNMENT,
};

const VISITOR = { record: () => {} };

interface Scene {
  readonly machine: SimulatedMachine;
  readonly disk: Disk;
  readonly manifest: Manifest;
  readonly path: (id: number) => string;
}

/** So many segments with three frames each; all but the first `sealed` of them open. */
async function scene(count: number, sealedCount = 0, more: Partial<Manifest> = {}): Promise<Scene> {
  const machine = new SimulatedMachine({ seed: 1 });
  const disk = machine.boot();
  await machine.run(disk.createDirectory(DIRECTORY));
  const log = new LogMaker(disk, 16 * 1024);
  for (let segment = 0; segment < count; segment++) {
    if (segment > 0) await machine.run(log.rotate());
    for (let i = 0; i < 3; i++) await machine.run(log.append([put(`key ${i}`, "row")]));
  }
  const segments = log.segments.map((segment, i): ManifestSegment => {
    if (i < sealedCount) return segment;
    const state = i === sealedCount ? "active" : "spare";
    return { ...segment, state, bytes: 16 * 1024, lastSequence: 0 };
  });
  const manifest: Manifest = {
    ...sample,
    storeId: STORE_ID,
    epoch: 1,
    durableThrough: 0,
    segments,
    files: [],
    merge: null,
    snapshots: [],
    archives: [],
    state: {
      runs: [],
      runsThrough: 0,
      replayFrom: { segmentId: 1, offset: ALIGNMENT, sequence: 1, frameChecksum: 0 },
    },
    ...more,
  };
  const path = (id: number) => `${DIRECTORY}/${segmentFileName(id)}`;
  return { machine, disk, manifest, path };
}

function scan({ machine, disk, manifest }: Scene) {
  const seen: number[] = [];
  const record = ({ sequence }: { sequence: number }) => void seen.push(sequence);
  const scanning = scanLog(disk, DIRECTORY, manifest, { record });
  return machine.run(scanning.then((result) => ({ ...result, seen })));
}

/** Rewrites the header of a segment with good checksums. */
function reheader({ machine, path }: Scene, id: number, change: (view: DataView) => void): void {
  machine.mutate(path(id), (bytes) => {
    const view = viewOf(bytes);
    change(view);
    const sum = portableChecksum.crc32c(bytes, SEGMENT_AT.formatVersion, SEGMENT_HEADER_BYTES);
    view.setUint32(SEGMENT_AT.checksum, sum, true);
    return bytes;
  });
}

function wipe({ machine, path }: Scene, id: number, from: number, to: number): void {
  machine.mutate(path(id), (bytes) => bytes.fill(0, from, to));
}

/** Every frame of a segment says that so much was durable. */
function prove({ machine, path }: Scene, id: number, durableThrough: number): void {
  machine.mutate(path(id), (bytes) => {
    for (let at = ALIGNMENT; at < 4 * ALIGNMENT; at += ALIGNMENT) {
      viewOf(bytes).setUint32(at + FRAME_AT.durableThrough, durableThrough, true);
      reseal(bytes, at);
    }
    return bytes;
  });
}

describe("the end", () => {
  test("is in the last of several open segments, each of which the one before leads to", async () => {
    const result = await scan(await scene(3));
    expect(result.seen).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9]);
    expect(result).toMatchObject({ verdict: "end", lastSequence: 9, tail: { entry: { id: 3 } } });
  });

  test("is the end of the last segment where all of them are sealed", async () => {
    const of = await scene(2, 1);
    const [first, second] = of.manifest.segments as [ManifestSegment, ManifestSegment];
    const last = { ...second, state: "sealed", bytes: 4 * ALIGNMENT, lastSequence: 6 } as const;
    const result = await scan({ ...of, manifest: { ...of.manifest, segments: [first, last] } });
    const why = "every segment is sealed";
    expect(result).toMatchObject({ verdict: "end", why, lastSequence: 6, tail: undefined });
  });

  test("is where a frame is missing that nothing proves, though the next segment has some", async () => {
    const of = await scene(2);
    wipe(of, 1, 3 * ALIGNMENT, 4 * ALIGNMENT);
    prove(of, 2, 2);
    const result = await scan(of);
    expect(result).toMatchObject({ seen: [1, 2], verdict: "torn", tail: { entry: { id: 1 } } });
    expect(result.tail?.scan.dirtyEnd).toBe(result.tail?.scan.endOffset);
    await of.machine.run(createManifest(of.disk, DIRECTORY, of.manifest));
    for (const tail of ["torn", "end"]) {
      const opened = await of.machine.run(openLog(of.machine.boot(), DIRECTORY, SETTINGS, VISITOR));
      const nothing = { tornBytes: 0, tornFiles: [] };
      expect(opened.report).toMatchObject({ tail, lastSequence: 2, ...nothing });
      await of.machine.run(opened.keeper.close());
    }
  });

  test.each([
    ["frames that prove nothing", (of: Scene) => prove(of, 2, 2)],
    ["nothing at all", (of: Scene) => wipe(of, 2, ALIGNMENT, 16 * 1024)],
  ])(
    "is not where the second segment behind proves more, and the first has %s",
    async (_, make) => {
      const of = await scene(3);
      wipe(of, 1, 3 * ALIGNMENT, 4 * ALIGNMENT);
      make(of);
      const data = { file: of.path(1), offset: 3 * ALIGNMENT, sequence: 3 };
      await expect(scan(of)).rejects.toMatchObject({ code: "CORRUPT_LOG", data });
    },
  );

  test("cannot be told where the device refuses what nothing proves", async () => {
    const of = await scene(1);
    of.machine.addReadError(of.path(1), 3 * ALIGNMENT, ALIGNMENT);
    const data = { file: of.path(1), offset: 3 * ALIGNMENT, sequence: 3 };
    await expect(scan(of)).rejects.toMatchObject({ code: "IO", data, cause: { code: "EIO" } });
  });
});

describe("frames", () => {
  test("with good checksums and records that are none are damage", async () => {
    const of = await scene(1);
    of.machine.mutate(of.path(1), (bytes) => {
      const at = 2 * ALIGNMENT;
      viewOf(bytes).setUint32(at + FRAME_HEADER_BYTES + RECORD_AT.recordBytes, 5, true);
      reseal(bytes, at);
      return bytes;
    });
    await expect(scan(of)).rejects.toMatchObject({
      code: "CORRUPT_LOG",
      message: expect.stringContaining("malformed: a record's length is out of bounds"),
      data: { file: of.path(1), offset: 2 * ALIGNMENT, sequence: 2 },
    });
  });

  test("that lead on into a spare whose header is damaged are damage there", async () => {
    const of = await scene(2);
    wipe(of, 2, 0, ALIGNMENT);
    await expect(scan(of)).rejects.toMatchObject({
      code: "CORRUPT_LOG",
      message: expect.stringContaining("its header is damaged, and it holds frames"),
      data: { file: of.path(2), offset: 0 },
    });
  });
});

describe("headers", () => {
  test("of another epoch are damage, where frames are expected", async () => {
    const of = await scene(1);
    reheader(of, 1, (view) => view.setUint32(SEGMENT_AT.epoch, 7, true));
    await expect(scan(of)).rejects.toMatchObject({
      code: "CORRUPT_LOG",
      message: expect.stringContaining("its header belongs to another place or time"),
      data: { file: of.path(1), offset: 0 },
    });
  });

  test("of a later format are not called damage", async () => {
    const of = await scene(1);
    reheader(of, 1, (view) => view.setUint32(SEGMENT_AT.formatVersion, 9, true));
    const data = { file: of.path(1) };
    await expect(scan(of)).rejects.toMatchObject({ code: "FORMAT_VERSION", data });
  });

  test("of a spare may be of the time before, or none", async () => {
    for (const damage of ["older", "none"]) {
      const of = await scene(2, 0, { closed: true });
      wipe(of, 2, ALIGNMENT, 4 * ALIGNMENT);
      if (damage === "none") wipe(of, 2, 0, ALIGNMENT);
      else reheader(of, 2, (view) => view.setUint32(SEGMENT_AT.epoch, 0, true));
      expect(await scan(of)).toMatchObject({ seen: [1, 2, 3], verdict: "end" });
    }
  });
});

describe("a spare whose header is of a later epoch", () => {
  const place = { ...PLACE, alignment: 4096 };
  const later = {
    storeId: PLACE.storeId,
    segmentId: PLACE.segmentId,
    epoch: 9,
    alignment: 4096,
    segmentBytes: 8192,
    createdMicros: 1,
    writerId: "w",
  };

  /** With that in its first block behind the header. */
  async function check(content: Uint8Array, epoch = 9, readError = false): Promise<void> {
    const machine = new SimulatedMachine({ seed: 1 });
    const disk = machine.boot();
    const file = await machine.run(disk.open("/spare", { write: true, create: true }));
    const header = encodeSegmentHeader({ ...later, epoch }, portableChecksum);
    await machine.run(file.write(0, Buffer.concat([header, content])));
    if (readError) machine.addReadError("/spare", 4096, 4096);
    await machine.run(assertNotUsedLater(disk, file, place, { ...later, epoch }, sample));
  }

  const used = sealed({ epoch: 9 });

  test("with a frame of that epoch proves that the manifest is older", async () => {
    await expect(check(used)).rejects.toMatchObject({
      code: "CORRUPT_MANIFEST",
      data: { file: "/spare" },
    });
  });

  test("without one, or where none can be read, proves nothing", async () => {
    await check(new Uint8Array(4096));
    await check(used.subarray(0, FRAME_HEADER_BYTES - 1));
    await check(used, 9, true);
  });

  test("nor does one of an epoch that the manifest knows", async () => {
    await check(sealed({ epoch: sample.epoch }), sample.epoch);
  });

  test("a mistake of the program in reading it is thrown", async () => {
    const of = await scene(1);
    of.machine.addFault({ operation: "read", path: of.path(1), error: "MISTAKE" });
    await expect(scan(of)).rejects.toMatchObject({ code: "MISTAKE" });
  });
});

test("a segment that cannot be opened is not called missing", async () => {
  const of = await scene(1);
  of.machine.addFault({ operation: "open", path: of.path(1), error: "EACCES" });
  await expect(scan(of)).rejects.toMatchObject({ code: "EACCES" });
});

test("what a visitor finds wrong with a record gets its place; anything else stays as it is", async () => {
  const of = await scene(1);
  const reading = (error: unknown) => {
    const record = ({ sequence }: { sequence: number }): void => {
      if (sequence === 2) throw error;
    };
    return of.machine.run(scanLog(of.disk, DIRECTORY, of.manifest, { record }));
  };
  const wrong = new HoldfastError("CORRUPT_LOG", "it is no row");
  const data = { file: of.path(1), offset: 2 * ALIGNMENT, sequence: 2, provenAcknowledged: true };
  await expect(reading(wrong)).rejects.toMatchObject({ code: "CORRUPT_LOG", data, cause: wrong });
  const elsewhere = new HoldfastError("CORRUPT_LOG", "it is no row", { file: "another" });
  await expect(reading(elsewhere)).rejects.toBe(elsewhere);
  const mistake = new TypeError("no such thing");
  await expect(reading(mistake)).rejects.toBe(mistake);
  expect(placed(mistake, "file", {} as never)).toBe(mistake);
});

test("a directory with a manifest is a store, whatever else is in it", () => {
  expect(() => assertNotForeign("/data", ["letter.txt", "manifest.1"])).not.toThrow();
  expect(() => assertNotForeign("/data", ["letter.txt"])).toThrow(
    expect.objectContaining({ code: "NOT_A_STORE" }),
  );
});
