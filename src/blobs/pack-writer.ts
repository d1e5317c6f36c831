/**
 * Writes one pack, from its beginning to its end. Pieces are durable, and were read back past the
 * page cache, before the pack is finished: what a manifest names is on the disk as it was meant.
 */
import { assert } from "../base/assert.js";
import { HoldfastError } from "../base/errors.js";
import type { Disk, DiskFile } from "../disk/disk.js";
import { packRefused } from "./errors.js";
import { PACK_CHUNK_HEADER_BYTES, PACK_SALT_BYTES, packFileName } from "./format.js";
import {
  encodeChunkHeader,
  encodePackFooter,
  encodePackHeader,
  type PackedChunk,
  type PackPlace,
} from "./pack-header.js";

/** Written at once: a multiple of every alignment. */
const PIECE_BYTES = 4 * 1024 * 1024;

/** Memory for the first one, to begin with: most packs are small. */
const FIRST_BYTES = 64 * 1024;

/** Pieces on their way: while one is read back, the next ones are written. */
const PIECES_IN_FLIGHT = 3;

/** A pack that is done, as the manifest has it. */
export interface FinishedPack {
  readonly id: number;
  readonly bytes: number;
  readonly chunks: number;
  /** Of its footer: tells it from any other file of that name. */
  readonly checksum: number;
}

/** What is known of a chunk beside where it stands. */
export type NewChunk = Omit<PackedChunk, "offset" | "storedBytes" | "storedChecksum">;

export interface PackWriterOptions extends PackPlace {
  readonly disk: Disk;
  readonly directory: string;
  /** Counts what was written, and read back. */
  readonly onWritten?: (bytes: number) => void;
}

export class PackWriter {
  readonly path: string;
  readonly #o: PackWriterOptions;
  readonly #file: DiskFile;
  readonly #seed: number;
  readonly #index: Uint8Array[] = [];
  readonly #spare: Uint8Array[] = [];
  readonly #running = new Set<Promise<void>>();
  #piece: Uint8Array;
  #filled = 0;
  /** Where the piece goes. */
  #pieceAt = 0;
  #failure: unknown;
  #closed = false;

  private constructor(options: PackWriterOptions, path: string, file: DiskFile) {
    this.#o = options;
    this.path = path;
    this.#file = file;
    this.#piece = new Uint8Array(FIRST_BYTES);
    const { disk } = options;
    const salt = disk.randomBytes(PACK_SALT_BYTES);
    const header = encodePackHeader(options, disk.clock.nowMicros(), salt, disk.checksum);
    this.#seed = header.seed;
    this.#piece.set(header.bytes);
    this.#filled = header.bytes.length;
  }

  /** The file must not be there: an id is never used twice. Throws DISK_FULL or IO. */
  static async create(options: PackWriterOptions): Promise<PackWriter> {
    const path = `${options.directory}/${packFileName(options.packId)}`;
    try {
      const file = await options.disk.open(path, { write: true, create: true, exclusive: true });
      return new PackWriter(options, path, file);
    } catch (error) {
      throw packRefused(path, "creating", error);
    }
  }

  get chunks(): number {
    return this.#index.length;
  }

  /** Length of the pack if it were finished now. */
  get bytes(): number {
    return this.#pieceAt + this.#filled;
  }

  /** Adds a chunk; `stored` is copied. Throws DISK_FULL or IO. */
  async add(chunk: NewChunk, stored: Uint8Array): Promise<void> {
    const { checksum } = this.#o.disk;
    const offset = this.bytes;
    const storedBytes = stored.length;
    const storedChecksum = checksum.crc32c(stored, 0, storedBytes);
    const header = { ...chunk, offset, storedBytes, storedChecksum };
    const bytes = encodeChunkHeader(header, this.#seed, checksum);
    this.#index.push(bytes);
    await this.#append(bytes);
    await this.#append(stored);
  }

  /** Index and footer; the pack, and its name, are durable when this resolves. */
  async finish(): Promise<FinishedPack> {
    const { disk, directory, packId } = this.#o;
    const indexOffset = this.bytes;
    let indexChecksum = this.#seed;
    for (const entry of this.#index) {
      indexChecksum = disk.checksum.crc32c(entry, 0, PACK_CHUNK_HEADER_BYTES, indexChecksum);
      await this.#append(entry);
    }
    const chunks = this.#index.length;
    const content = { chunks, indexOffset, indexChecksum };
    const footer = encodePackFooter(this.#o, content, this.#seed, disk.checksum);
    await this.#append(footer.bytes);
    if (this.#filled > 0) await this.#writePiece();
    await this.#settle();
    const { bytes } = this;
    try {
      await this.#file.sync();
      this.#closed = true;
      await this.#file.close();
      await disk.syncDirectory(directory);
    } catch (error) {
      throw packRefused(this.path, "finishing", error);
    }
    return { id: packId, bytes, chunks, checksum: footer.checksum };
  }

  /** Removes what there is of it; what cannot be removed now is a stray. */
  async abandon(): Promise<void> {
    await Promise.allSettled(this.#running);
    if (!this.#closed) await this.#file.close().catch(() => {});
    await this.#o.disk.remove(this.path).catch(() => {});
  }

  async #append(bytes: Uint8Array): Promise<void> {
    for (let from = 0; from < bytes.length; ) {
      this.#grow(this.#filled + bytes.length - from);
      const length = Math.min(bytes.length - from, PIECE_BYTES - this.#filled);
      this.#piece.set(bytes.subarray(from, from + length), this.#filled);
      this.#filled += length;
      from += length;
      if (this.#filled === PIECE_BYTES) await this.#writePiece();
    }
  }

  #grow(wanted: number): void {
    const { length } = this.#piece;
    if (length >= Math.min(wanted, PIECE_BYTES)) return;
    const larger = new Uint8Array(wanted > FIRST_BYTES ? PIECE_BYTES : FIRST_BYTES);
    larger.set(this.#piece.subarray(0, this.#filled));
    this.#piece = larger;
  }

  async #writePiece(): Promise<void> {
    while (this.#running.size >= PIECES_IN_FLIGHT) await Promise.race(this.#running);
    if (this.#failure !== undefined) throw this.#failure;
    const memory = this.#piece;
    const writing = this.#write(memory.subarray(0, this.#filled), this.#pieceAt)
      .catch((error: unknown) => {
        this.#failure ??= error;
      })
      .finally(() => {
        this.#running.delete(writing);
        if (memory.length === PIECE_BYTES) this.#spare.push(memory);
      });
    this.#running.add(writing);
    this.#pieceAt += this.#filled;
    this.#filled = 0;
    this.#piece = this.#spare.pop() ?? new Uint8Array(PIECE_BYTES);
  }

  async #write(bytes: Uint8Array, offset: number): Promise<void> {
    assert(offset % PIECE_BYTES === 0, "pieces are aligned");
    let same: boolean;
    try {
      same = await this.#file.writeVerified(offset, bytes);
    } catch (error) {
      throw packRefused(this.path, "writing", error);
    }
    this.#o.onWritten?.(bytes.length);
    if (same) return;
    const message = `${this.path} at ${offset} does not read back as it was written`;
    throw new HoldfastError("IO", message, { file: this.path, offset });
  }

  async #settle(): Promise<void> {
    while (this.#running.size > 0) await Promise.race(this.#running);
    if (this.#failure !== undefined) throw this.#failure;
  }
}
