/** Blocks of one open file: from the cache, or from the mapping, checked. */
import { isHoldfastError } from "../base/errors.js";
import type { DiskMapping } from "../disk/disk.js";
import { type BlockTools, checkBlock, unpackBlock } from "./block.js";
import type { BlockCache, CachedBlock, FileBlocks } from "./block-cache.js";
import type { Entries } from "./entries.js";
import { corruptRun, systemRefused } from "./errors.js";
import { BLOCK_KIND, type BlockKind } from "./format.js";

/** Stored blocks are copied here before they are decompressed; larger ones get their own memory. */
const SCRATCH_BYTES = 64 * 1024;
let scratch: Uint8Array | undefined;

export class BlockReader {
  readonly path: string;
  readonly #cache: BlockCache;
  readonly #fileId: number;
  readonly #seed: number;
  readonly #mapping: DiskMapping;
  readonly #tools: BlockTools;
  readonly #blocks: FileBlocks;

  constructor(
    path: string,
    fileId: number,
    seed: number,
    mapping: DiskMapping,
    tools: BlockTools,
    cache: BlockCache,
  ) {
    this.path = path;
    this.#fileId = fileId;
    this.#seed = seed;
    this.#mapping = mapping;
    this.#tools = tools;
    this.#cache = cache;
    this.#blocks = cache.addFile();
  }

  /**
   * The block at a place that lies inside the file, valid until the cache is asked for another.
   * With `keep` it is left there. Throws CORRUPT_RUN or IO.
   */
  read(kind: BlockKind, offset: number, length: number, keep: boolean): CachedBlock {
    const found = this.#cache.get(this.#blocks, offset);
    if (found !== undefined) return found;
    try {
      return this.#readOnce(kind, offset, length, keep);
    } catch (error) {
      if (!isHoldfastError(error)) throw error;
      // What went wrong between the medium and here may be right the next time.
      return this.#readOnce(kind, offset, length, keep);
    }
  }

  /** A list of entries, which the block at that place must be; valid as `read` says. */
  readEntries(kind: BlockKind, offset: number, length: number, keep: boolean): Entries {
    return this.read(kind, offset, length, keep).entries;
  }

  close(): void {
    this.#cache.drop(this.#blocks);
    this.#mapping.close();
  }

  #readOnce(kind: BlockKind, offset: number, length: number, keep: boolean): CachedBlock {
    const cache = this.#cache;
    const stored = this.#copy(offset, length);
    const expected = { kind, fileId: this.#fileId, offset, seed: this.#seed, file: this.path };
    const rawBytes = checkBlock(stored, length, expected, this.#tools.checksum);
    const block = keep ? cache.take(rawBytes) : cache.takeLoose(rawBytes);
    try {
      unpackBlock(stored, length, expected, this.#tools.compressor, block.bytes);
      const isList = kind !== BLOCK_KIND.filter && kind !== BLOCK_KIND.properties;
      if (isList && !block.entries.read(rawBytes, offset)) {
        throw corruptRun(this.path, offset, "the block is not a list of keys and values");
      }
    } catch (error) {
      cache.giveBack(block);
      throw error;
    }
    block.length = rawBytes;
    cache.put(block, this.#blocks, offset, kind === BLOCK_KIND.data);
    return block;
  }

  #copy(offset: number, length: number): Uint8Array {
    scratch ??= new Uint8Array(SCRATCH_BYTES);
    const target = length <= SCRATCH_BYTES ? scratch : new Uint8Array(length);
    try {
      this.#mapping.copy(offset, length, target, 0);
    } catch (error) {
      throw systemRefused(this.path, "reading", error, offset);
    }
    return target;
  }
}
