/** Blocks of one open file: from the cache, or from the mapping, checked. */
import { assert } from "../base/assert.js";
import { isHoldfastError } from "../base/errors.js";
import type { Checksum, DiskMapping } from "../disk/disk.js";
import { decodeBlock } from "./block.js";
import { type BlockCache, CachedBlock, type FileBlocks } from "./block-cache.js";
import { Entries } from "./entries.js";
import { corruptRun, systemRefused } from "./errors.js";
import { BLOCK_KIND, type BlockKind } from "./format.js";

/** Stored blocks are copied here before they are decompressed; larger ones get their own memory. */
const SCRATCH_BYTES = 64 * 1024;
let scratch: Uint8Array | undefined;

export class BlockReader {
  readonly path: string;
  readonly #fileId: number;
  readonly #seed: number;
  readonly #mapping: DiskMapping;
  readonly #checksum: Checksum;
  readonly #cache: BlockCache;
  readonly #blocks: FileBlocks;

  constructor(
    path: string,
    fileId: number,
    seed: number,
    mapping: DiskMapping,
    checksum: Checksum,
    cache: BlockCache,
  ) {
    this.path = path;
    this.#fileId = fileId;
    this.#seed = seed;
    this.#mapping = mapping;
    this.#checksum = checksum;
    this.#cache = cache;
    this.#blocks = cache.addFile();
  }

  /**
   * The block at a place that lies inside the file. With `keep` it is left in the cache. Throws
   * CORRUPT_RUN or IO.
   */
  read(kind: BlockKind, offset: number, length: number, keep: boolean): CachedBlock {
    const found = this.#cache.get(this.#blocks, offset);
    if (found !== undefined) return found;
    const block = this.#readTwice(kind, offset, length);
    if (keep) this.#cache.put(block);
    return block;
  }

  /** A list of entries, which the block at that place must be. */
  readEntries(kind: BlockKind, offset: number, length: number, keep: boolean): Entries {
    const { entries } = this.read(kind, offset, length, keep);
    assert(entries !== undefined, "where lists may be there are no other blocks");
    return entries;
  }

  close(): void {
    this.#cache.drop(this.#blocks);
    this.#mapping.close();
  }

  /** What went wrong between the medium and here may be right the next time. */
  #readTwice(kind: BlockKind, offset: number, length: number): CachedBlock {
    try {
      return this.#readOnce(kind, offset, length);
    } catch (error) {
      if (!isHoldfastError(error)) throw error;
      return this.#readOnce(kind, offset, length);
    }
  }

  #readOnce(kind: BlockKind, offset: number, length: number): CachedBlock {
    const stored = this.#copy(offset, length);
    const expected = {
      kind,
      fileId: this.#fileId,
      offset,
      seed: this.#seed,
      file: this.path,
    };
    const bytes = decodeBlock(stored, expected, this.#checksum);
    if (kind === BLOCK_KIND.filter || kind === BLOCK_KIND.properties) {
      return new CachedBlock(this.#blocks, offset, bytes, undefined);
    }
    const entries = Entries.of(bytes, offset);
    if (entries === undefined) {
      throw corruptRun(this.path, offset, "the block is not a list of keys and values");
    }
    return new CachedBlock(this.#blocks, offset, bytes, entries);
  }

  #copy(offset: number, length: number): Uint8Array {
    scratch ??= new Uint8Array(SCRATCH_BYTES);
    const target = length <= SCRATCH_BYTES ? scratch : new Uint8Array(length);
    try {
      this.#mapping.copy(offset, length, target, 0);
    } catch (error) {
      throw systemRefused(this.path, "reading", error, offset);
    }
    return target.subarray(0, length);
  }
}
