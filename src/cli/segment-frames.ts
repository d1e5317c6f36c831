/** The frames of one segment, one at a time and from any place, whatever stands there. */
import { isZero, viewOf } from "../base/bytes.js";
import { errnoCode } from "../base/errors.js";
import type { Checksum, DiskFile } from "../disk/disk.js";
import {
  decodeFrameHeader,
  FRAME_AT,
  FRAME_HEADER_BYTES,
  FRAME_MAGIC,
  type FrameHeader,
  type FramePlace,
} from "../log/format.js";
import { walkRecords } from "../log/record.js";
import type { Found } from "../log/tail.js";

/** Read ahead by this much: no frame is longer. */
const CHUNK_BYTES = 4 * 1024 * 1024;

/** A whole frame in memory; valid until the next one is read. */
export interface FrameBytes {
  readonly header: FrameHeader;
  readonly bytes: Uint8Array;
  readonly view: DataView;
  /** Position of the frame's first byte. */
  readonly position: number;
}

export type Look =
  | { readonly ok: true; readonly frame: FrameBytes }
  | {
      readonly ok: false;
      /** "malformed": the checksum is good, and the content is not that of a frame. */
      readonly found: Exclude<Found, "unchained"> | "malformed";
      readonly detail: string;
    };

/** Every place of a segment where a frame says that it begins, and how far the dirt reaches. */
export interface FrameIndex {
  readonly headers: readonly FrameHeader[];
  /** Last byte that is neither zero nor of another life of the segment, plus one. */
  readonly dirtyEnd: number;
}

export class SegmentFrames {
  readonly #file: DiskFile;
  readonly #place: FramePlace;
  readonly #checksum: Checksum;
  readonly #limit: number;
  #chunk: Uint8Array = new Uint8Array(0);
  #view: DataView = viewOf(this.#chunk);
  #chunkOffset = 0;
  #failure = "";

  constructor(file: DiskFile, place: FramePlace, checksum: Checksum, limit: number) {
    this.#file = file;
    this.#place = place;
    this.#checksum = checksum;
    this.#limit = limit;
  }

  /** Forgets what was read ahead: the file may have changed since. */
  forget(): void {
    this.#chunk = new Uint8Array(0);
  }

  async at(offset: number): Promise<Look> {
    const { alignment } = this.#place;
    if (offset >= this.#limit) return none("absent", "the segment ends here");
    if (!(await this.#load(offset, alignment))) return none("unreadable", this.#failure);
    const header = this.#header(offset);
    if (header === undefined) {
      return this.#isAbsent(offset)
        ? none("absent", "nothing was written here")
        : none("broken", "there is no frame with a good header here");
    }
    if (!(await this.#load(offset, header.frameBytes))) return none("unreadable", this.#failure);
    return this.#whole(offset, header);
  }

  #whole(offset: number, header: FrameHeader): Look {
    const position = offset - this.#chunkOffset;
    const from = position + FRAME_HEADER_BYTES;
    const to = from + header.payloadBytes;
    if (to > this.#chunk.length) return none("broken", "the file ends within the frame");
    if (this.#checksum.crc32c(this.#chunk, from, to) !== header.payloadChecksum) {
      return none("broken", "the content of the frame fails its checksum");
    }
    const wrong = walkRecords(this.#chunk, this.#view, position, header, () => {});
    if (wrong !== undefined) return none("malformed", wrong);
    return { ok: true, frame: { header, bytes: this.#chunk, view: this.#view, position } };
  }

  /** Looks at every block from `offset` on. */
  async index(offset: number): Promise<FrameIndex> {
    const { alignment } = this.#place;
    const headers: FrameHeader[] = [];
    let dirtyEnd = offset;
    for (let at = offset; at < this.#limit; at += alignment) {
      // What cannot be read proves nothing; what lies behind it may.
      if (!(await this.#load(at, alignment))) continue;
      if (at - this.#chunkOffset >= this.#chunk.length) break;
      if (this.#isAbsent(at)) continue;
      dirtyEnd = Math.min(at + alignment, this.#limit);
      const header = this.#header(at);
      if (header !== undefined) headers.push(header);
    }
    return { headers, dirtyEnd };
  }

  #header(offset: number): FrameHeader | undefined {
    const position = offset - this.#chunkOffset;
    const { bytes, view } = { bytes: this.#chunk, view: this.#view };
    return decodeFrameHeader(bytes, view, position, offset, this.#place, this.#checksum);
  }

  /** Zeros, or the beginning of a frame that says itself that it belongs to another life. */
  #isAbsent(offset: number): boolean {
    const at = offset - this.#chunkOffset;
    const end = Math.min(at + this.#place.alignment, this.#chunk.length);
    return isZero(this.#chunk, at, end) || this.#isOfAnotherLife(at);
  }

  #isOfAnotherLife(at: number): boolean {
    if (at + FRAME_HEADER_BYTES > this.#chunk.length) return false;
    const view = this.#view;
    if (view.getUint32(at + FRAME_AT.magic, true) !== FRAME_MAGIC) return false;
    const from = at + FRAME_AT.payloadChecksum;
    const actual = this.#checksum.crc32c(this.#chunk, from, at + FRAME_HEADER_BYTES);
    if (view.getUint32(at + FRAME_AT.checksum, true) !== actual) return false;
    return (
      view.getUint32(at + FRAME_AT.epoch, true) !== this.#place.epoch ||
      view.getUint32(at + FRAME_AT.segmentId, true) !== this.#place.segmentId % 0x1_0000_0000
    );
  }

  /** Makes [offset, offset + length) available, or as much of it as the segment has. */
  async #load(offset: number, length: number): Promise<boolean> {
    const wanted = Math.min(offset + length, this.#limit);
    const inChunk = offset >= this.#chunkOffset && wanted <= this.#chunkOffset + this.#chunk.length;
    if (inChunk) return true;
    const size = Math.min(Math.max(length, CHUNK_BYTES), this.#limit - offset);
    if (await this.#read(offset, size)) return true;
    // One bad sector must not hide the good ones around it: read no more than is needed.
    return size > length && (await this.#read(offset, wanted - offset));
  }

  async #read(offset: number, size: number): Promise<boolean> {
    try {
      this.#chunk = await this.#file.read(offset, size);
    } catch (error) {
      if (errnoCode(error) === undefined) throw error;
      this.#failure = (error as Error).message;
      return false;
    }
    this.#view = viewOf(this.#chunk);
    this.#chunkOffset = offset;
    return true;
  }
}

function none(found: Extract<Look, { ok: false }>["found"], detail: string): Look {
  return { ok: false, found, detail };
}
