/** Goes over the keys of one file, forwards and backwards, and jumps to a key. */
import type { Entries } from "./entries.js";
import type { FileParts } from "./file-parts.js";

const EMPTY = Buffer.alloc(0);

/**
 * Stands on an entry, or on none: at first, and past either end. The key is key[keyStart, keyEnd),
 * the row row[rowStart, rowEnd), with `rowEnd` -1 for a tombstone; these bytes never change and may
 * be kept. Valid while the file is open.
 */
export class FileCursor {
  key: Buffer = EMPTY;
  keyStart = 0;
  keyEnd = 0;
  row: Buffer = EMPTY;
  rowStart = 0;
  rowEnd = 0;
  schemaVersion = 0;
  readonly #parts: FileParts;
  readonly #keep: boolean;
  #root: Entries | undefined;
  #index: Entries | undefined;
  /** Undefined while it stands on no entry. */
  #data: Entries | undefined;
  #inRoot = 0;
  #inIndex = 0;
  #inData = 0;

  /** With `keep` data blocks are left in the cache. */
  constructor(parts: FileParts, keep: boolean) {
    this.#parts = parts;
    this.#keep = keep;
  }

  /** To the first key. A file has one. */
  first(): boolean {
    this.#enterIndex(0, false);
    return this.#enterData(0, false);
  }

  /** To the last key. */
  last(): boolean {
    this.#root ??= this.#parts.root();
    this.#enterIndex(this.#root.count - 1, true);
    return this.#enterData(this.#inIndex, true);
  }

  /** To the first key at or above key[from, to); false if there is none. */
  seek(key: Uint8Array, from: number, to: number): boolean {
    const parts = this.#parts;
    this.#root ??= parts.root();
    const root = this.#root;
    const inRoot = root.lowerBound(key, from, to);
    this.#data = undefined;
    if (inRoot === root.count) return false;
    const index = parts.index(root, inRoot);
    const inIndex = parts.lowerBound(index, key, from, to);
    const data = parts.data(index, inIndex, this.#keep);
    const inData = parts.lowerBound(data, key, from, to);
    this.#inRoot = inRoot;
    this.#index = index;
    this.#inIndex = inIndex;
    return this.#stand(data, inData);
  }

  /** To the last key at or below key[from, to); false if there is none. */
  seekBack(key: Uint8Array, from: number, to: number): boolean {
    if (!this.seek(key, from, to)) return this.last();
    const found = this.#data as Entries;
    return found.compareKey(this.#inData, key, from, to) === 0 || this.previous();
  }

  /** To the next key; false past the last one. */
  next(): boolean {
    const data = this.#data;
    if (data === undefined) return false;
    if (this.#inData + 1 < data.count) return this.#stand(data, this.#inData + 1);
    this.#data = undefined;
    if (this.#inIndex + 1 < this.#index!.count) return this.#enterData(this.#inIndex + 1, false);
    if (this.#inRoot + 1 === this.#root!.count) return false;
    this.#enterIndex(this.#inRoot + 1, false);
    return this.#enterData(0, false);
  }

  /** To the key before; false before the first one. */
  previous(): boolean {
    const data = this.#data;
    if (data === undefined) return false;
    if (this.#inData > 0) return this.#stand(data, this.#inData - 1);
    this.#data = undefined;
    if (this.#inIndex > 0) return this.#enterData(this.#inIndex - 1, true);
    if (this.#inRoot === 0) return false;
    this.#enterIndex(this.#inRoot - 1, true);
    return this.#enterData(this.#inIndex, true);
  }

  /** The i-th index block, at its beginning or its end; on no entry until a data block follows. */
  #enterIndex(i: number, atEnd: boolean): void {
    this.#data = undefined;
    this.#root ??= this.#parts.root();
    const index = this.#parts.index(this.#root, i);
    this.#inRoot = i;
    this.#index = index;
    this.#inIndex = atEnd ? index.count - 1 : 0;
  }

  #enterData(i: number, atEnd: boolean): true {
    const data = this.#parts.data(this.#index!, i, this.#keep);
    this.#inIndex = i;
    return this.#stand(data, atEnd ? data.count - 1 : 0);
  }

  #stand(data: Entries, i: number): true {
    this.#data = data;
    this.#inData = i;
    this.key = data.bytes;
    this.keyStart = data.keyStart(i);
    this.keyEnd = data.keyEnd(i);
    this.row = data.bytes;
    this.rowStart = this.keyEnd;
    this.rowEnd = data.valueEnd(i);
    this.schemaVersion = data.schemaVersion(i);
    return true;
  }
}
