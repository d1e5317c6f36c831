/**
 * To which life of a segment do the bytes at a place belong? A segment that is used again keeps
 * what was in it before, until frames are written over that.
 */
import { bytesEqual, getUint53 } from "../base/bytes.js";
import type { Checksum } from "../disk/disk.js";
import {
  FRAME_AT,
  FRAME_HEADER_BYTES,
  FRAME_MAGIC,
  type FramePlace,
  STORE_ID_BYTES,
} from "./format.js";

/** A frame's header whose checksum is good and which names another segment or epoch. */
export function isOfAnotherLife(
  bytes: Uint8Array,
  view: DataView,
  at: number,
  place: FramePlace,
  checksum: Checksum,
): boolean {
  if (at + FRAME_HEADER_BYTES > bytes.length) return false;
  if (view.getUint32(at + FRAME_AT.magic, true) !== FRAME_MAGIC) return false;
  const actual = checksum.crc32c(bytes, at + FRAME_AT.payloadChecksum, at + FRAME_HEADER_BYTES);
  if (view.getUint32(at + FRAME_AT.checksum, true) !== actual) return false;
  return (
    view.getUint32(at + FRAME_AT.epoch, true) !== place.epoch ||
    view.getUint32(at + FRAME_AT.segmentId, true) !== place.segmentId % 0x1_0000_0000
  );
}

/** Of the five fields that tell a frame's place so many must stand there. */
const FIELDS_MIN = 4;

/**
 * Bytes that are, or were, the header of a frame of this very place and life: of magic, store id,
 * segment id, offset and epoch all but one are right. So one that is damaged in any one field is
 * still known as such, and what an earlier life has left, rows in the middle of a frame, is not.
 */
export function looksLikeFrame(
  bytes: Uint8Array,
  view: DataView,
  at: number,
  offset: number,
  place: FramePlace,
): boolean {
  if (at + FRAME_HEADER_BYTES > bytes.length) return false;
  // Summed up rather than collected: an opening asks this of every block behind the end.
  const right =
    Number(view.getUint32(at + FRAME_AT.magic, true) === FRAME_MAGIC) +
    Number(view.getUint32(at + FRAME_AT.epoch, true) === place.epoch) +
    Number(getUint53(view, at + FRAME_AT.segmentId) === place.segmentId) +
    Number(getUint53(view, at + FRAME_AT.offset) === offset);
  if (right + 1 < FIELDS_MIN) return false;
  const sameStore = bytesEqual(bytes, at + FRAME_AT.storeId, place.storeId, 0, STORE_ID_BYTES);
  return right + Number(sameStore) >= FIELDS_MIN;
}
