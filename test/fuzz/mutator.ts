/** Makes hostile inputs of valid ones: flips, edge values, cuts, copies and splices. */
import type { Random } from "../sim/random.js";

/** Values that lengths and counts go wrong at. */
const EDGES: readonly number[] = [
  0, 1, 2, 3, 4, 7, 8, 15, 16, 23, 24, 31, 64, 95, 96, 127, 128, 255, 256, 511, 512, 1023, 1024,
  4095, 4096, 65535, 65536, 0x7fff_fffe, 0x7fff_ffff, 0x8000_0000, 0x8000_0001, 0xffff_fffe,
  0xffff_ffff, 1118208, 1118209, 4194304, 4194305,
];

/** No input is longer than that: what is longer is not more hostile, only slower. */
const BYTES_MAX = 1 << 16;

export class Mutator {
  readonly #random: Random;
  #scratch = Buffer.alloc(2 * BYTES_MAX);

  constructor(random: Random) {
    this.#random = random;
  }

  /** Valid until the next call. `places`: where fields are, if the input has a fixed form. */
  mutate(input: Uint8Array, other: Uint8Array, places: readonly number[]): Buffer {
    const random = this.#random;
    let length = Math.min(input.length, BYTES_MAX);
    this.#scratch.set(input.subarray(0, length));
    for (let i = 1 + random.below(4); i > 0; i--) length = this.#step(length, other, places);
    return this.#scratch.subarray(0, length);
  }

  #step(length: number, other: Uint8Array, places: readonly number[]): number {
    const random = this.#random;
    const bytes = this.#scratch;
    const at = length === 0 ? 0 : random.below(length);
    switch (random.below(10)) {
      case 0:
        if (length > 0) bytes[at]! ^= 1 << random.below(8);
        return length;
      case 1:
        if (length > 0) bytes[at] = random.next();
        return length;
      case 2:
      case 3:
        return this.#putEdge(length, at);
      case 4:
      case 5:
        return places.length === 0 ? length : this.#putEdge(length, random.pick(places));
      case 6:
        return random.below(4) === 0 ? at : length;
      case 7:
        return this.#copy(bytes, length, at, length);
      case 8:
        return this.#copy(other, other.length, at, length);
      default:
        return this.#remove(length, at);
    }
  }

  /** An edge value, or one that is off by a little, in 1, 2, 4 or 8 bytes, of either endianness. */
  #putEdge(length: number, at: number): number {
    const random = this.#random;
    const width = 1 << random.below(4);
    if (at + width > length) return length;
    const bytes = this.#scratch;
    const value = random.chance(0.2) ? random.next() : random.pick(EDGES);
    const isBig = random.chance(0.2);
    if (width === 1) bytes[at] = value;
    else if (width === 2 && isBig) bytes.writeUInt16BE(value & 0xffff, at);
    else if (width === 2) bytes.writeUInt16LE(value & 0xffff, at);
    else if (isBig) bytes.writeUInt32BE(value, at);
    else bytes.writeUInt32LE(value, at);
    if (width === 8)
      bytes.writeUInt32LE(random.pick([0, 0, 1, 0x1f_ffff, 0x20_0000, 2 ** 31]), at + 4);
    return length;
  }

  /** Puts a piece of something over what is there, or between it. */
  #copy(source: Uint8Array, sourceBytes: number, at: number, length: number): number {
    const random = this.#random;
    if (sourceBytes === 0) return length;
    const from = random.below(sourceBytes);
    const count = Math.min(1 + random.below(64), sourceBytes - from, BYTES_MAX - length);
    if (count <= 0) return length;
    const piece = Uint8Array.from(source.subarray(from, from + count));
    const bytes = this.#scratch;
    if (random.chance(0.5)) {
      bytes.copyWithin(at + count, at, length);
      bytes.set(piece, at);
      return length + count;
    }
    bytes.set(piece.subarray(0, Math.max(0, length - at)), at);
    return length;
  }

  #remove(length: number, at: number): number {
    const count = Math.min(1 + this.#random.below(32), length - at);
    this.#scratch.copyWithin(at, at + count, length);
    return length - count;
  }
}
