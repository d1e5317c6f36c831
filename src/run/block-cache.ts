/**
 * Decompressed blocks of run files: one cache per store, bounded in bytes.
 *
 * Blocks that are evicted are left to the garbage collector and their memory is never used again by
 * the cache, so whoever still holds one may go on reading it.
 */
import { assert } from "../base/assert.js";
import type { Entries } from "./entries.js";

/** Of a cached block beside its content, about: objects, and the places in map and ring. */
const OVERHEAD_BYTES = 256;

/** One block that is in the cache, or was. */
export class CachedBlock {
  readonly bytes: Buffer;
  /** The content as a list, in blocks that are one. */
  readonly entries: Entries | undefined;
  readonly offset: number;
  readonly blocks: FileBlocks;
  /** Used since the hand of the clock last came by. */
  used = false;
  /** Index in the ring. */
  slot = -1;

  constructor(blocks: FileBlocks, offset: number, bytes: Buffer, entries: Entries | undefined) {
    this.blocks = blocks;
    this.offset = offset;
    this.bytes = bytes;
    this.entries = entries;
  }

  get cost(): number {
    return this.bytes.length + OVERHEAD_BYTES;
  }
}

/** The blocks of one file that are in the cache, by their offsets. */
export class FileBlocks {
  readonly byOffset = new Map<number, CachedBlock>();
}

/**
 * Eviction by a clock: a block that was used since the hand came by is passed over once. Blocks come
 * in as not used, so those of a scan that are read once leave before those that are read again.
 */
export class BlockCache {
  readonly budgetBytes: number;
  /** Blocks found, and not found. */
  hits = 0;
  misses = 0;
  #bytes = 0;
  readonly #ring: CachedBlock[] = [];
  #hand = 0;

  constructor(budgetBytes: number) {
    assert(budgetBytes >= 0, "a budget is not negative");
    this.budgetBytes = budgetBytes;
  }

  /** Memory the blocks take, about. */
  get bytes(): number {
    return this.#bytes;
  }

  /** Blocks it holds. */
  get count(): number {
    return this.#ring.length;
  }

  /** A place for the blocks of a file. */
  addFile(): FileBlocks {
    return new FileBlocks();
  }

  get(blocks: FileBlocks, offset: number): CachedBlock | undefined {
    const block = blocks.byOffset.get(offset);
    if (block === undefined) {
      this.misses++;
      return undefined;
    }
    this.hits++;
    block.used = true;
    return block;
  }

  /** Takes a block in that is not there. One that is a large part of the budget is not kept. */
  put(block: CachedBlock): void {
    const { cost } = block;
    if (cost > this.budgetBytes / 4) return;
    const { byOffset } = block.blocks;
    assert(!byOffset.has(block.offset), "a block is taken in once");
    while (this.#bytes + cost > this.budgetBytes) this.#evict();
    byOffset.set(block.offset, block);
    block.slot = this.#ring.length;
    this.#ring.push(block);
    this.#bytes += cost;
  }

  /** Forgets the blocks of a file. */
  drop(blocks: FileBlocks): void {
    for (const block of blocks.byOffset.values()) this.#remove(block);
    blocks.byOffset.clear();
  }

  #evict(): void {
    for (;;) {
      if (this.#hand >= this.#ring.length) this.#hand = 0;
      const block = this.#ring[this.#hand]!;
      if (!block.used) {
        block.blocks.byOffset.delete(block.offset);
        this.#remove(block);
        return;
      }
      block.used = false;
      this.#hand++;
    }
  }

  /** The last block takes its place in the ring: order matters less than no gaps. */
  #remove(block: CachedBlock): void {
    const last = this.#ring.pop()!;
    if (last !== block) {
      this.#ring[block.slot] = last;
      last.slot = block.slot;
    }
    block.slot = -1;
    this.#bytes -= block.cost;
  }
}
