/** Reads the frames of one segment, then looks ahead from where they stop. */
import { isZero, viewOf } from "../base/bytes.js";
import { errnoCode } from "../base/errors.js";
import type { Checksum, DiskFile } from "../disk/disk.js";
import {
  decodeFrameHeader,
  FRAME_HEADER_BYTES,
  type FrameHeader,
  type FramePlace,
} from "./format.js";
import { isOfAnotherLife, looksLikeFrame } from "./life.js";
import { type LogRecord, walkRecords } from "./record.js";
import type { Found } from "./tail.js";

/**
 * A log that was closed is read by so much at first, and by four times as much each time: most end
 * soon. Others are read to the end of the segment, in large pieces: each costs a turn.
 */
const FIRST_CHUNK_BYTES = 64 * 1024;
const PACK_CHUNK_BYTES = 1024 * 1024;

/** Most of what lies behind the end of a log is zeros: it is passed over in larger steps. */
const ZERO_STRIDE_BYTES = 64 * 1024;

/** What the chain demands of the next frame. */
export interface ChainState {
  nextSequence: number;
  previousChecksum: number;
  /** Take the next frame as it is: for tools that read on behind damage. */
  anyLink?: boolean;
}

export interface SegmentScan {
  /** Where the good frames end. */
  readonly endOffset: number;
  readonly frames: number;
  readonly transactions: number;
  /** What stands at `endOffset`, and what can be told from the rest of the segment. */
  readonly found: Found;
  /** Where the first and the last whole frame after `endOffset` begin; 0 if there is none. */
  readonly firstLaterOffset: number;
  readonly lastLaterOffset: number;
  /** Most that a frame of this segment after `endOffset` knows to be durable. */
  readonly laterDurableThrough: number;
  /** A frame whose checksum is good but whose content is not: what is wrong. */
  readonly malformed: string | undefined;
  /** Last byte after `endOffset` that may be of this life of the segment, plus one. */
  readonly dirtyEnd: number;
  /** Bytes read from the file, those behind the end included. */
  readonly bytesRead: number;
  /** The system's error, where `found` is "unreadable". */
  readonly cause: unknown;
}

export interface ScanOptions {
  readonly file: DiskFile;
  readonly place: FramePlace;
  readonly checksum: Checksum;
  readonly chain: ChainState;
  /** Read frames up to here; the rest of the file is none of the segment's. */
  readonly limit: number;
  /** Where to begin; the first block after the header by default. */
  readonly startOffset?: number;
  /** The segment was another one before: what does not look like this life's is of that one. */
  readonly recycled: boolean;
  /** The log is known to end where its frames do: do not look for more behind them. */
  readonly closed?: boolean;
  /** Shared by scans that follow one another. */
  readonly buffers?: ReadBuffers;
  readonly visit: (record: LogRecord) => void;
  /** A frame is in memory, and is about to be checked: nothing is waited for until `onFrame`. */
  readonly onPayload?: () => void;
  readonly onFrame?: (header: FrameHeader) => void;
}

/**
 * Pieces of memory that nobody needs any more, to be read into again. Nearly all that an opening
 * reads lies behind the end of the log, and is looked at once: new memory for each piece of it cost
 * more than reading it, most of that in pages to be cleared and garbage to be collected.
 */
export class ReadBuffers {
  readonly #free: Uint8Array[] = [];

  take(size: number): Uint8Array | undefined {
    return size === PACK_CHUNK_BYTES ? this.#free.pop() : undefined;
  }

  /** Only what a read has given as a whole, large piece. */
  give(bytes: Uint8Array): void {
    if (bytes.length === PACK_CHUNK_BYTES) this.#free.push(bytes);
  }
}

/**
 * Visits every record of every good frame of the segment from its first block on, advancing
 * `chain`. Never throws for what is on the disk: it reports.
 */
export async function scanSegment(options: ScanOptions): Promise<SegmentScan> {
  const scanner = new Scanner(options);
  try {
    await scanner.frames();
    return await scanner.lookAhead();
  } finally {
    await scanner.finish();
  }
}

/** A piece of the segment that is being read; undefined if that failed. */
interface ChunkAhead {
  readonly offset: number;
  readonly end: number;
  readonly bytes: Promise<Uint8Array | undefined> | Uint8Array;
}

class Scanner {
  readonly #o: ScanOptions;
  #chunk: Uint8Array = new Uint8Array(0);
  #view: DataView = viewOf(this.#chunk);
  #chunkOffset = 0;
  #chunkBytes: number;
  #ahead: ChunkAhead[] = [];
  #offset: number;
  #frames = 0;
  #transactions = 0;
  #found: Found = "absent";
  #malformed: string | undefined;
  #cause: unknown;
  #bytesRead = 0;
  /** Not to be read into again: records in the chunk were visited, and may have been kept. */
  #inUse = false;
  readonly #buffers: ReadBuffers;

  constructor(options: ScanOptions) {
    this.#o = options;
    this.#chunkBytes = options.closed === true ? FIRST_CHUNK_BYTES : PACK_CHUNK_BYTES;
    this.#buffers = options.buffers ?? new ReadBuffers();
    this.#offset = options.startOffset ?? options.place.alignment;
  }

  /** Makes [offset, offset + length) available, or as much of it as the segment has. */
  async #load(offset: number, length: number): Promise<boolean> {
    const wanted = Math.min(offset + length, this.#o.limit);
    if (offset >= this.#chunkOffset && wanted <= this.#chunkEnd) return true;
    if (offset >= this.#chunkOffset && offset <= this.#chunkEnd) {
      while (this.#ahead.length > 0 && (await this.#takeAhead(offset, wanted))) {
        if (wanted <= this.#chunkEnd) return true;
      }
    }
    await this.settle();
    const size = Math.min(Math.max(length, this.#chunkBytes), Math.max(0, this.#o.limit - offset));
    if (await this.#read(offset, size)) {
      this.#readAhead();
      return true;
    }
    // One bad sector must not hide the good ones around it: read no more than is needed.
    return size > length && (await this.#read(offset, wanted - offset));
  }

  get #chunkEnd(): number {
    return this.#chunkOffset + this.#chunk.length;
  }

  /** Nothing is on its way any more: the file may be closed. */
  async settle(): Promise<void> {
    for (const { bytes } of this.#ahead.splice(0)) {
      const piece = await bytes;
      if (piece !== undefined) this.#buffers.give(piece);
    }
  }

  /** The end of the scan: nothing of it is looked at again. */
  async finish(): Promise<void> {
    await this.settle();
    this.#take(0, new Uint8Array(0));
  }

  /** Keeps one piece coming, from behind the chunk on, while that is looked at. */
  #readAhead(): void {
    if (this.#ahead.length > 0) return;
    const offset = this.#chunkEnd;
    this.#chunkBytes = Math.min(4 * this.#chunkBytes, PACK_CHUNK_BYTES);
    const size = Math.min(this.#chunkBytes, this.#o.limit - offset);
    if (size <= 0 || this.#o.closed === true) return;
    this.#ahead.push({ offset, end: offset + size, bytes: this.#readPiece(offset, size) });
  }

  /** Undefined if it failed: it is read again, by itself, should it be needed. */
  async #readPiece(offset: number, size: number): Promise<Uint8Array | undefined> {
    try {
      const bytes = await this.#o.file.read(offset, size, this.#buffers.take(size));
      this.#bytesRead += bytes.length;
      return bytes;
    } catch (error) {
      if (errnoCode(error) === undefined) throw error;
      return undefined;
    }
  }

  /**
   * Goes on to the next piece. What the chunk still has from `offset` on is joined to as much of it
   * as is wanted, no more: nearly all is looked at where it was read to.
   */
  async #takeAhead(offset: number, wanted: number): Promise<boolean> {
    const next = this.#ahead.shift() as ChunkAhead;
    const bytes = await next.bytes;
    if (bytes === undefined || bytes.length === 0 || next.offset !== this.#chunkEnd) return false;
    const rest = this.#chunk.subarray(offset - this.#chunkOffset);
    if (rest.length === 0) this.#take(offset, bytes);
    else {
      const joined = bytes.subarray(0, wanted - next.offset);
      const chunk = new Uint8Array(rest.length + joined.length);
      chunk.set(rest);
      chunk.set(joined, rest.length);
      this.#take(offset, chunk);
      this.#inUse = true;
      this.#putBack(next, bytes, joined.length);
    }
    if (next.offset + bytes.length === next.end) this.#readAhead();
    return true;
  }

  /** The piece from its byte `from` on is the next one still to come. */
  #putBack(piece: ChunkAhead, bytes: Uint8Array, from: number): void {
    if (from === bytes.length) return;
    const offset = piece.offset + from;
    this.#ahead.unshift({ offset, end: piece.end, bytes: bytes.subarray(from) });
  }

  #take(offset: number, chunk: Uint8Array): void {
    if (!this.#inUse) this.#buffers.give(this.#chunk);
    this.#inUse = false;
    this.#chunk = chunk;
    this.#view = viewOf(chunk);
    this.#chunkOffset = offset;
  }

  async #read(offset: number, size: number): Promise<boolean> {
    try {
      const chunk = await this.#o.file.read(offset, size, this.#buffers.take(size));
      this.#bytesRead += chunk.length;
      this.#take(offset, chunk);
      return true;
    } catch (error) {
      if (errnoCode(error) === undefined) throw error;
      this.#cause = error;
      return false;
    }
  }

  async frames(): Promise<void> {
    const { place, checksum, chain } = this.#o;
    while (this.#offset < this.#o.limit) {
      if (!(await this.#load(this.#offset, place.alignment))) return this.#unreadable();
      let at = this.#offset - this.#chunkOffset;
      const header = decodeFrameHeader(this.#chunk, this.#view, at, this.#offset, place, checksum);
      if (header === undefined) return this.#noFrame(at);
      const linked =
        header.previousChecksum === chain.previousChecksum &&
        header.firstSequence === chain.nextSequence;
      if (!linked && chain.anyLink !== true) {
        this.#found = "unchained";
        return;
      }
      if (!(await this.#load(this.#offset, header.frameBytes))) return this.#unreadable();
      at = this.#offset - this.#chunkOffset;
      this.#o.onPayload?.();
      if (!this.#payloadGood(at, header)) {
        this.#found = "broken";
        return;
      }
      this.#inUse = true;
      this.#malformed = walkRecords(this.#chunk, this.#view, at, header, this.#o.visit);
      if (this.#malformed !== undefined) {
        this.#found = "unchained";
        return;
      }
      this.#advance(header);
    }
  }

  #advance(header: FrameHeader): void {
    const { chain } = this.#o;
    chain.nextSequence = header.firstSequence + header.recordCount;
    chain.previousChecksum = header.checksum;
    chain.anyLink = false;
    this.#o.onFrame?.(header);
    this.#offset += header.frameBytes;
    this.#frames++;
    this.#transactions += header.recordCount;
  }

  #payloadGood(at: number, header: FrameHeader): boolean {
    const from = at + FRAME_HEADER_BYTES;
    const to = from + header.payloadBytes;
    // Its padding belongs to it: a file that ends inside is the end of a write that was cut short.
    if (at + header.frameBytes > this.#chunk.length) return false;
    return this.#o.checksum.crc32c(this.#chunk, from, to) === header.payloadChecksum;
  }

  #unreadable(): void {
    this.#found = "unreadable";
  }

  #noFrame(at: number): void {
    this.#found = this.#isAbsent(at) ? "absent" : "broken";
  }

  /**
   * Zeros, or the beginning of a frame that says itself that it belongs to another life. In a
   * recycled segment also whatever is not like the header of a frame of this life.
   */
  #isAbsent(at: number): boolean {
    const { place, recycled } = this.#o;
    const end = Math.min(at + place.alignment, this.#chunk.length);
    if (isZero(this.#chunk, at, end)) return true;
    const offset = this.#chunkOffset + at;
    if (recycled && !looksLikeFrame(this.#chunk, this.#view, at, offset, place)) return true;
    return isOfAnotherLife(this.#chunk, this.#view, at, place, this.#o.checksum);
  }

  /** Looks at every aligned place after the end for frames of the same segment and epoch. */
  async lookAhead(): Promise<SegmentScan> {
    const { place, checksum, limit } = this.#o;
    const end = this.#offset;
    let laterDurableThrough = 0;
    let firstLaterOffset = 0;
    let lastLaterOffset = 0;
    let dirtyEnd = end;
    const from = this.#o.closed === true && this.#found === "absent" ? limit : end;
    for (let offset = from; offset < limit; offset += place.alignment) {
      // What cannot be read proves nothing; what lies behind it may.
      if (!(await this.#load(offset, place.alignment))) continue;
      const at = offset - this.#chunkOffset;
      if (at >= this.#chunk.length) break;
      const stride = Math.min(ZERO_STRIDE_BYTES, this.#chunk.length - at);
      if (stride > place.alignment && isZero(this.#chunk, at, at + stride)) {
        offset += stride - place.alignment;
        continue;
      }
      if (this.#isAbsent(at)) continue;
      const later = decodeFrameHeader(this.#chunk, this.#view, at, offset, place, checksum);
      dirtyEnd = Math.max(dirtyEnd, Math.min(offset + this.#extent(later), limit));
      if (later === undefined || offset === end) continue;
      if (firstLaterOffset === 0) firstLaterOffset = offset;
      lastLaterOffset = offset;
      laterDurableThrough = Math.max(laterDurableThrough, later.durableThrough);
    }
    return {
      endOffset: end,
      frames: this.#frames,
      transactions: this.#transactions,
      found: this.#found,
      firstLaterOffset,
      lastLaterOffset,
      laterDurableThrough,
      malformed: this.#malformed,
      dirtyEnd,
      bytesRead: this.#bytesRead,
      cause: this.#cause,
    };
  }

  /**
   * How far the dirt reaches that begins at a block. In a recycled segment only the first block of
   * a frame can be told from what was there before; where its length cannot be trusted it may be
   * as long as any.
   */
  #extent(header: FrameHeader | undefined): number {
    const { place, recycled } = this.#o;
    if (!recycled) return place.alignment;
    return header?.frameBytes ?? place.frameBytesMax;
  }
}
