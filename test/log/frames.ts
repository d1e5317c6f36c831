/** Frames of one record, put together by hand, and the segment they stand in. */
import { viewOf } from "../../src/base/bytes.js";
import { FRAME_BYTES_MAX } from "../../src/base/limits.js";
import { portableChecksum } from "../../src/disk/checksum.js";
import type { FramePlace } from "../../src/log/format.js";
import { FRAME_AT, FRAME_HEADER_BYTES } from "../../src/log/format.js";
import { FrameBuilder, type FrameStamp } from "../../src/log/frame-builder.js";

export const ALIGNMENT = 4096;

export const PLACE: FramePlace = {
  storeId: Uint8Array.from({ length: 16 }, (_, i) => i * 7),
  segmentId: 5,
  epoch: 3,
  alignment: ALIGNMENT,
  frameBytesMax: FRAME_BYTES_MAX,
};

/** A sealed frame whose one record has a payload of so many bytes. */
export function sealed(stamp: Partial<FrameStamp>, payloadBytes = 40): Uint8Array {
  const bytes = new Uint8Array(FRAME_BYTES_MAX);
  const builder = new FrameBuilder();
  builder.open(bytes, viewOf(bytes), bytes.length);
  builder.beginRecord();
  builder.bytes.fill(0xab, builder.position, builder.position + payloadBytes);
  builder.position += payloadBytes;
  builder.operationCount = 1;
  builder.endRecord(1_700_000_000_000_000);
  const { storeId, segmentId, epoch } = PLACE;
  const whole = {
    storeId,
    segmentId,
    epoch,
    offset: ALIGNMENT,
    alignment: ALIGNMENT,
    firstSequence: 1,
    durableThrough: 0,
    previousChecksum: 0,
    ...stamp,
  };
  return bytes.slice(0, builder.seal(whole, portableChecksum));
}

/** Frames with payloads of so many bytes, one behind the other, from the first block on. */
export function logOf(payloads: readonly number[], segmentBytes: number): Uint8Array {
  const bytes = new Uint8Array(segmentBytes);
  let offset = ALIGNMENT;
  let previousChecksum = 0;
  payloads.forEach((payload, i) => {
    const frame = sealed(
      { offset, previousChecksum, firstSequence: i + 1, durableThrough: i },
      payload,
    );
    bytes.set(frame, offset);
    previousChecksum = viewOf(frame).getUint32(FRAME_AT.checksum, true);
    offset += frame.length;
  });
  return bytes;
}

/** Puts both checksums of the frame at that offset right again, as a bad writer would have. */
export function reseal(bytes: Uint8Array, offset: number): void {
  const view = viewOf(bytes);
  const payload = offset + FRAME_HEADER_BYTES;
  const end = payload + view.getUint32(offset + FRAME_AT.payloadBytes, true);
  const payloadChecksum = portableChecksum.crc32c(bytes, payload, end);
  view.setUint32(offset + FRAME_AT.payloadChecksum, payloadChecksum, true);
  const checksum = portableChecksum.crc32c(bytes, offset + FRAME_AT.payloadChecksum, payload);
  view.setUint32(offset + FRAME_AT.checksum, checksum, true);
}
