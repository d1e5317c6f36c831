/** What stands in one place of a segment, looked at without the reader that gave up there. */
import { isZero, toHex, viewOf } from "../base/bytes.js";
import { errnoCode } from "../base/errors.js";
import { FRAME_BYTES_MAX } from "../base/limits.js";
import { portableChecksum } from "../disk/checksum.js";
import type { DiskFile } from "../disk/disk.js";
import {
  decodeFrameHeader,
  FRAME_AT,
  FRAME_HEADER_BYTES,
  FRAME_MAGIC,
  type FrameHeader,
  type FramePlace,
  RECORD_AT,
  RECORD_HEADER_BYTES,
  STORE_ID_BYTES,
} from "../log/format.js";
import { isOfAnotherLife, looksLikeFrame } from "../log/life.js";
import { walkRecords } from "../log/record.js";
import type { FindingKind } from "./findings.js";
import type { FramesOf } from "./segment-frames.js";

/** A place where a frame must begin and no good one does. */
export interface BadPlace {
  readonly path: string;
  readonly offset: number;
  readonly kind: FindingKind;
  readonly message: string;
  /** Transactions of the frame, where its header can be believed. */
  readonly first?: number;
  readonly last?: number;
  /** How far its frame reaches, where that can be believed. */
  readonly frameBytes?: number;
}

/** Looks at single places by the portable checksum, with nothing of the reader that gave up. */
export class PlaceProbe {
  readonly path: string;
  readonly #file: DiskFile;
  readonly #place: FramePlace;
  readonly #limit: number;
  readonly #recycled: boolean;
  #chunk: Uint8Array = new Uint8Array(0);
  #chunkOffset = 0;

  constructor(file: DiskFile, path: string, { place, limit, recycled }: FramesOf) {
    this.#file = file;
    this.path = path;
    this.#place = place;
    this.#limit = limit;
    this.#recycled = recycled;
  }

  async header(offset: number): Promise<FrameHeader | undefined> {
    const bytes = await this.#read(offset, this.#place.alignment);
    if (typeof bytes === "string") return undefined;
    return decodeFrameHeader(bytes, viewOf(bytes), 0, offset, this.#place, portableChecksum);
  }

  async at(offset: number, why: string): Promise<BadPlace> {
    const { path } = this;
    const block = await this.#read(offset, this.#place.alignment);
    if (typeof block === "string") return { path, offset, kind: "unreadable", message: block };
    if (isZero(block, 0, block.length)) {
      const message = `zeros where a frame must be: ${why}`;
      return { path, offset, kind: "frame-missing", message };
    }
    if (this.#recycled && isLeftOver(block, offset, this.#place)) {
      const message = `what the segment was before, where a frame must be: ${why}`;
      return { path, offset, kind: "frame-missing", message };
    }
    const problem = headerProblem(block);
    if (problem !== undefined) return { path, offset, kind: "frame-header", message: problem };
    const view = viewOf(block);
    const header = decodeFrameHeader(block, view, 0, offset, this.#place, portableChecksum);
    if (header !== undefined) return this.#content(header);
    const elsewhere = misplacement(block, view, offset, this.#place);
    if (elsewhere === undefined) {
      const message = "its checksum is good, and its figures are out of bounds";
      return { path, offset, kind: "frame-content", message };
    }
    const frameBytes = view.getUint32(FRAME_AT.frameBytes, true);
    const isSane = frameBytes > 0 && frameBytes % this.#place.alignment === 0;
    const step = isSane && frameBytes <= FRAME_BYTES_MAX ? { frameBytes } : {};
    return { path, offset, kind: "frame-misplaced", message: elsewhere, ...step };
  }

  async #content(header: FrameHeader): Promise<BadPlace> {
    const { path } = this;
    const { offset, frameBytes, firstSequence: first, recordCount, payloadBytes } = header;
    const last = first + recordCount - 1;
    const base = { path, offset, frameBytes, first, last };
    const bytes = await this.#read(offset, frameBytes);
    if (typeof bytes === "string") return { ...base, kind: "unreadable", message: bytes };
    if (bytes.length < frameBytes) {
      return { ...base, kind: "truncated", message: "the file ends within the frame" };
    }
    const end = FRAME_HEADER_BYTES + payloadBytes;
    if (portableChecksum.crc32c(bytes, FRAME_HEADER_BYTES, end) !== header.payloadChecksum) {
      const message = `its content fails its checksum; ${salvage(bytes, header)}`;
      return { ...base, kind: "frame-payload", message };
    }
    const wrong = walkRecords(bytes, viewOf(bytes), 0, header, () => {});
    if (wrong !== undefined) {
      return { ...base, kind: "frame-content", message: `its checksums are good, and ${wrong}` };
    }
    const message = "the portable CRC32C takes this frame for good and the native one does not";
    return { ...base, kind: "checksum-disagreement", message };
  }

  /** The bytes, fewer only at the end of the segment; or why they cannot be had. */
  async #read(offset: number, length: number): Promise<Uint8Array | string> {
    const wanted = Math.max(0, Math.min(length, this.#limit - offset));
    if (wanted === 0) return new Uint8Array(0);
    const at = offset - this.#chunkOffset;
    if (at >= 0 && at + wanted <= this.#chunk.length) return this.#chunk.subarray(at, at + wanted);
    const most = Math.min(Math.max(length, FRAME_BYTES_MAX), this.#limit - offset);
    for (const size of [most, wanted]) {
      try {
        this.#chunk = await this.#file.read(offset, size);
        this.#chunkOffset = offset;
        return this.#chunk.subarray(0, wanted);
      } catch (error) {
        if (errnoCode(error) === undefined) throw error;
        if (size === wanted) return `it cannot be read: ${(error as Error).message}`;
      }
    }
    return "it cannot be read";
  }
}

/** Of an earlier life of the segment. */
function isLeftOver(block: Uint8Array, offset: number, place: FramePlace): boolean {
  const view = viewOf(block);
  return (
    isOfAnotherLife(block, view, 0, place, portableChecksum) ||
    !looksLikeFrame(block, view, 0, offset, place)
  );
}

/** Undefined if the header's checksum is good. */
function headerProblem(block: Uint8Array): string | undefined {
  if (block.length < FRAME_HEADER_BYTES) return "the file ends within a header";
  const view = viewOf(block);
  const isMagic = view.getUint32(FRAME_AT.magic, true) === FRAME_MAGIC;
  const actual = portableChecksum.crc32c(block, FRAME_AT.payloadChecksum, FRAME_HEADER_BYTES);
  const isGood = actual === view.getUint32(FRAME_AT.checksum, true);
  if (isMagic) return isGood ? undefined : "the header of a frame fails its checksum";
  return isGood ? "a frame without its magic number" : "what is here is no frame";
}

/** Where a whole header says that it belongs; undefined if that is here. */
function misplacement(
  block: Uint8Array,
  view: DataView,
  offset: number,
  place: FramePlace,
): string | undefined {
  const storeId = block.subarray(FRAME_AT.storeId, FRAME_AT.storeId + STORE_ID_BYTES);
  const says: string[] = [];
  const say = (what: string, at: bigint, here: number) => {
    if (at !== BigInt(here)) says.push(`${what} ${at} (this is ${here})`);
  };
  if (storeId.some((byte, i) => byte !== place.storeId[i])) says.push(`store ${toHex(storeId)}`);
  say("segment", view.getBigUint64(FRAME_AT.segmentId, true), place.segmentId);
  say("offset", view.getBigUint64(FRAME_AT.offset, true), offset);
  say("epoch", BigInt(view.getUint32(FRAME_AT.epoch, true)), place.epoch);
  return says.length === 0 ? undefined : `a frame that belongs to ${says.join(", ")}`;
}

/** Which records of a damaged frame are whole by their own checksums. */
function salvage(bytes: Uint8Array, header: FrameHeader): string {
  const view = viewOf(bytes);
  const end = FRAME_HEADER_BYTES + header.payloadBytes;
  const good: number[] = [];
  let at = FRAME_HEADER_BYTES;
  for (let i = 0; i < header.recordCount && at + RECORD_HEADER_BYTES <= end; i++) {
    const length = view.getUint32(at + RECORD_AT.recordBytes, true);
    if (length < RECORD_HEADER_BYTES || at + length > end) break;
    const actual = portableChecksum.crc32c(bytes, at + RECORD_AT.recordBytes, at + length);
    if (actual === view.getUint32(at + RECORD_AT.checksum, true)) {
      good.push(header.firstSequence + i);
    }
    at += length;
  }
  const whole = `${good.length} of its ${header.recordCount}`;
  return `${whole} transactions are whole by their own checksums`;
}
