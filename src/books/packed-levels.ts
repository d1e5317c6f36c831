/**
 * Levels as bytes. Integers are LEB128: seven bits a byte, the lowest first. A price is the
 * difference to the one before it, in an update with its sign in the lowest bit.
 */
import type { BookSide } from "./side.js";

/** Prices are below this, so that twice a difference of two is still an exact integer. */
export const PRICE_UNITS_MAX = 2 ** 51;

/** Bytes of the longest integer. */
const VARINT_BYTES = 8;

/** A buffer that grows; what was written last is read as `bytes`. */
export class LevelWriter {
  #bytes = new Uint8Array(4096);
  #at = 0;

  reset(): void {
    this.#at = 0;
  }

  /** A copy of what was written. */
  get bytes(): Uint8Array {
    return this.#bytes.slice(0, this.#at);
  }

  get length(): number {
    return this.#at;
  }

  /** A safe integer that is not negative. */
  put(value: number): void {
    if (this.#at + VARINT_BYTES > this.#bytes.length) this.#grow();
    const bytes = this.#bytes;
    let at = this.#at;
    let rest = value;
    while (rest >= 0x8000_0000) {
      bytes[at++] = (rest % 128) | 0x80;
      rest = Math.floor(rest / 128);
    }
    while (rest >= 0x80) {
      bytes[at++] = (rest & 0x7f) | 0x80;
      rest >>>= 7;
    }
    bytes[at++] = rest;
    this.#at = at;
  }

  putSigned(value: number): void {
    this.put(value < 0 ? -2 * value - 1 : 2 * value);
  }

  #grow(): void {
    const larger = new Uint8Array(2 * this.#bytes.length);
    larger.set(this.#bytes);
    this.#bytes = larger;
  }
}

/** Reads what a `LevelWriter` has written; NaN behind the end. */
export class LevelReader {
  readonly #bytes: Uint8Array;
  #at = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
  }

  get isAtEnd(): boolean {
    return this.#at === this.#bytes.length;
  }

  get(): number {
    const bytes = this.#bytes;
    let value = 0;
    for (let scale = 1; ; scale *= 128) {
      const byte = bytes[this.#at++];
      if (byte === undefined) return Number.NaN;
      value += (byte & 0x7f) * scale;
      if (byte < 0x80) return value;
    }
  }

  getSigned(): number {
    const value = this.get();
    return value % 2 === 1 ? -(value + 1) / 2 : value / 2;
  }
}

/** All levels of a side, the worst first. */
export function writeSide(writer: LevelWriter, side: BookSide): void {
  let before = 0;
  for (let i = 0; i < side.length; i++) {
    const key = side.keys[i] as number;
    // Only the first can be negative: keys ascend.
    if (i === 0) writer.putSigned(key);
    else writer.put(key - before);
    writer.put(side.quantities[i] as number);
    before = key;
  }
}

/** False where the bytes are not so many levels in order. */
export function readSide(reader: LevelReader, side: BookSide, count: number): boolean {
  let key = 0;
  for (let i = 0; i < count; i++) {
    const step = i === 0 ? reader.getSigned() : reader.get();
    const quantity = reader.get();
    key += step;
    if (!(Number.isSafeInteger(key) && Number.isSafeInteger(quantity) && quantity > 0))
      return false;
    if (i > 0 && step <= 0) return false;
    side.push(key, quantity);
  }
  return true;
}
