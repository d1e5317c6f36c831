/** One pack, for reading: its header, footer and index are checked before anything else. */
import { concatBytes, toHex, viewOf } from "../base/bytes.js";
import { HoldfastError } from "../base/errors.js";
import type { Checksum, Disk, DiskFile } from "../disk/disk.js";
import { corruptPack, packRefused } from "./errors.js";
import {
  PACK_AT,
  PACK_CHUNK_HEADER_BYTES,
  PACK_FOOTER_BYTES,
  PACK_HASH_BYTES,
  PACK_HEADER_BYTES,
  packFileName,
} from "./format.js";
import {
  decodeChunkHeader,
  decodePackFooter,
  decodePackHeader,
  type PackedChunk,
} from "./pack-header.js";
import type { FinishedPack } from "./pack-writer.js";

/** A pack, and the store that made it. */
export interface NamedPack extends FinishedPack {
  readonly storeId: Uint8Array;
}

/** What is needed of the machine to read packs. */
export type PackDisk = Pick<Disk, "checksum" | "open">;

export class PackFile {
  readonly path: string;
  readonly pack: NamedPack;
  readonly problems: readonly PackProblem[];
  readonly #disk: PackDisk;
  readonly #direct: boolean;
  /** Undefined while nobody reads. */
  #file: Promise<DiskFile> | undefined;
  readonly #checksum: Checksum;
  readonly #seed: number;
  /** Headers of all chunks. */
  readonly #index: Uint8Array;

  private constructor(
    path: string,
    pack: NamedPack,
    disk: PackDisk,
    direct: boolean,
    file: DiskFile,
    { seed, index, problems }: Ends,
  ) {
    this.path = path;
    this.pack = pack;
    this.#disk = disk;
    this.#direct = direct;
    this.#file = Promise.resolve(file);
    this.#checksum = disk.checksum;
    this.#seed = seed;
    this.#index = index;
    this.problems = problems;
  }

  /** Throws CORRUPT_BLOB, MISSING_FILE or IO. `direct`: see `OpenOptions`. */
  static async open(
    disk: PackDisk,
    directory: string,
    pack: NamedPack,
    direct = false,
  ): Promise<PackFile> {
    const path = `${directory}/${packFileName(pack.id)}`;
    let file: DiskFile | undefined;
    try {
      file = await disk.open(path, { direct });
      const ends = await readEnds(file, path, pack, disk.checksum);
      return new PackFile(path, pack, disk, direct, file, ends);
    } catch (error) {
      await file?.close().catch(() => {});
      throw packRefused(path, "reading", error);
    }
  }

  /** Those that can be found: all of them, unless more than one place is damaged. */
  get chunks(): number {
    return this.#index.length / PACK_CHUNK_HEADER_BYTES;
  }

  chunk(i: number): PackedChunk {
    const at = i * PACK_CHUNK_HEADER_BYTES;
    const chunk = decodeChunkHeader(this.#index, at, undefined, this.#seed, this.#checksum);
    if (chunk === undefined) throw corruptPack(this.path, 0, `entry ${i} of the index is none`);
    return chunk;
  }

  /** Of a chunk, as a text: see `hashKey`. */
  keyOf(i: number): string {
    const at = i * PACK_CHUNK_HEADER_BYTES + PACK_HASH_BYTES;
    return hashKey(this.#index.subarray(at, at + PACK_HASH_BYTES));
  }

  /** Whether the header of a chunk is what the index has. Throws IO. */
  async hasHeader({ offset, hash }: PackedChunk): Promise<boolean> {
    const bytes = await this.#read(offset, PACK_CHUNK_HEADER_BYTES);
    const header = decodeChunkHeader(bytes, 0, offset, this.#seed, this.#checksum);
    return header !== undefined && hashKey(header.hash) === hashKey(hash);
  }

  /** Whether what is stored of a chunk is as it was written. Throws IO. */
  async isWhole({ offset, storedBytes, storedChecksum }: PackedChunk): Promise<boolean> {
    const stored = await this.#read(offset + PACK_CHUNK_HEADER_BYTES, storedBytes);
    const sum = this.#checksum.crc32c(stored, 0, stored.length);
    return stored.length === storedBytes && sum === storedChecksum;
  }

  /** What is stored of a chunk. Throws CORRUPT_BLOB or IO. */
  async read(chunk: PackedChunk): Promise<Uint8Array> {
    const { offset, storedBytes } = chunk;
    const bytes = await this.#read(offset, PACK_CHUNK_HEADER_BYTES + storedBytes);
    // The header that stands there says no more than the index.
    const stored = bytes.subarray(PACK_CHUNK_HEADER_BYTES);
    const sum = this.#checksum.crc32c(stored, 0, stored.length);
    if (stored.length === storedBytes && sum === chunk.storedChecksum) return stored;
    throw corruptPack(this.path, offset, `chunk ${toHex(chunk.hash)} fails its checksum`);
  }

  async #read(offset: number, length: number): Promise<Uint8Array> {
    try {
      this.#file ??= this.#disk.open(this.path, { direct: this.#direct });
      const file = await this.#file;
      return await file.read(offset, length);
    } catch (error) {
      throw packRefused(this.path, "reading", error);
    }
  }

  /** What is read after that opens it again. */
  async close(): Promise<void> {
    const file = this.#file;
    this.#file = undefined;
    await (await file?.catch(() => undefined))?.close();
  }
}

/** What is not as it was written, and was made up for. */
export interface PackProblem {
  readonly offset: number;
  readonly what: string;
}

interface Ends {
  readonly seed: number;
  readonly index: Uint8Array;
  readonly problems: readonly PackProblem[];
}

/**
 * What is needed to read chunks. Header and footer stand for one another, and the headers of the
 * chunks for the index: so that one bad place makes no more unreadable than what is stored there.
 */
async function readEnds(
  file: DiskFile,
  path: string,
  pack: NamedPack,
  checksum: Checksum,
): Promise<Ends> {
  const place = { storeId: pack.storeId, packId: pack.id };
  const size = await file.size();
  const problems: PackProblem[] = [];
  if (size !== pack.bytes) {
    const what = `it has ${size} bytes instead of ${pack.bytes}`;
    problems.push({ offset: Math.min(size, pack.bytes), what });
  }
  const head = Uint8Array.from(await file.read(0, PACK_HEADER_BYTES));
  const header = decodePackHeader(head, place, checksum);
  if (typeof header !== "string") {
    const { seed } = header;
    const index = await readIndex(file, pack, seed, checksum, problems);
    return { seed, index: index ?? (await walk(file, seed, size, checksum)), problems };
  }
  if (header.startsWith("is of format version")) {
    throw new HoldfastError("FORMAT_VERSION", `${path}: its header ${header}`, { file: path });
  }
  // It is one of these that all other parts go on from.
  for (const seed of head.length < PACK_HEADER_BYTES ? [] : seedsOf(head, checksum)) {
    const index = await readIndex(file, pack, seed, checksum, []);
    if (index === undefined) continue;
    return { seed, index, problems: [...problems, { offset: 0, what: `its header ${header}` }] };
  }
  throw corruptPack(path, 0, `its header ${header}`);
}

/** The index as the footer has it; undefined, with the reason, where it does not. */
async function readIndex(
  file: DiskFile,
  pack: NamedPack,
  seed: number,
  checksum: Checksum,
  problems: PackProblem[],
): Promise<Uint8Array | undefined> {
  const { bytes, storeId, id } = pack;
  const footerAt = bytes - PACK_FOOTER_BYTES;
  const end = await file.read(footerAt, PACK_FOOTER_BYTES);
  const footer = decodePackFooter(end, { storeId, packId: id }, seed, bytes, checksum);
  if (typeof footer === "string") {
    problems.push({ offset: footerAt, what: `its footer ${footer}` });
    return undefined;
  }
  if (footer.checksum !== pack.checksum || footer.chunks !== pack.chunks) {
    problems.push({ offset: footerAt, what: "it is not the pack that the manifest names" });
    return undefined;
  }
  const { indexOffset, chunks } = footer;
  const index = await file.read(indexOffset, chunks * PACK_CHUNK_HEADER_BYTES);
  if (checksum.crc32c(index, 0, index.length, seed) === footer.indexChecksum) return index;
  problems.push({ offset: indexOffset, what: "its index fails its checksum" });
  return undefined;
}

/** The headers of chunks, one behind the other, as far as they are whole. */
async function walk(
  file: DiskFile,
  seed: number,
  size: number,
  checksum: Checksum,
): Promise<Uint8Array> {
  const headers: Uint8Array[] = [];
  for (let offset = PACK_HEADER_BYTES; offset + PACK_CHUNK_HEADER_BYTES <= size; ) {
    const bytes = Uint8Array.from(await file.read(offset, PACK_CHUNK_HEADER_BYTES));
    const chunk = decodeChunkHeader(bytes, 0, offset, seed, checksum);
    if (chunk === undefined) break;
    headers.push(bytes);
    offset += PACK_CHUNK_HEADER_BYTES + chunk.storedBytes;
  }
  return concatBytes(headers);
}

function seedsOf(head: Uint8Array, checksum: Checksum): number[] {
  const stored = viewOf(head).getUint32(PACK_AT.checksum, true);
  return [stored, checksum.crc32c(head, PACK_AT.formatVersion, PACK_HEADER_BYTES)];
}

/** A hash as the key of a map. */
export function hashKey(hash: Uint8Array): string {
  return Buffer.from(hash.buffer, hash.byteOffset, hash.length).toString("latin1");
}
