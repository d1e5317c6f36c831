/**
 * Segment, frame and record: the bytes of the log. docs/format.md is normative; a test holds its
 * numbers against the constants here. All integers are little-endian.
 */
import { getUint53, setUint53, viewOf } from "../base/bytes.js";
import type { Checksum } from "../disk/disk.js";

export const LOG_FORMAT_VERSION = 3;

/** Annotations came with version 2, patches with 3. What is older is read as it is. */
const LOG_FORMAT_VERSION_MIN = 1;

/** "HFSG" and "HFRM" as little-endian uint32. */
export const SEGMENT_MAGIC = 0x47534648;
export const FRAME_MAGIC = 0x4d524648;

export const STORE_ID_BYTES = 16;

/** Bytes of the segment header that are defined; it occupies one aligned block. */
export const SEGMENT_HEADER_BYTES = 256;

/** Offsets in the segment header. */
export const SEGMENT_AT = {
  magic: 0,
  checksum: 4,
  formatVersion: 8,
  alignment: 12,
  storeId: 16,
  segmentId: 32,
  epoch: 40,
  writerIdBytes: 44,
  segmentBytes: 48,
  createdMicros: 56,
  writerId: 64,
} as const;

export const FRAME_HEADER_BYTES = 96;

/** Offsets in the frame header. */
export const FRAME_AT = {
  magic: 0,
  checksum: 4,
  payloadChecksum: 8,
  payloadBytes: 12,
  frameBytes: 16,
  recordCount: 20,
  firstSequence: 24,
  durableThrough: 32,
  segmentId: 40,
  offset: 48,
  epoch: 56,
  previousChecksum: 60,
  storeId: 64,
  reserved: 80,
} as const;

export const RECORD_HEADER_BYTES = 24;

/** Offsets in the record header. */
export const RECORD_AT = {
  checksum: 0,
  recordBytes: 4,
  timeMicros: 8,
  operationCount: 16,
  reserved: 20,
} as const;

export const OPERATION_HEADER_BYTES = 12;

/** Offsets in the operation header; the key follows it, and the row follows the key. */
export const OPERATION_AT = {
  kind: 0,
  reserved: 1,
  tableId: 2,
  schemaVersion: 4,
  keyBytes: 6,
  rowBytes: 8,
} as const;

/** Kinds of operations. Append only: a number once used is never given another meaning. */
export const OPERATION = {
  /** A row: key, and the row in the version named in the header. */
  put: 1,
  /** The end of a row: key only. */
  delete: 2,
  /** A schema: no key; the "row" is its description in JSON (UTF-8). */
  declare: 3,
  /** What the transaction says of itself: no table, no key; only ever the first operation. */
  annotate: 4,
  /** What changes of a row: key, and a patch of the row that the key has, of the same version. */
  patch: 5,
} as const;

/** Writes an operation's header; three stores, since this is done for every row. */
export function writeOperationHeader(
  view: DataView,
  position: number,
  kind: number,
  tableId: number,
  schemaVersion: number,
  keyBytes: number,
  rowBytes: number,
): void {
  // kind and the reserved byte below the table id; the version below the length of the key
  view.setUint32(position + OPERATION_AT.kind, kind | (tableId << 16), true);
  view.setUint32(position + OPERATION_AT.schemaVersion, schemaVersion | (keyBytes << 16), true);
  view.setUint32(position + OPERATION_AT.rowBytes, rowBytes, true);
}

export interface SegmentHeader {
  readonly storeId: Uint8Array;
  readonly segmentId: number;
  readonly epoch: number;
  readonly alignment: number;
  readonly segmentBytes: number;
  readonly createdMicros: number;
  readonly writerId: string;
}

/** Encodes a header into a block of `header.alignment` bytes. */
export function encodeSegmentHeader(header: SegmentHeader, checksum: Checksum): Uint8Array {
  const bytes = new Uint8Array(header.alignment);
  const view = viewOf(bytes);
  const writer = new TextEncoder().encode(header.writerId);
  view.setUint32(SEGMENT_AT.magic, SEGMENT_MAGIC, true);
  view.setUint32(SEGMENT_AT.formatVersion, LOG_FORMAT_VERSION, true);
  view.setUint32(SEGMENT_AT.alignment, header.alignment, true);
  bytes.set(header.storeId, SEGMENT_AT.storeId);
  setUint53(view, SEGMENT_AT.segmentId, header.segmentId);
  view.setUint32(SEGMENT_AT.epoch, header.epoch, true);
  view.setUint32(SEGMENT_AT.writerIdBytes, writer.length, true);
  setUint53(view, SEGMENT_AT.segmentBytes, header.segmentBytes);
  setUint53(view, SEGMENT_AT.createdMicros, header.createdMicros);
  bytes.set(writer, SEGMENT_AT.writerId);
  view.setUint32(
    SEGMENT_AT.checksum,
    checksum.crc32c(bytes, SEGMENT_AT.formatVersion, SEGMENT_HEADER_BYTES),
    true,
  );
  return bytes;
}

/** "version" means a header that is whole but of a format this program does not know. */
export type SegmentHeaderResult =
  | { readonly ok: true; readonly header: SegmentHeader }
  | { readonly ok: false; readonly why: "damaged" | "version"; readonly formatVersion?: number };

/** Validates every field before it is used; never throws, whatever the bytes are. */
export function decodeSegmentHeader(bytes: Uint8Array, checksum: Checksum): SegmentHeaderResult {
  const damaged = { ok: false, why: "damaged" } as const;
  if (bytes.length < SEGMENT_HEADER_BYTES) return damaged;
  const view = viewOf(bytes);
  if (view.getUint32(SEGMENT_AT.magic, true) !== SEGMENT_MAGIC) return damaged;
  const stored = view.getUint32(SEGMENT_AT.checksum, true);
  if (stored !== checksum.crc32c(bytes, SEGMENT_AT.formatVersion, SEGMENT_HEADER_BYTES)) {
    return damaged;
  }
  const formatVersion = view.getUint32(SEGMENT_AT.formatVersion, true);
  if (formatVersion < LOG_FORMAT_VERSION_MIN || formatVersion > LOG_FORMAT_VERSION) {
    return { ok: false, why: "version", formatVersion };
  }
  const segmentId = getUint53(view, SEGMENT_AT.segmentId);
  const segmentBytes = getUint53(view, SEGMENT_AT.segmentBytes);
  const createdMicros = getUint53(view, SEGMENT_AT.createdMicros);
  const writerIdBytes = view.getUint32(SEGMENT_AT.writerIdBytes, true);
  const alignment = view.getUint32(SEGMENT_AT.alignment, true);
  if (segmentId === undefined || segmentBytes === undefined || createdMicros === undefined) {
    return damaged;
  }
  if (writerIdBytes > SEGMENT_HEADER_BYTES - SEGMENT_AT.writerId) return damaged;
  if (alignment < 512 || (alignment & (alignment - 1)) !== 0) return damaged;
  return {
    ok: true,
    header: {
      storeId: bytes.slice(SEGMENT_AT.storeId, SEGMENT_AT.storeId + STORE_ID_BYTES),
      segmentId,
      epoch: view.getUint32(SEGMENT_AT.epoch, true),
      alignment,
      segmentBytes,
      createdMicros,
      writerId: new TextDecoder().decode(
        bytes.subarray(SEGMENT_AT.writerId, SEGMENT_AT.writerId + writerIdBytes),
      ),
    },
  };
}

export interface FrameHeader {
  /** Checksum of this header, which is also this frame's link in the chain. */
  readonly checksum: number;
  readonly payloadChecksum: number;
  readonly payloadBytes: number;
  readonly frameBytes: number;
  readonly recordCount: number;
  readonly firstSequence: number;
  readonly durableThrough: number;
  readonly segmentId: number;
  readonly offset: number;
  readonly epoch: number;
  readonly previousChecksum: number;
}

/** What a frame must say of itself to belong to a place. */
export interface FramePlace {
  readonly storeId: Uint8Array;
  readonly segmentId: number;
  readonly epoch: number;
  readonly alignment: number;
  readonly frameBytesMax: number;
}

/**
 * Decodes the frame header at `position` of `bytes`, which stands at `offset` of the segment.
 * Undefined unless the header is whole, says that it belongs exactly there, and every figure in it
 * is within bounds: a length is looked at only after the checksum over it has been.
 */
export function decodeFrameHeader(
  bytes: Uint8Array,
  view: DataView,
  position: number,
  offset: number,
  place: FramePlace,
  checksum: Checksum,
): FrameHeader | undefined {
  if (position + FRAME_HEADER_BYTES > bytes.length) return undefined;
  if (view.getUint32(position + FRAME_AT.magic, true) !== FRAME_MAGIC) return undefined;
  const stored = view.getUint32(position + FRAME_AT.checksum, true);
  const from = position + FRAME_AT.payloadChecksum;
  if (stored !== checksum.crc32c(bytes, from, position + FRAME_HEADER_BYTES)) return undefined;
  for (let i = 0; i < STORE_ID_BYTES; i++) {
    if (bytes[position + FRAME_AT.storeId + i] !== place.storeId[i]) return undefined;
  }
  if (getUint53(view, position + FRAME_AT.segmentId) !== place.segmentId) return undefined;
  if (getUint53(view, position + FRAME_AT.offset) !== offset) return undefined;
  if (view.getUint32(position + FRAME_AT.epoch, true) !== place.epoch) return undefined;
  const payloadBytes = view.getUint32(position + FRAME_AT.payloadBytes, true);
  const frameBytes = view.getUint32(position + FRAME_AT.frameBytes, true);
  const recordCount = view.getUint32(position + FRAME_AT.recordCount, true);
  const firstSequence = getUint53(view, position + FRAME_AT.firstSequence);
  const durableThrough = getUint53(view, position + FRAME_AT.durableThrough);
  if (firstSequence === undefined || durableThrough === undefined) return undefined;
  if (frameBytes > place.frameBytesMax || frameBytes % place.alignment !== 0) return undefined;
  if (FRAME_HEADER_BYTES + payloadBytes > frameBytes) return undefined;
  if (recordCount * RECORD_HEADER_BYTES > payloadBytes) return undefined;
  if (durableThrough >= firstSequence) return undefined;
  return {
    checksum: stored,
    payloadChecksum: view.getUint32(position + FRAME_AT.payloadChecksum, true),
    payloadBytes,
    frameBytes,
    recordCount,
    firstSequence,
    durableThrough,
    segmentId: place.segmentId,
    offset,
    epoch: place.epoch,
    previousChecksum: view.getUint32(position + FRAME_AT.previousChecksum, true),
  };
}

/** File name of a segment: 16 digits, so that names sort as their ids do. */
export function segmentFileName(segmentId: number): string {
  return `${String(segmentId).padStart(16, "0")}.log`;
}

/** The id in a segment's file name, or undefined for any other name. */
export function parseSegmentFileName(name: string): number | undefined {
  const match = /^(\d{16})\.log$/.exec(name);
  if (match === null) return undefined;
  const id = Number(match[1]);
  return Number.isSafeInteger(id) && id > 0 ? id : undefined;
}
