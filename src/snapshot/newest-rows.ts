/** The newest operation of each key, in a bounded piece of memory. */
import type { LogOperation } from "../log/record.js";

/** What a key costs besides its bytes: the string, its place in the map, the figures below. */
const KEY_OVERHEAD_BYTES = 128;

/** `#row` of a key whose newest operation is a deletion. */
const DELETED = -1;

/**
 * Full keys are the keys of a map as strings of one byte per character: such strings are compared
 * as their bytes are, so that sorting them sorts the run.
 */
export class NewestRows {
  readonly #limit: number;
  readonly #index = new Map<string, number>();
  #arena: Uint8Array;
  #used = 0;
  /** For each key: where its bytes begin, their number, how many the slot has, and the version. */
  #start: Int32Array = new Int32Array(1024);
  #keyBytes = new Uint16Array(1024);
  #rowBytes = new Int32Array(1024);
  #capacity = new Int32Array(1024);
  #version = new Uint16Array(1024);
  #scratch = Buffer.alloc(1024 + 2);

  constructor(limitBytes: number) {
    this.#limit = limitBytes;
    this.#arena = new Uint8Array(64 * 1024);
  }

  /** There is no telling whether one more frame would fit: who asked for little gets it. */
  get full(): boolean {
    return this.#used + this.#index.size * KEY_OVERHEAD_BYTES >= this.#limit;
  }

  get size(): number {
    return this.#index.size;
  }

  /** Keys and rows follow one another in it. */
  get bytes(): Uint8Array {
    return this.#arena;
  }

  /** Notes an operation; `row` says whether it has one. */
  set(bytes: Uint8Array, operation: LogOperation, row: boolean): void {
    const { tableId, keyStart, keyEnd, rowEnd } = operation;
    const scratch = this.#scratch;
    scratch[0] = tableId >>> 8;
    scratch[1] = tableId & 0xff;
    const keyBytes = 2 + keyEnd - keyStart;
    for (let i = keyStart, at = 2; i < keyEnd; i++) scratch[at++] = bytes[i] as number;
    const key = scratch.toString("latin1", 0, keyBytes);
    const rowBytes = row ? rowEnd - keyEnd : 0;
    let index = this.#index.get(key);
    if (index === undefined) {
      index = this.#add(key, keyBytes, rowBytes);
    } else if ((this.#capacity[index] as number) < keyBytes + rowBytes) {
      this.#place(index, keyBytes, rowBytes);
    }
    const start = this.#start[index] as number;
    if (row) this.#arena.set(bytes.subarray(keyEnd, rowEnd), start + keyBytes);
    this.#rowBytes[index] = row ? rowBytes : DELETED;
    this.#version[index] = row ? operation.schemaVersion : 0;
  }

  /** Visits every key in order; `rowEnd` is below zero for a tombstone. */
  *sorted(): Generator<{
    keyStart: number;
    keyEnd: number;
    rowEnd: number;
    schemaVersion: number;
  }> {
    const entry = { keyStart: 0, keyEnd: 0, rowEnd: 0, schemaVersion: 0 };
    for (const key of [...this.#index.keys()].sort()) {
      const index = this.#index.get(key) as number;
      const rowBytes = this.#rowBytes[index] as number;
      entry.keyStart = this.#start[index] as number;
      entry.keyEnd = entry.keyStart + (this.#keyBytes[index] as number);
      entry.rowEnd = rowBytes === DELETED ? -1 : entry.keyEnd + rowBytes;
      entry.schemaVersion = this.#version[index] as number;
      yield entry;
    }
  }

  #add(key: string, keyBytes: number, rowBytes: number): number {
    const index = this.#index.size;
    if (index === this.#start.length) this.#growFigures();
    this.#index.set(key, index);
    this.#keyBytes[index] = keyBytes;
    this.#place(index, keyBytes, rowBytes);
    return index;
  }

  /** Gives a key a new slot and writes the key, which stands in the scratch, into it. */
  #place(index: number, keyBytes: number, rowBytes: number): void {
    const bytes = keyBytes + rowBytes;
    if (this.#used + bytes > this.#arena.length) this.#growArena(this.#used + bytes);
    this.#arena.set(this.#scratch.subarray(0, keyBytes), this.#used);
    this.#start[index] = this.#used;
    this.#capacity[index] = bytes;
    this.#used += bytes;
  }

  #growArena(wanted: number): void {
    const larger = new Uint8Array(Math.max(wanted, this.#arena.length * 2));
    larger.set(this.#arena.subarray(0, this.#used));
    this.#arena = larger;
  }

  #growFigures(): void {
    const length = this.#start.length * 2;
    const grow = <T extends Int32Array | Uint16Array>(from: T, to: T): T => {
      to.set(from);
      return to;
    };
    this.#start = grow(this.#start, new Int32Array(length));
    this.#keyBytes = grow(this.#keyBytes, new Uint16Array(length));
    this.#rowBytes = grow(this.#rowBytes, new Int32Array(length));
    this.#capacity = grow(this.#capacity, new Int32Array(length));
    this.#version = grow(this.#version, new Uint16Array(length));
  }
}
