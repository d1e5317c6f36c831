/**
 * Rows in memory, column by column: the open chunk, a batch, what a read collects. Column 0 is the
 * time. Values move in pieces of whole memory, so that not a bit of a NaN changes.
 */
import type { ColumnKind } from "./definition.js";

export type ColumnArray = Float64Array | BigInt64Array | Uint8Array | string[];

const FIRST_ROWS = 16;

/** How many values there are room for; a list of texts grows by itself. */
function emptyArray(kind: ColumnKind, capacity: number): ColumnArray {
  switch (kind) {
    case "string":
      return [];
    case "boolean":
      return new Uint8Array(capacity);
    case "int64":
    case "decimal":
      return new BigInt64Array(capacity);
    default:
      return new Float64Array(capacity);
  }
}

export class ColumnSet {
  /** Of the time and the columns. */
  readonly kinds: readonly ColumnKind[];
  /** Longer than `length`, all but lists of texts. */
  arrays: ColumnArray[];
  length = 0;
  #capacity: number;

  constructor(kinds: readonly ColumnKind[], capacity = FIRST_ROWS) {
    this.kinds = kinds;
    this.#capacity = Math.max(1, capacity);
    this.arrays = kinds.map((kind) => emptyArray(kind, this.#capacity));
  }

  /** Of arrays that were made for it. */
  static of(kinds: readonly ColumnKind[], arrays: ColumnArray[], length: number): ColumnSet {
    const set = new ColumnSet(kinds, 1);
    set.arrays = arrays;
    set.length = length;
    set.#capacity = length;
    return set;
  }

  get time(): Float64Array {
    return this.arrays[0] as Float64Array;
  }

  /** Time of the first row; there has to be one. */
  get first(): number {
    return this.time[0] as number;
  }

  /** Time of the last row; there has to be one. */
  get last(): number {
    return this.time[this.length - 1] as number;
  }

  /** Rows [from, to) of another set of the same kinds come behind those there are. */
  append(other: ColumnSet, from = 0, to = other.length): void {
    this.#makeRoom(to - from);
    for (let i = 0; i < this.kinds.length; i++) {
      copyInto(this.arrays[i]!, this.length, other.arrays[i]!, from, to);
    }
    this.length += to - from;
  }

  /** Values of one column, for rows [at, ...) that `grow` has made room for. */
  set(i: number, at: number, source: ColumnArray | readonly string[], from: number, to: number) {
    copyInto(this.arrays[i]!, at, source, from, to);
  }

  /** So many rows more, whose values are set next. */
  grow(rows: number): void {
    this.#makeRoom(rows);
    this.length += rows;
  }

  /** The same memory, no longer than it is. */
  trimmed(): ColumnArray[] {
    const { length } = this;
    return this.arrays.map((array) => {
      if (Array.isArray(array)) return array.slice(0, length);
      // What is kept must not hold memory that nobody sees.
      return array.length > 2 * length ? array.slice(0, length) : array.subarray(0, length);
    });
  }

  /** Rows of both in the order of their times; of equal times those of this set come first. */
  merge(later: ColumnSet): ColumnSet {
    const merged = new ColumnSet(this.kinds, this.length + later.length);
    let a = 0;
    let b = 0;
    while (b < later.length) {
      const stop = rowAfter(this.time, a, this.length, later.time[b] as number);
      merged.append(this, a, stop);
      a = stop;
      const next = a < this.length ? (this.time[a] as number) : Number.POSITIVE_INFINITY;
      const end = rowAt(later.time, b, later.length, next);
      merged.append(later, b, end);
      b = end;
    }
    merged.append(this, a, this.length);
    return merged;
  }

  /** A copy of rows [from, to). */
  part(from: number, to: number): ColumnSet {
    const part = new ColumnSet(this.kinds, to - from);
    part.append(this, from, to);
    return part;
  }

  /** These rows of it, in this order. */
  pick(rows: ArrayLike<number>): ColumnSet {
    const picked = new ColumnSet(this.kinds, rows.length);
    for (let i = 0; i < rows.length; ) {
      const from = rows[i] as number;
      let to = from + 1;
      while (++i < rows.length && rows[i] === to) to++;
      picked.append(this, from, to);
    }
    return picked;
  }

  #makeRoom(rows: number): void {
    const wanted = this.length + rows;
    if (wanted <= this.#capacity) return;
    this.#capacity = Math.max(wanted, 2 * this.#capacity);
    this.arrays = this.kinds.map((kind, i) => {
      const old = this.arrays[i]!;
      if (Array.isArray(old)) return old;
      const grown = emptyArray(kind, this.#capacity);
      copyInto(grown, 0, old, 0, this.length);
      return grown;
    });
  }
}

function copyInto(
  target: ColumnArray,
  at: number,
  source: ColumnArray | readonly string[],
  from: number,
  to: number,
): void {
  if (Array.isArray(target)) {
    for (let i = from; i < to; i++) target[at + i - from] = (source as readonly string[])[i]!;
    return;
  }
  // Of the same kind, which the type of their union cannot say.
  (target as Float64Array).set((source as Float64Array).subarray(from, to), at);
}

/** The first row of [from, to) whose time is at or behind `time`; `to` if there is none. */
export function rowAt(times: Float64Array, from: number, to: number, time: number): number {
  let low = from;
  let high = to;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((times[middle] as number) < time) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** The first row of [from, to) whose time is behind `time`; `to` if there is none. */
function rowAfter(times: Float64Array, from: number, to: number, time: number): number {
  let low = from;
  let high = to;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((times[middle] as number) <= time) low = middle + 1;
    else high = middle;
  }
  return low;
}
