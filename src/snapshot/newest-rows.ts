/**
 * The newest row of each key, or that it was deleted, in a bounded piece of memory. Patches are
 * applied as they come; where the row that they are of is not among those read, they wait for
 * whoever can look for it elsewhere.
 */
import { ROW_BYTES_MAX } from "../base/limits.js";
import { applyPatch, baseBytesOf } from "../codec/row-patch.js";
import { OPERATION } from "../log/format.js";
import type { LogOperation } from "../log/record.js";

/** What a key costs besides its bytes: the string, its place in the map, the figures below. */
const KEY_OVERHEAD_BYTES = 128;

/** `#row` of a key whose newest operation is a deletion. */
const DELETED = -1;

/** What a patch that waits costs besides its bytes. */
const PATCH_OVERHEAD_BYTES = 100;

const NO_ROW = "there is no row that it could be a patch of";

function otherVersion(patch: number, row: number): string {
  return `it is of version ${patch}, and the row of version ${row}`;
}

/** The row of a key, in older runs. */
export interface BaseRow {
  readonly bytes: Uint8Array;
  readonly start: number;
  readonly end: number;
  readonly schemaVersion: number;
}

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
  /** By the number of the key: in their order, of a row that was not read. */
  readonly #waiting = new Map<number, Uint8Array[]>();
  #waitingBytes = 0;

  constructor(limitBytes: number) {
    this.#limit = limitBytes;
    this.#arena = new Uint8Array(64 * 1024);
  }

  /** There is no telling whether one more frame would fit: who asked for little gets it. */
  get full(): boolean {
    const keys = this.#index.size * KEY_OVERHEAD_BYTES;
    return this.#used + keys + this.#waitingBytes >= this.#limit;
  }

  get size(): number {
    return this.#index.size;
  }

  /** Keys and rows follow one another in it. */
  get bytes(): Uint8Array {
    return this.#arena;
  }

  /**
   * Notes a put, a patch or a deletion. Returns undefined, or why a patch is none of the row that
   * its key has.
   */
  set(bytes: Uint8Array, operation: LogOperation): string | undefined {
    const { kind, keyEnd, rowEnd } = operation;
    const { key, keyBytes } = this.#keyOf(bytes, operation);
    let index = this.#index.get(key);
    if (kind === OPERATION.patch) return this.#patch(bytes, operation, key, keyBytes, index);
    const row = kind === OPERATION.put;
    const rowBytes = row ? rowEnd - keyEnd : 0;
    if (index === undefined) {
      index = this.#add(key, keyBytes, rowBytes);
    } else if ((this.#capacity[index] as number) < keyBytes + rowBytes) {
      this.#place(index, keyBytes, rowBytes);
    }
    const start = this.#start[index] as number;
    if (row) this.#arena.set(bytes.subarray(keyEnd, rowEnd), start + keyBytes);
    this.#rowBytes[index] = row ? rowBytes : DELETED;
    this.#version[index] = row ? operation.schemaVersion : 0;
    if (this.#waiting.size > 0) this.#waiting.delete(index);
    return undefined;
  }

  /** Patches wait for rows of older runs. */
  get incomplete(): boolean {
    return this.#waiting.size > 0;
  }

  /**
   * Applies the patches that wait. `find` gives the row that a full key has before all of this;
   * `refused` is told of keys for which that leads nowhere: they count as deleted. With `again` a
   * row may have had some of the patches.
   */
  resolve(
    find: (fullKey: Uint8Array) => BaseRow | undefined,
    refused: (fullKey: Uint8Array, why: string) => void,
    again = false,
  ): void {
    for (const [index, patches] of this.#waiting) {
      const start = this.#start[index] as number;
      const keyBytes = this.#keyBytes[index] as number;
      const key = this.#arena.slice(start, start + keyBytes);
      const base = find(key);
      const why = base === undefined ? NO_ROW : this.#applyAll(index, key, base, patches, again);
      if (why === undefined) continue;
      this.#rowBytes[index] = DELETED;
      this.#version[index] = 0;
      refused(key, why);
    }
    this.#waiting.clear();
    this.#waitingBytes = 0;
  }

  #applyAll(
    index: number,
    key: Uint8Array,
    base: BaseRow,
    patches: readonly Uint8Array[],
    again: boolean,
  ): string | undefined {
    if (base.schemaVersion !== this.#version[index]) {
      return otherVersion(this.#version[index] as number, base.schemaVersion);
    }
    let row: Uint8Array = new Uint8Array(base.bytes.subarray(base.start, base.end));
    for (const patch of patches) {
      const made = applyPatch(row, 0, row.length, patch, 0, patch.length, true, again);
      if (typeof made === "string") return made;
      row = made;
    }
    this.#scratch.set(key);
    this.#store(index, key.length, row);
    return undefined;
  }

  /** A row that a patch should have changed, and has not, is not the newest of its key. */
  #patch(
    bytes: Uint8Array,
    operation: LogOperation,
    key: string,
    keyBytes: number,
    known: number | undefined,
  ): string | undefined {
    const why = this.#applyPatch(bytes, operation, key, keyBytes, known);
    if (why === undefined) return undefined;
    const index = this.#index.get(key) as number;
    this.#rowBytes[index] = DELETED;
    this.#version[index] = 0;
    this.#waiting.delete(index);
    return why;
  }

  #applyPatch(
    bytes: Uint8Array,
    { keyEnd, rowEnd, schemaVersion }: LogOperation,
    key: string,
    keyBytes: number,
    known: number | undefined,
  ): string | undefined {
    const isNew = known === undefined;
    const index = isNew ? this.#add(key, keyBytes, 0) : known;
    if (isNew) {
      this.#waiting.set(index, []);
      // The row will have to be here.
      this.#waitingBytes += Math.min(ROW_BYTES_MAX, baseBytesOf(bytes, keyEnd, rowEnd));
      this.#version[index] = schemaVersion;
    }
    const version = this.#version[index] as number;
    const rowBytes = this.#rowBytes[index] as number;
    if (rowBytes === DELETED) return NO_ROW;
    if (version !== schemaVersion) return otherVersion(schemaVersion, version);
    const waiting = this.#waiting.get(index);
    if (waiting !== undefined) {
      waiting.push(new Uint8Array(bytes.subarray(keyEnd, rowEnd)));
      this.#waitingBytes += rowEnd - keyEnd + PATCH_OVERHEAD_BYTES;
      return undefined;
    }
    const start = (this.#start[index] as number) + keyBytes;
    const end = start + rowBytes;
    const made = applyPatch(this.#arena, start, end, bytes, keyEnd, rowEnd, true);
    if (typeof made === "string") return made;
    if (made.buffer !== this.#arena.buffer) this.#store(index, keyBytes, made);
    return undefined;
  }

  /** Gives a key, which stands in the scratch, another row. */
  #store(index: number, keyBytes: number, row: Uint8Array): void {
    if ((this.#capacity[index] as number) < keyBytes + row.length) {
      this.#place(index, keyBytes, row.length);
    }
    this.#arena.set(row, (this.#start[index] as number) + keyBytes);
    this.#rowBytes[index] = row.length;
  }

  /** The full key, as text and in the scratch. */
  #keyOf(bytes: Uint8Array, operation: LogOperation): { key: string; keyBytes: number } {
    const { tableId, keyStart, keyEnd } = operation;
    const scratch = this.#scratch;
    scratch[0] = tableId >>> 8;
    scratch[1] = tableId & 0xff;
    const keyBytes = 2 + keyEnd - keyStart;
    for (let i = keyStart, at = 2; i < keyEnd; i++) scratch[at++] = bytes[i] as number;
    return { key: scratch.toString("latin1", 0, keyBytes), keyBytes };
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
