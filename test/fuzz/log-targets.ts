/** What a log, its archives and its manifest are made of. */
import { fromHex, viewOf } from "../../src/base/bytes.js";
import { FRAME_BYTES_MAX, MANIFEST_BYTES_MAX, SEGMENT_BYTES_MIN } from "../../src/base/limits.js";
import {
  decodeFrameHeader,
  decodeSegmentHeader,
  FRAME_AT,
  FRAME_HEADER_BYTES,
  FRAME_MAGIC,
  type FramePlace,
  SEGMENT_AT,
  SEGMENT_HEADER_BYTES,
} from "../../src/log/format.js";
import { scanSegment } from "../../src/log/reader.js";
import { type LogRecord, walkOperations, walkRecords } from "../../src/log/record.js";
import {
  decodeManifest,
  encodeManifest,
  MANIFEST_AT,
  MANIFEST_HEADER_BYTES,
  manifestBytes,
} from "../../src/manifest/format.js";
import { encodeBlock } from "../../src/run/block.js";
import { BLOCK_AT, BLOCK_HEADER_BYTES, BLOCK_KIND } from "../../src/run/format.js";
import {
  ARCHIVE_AT,
  ARCHIVE_HEADER_BYTES,
  encodeArchiveHeader,
} from "../../src/snapshot/archive-format.js";
import { readArchive } from "../../src/snapshot/read-archive.js";
import { Catalog } from "../../src/store/catalog.js";
import { Layers } from "../../src/store/layers.js";
import { Replayer } from "../../src/store/replay.js";
import { fastChecksum, fastTools } from "../corruption/image-disk.js";
import { readingDisk } from "../corruption/probes.js";
import { DIRECTORY, makeSpecimen, type Specimen } from "../corruption/specimen.js";
import { type LogFrame, logFrames } from "../corruption/units.js";
import type { Planned } from "./suite.js";

const ALIGNMENT = 512;

export async function logPlans(): Promise<Planned[]> {
  const specimen = await makeSpecimen();
  const scene = sceneOf(specimen);
  return [
    segmentHeaderPlan(scene),
    framePlan(scene),
    scanPlan(scene),
    replayPlan(scene),
    archivePlan(specimen, scene),
    manifestPlan(specimen),
  ];
}

/** The beginning of the active segment: a log of its own. */
interface Scene {
  readonly place: FramePlace;
  readonly header: Buffer;
  readonly frames: readonly LogFrame[];
  /** Of each frame, its bytes with padding. */
  readonly bytes: readonly Buffer[];
  readonly firstSequence: number;
  readonly previousChecksum: number;
  readonly tables: Specimen["manifest"]["tables"];
}

function sceneOf(specimen: Specimen): Scene {
  const { manifest, files } = specimen;
  const active = manifest.segments.find(({ state }) => state === "active");
  if (active === undefined) throw new Error("the specimen has no active segment");
  const frames = logFrames(specimen).filter(({ segmentId }) => segmentId === active.id);
  const few = frames.slice(0, 4);
  const whole = files.get(frames[0]?.path as string) as Uint8Array;
  const bytes = few.map(({ header: { offset, frameBytes } }) =>
    Buffer.from(whole.slice(offset, offset + frameBytes)),
  );
  const first = (few[0] as LogFrame).header;
  return {
    place: {
      storeId: fromHex(manifest.storeId) as Uint8Array,
      segmentId: active.id,
      epoch: active.epoch,
      alignment: ALIGNMENT,
      frameBytesMax: FRAME_BYTES_MAX,
    },
    header: Buffer.from(whole.slice(0, ALIGNMENT)),
    frames: few,
    bytes,
    firstSequence: first.firstSequence,
    previousChecksum: first.previousChecksum,
    tables: manifest.tables,
  };
}

function putChecksum(input: Buffer, at: number, from: number, to: number, seed = 0): void {
  input.writeUInt32LE(fastChecksum.crc32c(input, from, to, seed), at);
}

function segmentHeaderPlan({ header }: Scene): Planned {
  const run = (input: Buffer): string => {
    const result = decodeSegmentHeader(input, fastChecksum);
    if (!result.ok) return result.why;
    const { alignment, segmentBytes, writerId } = result.header;
    const isSane = alignment >= 512 && Number.isSafeInteger(segmentBytes) && writerId.length <= 192;
    if (!isSane) throw new Error("a header with figures that cannot be");
    return "good";
  };
  const seal = (input: Buffer): void => {
    if (input.length < SEGMENT_HEADER_BYTES) return;
    putChecksum(input, SEGMENT_AT.checksum, SEGMENT_AT.formatVersion, SEGMENT_HEADER_BYTES);
  };
  const seeds = [header.subarray(0, SEGMENT_HEADER_BYTES)];
  const places = Object.values(SEGMENT_AT);
  const target = { name: "segment-header", seeds, places, seal, run, allocationMax: 4096 };
  return { target, inputs: 700_000, outcomesMin: 3 };
}

/** Payload and header, as far as their lengths lie inside. */
function sealFrame(input: Buffer, at: number): void {
  if (at + FRAME_HEADER_BYTES > input.length) return;
  const payloadBytes = input.readUInt32LE(at + FRAME_AT.payloadBytes);
  const from = at + FRAME_HEADER_BYTES;
  if (from + payloadBytes <= input.length) {
    putChecksum(input, at + FRAME_AT.payloadChecksum, from, from + payloadBytes);
  }
  putChecksum(input, at + FRAME_AT.checksum, at + FRAME_AT.payloadChecksum, from);
}

/** Goes through what a record says; nothing in it may lead outside. */
function walkInside(record: LogRecord): string {
  const { operationsStart, operationsEnd, bytes } = record;
  if (operationsStart > operationsEnd || operationsEnd > bytes.length) {
    throw new Error("a record reaches over its frame");
  }
  const wrong = walkOperations(record, ({ keyStart, keyEnd, rowEnd }) => {
    if (keyStart < operationsStart || keyEnd < keyStart || rowEnd < keyEnd) {
      throw new Error("an operation goes backwards");
    }
    if (rowEnd > operationsEnd) throw new Error("an operation reaches over its record");
  });
  return wrong ?? "good";
}

function framePlan({ place, bytes, frames }: Scene): Planned {
  const offset = ALIGNMENT;
  const seeds = bytes.map((frame) => {
    const moved = Buffer.from(frame);
    moved.writeBigUInt64LE(BigInt(offset), FRAME_AT.offset);
    sealFrame(moved, 0);
    return moved;
  });
  const recordAt = FRAME_HEADER_BYTES;
  const places = [
    ...Object.values(FRAME_AT),
    ...[0, 4, 8, 16, 20, 24, 25, 26, 28, 30, 32].map((at) => recordAt + at),
  ];
  const run = (input: Buffer): string => {
    const view = viewOf(input);
    const header = decodeFrameHeader(input, view, 0, offset, place, fastChecksum);
    if (header === undefined) return "no frame";
    const from = FRAME_HEADER_BYTES;
    const to = from + header.payloadBytes;
    if (header.frameBytes > FRAME_BYTES_MAX) throw new Error("a frame larger than there may be");
    if (to > input.length) return "cut off";
    if (fastChecksum.crc32c(input, from, to) !== header.payloadChecksum) return "bad payload";
    let inside = "good";
    const wrong = walkRecords(input, view, 0, header, (record) => {
      const found = walkInside(record);
      if (found !== "good") inside = found;
    });
    return wrong ?? inside;
  };
  const seal = (input: Buffer): void => sealFrame(input, 0);
  if (frames.length < 3) throw new Error("the specimen has too few frames");
  const target = { name: "frame", seeds, places, seal, run, allocationMax: 4096 };
  return { target, inputs: 900_000, outcomesMin: 8 };
}

/** A log that begins behind one block, since that is where frames begin. */
function logSeeds({ header, bytes }: Scene): Buffer[] {
  return [2, 3, 4].map((count) =>
    Buffer.concat([header, ...bytes.slice(0, count), Buffer.alloc(3 * ALIGNMENT)]),
  );
}

/** Every frame where one can begin; every second time the links too, as a liar would. */
function sealLog(input: Buffer): void {
  let previous: number | undefined;
  const isLinked = (input.at(-1) ?? 0) % 2 === 0;
  for (let at = ALIGNMENT; at + FRAME_HEADER_BYTES <= input.length; at += ALIGNMENT) {
    if (input.readUInt32LE(at) !== FRAME_MAGIC) continue;
    if (isLinked && previous !== undefined) {
      input.writeUInt32LE(previous, at + FRAME_AT.previousChecksum);
    }
    sealFrame(input, at);
    previous = input.readUInt32LE(at + FRAME_AT.checksum);
  }
}

const LOG_PLACES = [...Object.values(FRAME_AT), 96, 100, 104, 112, 120, 122, 124, 126, 128].map(
  (at) => ALIGNMENT + at,
);

async function scanOf(
  { place, firstSequence, previousChecksum }: Scene,
  input: Buffer,
  visit: (record: LogRecord) => void,
) {
  const contents = new Map([["/log", input as Uint8Array]]);
  const chain = { nextSequence: firstSequence, previousChecksum };
  const scan = await scanSegment({
    file: await readingDisk(contents).open("/log"),
    place,
    checksum: fastChecksum,
    chain,
    limit: input.length,
    recycled: (input[8] ?? 0) % 2 === 0,
    visit,
  });
  if (scan.endOffset > Math.max(ALIGNMENT, input.length))
    throw new Error("it ends behind the file");
  if (chain.nextSequence !== firstSequence + scan.transactions)
    throw new Error("a sequence is lost");
  return scan;
}

function scanPlan(scene: Scene): Planned {
  const run = async (input: Buffer): Promise<string> => {
    let next = scene.firstSequence;
    const scan = await scanOf(scene, input, (record) => {
      if (record.sequence !== next++) throw new Error("a sequence is passed over");
      walkInside(record);
    });
    const { found, malformed, frames, lastLaterOffset } = scan;
    return `good: ${found}, ${malformed ?? "well formed"}, ${frames} frames, later ${lastLaterOffset > 0}`;
  };
  const target = {
    name: "log",
    seeds: logSeeds(scene),
    places: LOG_PLACES,
    seal: sealLog,
    run,
    allocationMax: 2 * SEGMENT_BYTES_MIN,
  };
  return { target, inputs: 150_000, outcomesMin: 10 };
}

/** To the rows. Whatever the log says under good checksums, nobody gets a row that was not read. */
function replayPlan(scene: Scene): Planned {
  const run = async (input: Buffer): Promise<string> => {
    const catalog = new Catalog(new Layers(1 << 20, readingDisk(new Map())));
    for (const { id, schemas } of scene.tables) for (const one of schemas) catalog.declare(id, one);
    const replayer = new Replayer(catalog);
    await scanOf(scene, input, (record) => replayer.apply(record));
    return `good: ${[...catalog.tables].length} tables`;
  };
  const codes = ["CORRUPT_LOG"];
  const target = {
    name: "replay",
    seeds: logSeeds(scene),
    places: LOG_PLACES,
    seal: sealLog,
    run,
    codes,
    allocationMax: 1 << 20,
  };
  return { target, inputs: 40_000, outcomesMin: 5 };
}

/** Not compressed, so that the frames in it can be sealed again. */
function archivePlan(specimen: Specimen, { place, header, bytes, frames }: Scene): Planned {
  const { storeId, segmentId } = place;
  const head = encodeArchiveHeader({ storeId, segmentId }, fastChecksum);
  const stored = frames.map(({ header: { payloadBytes } }, i) =>
    (bytes[i] as Buffer).subarray(0, FRAME_HEADER_BYTES + payloadBytes),
  );
  const segmentHeader = header.subarray(0, SEGMENT_HEADER_BYTES);
  const split = (from: number, contents: readonly Uint8Array[]): Uint8Array =>
    encodeBlock(
      {
        kind: BLOCK_KIND.archive,
        fileId: segmentId,
        offset: from,
        seed: head.seed,
        raw: Buffer.concat(contents),
        compress: false,
      },
      fastTools,
    );
  const one = split(ARCHIVE_HEADER_BYTES, [segmentHeader, ...stored.slice(0, 2)]);
  const two = split(ARCHIVE_HEADER_BYTES + one.length, stored.slice(2));
  const seed = Buffer.concat([head.bytes, one, two]);
  const first = (frames[0] as LogFrame).header;
  const last = (frames.at(-1) as LogFrame).header;
  const lastSequence = last.firstSequence + last.recordCount - 1;
  const run = async (input: Buffer): Promise<string> => {
    const archive = {
      id: segmentId,
      firstSequence: first.firstSequence,
      lastSequence,
      lastMicros: 0,
      bytes: input.length,
      epoch: place.epoch,
      alignment: ALIGNMENT,
    };
    const path = `${DIRECTORY}/${String(segmentId).padStart(16, "0")}.archive`;
    const disk = readingDisk(new Map([[path, input as Uint8Array]]));
    const visit = (record: LogRecord): void => void walkInside(record);
    const options = { disk, directory: DIRECTORY, storeId: specimen.manifest.storeId, archive };
    const { records } = await readArchive({ ...options, visit });
    if (records !== lastSequence - first.firstSequence + 1) throw new Error("records are missing");
    return "good";
  };
  const target = {
    name: "archive",
    seeds: [seed],
    places: [
      ...Object.values(ARCHIVE_AT),
      ...Object.values(BLOCK_AT).map((at) => ARCHIVE_HEADER_BYTES + at),
      ...Object.values(FRAME_AT).map(
        (at) => ARCHIVE_HEADER_BYTES + BLOCK_HEADER_BYTES + SEGMENT_HEADER_BYTES + at,
      ),
    ],
    seal: sealArchive,
    run,
    codes: ["CORRUPT_LOG", "FORMAT_VERSION"],
    allocationMax: FRAME_BYTES_MAX,
  };
  return { target, inputs: 150_000, outcomesMin: 10 };
}

function sealArchive(input: Buffer): void {
  if (input.length < ARCHIVE_HEADER_BYTES) return;
  putChecksum(input, ARCHIVE_AT.checksum, ARCHIVE_AT.formatVersion, ARCHIVE_HEADER_BYTES);
  const seed = input.readUInt32LE(ARCHIVE_AT.checksum);
  for (let at = ARCHIVE_HEADER_BYTES; at + BLOCK_HEADER_BYTES <= input.length; ) {
    const end = at + input.readUInt32LE(at + BLOCK_AT.blockBytes);
    if (end > input.length || end < at + BLOCK_HEADER_BYTES) return;
    let inside = at + BLOCK_HEADER_BYTES + (at === ARCHIVE_HEADER_BYTES ? SEGMENT_HEADER_BYTES : 0);
    while (inside + FRAME_HEADER_BYTES <= end) {
      const payloadBytes = input.readUInt32LE(inside + FRAME_AT.payloadBytes);
      sealFrame(input.subarray(0, end), inside);
      inside += FRAME_HEADER_BYTES + payloadBytes;
    }
    putChecksum(input, at + BLOCK_AT.checksum, at + BLOCK_AT.blockBytes, end, seed);
    at = end;
  }
}

function manifestPlan({ files }: Specimen): Planned {
  const slot = files.get(`${DIRECTORY}/manifest.0`) as Uint8Array;
  const used = manifestBytes(slot, fastChecksum) as number;
  const seeds = [Buffer.from(slot.slice(0, used))];
  const run = (input: Buffer): string => {
    const result = decodeManifest(input, fastChecksum);
    if (!result.ok) return `${result.why}: ${result.detail.replace(/\d+/g, "0")}`;
    // Whoever opens the store publishes it again: what was taken for good must be good to write.
    const again = decodeManifest(encodeManifest(result.manifest, fastChecksum), fastChecksum);
    if (!again.ok) throw new Error(`it cannot be read back: ${again.detail}`);
    return "good";
  };
  const seal = (input: Buffer): void => {
    if (input.length < MANIFEST_HEADER_BYTES) return;
    const payloadBytes = input.readUInt32LE(MANIFEST_AT.payloadBytes);
    const isEdge = payloadBytes > input.length && payloadBytes % 3 === 0;
    const payloadEnd = isEdge ? 0 : input.length;
    if (!isEdge)
      input.writeUInt32LE(input.length - MANIFEST_HEADER_BYTES, MANIFEST_AT.payloadBytes);
    if (payloadEnd > 0) {
      putChecksum(input, MANIFEST_AT.payloadChecksum, MANIFEST_HEADER_BYTES, payloadEnd);
    }
    putChecksum(
      input,
      MANIFEST_AT.headerChecksum,
      MANIFEST_AT.formatVersion,
      MANIFEST_HEADER_BYTES,
    );
  };
  const places = Object.values(MANIFEST_AT);
  const allocationMax = MANIFEST_BYTES_MAX;
  const target = { name: "manifest", seeds, places, seal, run, allocationMax };
  return { target, inputs: 250_000, outcomesMin: 40 };
}
