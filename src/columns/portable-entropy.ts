/** The entropy coder in JavaScript: tANS for the bin of a residual, and the rest as it is. */
import { STATES } from "./format.js";
import type { Model } from "./kernels.js";
import { decodeTable, encodeTable } from "./tables.js";
import { CELLS, cellOf, NEGATIVE } from "./tokens.js";

const WORD = 0x1_0000_0000;

/** Halves of lanes, the lower one first. */
export function wordsOf(lanes: BigInt64Array): Int32Array {
  return new Int32Array(lanes.buffer, lanes.byteOffset, 2 * lanes.length);
}

/** The symbol of each value of a dictionary. Looked up by a small open hash. */
class Symbols {
  readonly #words: Int32Array;
  readonly #slots: Int16Array;
  readonly #mask: number;

  constructor(dictionary: BigInt64Array) {
    this.#words = wordsOf(dictionary);
    const size = 4 * 2 ** Math.ceil(Math.log2(dictionary.length + 1));
    this.#mask = size - 1;
    this.#slots = new Int16Array(size).fill(-1);
    for (let i = 0; i < dictionary.length; i++) {
      let slot = this.#slotOf(this.#words[2 * i]!);
      while (this.#slots[slot]! >= 0) slot = (slot + 1) & this.#mask;
      this.#slots[slot] = i;
    }
  }

  #slotOf(low: number): number {
    return (Math.imul(low, 0x9e37_79b1) >>> 16) & this.#mask;
  }

  of(low: number, high: number): number {
    if (this.#words.length > 0) {
      for (let slot = this.#slotOf(low); this.#slots[slot]! >= 0; slot = (slot + 1) & this.#mask) {
        const i = this.#slots[slot]!;
        if (this.#words[2 * i] === low && this.#words[2 * i + 1] === high) return CELLS + i;
      }
    }
    if (high >= 0) return cellOf(high, low);
    const negated = -low | 0;
    return NEGATIVE + cellOf((~high + (negated === 0 ? 1 : 0)) | 0, negated);
  }
}

export function countSymbols(
  lanes: BigInt64Array,
  classes: Uint8Array | undefined,
  dictionary: BigInt64Array,
  counts: Uint32Array,
): void {
  const words = wordsOf(lanes);
  const symbols = new Symbols(dictionary);
  const row = CELLS + dictionary.length;
  for (let i = 0; i < lanes.length; i++) {
    const first = classes === undefined ? 0 : classes[i]! * row;
    const at = first + symbols.of(words[2 * i]!, words[2 * i + 1]!);
    counts[at] = counts[at]! + 1;
  }
}

/** Writes bits into memory that has room for them. */
class Bits {
  readonly #target: Uint8Array;
  #at = 0;
  #pending = 0;
  #count = 0;

  constructor(target: Uint8Array) {
    this.#target = target;
  }

  /** At most 16, and no bits above them. */
  write(value: number, count: number): void {
    this.#pending |= value << this.#count;
    this.#count += count;
    while (this.#count >= 8) {
      this.#target[this.#at++] = this.#pending;
      this.#pending >>>= 8;
      this.#count -= 8;
    }
  }

  writeWord(value: number, count: number): void {
    if (count <= 16) {
      this.write(value & ((1 << count) - 1), count);
      return;
    }
    this.write(value & 0xffff, 16);
    this.write((value >>> 16) & (0xffff >>> (32 - count)), count - 16);
  }

  end(): number {
    if (this.#count > 0) this.#target[this.#at++] = this.#pending;
    return this.#at;
  }
}

export function encode(
  lanes: BigInt64Array,
  classes: Uint8Array | undefined,
  dictionary: BigInt64Array,
  symbolBins: Uint8Array,
  model: Model,
  target: Uint8Array,
): number {
  const words = wordsOf(lanes);
  const baseWords = wordsOf(model.bases);
  const { tableLog, widths, frequencies } = model;
  const binCount = widths.length;
  const { starts, states } = encodeTable(model, frequencies.length / binCount);
  const symbols = new Symbols(dictionary);
  const bins = new Uint8Array(lanes.length);
  // The number of bits in the upper half, the bits in the lower one.
  const steps = new Uint16Array(lanes.length);
  const current = new Int32Array(STATES).fill(1 << tableLog);
  for (let i = lanes.length - 1; i >= 0; i--) {
    const bin = symbolBins[symbols.of(words[2 * i]!, words[2 * i + 1]!)]!;
    const place = (classes === undefined ? 0 : classes[i]! * binCount) + bin;
    const frequency = frequencies[place]!;
    const state = current[i % STATES]!;
    let bits = tableLog - 31 + Math.clz32(frequency);
    if (state >>> bits < frequency) bits--;
    bins[i] = bin;
    steps[i] = (bits << 12) | (state & ((1 << bits) - 1));
    current[i % STATES] = states[starts[place]! + (state >>> bits)]!;
  }
  const out = new Bits(target);
  for (const state of current) out.write(state - (1 << tableLog), tableLog);
  for (let i = 0; i < lanes.length; i++) {
    const step = steps[i]!;
    out.write(step & 0xfff, step >>> 12);
    const bin = bins[i]!;
    const width = widths[bin]!;
    if (width === 0) continue;
    const [low, baseLow] = [words[2 * i]!, baseWords[2 * bin]!];
    out.writeWord((low - baseLow) | 0, Math.min(width, 32));
    if (width <= 32) continue;
    const borrow = low >>> 0 < baseLow >>> 0 ? 1 : 0;
    out.writeWord((words[2 * i + 1]! - baseWords[2 * bin + 1]! - borrow) | 0, width - 32);
  }
  return out.end();
}

/** Bytes that may be read behind the last bit, before it is seen that they are none. */
export const SLACK = 16;

/** Up to 32 bits from that bit on. */
export function bitsAt(bytes: Uint8Array, at: number, count: number): number {
  const byte = at >>> 3;
  const shift = at & 7;
  let word =
    (bytes[byte]! |
      (bytes[byte + 1]! << 8) |
      (bytes[byte + 2]! << 16) |
      (bytes[byte + 3]! << 24)) >>>
    shift;
  if (count + shift > 32) word |= bytes[byte + 4]! << (32 - shift);
  return count >= 32 ? word | 0 : word & ((1 << count) - 1);
}

/** With zeros behind them. */
function withSlack(bytes: Uint8Array, from: number, to: number): Uint8Array {
  const copy = new Uint8Array(to - from + SLACK);
  copy.set(bytes.subarray(from, to));
  return copy;
}

export function decode(
  bytes: Uint8Array,
  from: number,
  to: number,
  classes: Uint8Array | undefined,
  model: Model,
  lanes: BigInt64Array,
  isWhole: boolean,
): boolean {
  const { tableLog, widths, frequencies } = model;
  const table = decodeTable(model, frequencies.length / widths.length);
  const padded = withSlack(bytes, from, to);
  const bits = 8 * (to - from);
  const words = wordsOf(lanes);
  const baseWords = wordsOf(model.bases);
  const states = new Int32Array(STATES);
  let at = STATES * tableLog;
  if (at > bits) return false;
  for (let i = 0; i < STATES; i++) states[i] = bitsAt(padded, i * tableLog, tableLog);
  for (let i = 0; i < lanes.length; i++) {
    const context = classes === undefined ? 0 : classes[i]! << tableLog;
    const entry = table[context + states[i % STATES]!]!;
    const stepBits = (entry >>> 12) & 15;
    states[i % STATES] = (entry & 0xfff) + bitsAt(padded, at, stepBits);
    at += stepBits;
    const bin = entry >>> 16;
    const width = widths[bin]!;
    let low = baseWords[2 * bin]!;
    let high = baseWords[2 * bin + 1]!;
    if (width > 0) {
      const sum = (low >>> 0) + (bitsAt(padded, at, Math.min(width, 32)) >>> 0);
      low = sum | 0;
      if (width > 32) high += bitsAt(padded, at + 32, width - 32);
      if (sum >= WORD) high++;
      at += width;
    }
    if (at > bits) return false;
    words[2 * i] = low;
    words[2 * i + 1] = high;
  }
  return !isWhole || isEnd(states, padded, at, bits);
}

/** All states are back at the beginning, and nothing but the rest of a byte is left: zeros. */
function isEnd(states: Int32Array, padded: Uint8Array, at: number, bits: number): boolean {
  return states.every((state) => state === 0) && bits - at < 8 && bitsAt(padded, at, 8) === 0;
}
