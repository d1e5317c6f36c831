/**
 * The log of one store as that of another: the same records in the same frames and places, under
 * another store's id, and chained anew. Never linked: segments are written over in time.
 */
import { alignUp, setUint53, viewOf } from "../base/bytes.js";
import { HoldfastError } from "../base/errors.js";
import type { Disk, DiskFile } from "../disk/disk.js";
import {
  decodeSegmentHeader,
  encodeSegmentHeader,
  FRAME_AT,
  FRAME_HEADER_BYTES,
  segmentFileName,
} from "../log/format.js";
import type { LogEnd } from "../log/pipeline.js";
import { walkRecords } from "../log/record.js";
import type { ManifestSegment, ReplayPosition } from "../manifest/format.js";
import type { JobContext } from "./context.js";
import { type LoadedFrame, LogCursor } from "./log-cursor.js";
import { inOrder } from "./position.js";

/** Written at once. */
const PIECE_BYTES = 1024 * 1024;

export interface LogSource {
  readonly directory: string;
  /** 32 hex digits. */
  readonly storeId: string;
  /** Those to be copied, without a gap. */
  readonly segments: readonly ManifestSegment[];
  readonly replayFrom: ReplayPosition;
  /** The last transaction that is wanted; the frame that holds it may go on. */
  readonly through: number;
  readonly end: LogEnd;
}

export interface LogTarget {
  readonly directory: string;
  readonly storeId: Uint8Array;
}

export interface CopiedLog {
  /** Sealed, all of them, and durable; their names are not yet. */
  readonly segments: readonly ManifestSegment[];
  /** Undefined: there is nothing to replay, and the next frame continues `link`. */
  readonly replayFrom: ReplayPosition | undefined;
  /** Of the last frame. */
  readonly link: number;
  /** Of its last transaction; 0 for none. */
  readonly lastMicros: number;
}

/** Throws CORRUPT_LOG, MISSING_FILE, or the system's error. */
export async function copyLog(
  context: JobContext,
  source: LogSource,
  target: LogTarget,
): Promise<CopiedLog> {
  const copy = new LogCopy(context, source, target);
  try {
    return await copy.run();
  } finally {
    await copy.close();
  }
}

class LogCopy {
  readonly #disk: Disk;
  readonly #source: LogSource;
  readonly #target: LogTarget;
  readonly #cursor: LogCursor;
  readonly #made: ManifestSegment[] = [];
  #output: SegmentOutput | undefined;
  #link: number;
  #isFirst = true;
  #replayFrom: ReplayPosition | undefined;
  #lastSequence = 0;
  #lastMicros = 0;

  constructor(context: JobContext, source: LogSource, target: LogTarget) {
    this.#disk = context.disk;
    this.#source = source;
    this.#target = target;
    this.#link = source.replayFrom.frameChecksum;
    const { directory, storeId, segments, replayFrom, end } = source;
    const [first] = inOrder(segments);
    // What stands before the place where replay begins has a link that nobody knows.
    const atFirst = first !== undefined && {
      from: { ...replayFrom, segmentId: first.id, offset: first.alignment },
      anyLink: true,
    };
    const start = atFirst || { from: replayFrom };
    this.#cursor = new LogCursor({ directory, storeId, segments, end, ...start }, context);
  }

  async run(): Promise<CopiedLog> {
    for (;;) {
      const frame = await this.#cursor.peek();
      if (frame === undefined || frame.header.firstSequence > this.#source.through) break;
      await this.#take(frame);
      this.#cursor.advance(frame.header);
    }
    await this.#finish();
    const { through, replayFrom } = this.#source;
    /* v8 ignore next -- @preserve: the cursor finds it first; held here as well, since it is what a
       fork promises */
    if (through >= replayFrom.sequence && this.#lastSequence < through) {
      throw this.#cursor.corrupt(`the log ends before transaction ${through}`);
    }
    return {
      segments: this.#made,
      replayFrom: this.#replayFrom,
      link: this.#link,
      lastMicros: this.#lastMicros,
    };
  }

  async close(): Promise<void> {
    await this.#cursor.close();
    await this.#output?.file.close();
  }

  async #take(frame: LoadedFrame): Promise<void> {
    const { segmentId, offset } = this.#cursor.position;
    if (this.#output?.segment.id !== segmentId) {
      await this.#finish();
      this.#output = await this.#begin(segmentId);
    }
    const output = this.#output as SegmentOutput;
    if (this.#isFirst) this.#link = frame.header.previousChecksum;
    this.#isFirst = false;
    // By its number: where it did not fit, the place that replay is to begin at is the end of the
    // segment before.
    const { sequence } = this.#source.replayFrom;
    if (this.#replayFrom === undefined && frame.header.firstSequence >= sequence) {
      const { firstSequence } = frame.header;
      const frameChecksum = this.#link;
      this.#replayFrom = { segmentId, offset, sequence: firstSequence, frameChecksum };
    }
    await output.add(this.#rewritten(frame, output.segment.alignment));
  }

  /** The frame for its new store, without records behind the last one that is wanted. */
  #rewritten(frame: LoadedFrame, alignment: number): Uint8Array {
    const { header, position } = frame;
    const { checksum } = this.#disk;
    let payloadEnd = position + FRAME_HEADER_BYTES;
    let recordCount = 0;
    const wrong = walkRecords(frame.bytes, frame.view, position, header, (record) => {
      if (record.sequence > this.#source.through) return;
      payloadEnd = record.operationsEnd;
      recordCount++;
      this.#lastMicros = Math.max(this.#lastMicros, record.timeMicros);
    });
    /* v8 ignore next -- @preserve: its checksum is good: only a writer could have made it so */
    if (wrong !== undefined) throw this.#cursor.corrupt(wrong);
    const used = payloadEnd - position;
    const bytes = new Uint8Array(alignUp(used, alignment));
    bytes.set(frame.bytes.subarray(position, payloadEnd));
    const view = viewOf(bytes);
    view.setUint32(FRAME_AT.payloadBytes, used - FRAME_HEADER_BYTES, true);
    view.setUint32(FRAME_AT.frameBytes, bytes.length, true);
    view.setUint32(FRAME_AT.recordCount, recordCount, true);
    const sum = checksum.crc32c(bytes, FRAME_HEADER_BYTES, used);
    view.setUint32(FRAME_AT.payloadChecksum, sum, true);
    setUint53(view, FRAME_AT.offset, (this.#output as SegmentOutput).bytes);
    view.setUint32(FRAME_AT.previousChecksum, this.#link, true);
    bytes.set(this.#target.storeId, FRAME_AT.storeId);
    this.#link = checksum.crc32c(bytes, FRAME_AT.payloadChecksum, FRAME_HEADER_BYTES);
    view.setUint32(FRAME_AT.checksum, this.#link, true);
    this.#lastSequence = header.firstSequence + recordCount - 1;
    return bytes;
  }

  async #begin(id: number): Promise<SegmentOutput> {
    const segment = this.#source.segments.find((one) => one.id === id) as ManifestSegment;
    const name = segmentFileName(id);
    const path = `${this.#source.directory}/${name}`;
    const from = await this.#disk.open(path, { direct: true });
    let block: Uint8Array;
    try {
      block = await from.read(0, segment.alignment);
    } finally {
      await from.close();
    }
    const decoded = decodeSegmentHeader(block, this.#disk.checksum);
    if (!decoded.ok) {
      throw new HoldfastError("CORRUPT_LOG", `${path} has a damaged header`, { file: path });
    }
    const { storeId, directory } = this.#target;
    const options = { write: true, create: true, exclusive: true };
    const file = await this.#disk.open(`${directory}/${name}`, options);
    const output = new SegmentOutput(segment, file);
    await output.add(encodeSegmentHeader({ ...decoded.header, storeId }, this.#disk.checksum));
    return output;
  }

  async #finish(): Promise<void> {
    const output = this.#output;
    if (output === undefined) return;
    await output.end();
    const lastSequence = this.#lastSequence;
    const { id, epoch, alignment } = output.segment;
    const end = { bytes: output.bytes, lastSequence, recycled: false };
    this.#made.push({ id, epoch, alignment, state: "sealed", ...end });
    this.#output = undefined;
    await output.file.close();
  }
}

class SegmentOutput {
  readonly segment: ManifestSegment;
  readonly file: DiskFile;
  /** So far, those that wait to be written included. */
  bytes = 0;
  #pieces: Uint8Array[] = [];
  #waiting = 0;

  constructor(segment: ManifestSegment, file: DiskFile) {
    this.segment = segment;
    this.file = file;
  }

  async add(piece: Uint8Array): Promise<void> {
    // Before, so that something is left for the end.
    if (this.#waiting >= PIECE_BYTES) await this.#write();
    this.#pieces.push(piece);
    this.bytes += piece.length;
    this.#waiting += piece.length;
  }

  async end(): Promise<void> {
    await this.#write();
    await this.file.sync();
  }

  async #write(): Promise<void> {
    const [bytes, offset] = [Buffer.concat(this.#pieces), this.bytes - this.#waiting];
    this.#pieces = [];
    this.#waiting = 0;
    await this.file.write(offset, bytes);
  }
}
