/**
 * The keys of a table in order: a list of small sorted chunks, which is a B+tree of two levels.
 *
 * Most stores write far more often than they range over a table, so new keys are only collected and
 * put in order a batch at a time; keys that arrive in ascending order go straight to the end.
 */
import { assert } from "../base/assert.js";

const CHUNK_MAX = 512;
/** Batches are bounded so that no single operation pays for all that came before it. */
const PENDING_MAX = 256;

export interface Keyed<K> {
  readonly key: K;
}

/** Bounds of a range; an absent bound is open. */
export interface KeyRange<K> {
  readonly lower: K | undefined;
  readonly lowerExclusive: boolean;
  readonly upper: K | undefined;
  readonly upperExclusive: boolean;
  readonly reverse: boolean;
}

export class OrderedIndex<K, E extends Keyed<K>> {
  readonly #compare: (a: K, b: K) => number;
  readonly #chunks: E[][] = [];
  #pending: E[] = [];
  /** Counts changes of order, so that a cursor knows when to look for its place again. */
  version = 0;

  constructor(compare: (a: K, b: K) => number) {
    this.#compare = compare;
  }

  /** Fills an empty index. */
  load(entries: Iterable<E>): void {
    assert(this.#chunks.length === 0 && this.#pending.length === 0, "only an empty one is filled");
    this.version++;
    const sorted = [...entries].sort((a, b) => this.#compare(a.key, b.key));
    // Half full, so that what comes later finds room.
    const size = CHUNK_MAX >> 1;
    for (let at = 0; at < sorted.length; at += size) this.#chunks.push(sorted.slice(at, at + size));
  }

  /** Adds an entry whose key is not there. */
  add(entry: E): void {
    this.version++;
    const last = this.#chunks.at(-1);
    if (this.#pending.length === 0) {
      if (last === undefined) {
        this.#chunks.push([entry]);
        return;
      }
      if (this.#compare((last.at(-1) as E).key, entry.key) < 0) {
        if (last.length < CHUNK_MAX) last.push(entry);
        else this.#chunks.push([entry]);
        return;
      }
    }
    this.#pending.push(entry);
    if (this.#pending.length >= PENDING_MAX) this.#settle();
  }

  /** Removes the entry with that key, which must be there. */
  remove(key: K): void {
    this.version++;
    this.#settle();
    const c = this.#chunkOf(key);
    const chunk = this.#chunks[c];
    assert(chunk !== undefined, "a removed key is in the index");
    const at = this.#position(chunk, key);
    assert(at < chunk.length && this.#compare((chunk[at] as E).key, key) === 0, "it is there");
    chunk.splice(at, 1);
    if (chunk.length === 0) this.#chunks.splice(c, 1);
  }

  /** A cursor before the first entry of a range. */
  cursor(range: KeyRange<K>): IndexCursor<K, E> {
    return new IndexCursor(this, range);
  }

  /** @internal For the cursor. */
  at(chunk: number, position: number): E | undefined {
    return this.#chunks[chunk]?.[position];
  }

  /** @internal */
  lengthOf(chunk: number): number | undefined {
    return this.#chunks[chunk]?.length;
  }

  /** @internal The first place of a range in its direction. */
  seek(range: KeyRange<K>): [chunk: number, at: number] {
    if (range.reverse) return this.#seekLast(range.upper, range.upperExclusive);
    return this.#seekFirst(range.lower, range.lowerExclusive);
  }

  /** @internal The place behind a key, in that direction. */
  seekBehind(key: K, reverse: boolean): [chunk: number, at: number] {
    return reverse ? this.#seekLast(key, true) : this.#seekFirst(key, true);
  }

  /** @internal The key lies behind the end of the range, in its direction. */
  isPast(key: K, range: KeyRange<K>): boolean {
    if (range.reverse) {
      if (range.lower === undefined) return false;
      const order = this.#compare(key, range.lower);
      return order < 0 || (order === 0 && range.lowerExclusive);
    }
    if (range.upper === undefined) return false;
    const order = this.#compare(key, range.upper);
    return order > 0 || (order === 0 && range.upperExclusive);
  }

  /** Place of the first entry at or above `key` (above it, if `exclusive`). */
  #seekFirst(key: K | undefined, exclusive: boolean): [chunk: number, at: number] {
    this.#settle();
    if (key === undefined) return [0, 0];
    const c = this.#chunkOf(key);
    const chunk = this.#chunks[c];
    if (chunk === undefined) return [c, 0];
    const at = this.#position(chunk, key);
    const found = chunk[at];
    const skip = exclusive && found !== undefined && this.#compare(found.key, key) === 0;
    return [c, skip ? at + 1 : at];
  }

  /** Place of the last entry at or below `key` (below it, if `exclusive`). */
  #seekLast(key: K | undefined, exclusive: boolean): [chunk: number, at: number] {
    this.#settle();
    const last = this.#chunks.length - 1;
    const end: [number, number] = [last, (this.#chunks[last]?.length ?? 0) - 1];
    if (key === undefined) return end;
    const c = this.#chunkOf(key);
    const chunk = this.#chunks[c];
    if (chunk === undefined) return end;
    const at = this.#position(chunk, key);
    const found = chunk[at];
    const take = !exclusive && found !== undefined && this.#compare(found.key, key) === 0;
    return [c, take ? at : at - 1];
  }

  /** Puts the collected keys in their places. */
  #settle(): void {
    if (this.#pending.length === 0) return;
    const pending = this.#pending;
    this.#pending = [];
    pending.sort((a, b) => this.#compare(a.key, b.key));
    for (const entry of pending) this.#insert(entry);
  }

  #insert(entry: E): void {
    const c = Math.min(this.#chunkOf(entry.key), this.#chunks.length - 1);
    const chunk = this.#chunks[c];
    if (chunk === undefined) {
      this.#chunks.push([entry]);
      return;
    }
    chunk.splice(this.#position(chunk, entry.key), 0, entry);
    if (chunk.length > CHUNK_MAX) {
      this.#chunks.splice(c + 1, 0, chunk.splice(CHUNK_MAX >> 1));
    }
  }

  /** Index of the first chunk whose last key is at or above `key`; may be one past the end. */
  #chunkOf(key: K): number {
    let low = 0;
    let high = this.#chunks.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      const last = (this.#chunks[middle] as E[]).at(-1) as E;
      if (this.#compare(last.key, key) < 0) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  /** Index of the first entry at or above `key`; may be one past the end. */
  #position(chunk: readonly E[], key: K): number {
    let low = 0;
    let high = chunk.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.#compare((chunk[middle] as E).key, key) < 0) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}

/**
 * Goes through a range in order. Changes made meanwhile ahead of the cursor are seen, those behind
 * it are not.
 */
export class IndexCursor<K, E extends Keyed<K>> {
  readonly #index: OrderedIndex<K, E>;
  readonly #range: KeyRange<K>;
  /** The last key that was passed. */
  #passed: K | undefined;
  #hasPassed = false;
  #version = -1;
  #chunk = 0;
  #at = 0;

  constructor(index: OrderedIndex<K, E>, range: KeyRange<K>) {
    this.#index = index;
    this.#range = range;
  }

  /** The next entry, or undefined at the end of the range. */
  peek(): E | undefined {
    const index = this.#index;
    if (this.#version !== index.version) {
      [this.#chunk, this.#at] = this.#hasPassed
        ? index.seekBehind(this.#passed as K, this.#range.reverse)
        : index.seek(this.#range);
      this.#version = index.version;
    }
    let entry = index.at(this.#chunk, this.#at);
    if (entry === undefined) {
      this.#chunk += this.#range.reverse ? -1 : 1;
      const length = index.lengthOf(this.#chunk);
      if (length === undefined) return undefined;
      this.#at = this.#range.reverse ? length - 1 : 0;
      entry = index.at(this.#chunk, this.#at) as E;
    }
    return index.isPast(entry.key, this.#range) ? undefined : entry;
  }

  /** Goes on behind the entry that `peek` gave. */
  pass(entry: E): void {
    this.mark(entry.key);
    if (this.#version === this.#index.version) this.#at += this.#range.reverse ? -1 : 1;
  }

  /** The next entry lies behind that key, which came from elsewhere. */
  mark(key: K): void {
    this.#passed = key;
    this.#hasPassed = true;
  }
}
