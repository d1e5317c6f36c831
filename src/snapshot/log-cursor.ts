/**
 * Reads the durable part of the log frame by frame. What it stops at is damage: everything in its
 * range is known to be durable, so there is no torn end to be judged here.
 */
import { assert } from "../base/assert.js";
import { fromHex, viewOf } from "../base/bytes.js";
import { errnoCode, HoldfastError, isHoldfastError } from "../base/errors.js";
import { FRAME_BYTES_MAX } from "../base/limits.js";
import type { DiskFile } from "../disk/disk.js";
import {
  decodeFrameHeader,
  FRAME_HEADER_BYTES,
  type FrameHeader,
  type FramePlace,
  segmentFileName,
} from "../log/format.js";
import type { LogEnd } from "../log/pipeline.js";
import type { ManifestSegment, ReplayPosition } from "../manifest/format.js";
import { checkCancelled, type JobContext } from "./context.js";
import { inOrder, normalizePosition } from "./position.js";

/** Read ahead by this much, so that a word to stop is soon heard and memory stays small. */
const CHUNK_BYTES = 1024 * 1024;

export interface LogRange {
  readonly directory: string;
  /** 32 hex digits. */
  readonly storeId: string;
  readonly segments: readonly ManifestSegment[];
  readonly from: ReplayPosition;
  /** Nothing behind this is read. */
  readonly end: LogEnd;
  /** Take the first frame's link as it is: nobody knows the one before. */
  readonly anyLink?: boolean;
}

/** A whole frame; `bytes` is valid until the cursor moves. */
export interface LoadedFrame {
  readonly header: FrameHeader;
  readonly bytes: Uint8Array;
  readonly view: DataView;
  /** Of the frame's header in `bytes`. */
  readonly position: number;
}

export class LogCursor {
  readonly #range: LogRange;
  readonly #context: JobContext;
  readonly #segments: readonly ManifestSegment[];
  #position: ReplayPosition;
  #anyLink: boolean;
  #segment: ManifestSegment | undefined;
  #file: DiskFile | undefined;
  #path = "";
  #place: FramePlace | undefined;
  #limit = 0;
  #chunk: Uint8Array = new Uint8Array(0);
  #view = viewOf(this.#chunk);
  #chunkOffset = 0;
  #bytesRead = 0;
  #readMicros = 0;

  constructor(range: LogRange, context: JobContext) {
    this.#range = range;
    this.#context = context;
    const inRange = range.segments.filter((segment) => segment.id <= range.end.segmentId);
    this.#segments = inOrder(inRange);
    this.#position = normalizePosition(range.from, this.#segments);
    this.#anyLink = range.anyLink === true;
  }

  /** Where the next frame stands, or would. */
  get position(): ReplayPosition {
    return this.#position;
  }

  get bytesRead(): number {
    return this.#bytesRead;
  }

  get readMicros(): number {
    return this.#readMicros;
  }

  /**
   * The frame at `position`, checked in full, without moving behind it; undefined at the end of the
   * range. Throws CORRUPT_LOG, MISSING_FILE or IO.
   */
  async peek(): Promise<LoadedFrame | undefined> {
    for (;;) {
      if (this.#file === undefined && !(await this.#openSegment())) return undefined;
      if (this.#position.offset < this.#limit) {
        const frame = await this.#loadTwice();
        if (frame !== undefined) return frame;
      }
      if (!(await this.#nextSegment())) return undefined;
    }
  }

  /** Moves behind the frame that `peek` gave. */
  advance(header: FrameHeader): void {
    assert(header.offset === this.#position.offset, "a cursor moves behind the frame it stands at");
    this.#anyLink = false;
    this.#position = {
      segmentId: this.#position.segmentId,
      offset: header.offset + header.frameBytes,
      sequence: header.firstSequence + header.recordCount,
      frameChecksum: header.checksum,
    };
  }

  async close(): Promise<void> {
    const file = this.#file;
    this.#file = undefined;
    await file?.close();
  }

  /** A CORRUPT_LOG about the frame at `position`. */
  corrupt(what: string): HoldfastError {
    const { offset, sequence } = this.#position;
    return new HoldfastError(
      "CORRUPT_LOG",
      `${this.#path} is damaged at ${offset}: ${what}, and it was durable`,
      { file: this.#path, offset, sequence, provenAcknowledged: true },
    );
  }

  async #openSegment(): Promise<boolean> {
    const { segmentId } = this.#position;
    const segment = this.#segments.find(({ id }) => id === segmentId);
    if (segment === undefined) {
      if (segmentId > this.#range.end.segmentId || this.#segments.length === 0) return false;
      throw this.#missing(`segment ${segmentId} is not among those of the store`);
    }
    this.#segment = segment;
    this.#path = `${this.#range.directory}/${segmentFileName(segment.id)}`;
    try {
      this.#file = await this.#context.disk.open(this.#path, { direct: true });
    } catch (error) {
      if (errnoCode(error) === "ENOENT") throw this.#missing(`${this.#path} is gone`, error);
      throw error;
    }
    const { end } = this.#range;
    const last = segment.id === end.segmentId;
    const sealed = segment.state === "sealed" ? segment.bytes : await this.#file.size();
    this.#limit = last ? Math.min(end.bytes, sealed) : sealed;
    this.#place = {
      storeId: fromHex(this.#range.storeId) as Uint8Array,
      segmentId: segment.id,
      epoch: segment.epoch,
      alignment: segment.alignment,
      frameBytesMax: FRAME_BYTES_MAX,
    };
    this.#chunk = new Uint8Array(0);
    return true;
  }

  /** Whether the log goes on in another segment; the chain shows whether anything was left out. */
  async #nextSegment(): Promise<boolean> {
    await this.close();
    const at = this.#segments.findIndex(({ id }) => id === this.#position.segmentId);
    const next = this.#segments[at + 1];
    if (next === undefined) return false;
    this.#position = { ...this.#position, segmentId: next.id, offset: next.alignment };
    return true;
  }

  /** What does not read well is read once more: not every bad read is one of the medium. */
  async #loadTwice(): Promise<LoadedFrame | undefined> {
    try {
      return await this.#load();
    } catch (error) {
      if (!isHoldfastError(error, "CORRUPT_LOG")) throw error;
      this.#chunk = new Uint8Array(0);
      return this.#load();
    }
  }

  async #load(): Promise<LoadedFrame | undefined> {
    const { offset, sequence, frameChecksum } = this.#position;
    const place = this.#place as FramePlace;
    await this.#make(offset, FRAME_HEADER_BYTES);
    let at = offset - this.#chunkOffset;
    const header = this.#header(at, place);
    if (header === undefined) return this.#noFrame();
    const linked =
      this.#anyLink ||
      (header.previousChecksum === frameChecksum && header.firstSequence === sequence);
    if (!linked) throw this.corrupt("a frame does not continue the one before it");
    await this.#make(offset, header.frameBytes);
    at = offset - this.#chunkOffset;
    const from = at + FRAME_HEADER_BYTES;
    const whole = at + header.frameBytes <= this.#chunk.length;
    const { checksum } = this.#context.disk;
    const sum = whole && checksum.crc32c(this.#chunk, from, from + header.payloadBytes);
    if (sum !== header.payloadChecksum) throw this.corrupt("a frame fails its checksum");
    return { header, bytes: this.#chunk, view: this.#view, position: at };
  }

  #header(at: number, place: FramePlace): FrameHeader | undefined {
    const { checksum } = this.#context.disk;
    const { offset } = this.#position;
    return decodeFrameHeader(this.#chunk, this.#view, at, offset, place, checksum);
  }

  /** Only an unsealed segment that is not the last may end before its file does. */
  #noFrame(): undefined {
    const segment = this.#segment as ManifestSegment;
    if (segment.state !== "sealed" && segment.id !== this.#range.end.segmentId) return undefined;
    throw this.corrupt("there is no frame");
  }

  /** Makes [offset, offset + length) available, as far as the range has it. */
  async #make(offset: number, length: number): Promise<void> {
    const wanted = Math.min(offset + length, this.#limit);
    if (offset >= this.#chunkOffset && wanted <= this.#chunkOffset + this.#chunk.length) return;
    checkCancelled(this.#context);
    const left = Math.max(0, this.#limit - offset);
    const { clock } = this.#context.disk;
    const since = clock.monotonicMicros();
    const file = this.#file as DiskFile;
    const bytes = await file.read(offset, Math.min(Math.max(length, CHUNK_BYTES), left));
    this.#readMicros += clock.monotonicMicros() - since;
    this.#chunk = bytes;
    this.#view = viewOf(bytes);
    this.#chunkOffset = offset;
    this.#bytesRead += bytes.length;
    this.#context.budget.count(bytes.length, 0);
  }

  #missing(what: string, cause?: unknown): HoldfastError {
    const data = { file: this.#path || this.#range.directory, sequence: this.#position.sequence };
    return new HoldfastError("MISSING_FILE", what, data, cause);
  }
}
