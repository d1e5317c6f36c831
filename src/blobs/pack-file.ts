/** One pack, for reading: its header, footer and index are checked before anything else. */
import { toHex } from "../base/bytes.js";
import { HoldfastError } from "../base/errors.js";
import type { Checksum, Disk, DiskFile } from "../disk/disk.js";
import { corruptPack, packRefused } from "./errors.js";
import {
  HASH_BYTES,
  PACK_CHUNK_HEADER_BYTES,
  PACK_FOOTER_BYTES,
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

export class PackFile {
  readonly path: string;
  readonly pack: NamedPack;
  readonly #disk: Disk;
  /** Undefined while nobody reads. */
  #file: Promise<DiskFile> | undefined;
  readonly #checksum: Checksum;
  readonly #seed: number;
  /** Headers of all chunks. */
  readonly #index: Uint8Array;

  private constructor(
    path: string,
    pack: NamedPack,
    disk: Disk,
    file: DiskFile,
    seed: number,
    index: Uint8Array,
  ) {
    this.path = path;
    this.pack = pack;
    this.#disk = disk;
    this.#file = Promise.resolve(file);
    this.#checksum = disk.checksum;
    this.#seed = seed;
    this.#index = index;
  }

  /** Throws CORRUPT_BLOB, MISSING_FILE or IO. `direct`: see `OpenOptions`. */
  static async open(
    disk: Disk,
    directory: string,
    pack: NamedPack,
    direct = false,
  ): Promise<PackFile> {
    const path = `${directory}/${packFileName(pack.id)}`;
    let file: DiskFile | undefined;
    try {
      file = await disk.open(path, { direct });
      const { seed, index } = await readEnds(file, path, pack, disk.checksum);
      return new PackFile(path, pack, disk, file, seed, index);
    } catch (error) {
      await file?.close().catch(() => {});
      throw packRefused(path, "reading", error);
    }
  }

  get chunks(): number {
    return this.pack.chunks;
  }

  chunk(i: number): PackedChunk {
    const at = i * PACK_CHUNK_HEADER_BYTES;
    const chunk = decodeChunkHeader(this.#index, at, undefined, this.#seed, this.#checksum);
    if (chunk === undefined) throw corruptPack(this.path, 0, `entry ${i} of the index is none`);
    return chunk;
  }

  /** Of a chunk, as a text: see `hashKey`. */
  keyOf(i: number): string {
    const at = i * PACK_CHUNK_HEADER_BYTES + HASH_BYTES;
    return hashKey(this.#index.subarray(at, at + HASH_BYTES));
  }

  /** What is stored of a chunk. Throws CORRUPT_BLOB or IO. */
  async read(chunk: PackedChunk): Promise<Uint8Array> {
    const { offset, storedBytes } = chunk;
    let bytes: Uint8Array;
    try {
      this.#file ??= this.#disk.open(this.path);
      const file = await this.#file;
      bytes = await file.read(offset, PACK_CHUNK_HEADER_BYTES + storedBytes);
    } catch (error) {
      throw packRefused(this.path, "reading", error);
    }
    const header = decodeChunkHeader(bytes, 0, offset, this.#seed, this.#checksum);
    if (header === undefined || hashKey(header.hash) !== hashKey(chunk.hash)) {
      throw corruptPack(this.path, offset, "the header of a chunk fails its checksum");
    }
    const stored = bytes.subarray(PACK_CHUNK_HEADER_BYTES);
    const sum = this.#checksum.crc32c(stored, 0, stored.length);
    if (stored.length === storedBytes && sum === chunk.storedChecksum) return stored;
    throw corruptPack(this.path, offset, `chunk ${toHex(chunk.hash)} fails its checksum`);
  }

  /** What is read after that opens it again. */
  async close(): Promise<void> {
    const file = this.#file;
    this.#file = undefined;
    await (await file?.catch(() => undefined))?.close();
  }
}

async function readEnds(file: DiskFile, path: string, pack: NamedPack, checksum: Checksum) {
  const { bytes, storeId } = pack;
  const place = { storeId, packId: pack.id };
  const size = await file.size();
  if (size !== bytes) {
    throw corruptPack(path, Math.min(size, bytes), `it has ${size} bytes instead of ${bytes}`);
  }
  const header = decodePackHeader(await file.read(0, PACK_HEADER_BYTES), place, checksum);
  if (typeof header === "string") throw corruptOrNewer(path, 0, `its header ${header}`);
  const { seed } = header;
  const footerAt = bytes - PACK_FOOTER_BYTES;
  const end = await file.read(footerAt, PACK_FOOTER_BYTES);
  const footer = decodePackFooter(end, place, seed, bytes, checksum);
  if (typeof footer === "string") throw corruptPack(path, footerAt, `its footer ${footer}`);
  if (footer.checksum !== pack.checksum || footer.chunks !== pack.chunks) {
    throw corruptPack(path, footerAt, "it is not the pack that the manifest names");
  }
  const index = await file.read(footer.indexOffset, footer.chunks * PACK_CHUNK_HEADER_BYTES);
  if (checksum.crc32c(index, 0, index.length, seed) !== footer.indexChecksum) {
    throw corruptPack(path, footer.indexOffset, "its index fails its checksum");
  }
  return { seed, index };
}

function corruptOrNewer(path: string, offset: number, what: string): HoldfastError {
  if (!what.includes("format version")) return corruptPack(path, offset, what);
  return new HoldfastError("FORMAT_VERSION", `${path}: ${what}`, { file: path });
}

/** A hash as the key of a map. */
export function hashKey(hash: Uint8Array): string {
  return Buffer.from(hash.buffer, hash.byteOffset, hash.length).toString("latin1");
}
