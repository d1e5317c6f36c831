/**
 * The frame being filled: records are encoded straight into the commit slot that the device will
 * read, so a row is never copied on its way to disk.
 */

import { assert } from "../base/assert.js";
import { alignUp, setUint53, viewOf } from "../base/bytes.js";
import type { Checksum } from "../disk/disk.js";
import {
  FRAME_AT,
  FRAME_HEADER_BYTES,
  FRAME_MAGIC,
  OPERATION_HEADER_BYTES,
  RECORD_AT,
  RECORD_HEADER_BYTES,
} from "./format.js";

/** What a frame says besides its records. */
export interface FrameStamp {
  readonly storeId: Uint8Array;
  readonly segmentId: number;
  readonly epoch: number;
  readonly offset: number;
  readonly alignment: number;
  readonly firstSequence: number;
  readonly durableThrough: number;
  readonly previousChecksum: number;
}

const NO_BYTES = new Uint8Array(0);

/**
 * Between `beginRecord` and `endRecord` the encoder of operations writes at `position` and moves
 * it; it must stay below `end`.
 */
export class FrameBuilder {
  bytes: Uint8Array = NO_BYTES;
  view: DataView = viewOf(NO_BYTES);
  /** Where the next byte goes. */
  position = 0;
  /** First byte that no longer belongs to the frame. */
  end = 0;
  /** Records finished in this frame. */
  recordCount = 0;
  /** Operations of the record being built. */
  operationCount = 0;
  #recordStart = 0;
  /** Triples for `Checksum.store`: one for each record, then payload and header. */
  #plan = new Int32Array(3 * 64);

  /** Starts an empty frame in a slot. */
  open(bytes: Uint8Array, view: DataView, frameBytesMax: number): void {
    this.bytes = bytes;
    this.view = view;
    this.position = FRAME_HEADER_BYTES;
    this.end = frameBytesMax;
    this.recordCount = 0;
  }

  /** False when not even the headers of a record would fit: it must begin in another frame. */
  get hasRoomForRecord(): boolean {
    return this.position + RECORD_HEADER_BYTES + OPERATION_HEADER_BYTES <= this.end;
  }

  beginRecord(): void {
    assert(this.hasRoomForRecord, "a record's header never reaches over the end of its slot");
    this.#recordStart = this.position;
    this.operationCount = 0;
    this.position += RECORD_HEADER_BYTES;
  }

  abandonRecord(): void {
    this.position = this.#recordStart;
    this.operationCount = 0;
  }

  /** Bytes of the record being built, its header included. */
  get recordBytes(): number {
    return this.position - this.#recordStart;
  }

  /** The unfinished record, to be carried to another slot. */
  get unfinishedRecord(): Uint8Array {
    return this.bytes.subarray(this.#recordStart, this.position);
  }

  /** Continues an unfinished record of another slot in this one, which must be empty. */
  adoptRecord(record: Uint8Array): void {
    assert(this.position === FRAME_HEADER_BYTES, "a record is adopted by an empty frame only");
    this.#recordStart = this.position;
    this.bytes.set(record, this.position);
    this.position += record.length;
  }

  endRecord(timeMicros: number): void {
    const start = this.#recordStart;
    const { view } = this;
    view.setUint32(start + RECORD_AT.recordBytes, this.position - start, true);
    setUint53(view, start + RECORD_AT.timeMicros, timeMicros);
    view.setUint32(start + RECORD_AT.operationCount, this.operationCount, true);
    view.setUint32(start + RECORD_AT.reserved, 0, true);
    this.#planned(this.recordCount, start + RECORD_AT.recordBytes, this.position, start);
    this.recordCount++;
    this.#recordStart = this.position;
  }

  /** Length of the frame as it would be written now, unfinished record included. */
  frameBytes(alignment: number): number {
    return alignUp(this.position, alignment);
  }

  /**
   * Writes the header and all checksums, zeroes the padding, and returns the frame's length. The
   * frame's own checksum, its link in the chain, then stands at FRAME_AT.checksum.
   */
  seal(stamp: FrameStamp, checksum: Checksum): number {
    const { view, bytes, position } = this;
    const frameBytes = alignUp(position, stamp.alignment);
    bytes.fill(0, position, frameBytes);
    view.setUint32(FRAME_AT.magic, FRAME_MAGIC, true);
    view.setUint32(FRAME_AT.payloadBytes, position - FRAME_HEADER_BYTES, true);
    view.setUint32(FRAME_AT.frameBytes, frameBytes, true);
    view.setUint32(FRAME_AT.recordCount, this.recordCount, true);
    setUint53(view, FRAME_AT.firstSequence, stamp.firstSequence);
    setUint53(view, FRAME_AT.durableThrough, stamp.durableThrough);
    setUint53(view, FRAME_AT.segmentId, stamp.segmentId);
    setUint53(view, FRAME_AT.offset, stamp.offset);
    view.setUint32(FRAME_AT.epoch, stamp.epoch, true);
    view.setUint32(FRAME_AT.previousChecksum, stamp.previousChecksum, true);
    bytes.set(stamp.storeId, FRAME_AT.storeId);
    bytes.fill(0, FRAME_AT.reserved, FRAME_HEADER_BYTES);
    const count = this.recordCount;
    this.#planned(count, FRAME_HEADER_BYTES, position, FRAME_AT.payloadChecksum);
    this.#planned(count + 1, FRAME_AT.payloadChecksum, FRAME_HEADER_BYTES, FRAME_AT.checksum);
    checksum.store(bytes, this.#plan, count + 2);
    return frameBytes;
  }

  #planned(index: number, from: number, to: number, at: number): void {
    let plan = this.#plan;
    if (3 * index + 3 > plan.length) {
      plan = new Int32Array(plan.length * 2);
      plan.set(this.#plan);
      this.#plan = plan;
    }
    plan[3 * index] = from;
    plan[3 * index + 1] = to;
    plan[3 * index + 2] = at;
  }
}
