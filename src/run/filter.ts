/** A blocked Bloom filter: one line of 64 bytes, one miss of the processor's cache, per key. */
import {
  FILTER_BLOCK_LINES,
  FILTER_LINE_BYTES,
  FILTER_LINE_KEYS,
  FILTER_PROBES,
} from "./format.js";

const TWO_32 = 0x1_0000_0000;

/** The line of a key, counted through all filter blocks of the file. */
export function filterLineOf(hash: number, lines: number): number {
  return Math.floor((hash * lines) / TWO_32);
}

/** False if no key with that hash was added to the filter block. */
export function filterMayHold(block: Uint8Array, lineInBlock: number, hash: number): boolean {
  const start = lineInBlock * FILTER_LINE_BYTES;
  let g = firstProbe(hash);
  for (let i = 0; i < FILTER_PROBES; i++) {
    const bit = g >>> 23;
    if ((block[start + (bit >>> 3)]! & (1 << (bit & 7))) === 0) return false;
    g = nextProbe(g);
  }
  return true;
}

/** Collects the hashes of a file's keys. */
export class FilterBuilder {
  #hashes = new Uint32Array(1024);
  #count = 0;

  /** Of a file with the keys added so far. */
  get lines(): number {
    return Math.ceil(this.#count / FILTER_LINE_KEYS);
  }

  add(hash: number): void {
    if (this.#count === this.#hashes.length) {
      const larger = new Uint32Array(this.#count * 2);
      larger.set(this.#hashes);
      this.#hashes = larger;
    }
    this.#hashes[this.#count++] = hash;
  }

  /** The contents of the filter blocks, in order. */
  build(): Uint8Array[] {
    const { lines } = this;
    const bits = new Uint8Array(lines * FILTER_LINE_BYTES);
    for (let k = 0; k < this.#count; k++) {
      const hash = this.#hashes[k]!;
      const start = filterLineOf(hash, lines) * FILTER_LINE_BYTES;
      let g = firstProbe(hash);
      for (let i = 0; i < FILTER_PROBES; i++) {
        const bit = g >>> 23;
        bits[start + (bit >>> 3)]! |= 1 << (bit & 7);
        g = nextProbe(g);
      }
    }
    const blockBytes = FILTER_BLOCK_LINES * FILTER_LINE_BYTES;
    const blocks: Uint8Array[] = [];
    for (let at = 0; at < bits.length; at += blockBytes) {
      blocks.push(bits.subarray(at, at + blockBytes));
    }
    return blocks;
  }
}

function firstProbe(hash: number): number {
  return Math.imul(hash, 0x9e3779b1);
}

function nextProbe(g: number): number {
  return (Math.imul(g, 0x85ebca6b) + 0xc2b2ae35) | 0;
}
