/** The end of the log in a segment that was another one before: told from what that has left. */
import { describe, expect, test } from "vitest";
import { setUint53, viewOf } from "../../src/base/bytes.js";
import { FRAME_BYTES_MAX } from "../../src/base/limits.js";
import { portableChecksum } from "../../src/disk/checksum.js";
import type { DiskFile } from "../../src/disk/disk.js";
import {
  FRAME_AT,
  FRAME_HEADER_BYTES,
  FRAME_MAGIC,
  type FramePlace,
  RECORD_AT,
  RECORD_HEADER_BYTES,
} from "../../src/log/format.js";
import { type SegmentScan, scanSegment } from "../../src/log/reader.js";
import { Random } from "../sim/random.js";

const SEGMENT_BYTES = 256 * 1024;
const storeId = Uint8Array.from({ length: 16 }, (_, i) => 17 * i + 1);

function placeOf(segmentId: number, epoch: number, alignment: number): FramePlace {
  return { storeId, segmentId, epoch, alignment, frameBytesMax: FRAME_BYTES_MAX };
}

interface Frame {
  readonly offset: number;
  readonly bytes: Uint8Array;
  readonly checksum: number;
}

/** A frame of one record of so many bytes. */
function frameOf(
  place: FramePlace,
  offset: number,
  sequence: number,
  previous: number,
  payload: Uint8Array,
): Frame {
  const recordBytes = RECORD_HEADER_BYTES + payload.length;
  const size = Math.ceil((FRAME_HEADER_BYTES + recordBytes) / place.alignment) * place.alignment;
  const bytes = new Uint8Array(size);
  const view = viewOf(bytes);
  const at = FRAME_HEADER_BYTES;
  bytes.set(payload, at + RECORD_HEADER_BYTES);
  view.setUint32(at + RECORD_AT.recordBytes, recordBytes, true);
  setUint53(view, at + RECORD_AT.timeMicros, 1_700_000_000_000_000);
  view.setUint32(at + RECORD_AT.operationCount, 1, true);
  view.setUint32(FRAME_AT.magic, FRAME_MAGIC, true);
  const sum = portableChecksum.crc32c(bytes, at, at + recordBytes);
  view.setUint32(FRAME_AT.payloadChecksum, sum, true);
  view.setUint32(FRAME_AT.payloadBytes, recordBytes, true);
  view.setUint32(FRAME_AT.frameBytes, size, true);
  view.setUint32(FRAME_AT.recordCount, 1, true);
  setUint53(view, FRAME_AT.firstSequence, sequence);
  setUint53(view, FRAME_AT.segmentId, place.segmentId);
  setUint53(view, FRAME_AT.offset, offset);
  view.setUint32(FRAME_AT.epoch, place.epoch, true);
  view.setUint32(FRAME_AT.previousChecksum, previous, true);
  bytes.set(place.storeId, FRAME_AT.storeId);
  const checksum = portableChecksum.crc32c(bytes, FRAME_AT.payloadChecksum, FRAME_HEADER_BYTES);
  view.setUint32(FRAME_AT.checksum, checksum, true);
  return { offset, bytes, checksum };
}

/** Frames one after the other, of the lengths that `lengthOf` gives. */
function fill(
  segment: Uint8Array,
  place: FramePlace,
  count: number,
  random: Random,
  lengthOf: (index: number) => number,
): Frame[] {
  const frames: Frame[] = [];
  let offset = Math.max(4096, place.alignment);
  let previous = 0;
  for (let i = 0; i < count; i++) {
    const payload = random.fill(new Uint8Array(lengthOf(i)));
    const frame = frameOf(place, offset, i + 1, previous, payload);
    if (offset + frame.bytes.length > segment.length) break;
    segment.set(frame.bytes, offset);
    frames.push(frame);
    offset += frame.bytes.length;
    previous = frame.checksum;
  }
  return frames;
}

function scan(segment: Uint8Array, place: FramePlace, recycled = true): Promise<SegmentScan> {
  const file = {
    read: async (offset: number, length: number) => segment.slice(offset, offset + length),
  } as unknown as DiskFile;
  return scanSegment({
    file,
    place,
    checksum: portableChecksum,
    chain: { nextSequence: 1, previousChecksum: 0 },
    limit: segment.length,
    startOffset: 4096,
    recycled,
    visit: () => {},
  });
}

const now = placeOf(9, 4, 4096);
const before = (alignment: number) => placeOf(3, 4, alignment);

/** A segment full of an earlier life, and a few frames of this one over its beginning. */
function recycled(alignment: number, seed = 1, count = 4) {
  const random = new Random(seed);
  const segment = new Uint8Array(SEGMENT_BYTES);
  fill(segment, before(alignment), 1000, random, () => random.below(20_000));
  const frames = fill(segment, now, count, random, () => random.below(9_000));
  // Without one only the beginning counts.
  const last = frames.at(-1) ?? { offset: 4096, bytes: new Uint8Array(0), checksum: 0 };
  const end = last.offset + last.bytes.length;
  return { segment, frames, last, end, random };
}

describe.each([512, 4096, 8192])("an earlier life aligned to %i", (alignment) => {
  test("is absent, wherever this one ends", async () => {
    for (let seed = 1; seed <= 30; seed++) {
      const { segment, end, frames } = recycled(alignment, seed, seed % 5);
      expect(await scan(segment, now)).toMatchObject({
        found: "absent",
        endOffset: end,
        frames: frames.length,
        lastLaterOffset: 0,
        dirtyEnd: end,
      });
    }
  });

  test("is not read as if the segment had never been another", async () => {
    const results = [];
    for (let seed = 1; seed <= 30; seed++) {
      const { segment } = recycled(alignment, seed);
      results.push((await scan(segment, now, false)).found);
    }
    // Without the word in the manifest what is left would look like a torn write.
    expect(results).toContain("broken");
  });

  test("a frame torn over it is broken, or was never there", async () => {
    let broken = 0;
    for (let seed = 1; seed <= 300; seed++) {
      const { segment, last, end, random } = recycled(alignment, seed);
      const old = recycled(alignment, seed, 3).segment;
      const lost = new Set<number>();
      for (let at = last.offset; at < end; at += 512) {
        // The bytes of its payload's padding make no difference to it.
        if (!random.chance(0.4)) continue;
        lost.add(at);
        segment.set(old.subarray(at, at + 512), at);
      }
      const changed = last.bytes.some((byte, i) => segment[last.offset + i] !== byte);
      const result = await scan(segment, now);
      if (!changed || result.frames === 4) continue;
      expect(result).toMatchObject({ endOffset: last.offset, frames: 3 });
      expect(result.found).toBe(lost.has(last.offset) ? "absent" : "broken");
      if (result.found !== "broken") continue;
      broken++;
      expect(result.dirtyEnd).toBeGreaterThanOrEqual(end);
    }
    expect(broken).toBeGreaterThan(50);
  });

  test("frames behind a lost one are later ones, and what is set aside reaches over them", async () => {
    const { segment, frames, end } = recycled(alignment);
    const old = recycled(alignment, 1, 0).segment;
    const second = frames[1] as Frame;
    const third = frames[2] as Frame;
    segment.set(old.subarray(second.offset, third.offset), second.offset);
    expect(await scan(segment, now)).toMatchObject({
      found: "absent",
      endOffset: second.offset,
      firstLaterOffset: third.offset,
      lastLaterOffset: frames[3]?.offset,
      dirtyEnd: end,
    });
  });
});

test("every flipped bit of the last frame's header is seen, and all of the frame set aside", async () => {
  const { segment, last, end } = recycled(512);
  for (let bit = 0; bit < FRAME_HEADER_BYTES * 8; bit++) {
    const copy = segment.slice();
    copy[last.offset + (bit >> 3)]! ^= 1 << (bit & 7);
    const result = await scan(copy, now);
    expect(result, `bit ${bit}`).toMatchObject({ found: "broken", endOffset: last.offset });
    expect(result.dirtyEnd, `bit ${bit}`).toBeGreaterThanOrEqual(end);
  }
});

test("a torn sector of the header is broken once any of its place has changed", async () => {
  const { segment, last } = recycled(4096);
  const old = frameOf(before(4096), last.offset, 1, 0, new Uint8Array(100)).bytes;
  for (let bytes = 0; bytes < FRAME_HEADER_BYTES; bytes++) {
    const copy = segment.slice();
    copy.set(old, last.offset);
    copy.set(last.bytes.subarray(0, bytes), last.offset);
    const same = old.subarray(0, bytes).every((byte, i) => byte === last.bytes[i]);
    expect((await scan(copy, now)).found, `${bytes} bytes`).toBe(same ? "absent" : "broken");
  }
});

test("frames of an earlier life are never linked, even where they would continue the chain", async () => {
  const { segment, last, end, random } = recycled(4096);
  const payload = random.fill(new Uint8Array(100));
  const lives = {
    "another segment, the same epoch": placeOf(3, 4, 4096),
    "the same segment, an earlier epoch": placeOf(9, 3, 4096),
    "a segment whose id differs in its upper half": placeOf(9 + 2 ** 32, 4, 4096),
    "another store": { ...now, storeId: new Uint8Array(16) },
  };
  for (const [name, life] of Object.entries(lives)) {
    const copy = segment.slice();
    copy.set(frameOf(life, end, 5, last.checksum, payload).bytes, end);
    const result = await scan(copy, now);
    expect(result, name).toMatchObject({ frames: 4, endOffset: end, lastLaterOffset: 0 });
    expect(["absent", "broken"]).toContain(result.found);
  }
  const copy = segment.slice();
  copy.set(frameOf(now, end, 5, last.checksum, payload).bytes, end);
  expect(await scan(copy, now)).toMatchObject({ frames: 5 });
});

test("a segment that was never another one is read as ever", async () => {
  const random = new Random(1);
  const segment = new Uint8Array(SEGMENT_BYTES);
  const frames = fill(segment, now, 4, random, () => random.below(9_000));
  const last = frames.at(-1) as Frame;
  const end = last.offset + last.bytes.length;
  for (const isRecycled of [false, true]) {
    const result = await scan(segment, now, isRecycled);
    expect(result).toMatchObject({ found: "absent", endOffset: end, dirtyEnd: end, frames: 4 });
  }
  // Rubbish behind the end can only be a write that was cut short.
  segment[end + 700] = 1;
  expect(await scan(segment, now, false)).toMatchObject({ found: "broken", dirtyEnd: end + 4096 });
  expect(await scan(segment, now, true)).toMatchObject({ found: "absent", dirtyEnd: end });
});
