/**
 * Decompressed blocks of run files: one cache per store, bounded in bytes, whose memory is used
 * again. A block that it gives is valid until the next one is asked for, and no longer: then its
 * memory may be that of another. What is to be kept is copied (`Entries.copyFrom`).
 */
import { assert } from "../base/assert.js";
import { Entries, newRoom, roomBytes } from "./entries.js";

/** Of a cached block beside its content, about: objects, and the place in the map. */
const OVERHEAD_BYTES = 512;

/** Of the budget, so much is left to rows if filters and indexes would take all of it. */
const ROWS_SHARE = 1 / 4;

/** Of the budget, so much may be memory that waits for a block of its length. */
const FREE_SHARE = 1 / 8;

/** Memory for blocks that are not kept, and for cursors, is used again up to this length. */
const SPARE_BYTES_MAX = 64 * 1024;
const SPARES_MAX = 32;

/** The blocks of one file that are in the cache, by their offsets. */
export class FileBlocks {
  readonly byOffset = new Map<number, CachedBlock>();
}

/** Memory for one block, and what it is at present. */
export class CachedBlock {
  /** The content as a list, in blocks that are one; as bytes, in others. */
  readonly entries: Entries;
  blocks = NOWHERE;
  offset = 0;
  /** Length of the content. */
  length = 0;
  /** Of rows, and not of what leads to them. */
  ofRows = false;
  /** Used since it was last put at the end of its queue. */
  used = false;
  /** Neighbours in the queue of eviction. */
  before: CachedBlock | undefined;
  after: CachedBlock | undefined;

  constructor(roomBytes: number) {
    this.entries = new Entries(newRoom(roomBytes));
  }

  /** The content, and what memory there is behind it. */
  get bytes(): Buffer {
    return this.entries.bytes;
  }

  get cost(): number {
    return this.entries.bytes.length + OVERHEAD_BYTES;
  }
}

const NOWHERE = new FileBlocks();

/** Blocks in the order in which they came, or were last given a second chance. */
class Queue {
  bytes = 0;
  count = 0;
  first: CachedBlock | undefined;
  #last: CachedBlock | undefined;

  append(block: CachedBlock): void {
    block.before = this.#last;
    if (this.#last === undefined) this.first = block;
    else this.#last.after = block;
    this.#last = block;
    this.bytes += block.cost;
    this.count++;
  }

  unlink(block: CachedBlock): void {
    const { before, after } = block;
    if (before === undefined) this.first = after;
    else before.after = after;
    if (after === undefined) this.#last = before;
    else after.before = before;
    block.before = undefined;
    block.after = undefined;
    this.bytes -= block.cost;
    this.count--;
  }
}

/**
 * Evicts by second chance: blocks leave in the order in which they came, but one that was used in
 * the meantime goes to the end of the queue instead. So blocks that a scan reads once leave before
 * those that are read again, and a hit costs no more than a mark. Blocks of rows leave before those
 * of filters and indexes, each of which leads to hundreds of them.
 */
export class BlockCache {
  readonly budgetBytes: number;
  /** Blocks found, and not found. */
  hits = 0;
  misses = 0;
  readonly #rows = new Queue();
  readonly #others = new Queue();
  /** Memory of blocks that are no longer in the cache, by its length. */
  readonly #free = new Map<number, CachedBlock[]>();
  #freeBytes = 0;
  /** For a block that is not to be kept. */
  #loose: CachedBlock | undefined;
  readonly #spares: Entries[] = [];

  constructor(budgetBytes: number) {
    assert(budgetBytes >= 0, "a budget is not negative");
    this.budgetBytes = budgetBytes;
  }

  /** Memory the blocks take, about. */
  get bytes(): number {
    return this.#rows.bytes + this.#others.bytes;
  }

  /** Blocks it holds. */
  get count(): number {
    return this.#rows.count + this.#others.count;
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

  /**
   * Memory for a block of that length. Its content is then filled in, and `put` or `giveBack` comes
   * before anything else is asked for. A block that is a large part of the budget is not kept.
   */
  take(rawBytes: number): CachedBlock {
    const room = roomBytes(rawBytes);
    const cost = room + OVERHEAD_BYTES;
    if (cost > this.budgetBytes / 4) return this.takeLoose(rawBytes);
    for (;;) {
      const block = this.#free.get(room)?.pop();
      if (block !== undefined) {
        this.#freeBytes -= block.cost;
        return block;
      }
      if (this.bytes + this.#freeBytes + cost <= this.budgetBytes) return new CachedBlock(room);
      // What was evicted and has another length serves the next one that has it.
      const tooMuch = this.#freeBytes > this.budgetBytes * FREE_SHARE || this.count === 0;
      if (tooMuch) this.#dropFree();
      else this.#evict();
    }
  }

  /** Memory for a block that is not to be put into the cache. */
  takeLoose(rawBytes: number): CachedBlock {
    let loose = this.#loose;
    if (loose === undefined || loose.bytes.length > SPARE_BYTES_MAX) {
      loose = new CachedBlock(rawBytes);
      this.#loose = loose;
    }
    loose.entries.makeRoom(rawBytes);
    return loose;
  }

  /** Takes a block in that was taken for this, and is not there. */
  put(block: CachedBlock, blocks: FileBlocks, offset: number, ofRows: boolean): void {
    if (block === this.#loose) return;
    assert(!blocks.byOffset.has(offset), "a block is taken in once");
    block.blocks = blocks;
    block.offset = offset;
    block.ofRows = ofRows;
    block.used = false;
    blocks.byOffset.set(offset, block);
    this.#queueOf(block).append(block);
  }

  /** Memory that was taken and came to nothing. */
  giveBack(block: CachedBlock): void {
    if (block !== this.#loose) this.free(block);
  }

  /** Forgets the blocks of a file. */
  drop(blocks: FileBlocks): void {
    for (const block of blocks.byOffset.values()) {
      this.#queueOf(block).unlink(block);
      this.free(block);
    }
    blocks.byOffset.clear();
  }

  /** Memory for a list that somebody reads for a while, outside of the cache. */
  borrow(): Entries {
    return this.#spares.pop() ?? new Entries(newRoom(0));
  }

  /** What was borrowed; its memory is then that of somebody else. */
  returnBorrowed(entries: Entries): void {
    if (this.#spares.length >= SPARES_MAX || entries.bytes.length > SPARE_BYTES_MAX) return;
    this.#spares.push(entries);
  }

  /** The block's memory may be used again, from now on. */
  protected free(block: CachedBlock): void {
    block.blocks = NOWHERE;
    const { length } = block.bytes;
    const same = this.#free.get(length);
    if (same === undefined) this.#free.set(length, [block]);
    else same.push(block);
    this.#freeBytes += block.cost;
  }

  #queueOf(block: CachedBlock): Queue {
    return block.ofRows ? this.#rows : this.#others;
  }

  #evict(): void {
    for (;;) {
      const rows = this.#rows;
      const others = this.#others;
      const ofRows = rows.bytes > this.budgetBytes * ROWS_SHARE || others.first === undefined;
      const queue = ofRows ? rows : others;
      const block = queue.first as CachedBlock;
      if (!block.used) {
        queue.unlink(block);
        block.blocks.byOffset.delete(block.offset);
        this.free(block);
        return;
      }
      block.used = false;
      queue.unlink(block);
      queue.append(block);
    }
  }

  /** Leaves a piece of memory that has another length than what is wanted to the collector. */
  #dropFree(): void {
    for (const [length, blocks] of this.#free) {
      const block = blocks.pop();
      if (block === undefined) this.#free.delete(length);
      else {
        this.#freeBytes -= block.cost;
        return;
      }
    }
  }
}
