/** The frames of one segment, one at a time and from any place, whatever stands there. */
import { isZero, viewOf } from "../base/bytes.js";
import { errnoCode } from "../base/errors.js";
import type { Checksum, DiskFile } from "../disk/disk.js";
import {
  decodeFrameHeader,
  FRAME_HEADER_BYTES,
  type FrameHeader,
  type FramePlace,
} from "../log/format.js";
import { isOfAnotherLife, looksLikeFrame } from "../log/life.js";
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

/** What `SegmentFrames` must know of a segment. */
export interface FramesOf {
  readonly place: FramePlace;
  /** Its frames end here at the latest. */
  readonly limit: number;
  /** What does not look like a frame of this segment is of what it was before. */
  readonly recycled: boolean;
}

export class SegmentFrames {
  readonly #file: DiskFile;
  readonly #place: FramePlace;
  readonly #checksum: Checksum;
  readonly #limit: number;
  readonly #recycled: boolean;
  #chunk: Uint8Array = new Uint8Array(0);
  #view: DataView = viewOf(this.#chunk);
  #chunkOffset = 0;
  #failure = "";

  constructor(file: DiskFile, checksum: Checksum, { place, limit, recycled }: FramesOf) {
    this.#file = file;
    this.#place = place;
    this.#checksum = checksum;
    this.#limit = limit;
    this.#recycled = recycled;
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
      const header = this.#header(at);
      if (header !== undefined) headers.push(header);
      dirtyEnd = Math.max(dirtyEnd, Math.min(at + this.#extent(header), this.#limit));
    }
    return { headers, dirtyEnd };
  }

  #header(offset: number): FrameHeader | undefined {
    const position = offset - this.#chunkOffset;
    const { bytes, view } = { bytes: this.#chunk, view: this.#view };
    return decodeFrameHeader(bytes, view, position, offset, this.#place, this.#checksum);
  }

  /** How far the dirt reaches that begins at a block; as recovery has it. */
  #extent(header: FrameHeader | undefined): number {
    const { alignment, frameBytesMax } = this.#place;
    if (!this.#recycled) return alignment;
    return header?.frameBytes ?? frameBytesMax;
  }

  /** Zeros, or what an earlier life of the segment has left. */
  #isAbsent(offset: number): boolean {
    const at = offset - this.#chunkOffset;
    const end = Math.min(at + this.#place.alignment, this.#chunk.length);
    if (isZero(this.#chunk, at, end)) return true;
    const [chunk, view, place] = [this.#chunk, this.#view, this.#place];
    if (isOfAnotherLife(chunk, view, at, place, this.#checksum)) return true;
    return this.#recycled && !looksLikeFrame(chunk, view, at, offset, place);
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
