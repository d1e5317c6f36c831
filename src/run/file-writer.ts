/** Writes one file of a run, and proves that it is on the disk as it was meant. */
import { assert } from "../base/assert.js";
import { errnoCode } from "../base/errors.js";
import type { Disk, DiskFile } from "../disk/disk.js";
import type { ManifestFile, ManifestTable } from "../manifest/format.js";
import { blockBytesMax, encodeBlockInto } from "./block.js";
import { compareBytes, EntriesBuilder } from "./entries.js";
import { systemRefused } from "./errors.js";
import { encodeRunHeader } from "./file-header.js";
import { FilterBuilder } from "./filter.js";
import { encodeRunFooter } from "./footer.js";
import {
  BLOCK_HEADER_BYTES,
  BLOCK_KIND,
  type BlockKind,
  DATA_BLOCK_BYTES,
  FILTER_LINE_BYTES,
  RUN_FILE_BYTES_MAX,
  RUN_FOOTER_BYTES,
  RUN_SALT_BYTES,
  runFileName,
} from "./format.js";
import { IndexBuilder } from "./index-builder.js";
import { encodeProperties } from "./properties.js";
import { readBack, type WrittenBlock } from "./read-back.js";
import { TableCounts } from "./table-counts.js";

export interface RunFileWriterOptions {
  readonly disk: Disk;
  readonly directory: string;
  readonly storeId: Uint8Array;
  readonly fileId: number;
}

/** Memory for what is complete and not written, to begin with. */
const PENDING_BYTES = 64 * 1024;

/** What the properties of a file say beside what is in it. */
export interface FinishOptions {
  readonly firstSequence: number;
  readonly lastSequence: number;
  readonly createdMicros: number;
  /** Every table that has a row in the file, at least. */
  readonly tables: readonly ManifestTable[];
}

export class RunFileWriter {
  readonly path: string;
  readonly fileId: number;
  readonly #disk: Disk;
  readonly #storeId: Uint8Array;
  /** Undefined once it is closed. */
  #file: DiskFile | undefined;
  /** Checksum of the header; all others continue from it. */
  readonly #seed: number;
  readonly #data = new EntriesBuilder(2 * DATA_BLOCK_BYTES);
  readonly #index = new IndexBuilder();
  readonly #filter = new FilterBuilder();
  readonly #counts = new TableCounts();
  readonly #blocks: WrittenBlock[] = [];
  /** Parts of the file that are complete and not written, in order; they end at `#end`. */
  #pending: Buffer = Buffer.allocUnsafeSlow(PENDING_BYTES);
  #pendingBytes = 0;
  /** Memory of what was written last. */
  #written: Buffer | undefined;
  #end = 0;
  #dataBlocks = 0;
  #firstKey: Uint8Array | undefined;
  /** The key added last, in memory of this writer. */
  #lastKey = Buffer.alloc(256);
  #lastKeyBytes = 0;
  #writing = false;

  private constructor(options: RunFileWriterOptions, path: string, file: DiskFile) {
    this.path = path;
    this.fileId = options.fileId;
    this.#disk = options.disk;
    this.#storeId = options.storeId;
    this.#file = file;
    const salt = options.disk.randomBytes(RUN_SALT_BYTES);
    const header = encodeRunHeader(options, salt, options.disk.checksum);
    this.#seed = header.seed;
    this.#append(header.bytes);
  }

  /** The file must not be there: an id is never used twice. */
  static async create(options: RunFileWriterOptions): Promise<RunFileWriter> {
    const { disk, directory, fileId } = options;
    const path = `${directory}/${runFileName(fileId)}`;
    try {
      const file = await disk.open(path, { write: true, create: true, exclusive: true });
      return new RunFileWriter(options, path, file);
    } catch (error) {
      throw systemRefused(path, "creating", error);
    }
  }

  /** About the size of the file if it were finished now. */
  get bytes(): number {
    const filter = this.#filter.lines * FILTER_LINE_BYTES;
    return this.#end + this.#data.rawBytes + this.#index.bytes + filter + RUN_FOOTER_BYTES;
  }

  /** Bytes of complete blocks that `write` would write. */
  get pendingBytes(): number {
    return this.#pendingBytes;
  }

  /**
   * Adds a row, or a tombstone if `rowEnd` < 0. Keys are full keys, strictly ascending. Everything
   * is copied.
   */
  add(
    key: Uint8Array,
    keyStart: number,
    keyEnd: number,
    schemaVersion: number,
    row: Uint8Array,
    rowStart: number,
    rowEnd: number,
  ): void {
    const rowBytes = rowEnd < 0 ? 0 : rowEnd - rowStart;
    const data = this.#data;
    if (data.count > 0 && data.rawBytesWith(keyEnd - keyStart, rowBytes) > DATA_BLOCK_BYTES) {
      this.#closeDataBlock();
    }
    this.#takeKey(key, keyStart, keyEnd);
    data.add(key, keyStart, keyEnd, schemaVersion, row, rowStart, rowEnd);
    this.#filter.add(this.#disk.checksum.crc32c(key, keyStart, keyEnd));
    this.#counts.add((key[keyStart]! << 8) | key[keyStart + 1]!, rowEnd < 0);
    assert(this.bytes < RUN_FILE_BYTES_MAX, "a file of a run is within its bound");
  }

  /** Writes the blocks that are complete; gives the bytes written. One at a time. */
  async write(): Promise<number> {
    assert(!this.#writing && this.#file !== undefined, "an open file is written by one at a time");
    if (this.#pendingBytes === 0) return 0;
    const memory = this.#pending;
    const bytes = memory.subarray(0, this.#pendingBytes);
    const offset = this.#end - this.#pendingBytes;
    // What is added meanwhile does not touch what is being written.
    this.#pending = this.#written ?? Buffer.allocUnsafeSlow(PENDING_BYTES);
    this.#written = undefined;
    this.#pendingBytes = 0;
    this.#writing = true;
    // Stays so after a failure: what such a file holds is unknown, it can only be abandoned.
    try {
      await this.#file.write(offset, bytes);
    } catch (error) {
      throw systemRefused(this.path, "writing", error, offset);
    }
    this.#writing = false;
    this.#written = memory;
    return bytes.length;
  }

  /**
   * Writes the rest, makes the file durable, and reads all of it back past the page cache: when
   * this resolves, it is on the disk as it was meant. The directory is the caller's to sync. After
   * a failure the file can only be abandoned.
   */
  async finish(options: FinishOptions): Promise<ManifestFile> {
    const firstKey = this.#firstKey;
    assert(firstKey !== undefined, "a file of a run has a row");
    const lastKey = new Uint8Array(this.#lastKey.subarray(0, this.#lastKeyBytes));
    this.#closeDataBlock();
    const { rows, tombstones } = this.#counts;
    const filterLines = this.#filter.lines;
    const filterOffset = this.#end;
    for (const raw of this.#filter.build()) this.#appendBlock(BLOCK_KIND.filter, raw, false);
    this.#index.build(
      (raw) => this.#appendBlock(BLOCK_KIND.index, raw, true),
      (raw) => this.#appendBlock(BLOCK_KIND.root, raw, true),
    );
    const root = this.#blocks.at(-1)!;
    const raw = encodeProperties({
      createdMicros: options.createdMicros,
      firstSequence: options.firstSequence,
      lastSequence: options.lastSequence,
      rows,
      tombstones,
      firstKey,
      lastKey,
      dataBlocks: this.#dataBlocks,
      filterLines,
      tables: this.#counts.describe(options.tables),
    });
    const properties = this.#appendBlock(BLOCK_KIND.properties, raw, true);
    const layout = {
      filterOffset,
      filterLines,
      rootOffset: root.offset,
      rootBytes: root.length,
      propertiesOffset: properties.offset,
      propertiesBytes: properties.length,
    };
    const place = { storeId: this.#storeId, fileId: this.fileId };
    const footer = encodeRunFooter(layout, place, this.#seed, this.#disk.checksum);
    this.#append(footer.bytes);
    await this.write();
    await this.#makeDurable();
    const { fileId } = this;
    await readBack(this.#disk, this.path, place, this.#seed, this.#blocks, footer);
    const bytes = this.#end;
    return { id: fileId, bytes, rows, tombstones, firstKey, lastKey, checksum: footer.checksum };
  }

  /** Closes and removes the file, whether it is finished or not; it may be gone. */
  async abandon(): Promise<void> {
    const file = this.#file;
    this.#file = undefined;
    try {
      await file?.close();
    } catch (error) {
      // Nothing depends on the file any more; why it is abandoned is what counts.
      if (errnoCode(error) === undefined) throw error;
    }
    await this.#remove();
  }

  async #remove(): Promise<void> {
    try {
      await this.#disk.remove(this.path);
    } catch (error) {
      if (errnoCode(error) !== "ENOENT") throw systemRefused(this.path, "removing", error);
    }
  }

  async #makeDurable(): Promise<void> {
    try {
      await this.#file!.sync();
      await this.#file!.close();
      this.#file = undefined;
    } catch (error) {
      throw systemRefused(this.path, "syncing", error);
    }
  }

  /** Remembers the key, after seeing that it is above the one before. */
  #takeKey(key: Uint8Array, start: number, end: number): void {
    const bytes = end - start;
    const last = this.#lastKey;
    assert(
      this.#firstKey === undefined ||
        compareBytes(key, start, end, last, 0, this.#lastKeyBytes) > 0,
      "keys are added in ascending order",
    );
    assert(bytes >= 2, "a full key begins with a table's id");
    this.#firstKey ??= new Uint8Array(key.subarray(start, end));
    if (bytes > last.length) this.#lastKey = Buffer.alloc(2 * bytes);
    this.#lastKey.set(key.subarray(start, end));
    this.#lastKeyBytes = bytes;
  }

  #closeDataBlock(): void {
    const block = this.#appendBlock(BLOCK_KIND.data, this.#data.take(), true);
    this.#index.add(this.#lastKey, this.#lastKeyBytes, block.offset, block.length);
    this.#dataBlocks++;
  }

  #appendBlock(kind: BlockKind, raw: Uint8Array, compress: boolean): WrittenBlock {
    const { checksum } = this.#disk;
    const place = { kind, fileId: this.fileId, offset: this.#end, seed: this.#seed };
    this.#reserve(blockBytesMax(raw.length));
    const content = { ...place, raw, compress };
    const length = encodeBlockInto(content, this.#disk, this.#pending, this.#pendingBytes);
    const rawChecksum = checksum.crc32c(raw, 0, raw.length);
    const block = { kind, offset: this.#end, length, rawChecksum };
    assert(block.length >= BLOCK_HEADER_BYTES, "a block has a header");
    this.#blocks.push(block);
    this.#pendingBytes += length;
    this.#end += length;
    return block;
  }

  #append(bytes: Uint8Array): void {
    this.#reserve(bytes.length);
    this.#pending.set(bytes, this.#pendingBytes);
    this.#pendingBytes += bytes.length;
    this.#end += bytes.length;
  }

  #reserve(more: number): void {
    const wanted = this.#pendingBytes + more;
    if (wanted <= this.#pending.length) return;
    const larger = Buffer.allocUnsafeSlow(Math.max(wanted, 2 * this.#pending.length));
    larger.set(this.#pending.subarray(0, this.#pendingBytes));
    this.#pending = larger;
  }
}
