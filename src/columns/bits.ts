/** Bits, the lowest first. For what there is little of: the kernels have loops of their own. */
import type { ByteReader, ByteWriter } from "./bytes.js";

export class BitWriter {
  readonly #target: ByteWriter;
  #pending = 0;
  #count = 0;

  constructor(target: ByteWriter) {
    this.#target = target;
  }

  /** At most 16. */
  write(value: number, count: number): void {
    this.#pending |= value << this.#count;
    this.#count += count;
    while (this.#count >= 8) {
      this.#target.byte(this.#pending & 0xff);
      this.#pending >>>= 8;
      this.#count -= 8;
    }
  }

  /** At most 64. */
  writeLong(value: bigint, count: number): void {
    for (let at = 0; at < count; at += 16) {
      this.write(Number((value >> BigInt(at)) & 0xffffn), Math.min(16, count - at));
    }
  }

  /** Up to the next byte. */
  end(): void {
    if (this.#count > 0) this.#target.byte(this.#pending);
    this.#pending = this.#count = 0;
  }
}

export class BitReader {
  readonly #source: ByteReader;
  #pending = 0;
  #count = 0;

  constructor(source: ByteReader) {
    this.#source = source;
  }

  /** At most 16. */
  read(count: number): number {
    while (this.#count < count) {
      this.#pending |= this.#source.byte() << this.#count;
      this.#count += 8;
    }
    const value = this.#pending & ((1 << count) - 1);
    this.#pending >>>= count;
    this.#count -= count;
    return value;
  }

  /** At most 64. */
  readLong(count: number): bigint {
    let value = 0n;
    for (let at = 0; at < count; at += 16) {
      value |= BigInt(this.read(Math.min(16, count - at))) << BigInt(at);
    }
    return value;
  }
}
