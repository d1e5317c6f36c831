/** One open file of a run: lookups by filter, root, index and data block. */
import { assert } from "../base/assert.js";
import { errnoCode, HoldfastError } from "../base/errors.js";
import type { Disk, DiskMapping } from "../disk/disk.js";
import type { ManifestFile } from "../manifest/format.js";
import { makerOf } from "../manifest/named-files.js";
import type { BlockCache } from "./block-cache.js";
import { BlockReader } from "./block-reader.js";
import { corruptRun, systemRefused } from "./errors.js";
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
  /** Read header and footer only when the file is first used: a file less to wait for. */
  readonly lazily?: boolean;
}

/** Where a row was found; filled in anew by each lookup. */
export interface RowPlace {
  /** Valid until anything else is read from the runs. */
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
  readonly #options: RunFileOptions;
  readonly #mapping: DiskMapping;
  /** Once the file was found to be the one the manifest means. */
  #checked: FileParts | undefined;
  #references = 1;

  private constructor(options: RunFileOptions, path: string, mapping: DiskMapping) {
    this.file = options.file;
    this.path = path;
    this.#options = options;
    this.#mapping = mapping;
  }

  /**
   * Maps the file and checks that it is the one the manifest means. Nothing but header and footer
   * is read, so this takes no longer for a larger file; with `lazily` not even these, until it is
   * first used. Throws MISSING_FILE, CORRUPT_RUN, FORMAT_VERSION or IO.
   */
  static async open(options: RunFileOptions): Promise<RunFile> {
    const { disk, directory, file } = options;
    const path = `${directory}/${runFileName(file.id)}`;
    const mapping = await map(disk, path);
    try {
      const opened = new RunFile(options, path, mapping);
      if (options.lazily !== true) opened.#check();
      else if (mapping.length !== file.bytes) {
        const what = `it is ${mapping.length} bytes long, and the manifest says ${file.bytes}`;
        throw corruptRun(path, Math.min(mapping.length, file.bytes), what);
      }
      return opened;
    } catch (error) {
      mapping.close();
      throw error;
    }
  }

  get #parts(): FileParts {
    return this.#checked ?? this.#check();
  }

  #check(): FileParts {
    const { disk, file, storeId, cache } = this.#options;
    const place = { storeId: makerOf(file, storeId), fileId: file.id };
    const ends = readEnds(this.path, this.#mapping, place, file, disk.checksum);
    const reader = new BlockReader(this.path, file.id, ends.seed, this.#mapping, disk, cache);
    this.#checked = new FileParts(ends.layout, reader);
    return this.#checked;
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

  /**
   * A cursor over all keys, in both directions. `keep`: its data blocks stay in the cache. It
   * copies each to `memory`, which is its own as long as it is used.
   */
  cursor(keep = true, memory = this.#options.cache.borrow()): FileCursor {
    return new FileCursor(this.#parts, keep, memory);
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
    if (this.#references > 0) return;
    if (this.#checked === undefined) this.#mapping.close();
    else this.#checked.close();
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
