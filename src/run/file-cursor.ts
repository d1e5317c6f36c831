/** Goes over the keys of one file, forwards and backwards, and jumps to a key. */
import type { Entries } from "./entries.js";
import type { FileParts } from "./file-parts.js";

const EMPTY = Buffer.alloc(0);

/**
 * Stands on an entry, or on none: at first, and past either end. The key is key[keyStart, keyEnd),
 * the row row[rowStart, rowEnd), with `rowEnd` -1 for a tombstone; these bytes stay until the
 * cursor moves, whatever else is read. Valid while the file is open.
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
  /** A copy of the data block it stands in. */
  readonly #data: Entries;
  #stands = false;
  #rootCount = 0;
  #inRoot = 0;
  #indexCount = 0;
  #inIndex = 0;
  #inData = 0;

  /** With `keep` data blocks are left in the cache. */
  constructor(parts: FileParts, keep: boolean, memory: Entries) {
    this.#parts = parts;
    this.#keep = keep;
    this.#data = memory;
  }

  /** To the first key. A file has one. */
  first(): boolean {
    this.#enterIndex(0, false);
    return this.#enterData(false);
  }

  /** To the last key. */
  last(): boolean {
    this.#enterIndex(this.#parts.root().count - 1, true);
    return this.#enterData(true);
  }

  /** To the first key at or above key[from, to), not in its own memory; false if there is none. */
  seek(key: Uint8Array, from: number, to: number): boolean {
    const parts = this.#parts;
    this.#stands = false;
    const root = parts.root();
    const inRoot = root.lowerBound(key, from, to);
    if (inRoot === root.count) return false;
    this.#rootCount = root.count;
    this.#inRoot = inRoot;
    const index = parts.index(root, inRoot);
    this.#indexCount = index.count;
    this.#inIndex = parts.lowerBound(index, key, from, to);
    this.#data.copyFrom(parts.data(index, this.#inIndex, this.#keep));
    return this.#stand(parts.lowerBound(this.#data, key, from, to));
  }

  /** To the last key at or below key[from, to); false if there is none. */
  seekBack(key: Uint8Array, from: number, to: number): boolean {
    if (!this.seek(key, from, to)) return this.last();
    return this.#data.compareKey(this.#inData, key, from, to) === 0 || this.previous();
  }

  /** To the next key; false past the last one. */
  next(): boolean {
    if (!this.#stands) return false;
    if (this.#inData + 1 < this.#data.count) return this.#stand(this.#inData + 1);
    this.#stands = false;
    if (this.#inIndex + 1 < this.#indexCount) this.#inIndex++;
    else if (this.#inRoot + 1 < this.#rootCount) this.#enterIndex(this.#inRoot + 1, false);
    else return false;
    return this.#enterData(false);
  }

  /** To the key before; false before the first one. */
  previous(): boolean {
    if (!this.#stands) return false;
    if (this.#inData > 0) return this.#stand(this.#inData - 1);
    this.#stands = false;
    if (this.#inIndex > 0) this.#inIndex--;
    else if (this.#inRoot > 0) this.#enterIndex(this.#inRoot - 1, true);
    else return false;
    return this.#enterData(true);
  }

  /** The i-th index block, at its beginning or its end; on no entry until a data block follows. */
  #enterIndex(i: number, atEnd: boolean): void {
    this.#stands = false;
    const root = this.#parts.root();
    this.#rootCount = root.count;
    this.#inRoot = i;
    this.#indexCount = this.#parts.index(root, i).count;
    this.#inIndex = atEnd ? this.#indexCount - 1 : 0;
  }

  /** The data block that is next, at its beginning or its end. */
  #enterData(atEnd: boolean): true {
    const parts = this.#parts;
    // Asked for again: what the cache gave for the last block may be something else by now.
    const index = parts.index(parts.root(), this.#inRoot);
    const data = this.#data;
    data.copyFrom(parts.data(index, this.#inIndex, this.#keep));
    return this.#stand(atEnd ? data.count - 1 : 0);
  }

  #stand(i: number): true {
    const data = this.#data;
    this.#stands = true;
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
