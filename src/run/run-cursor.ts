/** The rows of several runs in the order of their keys; of each key, the newest. */
import { assert } from "../base/assert.js";
import { BlockCache } from "./block-cache.js";
import { compareBytes, type Entries } from "./entries.js";
import type { RunFile } from "./run-file.js";
import { RunSource } from "./run-source.js";

/** Bounds are full keys; an absent bound is open. */
export interface RunRange {
  readonly lower?: Uint8Array;
  readonly lowerExclusive?: boolean;
  readonly upper?: Uint8Array;
  readonly upperExclusive?: boolean;
  /** From the upper bound down. */
  readonly reverse?: boolean;
  /** Stop at deleted keys, too, with `rowEnd` -1. */
  readonly tombstones?: boolean;
  /** Leave the data blocks that are read in the cache. Default: true. */
  readonly keep?: boolean;
}

const EMPTY = Buffer.alloc(0);

/**
 * After `next` has returned true: the full key is key[keyStart, keyEnd), the row
 * row[rowStart, rowEnd), with `rowEnd` -1 for a tombstone. These bytes stay until `next`, `seek` or
 * `close` is called, whatever else is read. Valid while the set of runs is.
 */
export class RunCursor {
  key: Buffer = EMPTY;
  keyStart = 0;
  keyEnd = 0;
  row: Buffer = EMPTY;
  rowStart = 0;
  rowEnd = 0;
  schemaVersion = 0;
  /** 0 for the newest run; of the row, which run it is from. */
  age = 0;
  readonly #range: RunRange;
  readonly #reverse: boolean;
  readonly #cache: BlockCache;
  /** What each source has for the block that it stands in, until the cursor is closed. */
  readonly #memories: Entries[];
  readonly #sources: readonly RunSource[];
  /** The sources that are not at their end, as a heap: the one with the next key is on top. */
  #heap: RunSource[] = [];
  /** The key that is passed, while its source goes on to another block. */
  #passed = EMPTY;
  #state: "new" | "on a key" | "at the end" | "closed" = "new";

  /** `cache` lends the memory. */
  constructor(
    runs: readonly (readonly RunFile[])[],
    range: RunRange,
    cache: BlockCache = new BlockCache(0),
  ) {
    this.#range = range;
    this.#reverse = range.reverse === true;
    this.#cache = cache;
    const keep = range.keep !== false;
    this.#memories = runs.map(() => cache.borrow());
    this.#sources = runs.map((files, age) => {
      const memory = this.#memories[age] as Entries;
      return new RunSource(age, files, this.#reverse, keep, memory);
    });
  }

  /** To the next key; false at the end of the range. Throws CORRUPT_RUN or IO. */
  next(): boolean {
    assert(this.#state !== "closed", "a cursor that was closed is not used");
    if (this.#state === "new") {
      const { lower, upper } = this.#range;
      this.#startAt(this.#reverse ? upper : lower);
    } else if (this.#state === "on a key") {
      this.#passKey();
    }
    for (;;) {
      const top = this.#heap[0];
      if (top === undefined || this.#isPast(top)) {
        this.#state = "at the end";
        this.#heap = [];
        return false;
      }
      this.#take(top);
      if ((this.rowEnd >= 0 || this.#range.tombstones === true) && !this.#isExcluded()) return true;
      this.#passKey();
    }
  }

  /**
   * The next call of `next` goes to the first key of the range at or above `key` (at or below it,
   * if the range is reversed). May go back, too. `key` is not in memory of this cursor.
   */
  seek(key: Uint8Array): void {
    assert(this.#state !== "closed", "a cursor that was closed is not used");
    const { lower, upper } = this.#range;
    const bound = this.#reverse ? upper : lower;
    const outside =
      bound !== undefined &&
      compareBytes(key, 0, key.length, bound, 0, bound.length) * (this.#reverse ? -1 : 1) < 0;
    this.#startAt(outside ? bound : key);
    this.#state = "at the end";
  }

  /** Lets go of its memory, which is used again; who forgets it leaves it to the collector. */
  close(): void {
    if (this.#state === "closed") return;
    this.#state = "closed";
    this.#heap = [];
    for (const memory of this.#memories) this.#cache.returnBorrowed(memory);
  }

  #startAt(key: Uint8Array | undefined): void {
    this.#heap = this.#sources.filter((source) =>
      key === undefined ? source.start() : source.seek(key),
    );
    for (let i = (this.#heap.length >>> 1) - 1; i >= 0; i--) this.#siftDown(i);
  }

  #take(source: RunSource): void {
    const { at } = source;
    this.key = at.key;
    this.keyStart = at.keyStart;
    this.keyEnd = at.keyEnd;
    this.row = at.row;
    this.rowStart = at.rowStart;
    this.rowEnd = at.rowEnd;
    this.schemaVersion = at.schemaVersion;
    this.age = source.age;
    this.#state = "on a key";
  }

  /** Moves every source that stands on the current key; older runs' rows of it do not count. */
  #passKey(): void {
    const heap = this.#heap;
    if (heap.length === 1) {
      if (!(heap[0] as RunSource).advance()) heap.pop();
      return;
    }
    // Its source may go on to another block, in the same memory.
    const keyBytes = this.keyEnd - this.keyStart;
    if (keyBytes > this.#passed.length) this.#passed = Buffer.alloc(2 * keyBytes);
    const passed = this.#passed;
    for (let i = 0; i < keyBytes; i++) passed[i] = this.key[this.keyStart + i]!;
    for (;;) {
      const top = heap[0] as RunSource;
      if (!top.advance()) {
        const last = heap.pop() as RunSource;
        if (heap.length === 0) return;
        heap[0] = last;
      }
      this.#siftDown(0);
      const { at } = heap[0] as RunSource;
      if (compareBytes(at.key, at.keyStart, at.keyEnd, passed, 0, keyBytes) !== 0) return;
    }
  }

  #siftDown(from: number): void {
    const heap = this.#heap;
    const { length } = heap;
    const moved = heap[from]!;
    let i = from;
    for (;;) {
      let child = 2 * i + 1;
      if (child >= length) break;
      if (child + 1 < length && this.#isBefore(heap[child + 1]!, heap[child]!)) child++;
      if (!this.#isBefore(heap[child]!, moved)) break;
      heap[i] = heap[child]!;
      i = child;
    }
    heap[i] = moved;
  }

  /** Of the same key, the newer row comes first. */
  #isBefore(a: RunSource, b: RunSource): boolean {
    const x = a.at;
    const y = b.at;
    const order = compareBytes(x.key, x.keyStart, x.keyEnd, y.key, y.keyStart, y.keyEnd);
    if (order === 0) return a.age < b.age;
    return this.#reverse ? order > 0 : order < 0;
  }

  /** Beyond the bound at which the range ends. */
  #isPast(source: RunSource): boolean {
    const { at } = source;
    const { lower, upper, lowerExclusive, upperExclusive } = this.#range;
    const bound = this.#reverse ? lower : upper;
    if (bound === undefined) return false;
    const order = compareBytes(at.key, at.keyStart, at.keyEnd, bound, 0, bound.length);
    if (order === 0) return (this.#reverse ? lowerExclusive : upperExclusive) === true;
    return this.#reverse ? order < 0 : order > 0;
  }

  /** On the bound at which the range begins, which does not belong to it. */
  #isExcluded(): boolean {
    const { lower, upper, lowerExclusive, upperExclusive } = this.#range;
    const exclusive = this.#reverse ? upperExclusive : lowerExclusive;
    const bound = this.#reverse ? upper : lower;
    if (exclusive !== true || bound === undefined) return false;
    return compareBytes(this.key, this.keyStart, this.keyEnd, bound, 0, bound.length) === 0;
  }
}
