/**
 * Decompressed blocks of run files: one cache per store, bounded in bytes.
 *
 * Blocks that are evicted are left to the garbage collector and their memory is never used again by
 * the cache, so whoever still holds one may go on reading it.
 */
import { assert } from "../base/assert.js";
import type { Entries } from "./entries.js";

/** Of a cached block beside its content, about: objects, and the place in the map. */
const OVERHEAD_BYTES = 256;

/** One block that is in the cache, or was. */
export class CachedBlock {
  readonly bytes: Buffer;
  /** The content as a list, in blocks that are one. */
  readonly entries: Entries | undefined;
  readonly offset: number;
  readonly blocks: FileBlocks;
  /** Used since it was last put at the end of the queue. */
  used = false;
  /** Neighbours in the queue of eviction. */
  before: CachedBlock | undefined;
  after: CachedBlock | undefined;

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
 * Evicts by second chance: blocks leave in the order in which they came, but one that was used in
 * the meantime goes to the end of the queue instead. So blocks that a scan reads once leave before
 * those that are read again, and a hit costs no more than a mark.
 */
export class BlockCache {
  readonly budgetBytes: number;
  /** Blocks found, and not found. */
  hits = 0;
  misses = 0;
  #bytes = 0;
  #count = 0;
  #first: CachedBlock | undefined;
  #last: CachedBlock | undefined;

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
    return this.#count;
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
    this.#append(block);
    this.#bytes += cost;
    this.#count++;
  }

  /** Forgets the blocks of a file. */
  drop(blocks: FileBlocks): void {
    for (const block of blocks.byOffset.values()) this.#forget(block);
    blocks.byOffset.clear();
  }

  #evict(): void {
    for (;;) {
      const block = this.#first as CachedBlock;
      if (!block.used) {
        block.blocks.byOffset.delete(block.offset);
        this.#forget(block);
        return;
      }
      block.used = false;
      this.#unlink(block);
      this.#append(block);
    }
  }

  #forget(block: CachedBlock): void {
    this.#unlink(block);
    this.#bytes -= block.cost;
    this.#count--;
  }

  #append(block: CachedBlock): void {
    block.before = this.#last;
    if (this.#last === undefined) this.#first = block;
    else this.#last.after = block;
    this.#last = block;
  }

  #unlink(block: CachedBlock): void {
    const { before, after } = block;
    if (before === undefined) this.#first = after;
    else before.after = after;
    if (after === undefined) this.#last = before;
    else after.before = before;
    block.before = undefined;
    block.after = undefined;
  }
}
