/** Reads an archive as if it were the segment that it was made of, and checks all of it. */
import { assert } from "../base/assert.js";
import { fromHex, toHex, viewOf } from "../base/bytes.js";
import { errnoCode, HoldfastError, isHoldfastError } from "../base/errors.js";
import { FRAME_BYTES_MAX } from "../base/limits.js";
import type { Disk, DiskFile } from "../disk/disk.js";
import {
  decodeFrameHeader,
  decodeSegmentHeader,
  FRAME_HEADER_BYTES,
  type FrameHeader,
  type FramePlace,
  SEGMENT_HEADER_BYTES,
  type SegmentHeader,
} from "../log/format.js";
import { HistoryHash } from "../log/history-hash.js";
import { type LogRecord, walkRecords } from "../log/record.js";
import type { ManifestArchive } from "../manifest/format.js";
import { makerOf } from "../manifest/named-files.js";
import { claimedBlockBytes, decodeBlock } from "../run/block.js";
import { BLOCK_HEADER_BYTES, BLOCK_KIND } from "../run/format.js";
import { ARCHIVE_HEADER_BYTES, archiveFileName, decodeArchiveHeader } from "./archive-format.js";

export interface ReadArchiveOptions {
  readonly disk: Pick<Disk, "checksum" | "compressor" | "open">;
  readonly directory: string;
  /** 32 hex digits. */
  readonly storeId: string;
  /** As the manifest has it. */
  readonly archive: ManifestArchive;
  /** Records of these sequences are visited; all are checked. Default: all. */
  readonly fromSequence?: number;
  readonly throughSequence?: number;
  /** Link of the frame before the first one; not given: that one is taken as it is. */
  readonly previousChecksum?: number | undefined;
  /** Whether it holds what was archived, by the hash of its history as far as that is known. */
  readonly checkHistory?: boolean;
  /** No manifest says which transaction is its last one. */
  readonly endIsUnknown?: boolean;
  readonly visit: (record: LogRecord) => void;
  readonly onSegment?: (header: SegmentHeader) => void;
  readonly onFrame?: (header: FrameHeader) => void;
  /** Called before each block is read; what it throws ends the reading. */
  readonly check?: () => void | Promise<void>;
}

export interface ArchiveReading {
  readonly frames: number;
  readonly records: number;
  readonly bytesRead: number;
  /**
   * Link of the last frame, for whoever reads on in the next segment. Where there is no frame it is
   * the link that was given, or unknown.
   */
  readonly frameChecksum: number | undefined;
}

/**
 * Visits the records of an archive in their order. Throws MISSING_FILE, CORRUPT_LOG (with file and
 * offset), FORMAT_VERSION or IO; records before a damaged place have been visited by then.
 */
export async function readArchive(options: ReadArchiveOptions): Promise<ArchiveReading> {
  const { disk, directory, archive } = options;
  const path = `${directory}/${archiveFileName(archive.id)}`;
  let file: DiskFile;
  try {
    file = await disk.open(path, { direct: true });
  } catch (error) {
    if (errnoCode(error) !== "ENOENT") throw refused(path, error);
    throw new HoldfastError("MISSING_FILE", `${path} is gone`, { file: path }, error);
  }
  try {
    return await new ArchiveReader(options, path, file).read();
  } catch (error) {
    throw refused(path, error);
  } finally {
    await file.close();
  }
}

function refused(path: string, error: unknown): unknown {
  if (errnoCode(error) === undefined || error instanceof HoldfastError) return error;
  const message = `${path} cannot be read: ${(error as Error).message}`;
  return new HoldfastError("IO", message, { file: path }, error);
}

class ArchiveReader {
  readonly #o: ReadArchiveOptions;
  readonly #path: string;
  readonly #file: DiskFile;
  readonly #place: FramePlace;
  #blockOffset = 0;
  /** Where the next frame stood in the segment. */
  #frameOffset: number;
  #nextSequence: number;
  #previousChecksum: number | undefined;
  #frames = 0;
  #records = 0;
  #writer = "";
  readonly #history: HistoryHash | undefined;

  constructor(options: ReadArchiveOptions, path: string, file: DiskFile) {
    const { archive, storeId } = options;
    this.#o = options;
    this.#path = path;
    this.#file = file;
    const own = fromHex(storeId);
    assert(own !== undefined, "a store id is hex digits");
    const id = makerOf(archive, own);
    this.#place = {
      storeId: id,
      segmentId: archive.id,
      epoch: archive.epoch,
      alignment: archive.alignment,
      frameBytesMax: FRAME_BYTES_MAX,
    };
    this.#frameOffset = archive.alignment;
    this.#nextSequence = archive.firstSequence;
    this.#previousChecksum = options.previousChecksum;
    const isKnown = options.checkHistory === true && archive.historyBase !== undefined;
    this.#history = isKnown ? new HistoryHash(archive.historyBase) : undefined;
  }

  async read(): Promise<ArchiveReading> {
    const { archive } = this.#o;
    const size = await this.#file.size();
    if (size !== archive.bytes) {
      throw this.#corrupt(Math.min(size, archive.bytes), `it is ${size} bytes long`);
    }
    const seed = await this.#readHeader();
    this.#blockOffset = ARCHIVE_HEADER_BYTES;
    for (let first = true; this.#blockOffset < archive.bytes; first = false) {
      await this.#o.check?.();
      const { content, length } = await this.#readBlock(seed);
      this.#walk(content, first);
      this.#blockOffset += length;
    }
    const isWhole = this.#nextSequence === archive.lastSequence + 1;
    if (!isWhole && this.#o.endIsUnknown !== true) {
      throw this.#corrupt(archive.bytes, `it ends before transaction ${archive.lastSequence}`);
    }
    this.#checkHistory();
    return {
      frames: this.#frames,
      records: this.#records,
      bytesRead: archive.bytes,
      frameChecksum: this.#previousChecksum,
    };
  }

  /** Checksums tell of accidents; whoever rewrites an archive can make those good again. */
  #checkHistory(): void {
    const { historyHash } = this.#o.archive;
    if (this.#history === undefined || historyHash === undefined) return;
    if (Buffer.compare(this.#history.bytes, historyHash) === 0) return;
    throw this.#corrupt(
      ARCHIVE_HEADER_BYTES,
      "its transactions are not those that were archived: the hash of the history is " +
        `${this.#history.head}, and the manifest has ${toHex(historyHash)}`,
    );
  }

  async #readHeader(): Promise<number> {
    const bytes = await this.#file.read(0, ARCHIVE_HEADER_BYTES);
    const result = decodeArchiveHeader(bytes, this.#place, this.#o.disk.checksum);
    if (result.ok) return result.seed;
    if (result.why === "damaged") throw this.#corrupt(0, result.detail);
    const message = `${this.#path} cannot be read by this program: ${result.detail}`;
    throw new HoldfastError("FORMAT_VERSION", message, { file: this.#path });
  }

  async #readBlock(seed: number): Promise<{ content: Uint8Array; length: number }> {
    const offset = this.#blockOffset;
    const head = await this.#file.read(offset, BLOCK_HEADER_BYTES);
    const length = claimedBlockBytes(head, 0, BLOCK_KIND.archive);
    if (length === undefined || offset + length > this.#o.archive.bytes) {
      throw this.#corrupt(offset, "there is no block");
    }
    const stored = await this.#file.read(offset, length);
    const expected = {
      kind: BLOCK_KIND.archive,
      fileId: this.#place.segmentId,
      offset,
      seed,
      file: this.#path,
    };
    try {
      return { content: decodeBlock(stored, expected, this.#o.disk), length };
    } catch (error) {
      if (!isHoldfastError(error, "CORRUPT_RUN")) throw error;
      // The block is of a run's form, but this is a piece of the log.
      throw this.#corrupt(offset, "a block is damaged", error);
    }
  }

  #walk(content: Uint8Array, first: boolean): void {
    const view = viewOf(content);
    let at = first ? this.#takeSegmentHeader(content) : 0;
    while (at < content.length) {
      const header = this.#frameAt(content, view, at);
      const wrong = walkRecords(content, view, at, header, this.#visit);
      if (wrong !== undefined) throw this.#corrupt(this.#blockOffset, wrong);
      this.#o.onFrame?.(header);
      this.#frames++;
      this.#nextSequence = header.firstSequence + header.recordCount;
      this.#previousChecksum = header.checksum;
      this.#frameOffset += header.frameBytes;
      at += FRAME_HEADER_BYTES + header.payloadBytes;
    }
  }

  #takeSegmentHeader(content: Uint8Array): number {
    const result = decodeSegmentHeader(content, this.#o.disk.checksum);
    const ours =
      result.ok &&
      result.header.segmentId === this.#place.segmentId &&
      result.header.epoch === this.#place.epoch;
    if (!ours) throw this.#corrupt(this.#blockOffset, "the segment's header is damaged");
    this.#writer = result.header.writerId;
    this.#o.onSegment?.(result.header);
    return SEGMENT_HEADER_BYTES;
  }

  #frameAt(content: Uint8Array, view: DataView, at: number): FrameHeader {
    const { checksum } = this.#o.disk;
    const header = decodeFrameHeader(content, view, at, this.#frameOffset, this.#place, checksum);
    if (header === undefined) throw this.#corrupt(this.#blockOffset, "there is no frame");
    const linked =
      header.firstSequence === this.#nextSequence &&
      (this.#previousChecksum ?? header.previousChecksum) === header.previousChecksum;
    if (!linked) {
      throw this.#corrupt(this.#blockOffset, "a frame does not continue the one before it");
    }
    const from = at + FRAME_HEADER_BYTES;
    const to = from + header.payloadBytes;
    if (to > content.length || checksum.crc32c(content, from, to) !== header.payloadChecksum) {
      throw this.#corrupt(this.#blockOffset, "a frame fails its checksum");
    }
    return header;
  }

  readonly #visit = (record: LogRecord): void => {
    this.#records++;
    this.#history?.add(record, this.#writer);
    const { fromSequence = 0, throughSequence = Number.MAX_SAFE_INTEGER } = this.#o;
    if (record.sequence < fromSequence || record.sequence > throughSequence) return;
    this.#o.visit(record);
  };

  #corrupt(offset: number, what: string, cause?: unknown): HoldfastError {
    return new HoldfastError(
      "CORRUPT_LOG",
      `${this.#path} is damaged at ${offset}: ${what}`,
      { file: this.#path, offset, sequence: this.#nextSequence },
      cause,
    );
  }
}
