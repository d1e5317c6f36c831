/** The content of data, index and root blocks: a sorted list of entries. */
import { assert } from "../base/assert.js";
import { viewOf } from "../base/bytes.js";
import { FULL_KEY_BYTES_MAX } from "../base/limits.js";
import { ENTRY_AT, ENTRY_HEADER_BYTES, TOMBSTONE } from "./format.js";

const POSITION_BYTES = 4;
const COUNT_BYTES = 4;

/** What a list of that many entries needs beside the entries. */
function tailBytes(count: number): number {
  return count * POSITION_BYTES + COUNT_BYTES;
}

/** Puts the content of one block together; then that of the next, in the same memory. */
export class EntriesBuilder {
  #bytes: Buffer;
  #used = 0;
  #positions: number[] = [];

  constructor(capacity: number) {
    this.#bytes = Buffer.allocUnsafeSlow(capacity);
  }

  get count(): number {
    return this.#positions.length;
  }

  /** Length of the content as it is now. */
  get rawBytes(): number {
    return this.#used + tailBytes(this.count);
  }

  /** Length of the content with one entry more. */
  rawBytesWith(keyBytes: number, valueBytes: number): number {
    return this.rawBytes + ENTRY_HEADER_BYTES + keyBytes + valueBytes + POSITION_BYTES;
  }

  /** `valueEnd` < 0 for a tombstone. Keys are given in ascending order. */
  add(
    key: Uint8Array,
    keyStart: number,
    keyEnd: number,
    schemaVersion: number,
    value: Uint8Array,
    valueStart: number,
    valueEnd: number,
  ): void {
    const keyBytes = keyEnd - keyStart;
    const valueBytes = valueEnd < 0 ? 0 : valueEnd - valueStart;
    assert(keyBytes > 0 && keyBytes <= FULL_KEY_BYTES_MAX, "a full key is within its bounds");
    this.#reserve(ENTRY_HEADER_BYTES + keyBytes + valueBytes);
    const bytes = this.#bytes;
    let at = this.#used;
    this.#positions.push(at);
    bytes.writeUInt16LE(keyBytes, at + ENTRY_AT.keyBytes);
    bytes.writeUInt16LE(schemaVersion, at + ENTRY_AT.schemaVersion);
    bytes.writeUInt32LE(valueEnd < 0 ? TOMBSTONE : valueBytes, at + ENTRY_AT.valueBytes);
    at += ENTRY_HEADER_BYTES;
    bytes.set(key.subarray(keyStart, keyEnd), at);
    at += keyBytes;
    if (valueBytes > 0) bytes.set(value.subarray(valueStart, valueEnd), at);
    this.#used = at + valueBytes;
  }

  /** The content, valid until the next call; the builder is empty afterwards. */
  take(): Uint8Array {
    const { count } = this;
    const entriesEnd = this.#used;
    this.#reserve(tailBytes(count));
    const bytes = this.#bytes;
    let at = entriesEnd;
    for (const position of this.#positions) {
      bytes.writeUInt32LE(position, at);
      at += POSITION_BYTES;
    }
    bytes.writeUInt32LE(count, at);
    this.#used = 0;
    this.#positions.length = 0;
    return bytes.subarray(0, at + COUNT_BYTES);
  }

  #reserve(more: number): void {
    if (this.#used + more <= this.#bytes.length) return;
    const larger = Buffer.allocUnsafeSlow(Math.max(this.#bytes.length * 2, this.#used + more));
    larger.set(this.#bytes.subarray(0, this.#used));
    this.#bytes = larger;
  }
}

/** Room is made in steps of this, so that a piece of memory fits many contents. */
const ROOM_STEP_BYTES = 2048;

/** Memory for so many bytes and a few more. */
export function newRoom(bytes: number): Buffer {
  return Buffer.allocUnsafeSlow(roomBytes(bytes));
}

/** Length of the memory that is made for so many bytes. */
export function roomBytes(bytes: number): number {
  return Math.max(1, Math.ceil(bytes / ROOM_STEP_BYTES)) * ROOM_STEP_BYTES;
}

/**
 * A list of entries, in memory that may take up one after the other. Its structure was checked:
 * every position, key and value is inside, and nothing below looks at a bound again. Whether the
 * keys ascend is for `verify`.
 */
export class Entries {
  /** The content, and what memory there is behind it. */
  bytes: Buffer;
  /** Of the block in its file, for errors. */
  offset = 0;
  /** 0 where there is no list. */
  count = 0;
  #view: DataView;
  /** Where the list of positions begins. */
  #positions = 0;

  constructor(bytes: Buffer) {
    this.bytes = bytes;
    this.#view = viewOf(bytes);
  }

  /** Undefined if the bytes are not a list of at least one entry. */
  static of(bytes: Buffer, offset: number): Entries | undefined {
    const entries = new Entries(bytes);
    return entries.read(bytes.length, offset) ? entries : undefined;
  }

  /** Memory for so many bytes; what was there is gone. */
  makeRoom(bytes: number): Buffer {
    this.count = 0;
    if (bytes > this.bytes.length) {
      this.replaceMemory(newRoom(bytes));
    }
    return this.bytes;
  }

  /** The same content from now on in other memory, which has a copy of it. */
  replaceMemory(bytes: Buffer): void {
    this.bytes = bytes;
    this.#view = viewOf(bytes);
  }

  /**
   * Takes the first `length` bytes up as the list; false if they are none of at least one entry.
   */
  read(length: number, offset: number): boolean {
    const view = this.#view;
    this.count = 0;
    if (length < COUNT_BYTES) return false;
    const count = view.getUint32(length - COUNT_BYTES, true);
    const positions = length - tailBytes(count);
    if (count === 0 || positions < 0) return false;
    let at = 0;
    for (let i = 0; i < count; i++) {
      if (view.getUint32(positions + i * POSITION_BYTES, true) !== at) return false;
      if (at + ENTRY_HEADER_BYTES > positions) return false;
      const keyBytes = view.getUint16(at, true);
      const valueBytes = view.getUint32(at + ENTRY_AT.valueBytes, true);
      if (keyBytes === 0 || keyBytes > FULL_KEY_BYTES_MAX) return false;
      at += ENTRY_HEADER_BYTES + keyBytes + (valueBytes === TOMBSTONE ? 0 : valueBytes);
    }
    if (at !== positions) return false;
    this.offset = offset;
    this.count = count;
    this.#positions = positions;
    return true;
  }

  /** Becomes the same list as another, in memory of its own. */
  copyFrom(other: Entries): void {
    const length = other.#positions + tailBytes(other.count);
    other.bytes.copy(this.makeRoom(length), 0, 0, length);
    this.offset = other.offset;
    this.count = other.count;
    this.#positions = other.#positions;
  }

  /** Where the i-th entry begins. */
  #at(i: number): number {
    return this.#view.getUint32(this.#positions + i * POSITION_BYTES, true);
  }

  keyStart(i: number): number {
    return this.#at(i) + ENTRY_HEADER_BYTES;
  }

  keyEnd(i: number): number {
    const at = this.#at(i);
    return at + ENTRY_HEADER_BYTES + this.#view.getUint16(at, true);
  }

  schemaVersion(i: number): number {
    return this.#view.getUint16(this.#at(i) + ENTRY_AT.schemaVersion, true);
  }

  /** Where the value of the i-th entry ends; it begins where the key ends. -1: a tombstone. */
  valueEnd(i: number): number {
    if (this.#view.getUint32(this.#at(i) + ENTRY_AT.valueBytes, true) === TOMBSTONE) return -1;
    return i + 1 < this.count ? this.#at(i + 1) : this.#positions;
  }

  /** Less than, equal to or greater than 0 as the i-th key is against `key[from, to)`. */
  compareKey(i: number, key: Uint8Array, from: number, to: number): number {
    const at = this.#at(i);
    const start = at + ENTRY_HEADER_BYTES;
    const end = start + this.#view.getUint16(at, true);
    return compareBytes(this.bytes, start, end, key, from, to);
  }

  /** Index of the first entry whose key is at or above `key[from, to)`; `count` for none. */
  lowerBound(key: Uint8Array, from: number, to: number): number {
    let low = 0;
    let high = this.count;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.compareKey(middle, key, from, to) < 0) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}

/** `bytes[at, at + 4)` as a number; the caller has checked the bounds. */
export function readUint32(bytes: Uint8Array, at: number): number {
  return (
    (bytes[at]! | (bytes[at + 1]! << 8) | (bytes[at + 2]! << 16) | (bytes[at + 3]! << 24)) >>> 0
  );
}

/** Bytes compared one by one before the native comparison, whose call costs more than they do. */
const INLINE_BYTES = 48;

/** Orders bytes unsigned, from the first to the last; a prefix comes before what it begins. */
export function compareBytes(
  a: Uint8Array,
  aStart: number,
  aEnd: number,
  b: Uint8Array,
  bStart: number,
  bEnd: number,
): number {
  const aBytes = aEnd - aStart;
  const bBytes = bEnd - bStart;
  const common = aBytes < bBytes ? aBytes : bBytes;
  const inline = common < INLINE_BYTES ? common : INLINE_BYTES;
  for (let i = 0; i < inline; i++) {
    const order = a[aStart + i]! - b[bStart + i]!;
    if (order !== 0) return order;
  }
  if (common > inline) {
    return Buffer.compare(a.subarray(aStart + inline, aEnd), b.subarray(bStart + inline, bEnd));
  }
  return aBytes - bBytes;
}
