/**
 * Lines of a tape, plain or gzip, streamed: memory is bounded by one chunk and one line.
 *
 * Every line carries the place after it (line number, byte offset in the uncompressed tape, running
 * CRC32 of all bytes so far), so that a reader can go on from a place and be sure that the bytes
 * before it are the bytes it saw the first time.
 */
import { createReadStream } from "node:fs";
import { open } from "node:fs/promises";
import { pipeline } from "node:stream";
import { createGunzip } from "node:zlib";
import CRC32 from "crc-32";
import { errnoCode } from "../base/errors.js";
import { badTape } from "./bad-tape.js";

/** A place on a tape: everything before it has been read. */
export interface TapePlace {
  /** Lines read. */
  readonly line: number;
  /** Bytes read, of the uncompressed tape. */
  readonly bytes: number;
  /** CRC32 (signed, as `crc-32` gives it) of these bytes. */
  readonly crc: number;
}

/** One line, without its line end, and the place after it. */
export interface TapeLine extends TapePlace {
  readonly text: string;
}

export const TAPE_START: TapePlace = { line: 0, bytes: 0, crc: 0 };

/** Longest line accepted, in bytes. A depth snapshot of 5,000 levels takes about 200 KB. */
export const LINE_BYTES_MAX = 16 * 1024 * 1024;

/**
 * Bytes read at a time. The lines of one chunk may be worked through without a pause, so this also
 * bounds how long the event loop can be kept: about 250 lines.
 */
const CHUNK_BYTES = 64 * 1024;
const NEWLINE = 10;
const CARRIAGE_RETURN = 13;

/**
 * The lines of `file` after `from`, in batches of one chunk each.
 *
 * @throws HoldfastError `BAD_TAPE` when the file cannot be read, its gzip stream is damaged or cut
 *   short, a line is longer than `LINE_BYTES_MAX`, or the bytes before `from` are not those that
 *   were read when `from` was recorded.
 */
export async function* readLines(
  file: string,
  from: TapePlace = TAPE_START,
): AsyncGenerator<TapeLine[]> {
  const splitter = new LineSplitter(file, from);
  for await (const chunk of readChunks(file, () => splitter.line)) {
    const lines = splitter.push(chunk);
    if (lines.length > 0) yield lines;
  }
  const last = splitter.end();
  if (last !== undefined) yield [last];
}

/** Chunks of the uncompressed tape; gzip is told by its magic bytes, not by the file's name. */
async function* readChunks(file: string, line: () => number): AsyncGenerator<Buffer> {
  try {
    // Looked at first: a stream opened before would raise its error while nobody listens.
    const packed = await isGzip(file);
    const raw = createReadStream(file, { highWaterMark: CHUNK_BYTES });
    if (packed) {
      const gunzip = createGunzip({ chunkSize: CHUNK_BYTES });
      // The callback is needed for errors to travel; they surface in the iteration below.
      pipeline(raw, gunzip, () => {});
      for await (const chunk of gunzip) yield chunk as Buffer;
    } else {
      for await (const chunk of raw) yield chunk as Buffer;
    }
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error);
    // An errno is about the file; anything else is zlib's verdict, which belongs to a place in it.
    const spot = { file, line: errnoCode(error) === undefined ? line() + 1 : 0 };
    throw badTape(spot, `cannot read the tape: ${message}`, error);
  }
}

async function isGzip(file: string): Promise<boolean> {
  const handle = await open(file, "r");
  try {
    const magic = Buffer.alloc(2);
    const { bytesRead } = await handle.read(magic, 0, 2, 0);
    return bytesRead === 2 && magic[0] === 0x1f && magic[1] === 0x8b;
  } finally {
    await handle.close();
  }
}

/** Cuts chunks into lines, after having checked the bytes before the place it starts from. */
class LineSplitter {
  line = 0;
  #bytes = 0;
  #crc = 0;
  #rest: Buffer = Buffer.alloc(0);
  readonly #file: string;
  readonly #from: TapePlace;

  constructor(file: string, from: TapePlace) {
    this.#file = file;
    this.#from = from;
  }

  /** The complete lines that `chunk` brings to an end. */
  push(chunk: Buffer): TapeLine[] {
    const fresh = this.#skip(chunk);
    const data = this.#rest.length === 0 ? fresh : Buffer.concat([this.#rest, fresh]);
    const lines: TapeLine[] = [];
    let start = 0;
    for (;;) {
      const end = data.indexOf(NEWLINE, start);
      if (end < 0) break;
      lines.push(this.#take(data, start, end + 1));
      start = end + 1;
    }
    // A copy of the rest: a view would keep its whole chunk alive.
    this.#rest = Buffer.from(data.subarray(start));
    if (this.#rest.length > LINE_BYTES_MAX) {
      throw this.#bad(`line longer than ${LINE_BYTES_MAX} bytes`);
    }
    return lines;
  }

  /** The last line, where the tape does not end in a line end. */
  end(): TapeLine | undefined {
    if (this.#bytes < this.#from.bytes) {
      throw this.#bad(
        `the tape has ${this.#bytes} bytes, but ${this.#from.bytes} were already replayed from it`,
      );
    }
    return this.#rest.length === 0 ? undefined : this.#take(this.#rest, 0, this.#rest.length);
  }

  #take(data: Buffer, start: number, next: number): TapeLine {
    this.line++;
    this.#bytes += next - start;
    this.#crc = CRC32.buf(data.subarray(start, next), this.#crc);
    let end = next;
    if (data[end - 1] === NEWLINE) end--;
    if (end > start && data[end - 1] === CARRIAGE_RETURN) end--;
    const text = data.toString("utf8", start, end);
    return { text, line: this.line, bytes: this.#bytes, crc: this.#crc };
  }

  /** What is left of `chunk` after the bytes that were replayed before; checks them at the end. */
  #skip(chunk: Buffer): Buffer {
    const missing = this.#from.bytes - this.#bytes;
    if (missing <= 0) return chunk;
    const skipped = Math.min(missing, chunk.length);
    this.#crc = CRC32.buf(chunk.subarray(0, skipped), this.#crc);
    this.#bytes += skipped;
    if (skipped === missing) {
      this.line = this.#from.line;
      if (this.#crc !== this.#from.crc) {
        throw badTape(
          { file: this.#file, line: 0 },
          `not the tape this directory has replayed: its first ${this.#from.bytes} bytes ` +
            `(${this.#from.line} lines) differ from those replayed`,
        );
      }
    }
    return chunk.subarray(skipped);
  }

  #bad(message: string): Error {
    return badTape({ file: this.#file, line: this.line + 1 }, message);
  }
}
