/** Bytes of a chunk, written one after another, and read back with every length checked. */
import { viewOf } from "../base/bytes.js";
import { corruptChunk } from "./errors.js";

const MASK_64 = 0xffff_ffff_ffff_ffffn;

/** Grows as needed. */
export class ByteWriter {
  #bytes = new Uint8Array(256);
  #length = 0;

  get length(): number {
    return this.#length;
  }

  /** Room for `count` bytes more. What was given before is no longer of use. */
  #reserve(count: number): Uint8Array {
    if (this.#length + count > this.#bytes.length) {
      const grown = new Uint8Array(Math.max(2 * this.#bytes.length, this.#length + count));
      grown.set(this.#bytes.subarray(0, this.#length));
      this.#bytes = grown;
    }
    return this.#bytes.subarray(this.#length, this.#length + count);
  }

  byte(value: number): void {
    this.#reserve(1)[0] = value;
    this.#length++;
  }

  bytes(source: Uint8Array): void {
    this.#reserve(source.length).set(source);
    this.#length += source.length;
  }

  /** LEB128 of a safe integer that is not negative. */
  varint(value: number): void {
    let rest = value;
    while (rest >= 0x80) {
      this.byte((rest % 0x80) + 0x80);
      rest = Math.floor(rest / 0x80);
    }
    this.byte(rest);
  }

  /** LEB128 of a signed 64-bit integer with its sign last: 0, -1, 1, -2 are 0, 1, 2, 3. */
  signed(value: bigint): void {
    let rest = ((value << 1n) ^ (value >> 63n)) & MASK_64;
    while (rest >= 0x80n) {
      this.byte(Number(rest & 0x7fn) + 0x80);
      rest >>= 7n;
    }
    this.byte(Number(rest));
  }

  float64(value: number): void {
    viewOf(this.#reserve(8)).setFloat64(0, value, true);
    this.#length += 8;
  }

  /** All of it; valid until more is written. */
  view(): Uint8Array {
    return this.#bytes.subarray(0, this.#length);
  }
}

/** Throws CORRUPT_CHUNK for everything that leads behind its end. */
export class ByteReader {
  readonly bytes: Uint8Array;
  at: number;
  readonly end: number;

  constructor(bytes: Uint8Array, from: number, to: number) {
    this.bytes = bytes;
    this.at = from;
    this.end = to;
  }

  byte(): number {
    if (this.at >= this.end) throw corruptChunk("it ends too early");
    return this.bytes[this.at++]!;
  }

  /** The offset of the next `count` bytes, which are passed over. */
  skip(count: number): number {
    if (count > this.end - this.at) throw corruptChunk("it ends too early");
    const from = this.at;
    this.at += count;
    return from;
  }

  /** At most `most`. */
  varint(most: number): number {
    let value = 0;
    for (let scale = 1; scale <= 2 ** 49; scale *= 0x80) {
      const byte = this.byte();
      value += (byte & 0x7f) * scale;
      if (byte < 0x80) {
        if (value > most) throw corruptChunk("a number is too large");
        return value;
      }
    }
    throw corruptChunk("a number is too long");
  }

  signed(): bigint {
    let value = 0n;
    for (let shift = 0n; shift < 70n; shift += 7n) {
      const byte = this.byte();
      value |= BigInt(byte & 0x7f) << shift;
      if (byte >= 0x80) continue;
      if (value > MASK_64) break;
      return BigInt.asIntN(64, (value >> 1n) ^ -(value & 1n));
    }
    throw corruptChunk("a number is too long");
  }

  float64(): number {
    return viewOf(this.bytes).getFloat64(this.skip(8), true);
  }
}
