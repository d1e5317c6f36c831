/** One open file of a run: lookups by filter, root, index and data block. */
import { assert } from "../base/assert.js";
import { errnoCode, HoldfastError } from "../base/errors.js";
import type { Disk, DiskMapping } from "../disk/disk.js";
import type { ManifestFile } from "../manifest/format.js";
import type { BlockCache } from "./block-cache.js";
import { BlockReader } from "./block-reader.js";
import { systemRefused } from "./errors.js";
import { FileCursor } from "./file-cursor.js";
import { readEnds } from "./file-ends.js";
import { FileParts } from "./file-parts.js";
import { runFileName } from "./format.js";
import type { RunProperties } from "./properties.js";

export interface RunFileOptions {
  readonly disk: Disk;
  readonly directory: string;
  readonly storeId: Uint8Array;
  readonly file: ManifestFile;
  readonly cache: BlockCache;
}

/** Where a row was found; filled in anew by each lookup. */
export interface RowPlace {
  /** Never changes, and may be kept. */
  block: Buffer;
  /** The row is block[start, end). */
  start: number;
  /** -1: the key was deleted. */
  end: number;
  schemaVersion: number;
}

/** A place to be filled in by lookups. */
export function newRowPlace(): RowPlace {
  return { block: Buffer.alloc(0), start: 0, end: 0, schemaVersion: 0 };
}

export class RunFile {
  readonly file: ManifestFile;
  readonly path: string;
  readonly #parts: FileParts;
  #references = 1;

  private constructor(file: ManifestFile, path: string, parts: FileParts) {
    this.file = file;
    this.path = path;
    this.#parts = parts;
  }

  /**
   * Maps the file and checks that it is the one the manifest means. Nothing but header and footer
   * is read, so this takes no longer for a larger file. Throws MISSING_FILE, CORRUPT_RUN,
   * FORMAT_VERSION or IO.
   */
  static async open(options: RunFileOptions): Promise<RunFile> {
    const { disk, directory, file, cache } = options;
    const path = `${directory}/${runFileName(file.id)}`;
    const mapping = await map(disk, path);
    try {
      const place = { storeId: options.storeId, fileId: file.id };
      const ends = readEnds(path, mapping, place, file, disk.checksum);
      const reader = new BlockReader(path, file.id, ends.seed, mapping, disk.checksum, cache);
      return new RunFile(file, path, new FileParts(ends.layout, reader));
    } catch (error) {
      mapping.close();
      throw error;
    }
  }

  /**
   * Looks the full key `key[0, keyEnd)` up, whose CRC32C is `hash`. True if the file has it, also
   * as a tombstone; `place` is then filled in. Throws CORRUPT_RUN or IO.
   */
  find(key: Uint8Array, keyEnd: number, hash: number, place: RowPlace): boolean {
    const parts = this.#parts;
    if (!parts.mayHold(hash)) return false;
    const root = parts.root();
    const inRoot = root.lowerBound(key, 0, keyEnd);
    if (inRoot === root.count) return false;
    const index = parts.index(root, inRoot);
    const data = parts.data(index, parts.lowerBound(index, key, 0, keyEnd), true);
    const at = parts.lowerBound(data, key, 0, keyEnd);
    if (data.compareKey(at, key, 0, keyEnd) !== 0) return false;
    place.block = data.bytes;
    place.start = data.keyEnd(at);
    place.end = data.valueEnd(at);
    place.schemaVersion = data.schemaVersion(at);
    return true;
  }

  /** A cursor over all keys, in both directions. `keep`: its data blocks stay in the cache. */
  cursor(keep = true): FileCursor {
    return new FileCursor(this.#parts, keep);
  }

  /** What the file says of itself. Throws CORRUPT_RUN or IO. */
  properties(): RunProperties {
    return this.#parts.properties();
  }

  /** One user more, who must `release` it. */
  retain(): void {
    assert(this.#references > 0, "a file that was let go of cannot be had again");
    this.#references++;
  }

  /** The last one closes the file. */
  async release(): Promise<void> {
    assert(this.#references > 0, "a file is let go of as often as it was retained");
    this.#references--;
    if (this.#references === 0) this.#parts.close();
  }
}

async function map(disk: Disk, path: string): Promise<DiskMapping> {
  try {
    return await disk.map(path);
  } catch (error) {
    if (errnoCode(error) !== "ENOENT") throw systemRefused(path, "mapping", error);
    const what = `${path} is not there, and the manifest needs it`;
    throw new HoldfastError("MISSING_FILE", what, { file: path }, error);
  }
}
