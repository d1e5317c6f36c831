/** Headers of segments and frames: there and back, and everything hostile refused. */
import { expect, test } from "vitest";
import { viewOf } from "../../src/base/bytes.js";
import { FRAME_BYTES_MAX } from "../../src/base/limits.js";
import { portableChecksum } from "../../src/disk/checksum.js";
import {
  decodeFrameHeader,
  decodeSegmentHeader,
  encodeSegmentHeader,
  FRAME_AT,
  FRAME_HEADER_BYTES,
  LOG_FORMAT_VERSION,
  parseSegmentFileName,
  SEGMENT_AT,
  SEGMENT_HEADER_BYTES,
  segmentFileName,
} from "../../src/log/format.js";
import { FrameBuilder } from "../../src/log/frame-builder.js";
import { isOfAnotherLife } from "../../src/log/life.js";

const storeId = Uint8Array.from({ length: 16 }, (_, i) => i * 7);
const OFFSET = 8192;
const place = { storeId, segmentId: 5, epoch: 3, alignment: 4096, frameBytesMax: FRAME_BYTES_MAX };

const segment = {
  storeId,
  segmentId: 5,
  epoch: 3,
  alignment: 4096,
  segmentBytes: 65536,
  createdMicros: 1_700_000_000_000_000,
  writerId: "wärter-1",
};

/** A frame with one record of some bytes. */
function frame(): Uint8Array {
  const bytes = new Uint8Array(8192);
  const builder = new FrameBuilder();
  builder.open(bytes, viewOf(bytes), bytes.length);
  builder.beginRecord();
  builder.bytes.fill(0xab, builder.position, builder.position + 40);
  builder.position += 40;
  builder.operationCount = 1;
  builder.endRecord(1_700_000_000_000_001);
  const length = builder.seal(
    {
      storeId,
      segmentId: 5,
      epoch: 3,
      offset: OFFSET,
      alignment: 4096,
      firstSequence: 17,
      durableThrough: 16,
      previousChecksum: 99,
    },
    portableChecksum,
  );
  return bytes.slice(0, length);
}

function decode(bytes: Uint8Array, offset = OFFSET, at = place) {
  return decodeFrameHeader(bytes, viewOf(bytes), 0, offset, at, portableChecksum);
}

/** Puts the checksum right again, as a hostile writer would. */
function resealed(bytes: Uint8Array): Uint8Array {
  const sum = portableChecksum.crc32c(bytes, FRAME_AT.payloadChecksum, FRAME_HEADER_BYTES);
  viewOf(bytes).setUint32(FRAME_AT.checksum, sum, true);
  return bytes;
}

test("a segment header comes back as it was", () => {
  const bytes = encodeSegmentHeader(segment, portableChecksum);
  expect(bytes).toHaveLength(4096);
  expect(decodeSegmentHeader(bytes, portableChecksum)).toEqual({ ok: true, header: segment });
});

test("every single flipped bit of a segment header is refused", () => {
  const bytes = encodeSegmentHeader(segment, portableChecksum);
  for (let bit = 0; bit < SEGMENT_HEADER_BYTES * 8; bit++) {
    const copy = bytes.slice();
    copy[bit >> 3]! ^= 1 << (bit & 7);
    expect(decodeSegmentHeader(copy, portableChecksum).ok, `bit ${bit}`).toBe(false);
  }
});

test("a segment header of another version is told apart from damage", () => {
  const bytes = encodeSegmentHeader(segment, portableChecksum);
  const view = viewOf(bytes);
  view.setUint32(SEGMENT_AT.formatVersion, LOG_FORMAT_VERSION + 1, true);
  const sum = portableChecksum.crc32c(bytes, SEGMENT_AT.formatVersion, SEGMENT_HEADER_BYTES);
  view.setUint32(SEGMENT_AT.checksum, sum, true);
  expect(decodeSegmentHeader(bytes, portableChecksum)).toEqual({
    ok: false,
    why: "version",
    formatVersion: LOG_FORMAT_VERSION + 1,
  });
});

test.each([0, 1, 63, SEGMENT_HEADER_BYTES - 1])("a segment header of %i bytes is damaged", (n) => {
  const bytes = encodeSegmentHeader(segment, portableChecksum).subarray(0, n);
  expect(decodeSegmentHeader(bytes, portableChecksum)).toEqual({ ok: false, why: "damaged" });
});

const HOSTILE_SEGMENT: readonly [string, number, number][] = [
  ["an id beyond all numbers", SEGMENT_AT.segmentId + 4, 0xffff_ffff],
  ["a size beyond all numbers", SEGMENT_AT.segmentBytes + 4, 0xffff_ffff],
  ["a time beyond all numbers", SEGMENT_AT.createdMicros + 4, 0xffff_ffff],
  ["a name longer than its room", SEGMENT_AT.writerIdBytes, SEGMENT_HEADER_BYTES - 64 + 1],
  ["blocks smaller than a sector", SEGMENT_AT.alignment, 256],
  ["blocks of no power of two", SEGMENT_AT.alignment, 3 * 512],
];

test.each(HOSTILE_SEGMENT)("a segment header with %s is damaged", (_name, at, value) => {
  const bytes = encodeSegmentHeader(segment, portableChecksum);
  const view = viewOf(bytes);
  view.setUint32(at, value, true);
  const sum = portableChecksum.crc32c(bytes, SEGMENT_AT.formatVersion, SEGMENT_HEADER_BYTES);
  view.setUint32(SEGMENT_AT.checksum, sum, true);
  expect(decodeSegmentHeader(bytes, portableChecksum)).toEqual({ ok: false, why: "damaged" });
});

test("a frame header comes back as it was", () => {
  const bytes = frame();
  expect(decode(bytes)).toMatchObject({
    firstSequence: 17,
    durableThrough: 16,
    recordCount: 1,
    frameBytes: 4096,
    payloadBytes: 64,
    previousChecksum: 99,
    offset: OFFSET,
    epoch: 3,
    segmentId: 5,
  });
});

test("every single flipped bit of a frame header is refused", () => {
  const bytes = frame();
  for (let bit = 0; bit < FRAME_HEADER_BYTES * 8; bit++) {
    const copy = bytes.slice();
    copy[bit >> 3]! ^= 1 << (bit & 7);
    expect(decode(copy), `bit ${bit}`).toBeUndefined();
  }
});

test("a frame that belongs elsewhere is refused", () => {
  const bytes = frame();
  expect(decode(bytes, OFFSET + 4096)).toBeUndefined();
  expect(decode(bytes, OFFSET, { ...place, segmentId: 6 })).toBeUndefined();
  expect(decode(bytes, OFFSET, { ...place, epoch: 4 })).toBeUndefined();
  expect(decode(bytes, OFFSET, { ...place, storeId: new Uint8Array(16) })).toBeUndefined();
});

test("a whole frame of another segment or epoch is of another life, a broken one is of none", () => {
  const bytes = frame();
  const isOther = (other: object, of = bytes): boolean =>
    isOfAnotherLife(of, viewOf(of), 0, { ...place, ...other }, portableChecksum);
  expect(isOther({})).toBe(false);
  expect(isOther({ segmentId: 6 })).toBe(true);
  expect(isOther({ epoch: 4 })).toBe(true);
  bytes[FRAME_AT.epoch]! ^= 1;
  expect(isOther({})).toBe(false);
  expect(isOther({ epoch: 4 }, bytes.subarray(0, FRAME_HEADER_BYTES - 1))).toBe(false);
});

const HOSTILE: readonly [string, number, number][] = [
  ["a frame longer than any", FRAME_AT.frameBytes, 0xffff_f000],
  ["a frame of no length", FRAME_AT.frameBytes, 0],
  ["a frame that is not aligned", FRAME_AT.frameBytes, 4097],
  ["a payload longer than its frame", FRAME_AT.payloadBytes, 0xffff_ffff],
  ["a payload that just does not fit", FRAME_AT.payloadBytes, 4096 - FRAME_HEADER_BYTES + 1],
  ["more records than there are bytes", FRAME_AT.recordCount, 0x7fff_ffff],
  ["a sequence beyond all numbers", FRAME_AT.firstSequence + 4, 0xffff_ffff],
  ["durable through itself", FRAME_AT.durableThrough, 17],
];

test.each(HOSTILE)("%s is refused although the checksum is good", (_name, at, value) => {
  const bytes = frame();
  viewOf(bytes).setUint32(at, value, true);
  expect(decode(resealed(bytes))).toBeUndefined();
});

test("a header that is cut off is refused", () => {
  const bytes = frame();
  for (let n = 0; n < FRAME_HEADER_BYTES; n++) expect(decode(bytes.subarray(0, n))).toBeUndefined();
});

test("names of segments", () => {
  expect(segmentFileName(42)).toBe("0000000000000042.log");
  expect(parseSegmentFileName("0000000000000042.log")).toBe(42);
  for (const name of ["42.log", "0000000000000000.log", "9999999999999999.log", "x.log", ""]) {
    expect(parseSegmentFileName(name)).toBeUndefined();
  }
});
