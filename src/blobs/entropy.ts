/**
 * An entropy coder for bytes: tANS with a table for each stream. What is common takes less than a
 * bit; what a Huffman code cannot do for planes that are mostly zero.
 */

import { PACK_TABLE_LOG as TABLE_LOG } from "./format.js";

const TABLE_SIZE = 1 << TABLE_LOG;
/** Steps through all places of the table, and spreads the symbols. */
const SPREAD = (TABLE_SIZE >> 1) + (TABLE_SIZE >> 3) + 3;
/** A symbol and its frequency. */
const ENTRY_BYTES = 3;

/** Frequencies with the sum of the table's size, each that occurs at least 1. */
function normalize(counts: Uint32Array, total: number): Uint16Array {
  const frequencies = new Uint16Array(256);
  let left = TABLE_SIZE;
  let largest = 0;
  for (let s = 0; s < 256; s++) {
    const count = counts[s]!;
    if (count === 0) continue;
    const share = Math.max(1, Math.floor((count / total) * TABLE_SIZE));
    frequencies[s] = share;
    left -= share;
    if (count > counts[largest]!) largest = s;
  }
  if (left >= 0) frequencies[largest] = frequencies[largest]! + left;
  else takeBack(frequencies, -left);
  return frequencies;
}

/** Rare ones were rounded up: the most frequent give. */
function takeBack(frequencies: Uint16Array, excess: number): void {
  for (let left = excess; left > 0; left--) {
    let largest = 0;
    for (let s = 1; s < 256; s++) if (frequencies[s]! > frequencies[largest]!) largest = s;
    frequencies[largest] = frequencies[largest]! - 1;
  }
}

/** The symbol of each place of the table. */
function spread(frequencies: Uint16Array): Uint8Array {
  const symbols = new Uint8Array(TABLE_SIZE);
  let at = 0;
  for (let s = 0; s < 256; s++) {
    for (let i = frequencies[s]!; i > 0; i--) {
      symbols[at] = s;
      at = (at + SPREAD) & (TABLE_SIZE - 1);
    }
  }
  return symbols;
}

function countsOf(source: Uint8Array): Uint32Array {
  const counts = new Uint32Array(256);
  for (let i = 0; i < source.length; i++) counts[source[i]!] = counts[source[i]!]! + 1;
  return counts;
}

/** Bits of one value each, in whole bytes: what the best coder would need, without tables. */
export function entropyBytes(counts: Uint32Array, total: number): number {
  let bits = 0;
  for (let s = 0; s < 256; s++) {
    const count = counts[s]!;
    if (count > 0) bits += count * Math.log2(total / count);
  }
  return Math.ceil(bits / 8);
}

/** For each step back, its bits (the lower 12) and how many there are. */
let steps = new Uint16Array(0);

/**
 * Codes all of `source` to `target` from a place on. Bytes written; 0 for more than `room`, or for
 * what this cannot make smaller.
 */
export function encodeBytes(
  source: Uint8Array,
  target: Uint8Array,
  targetStart: number,
  room: number,
): number {
  const { length } = source;
  if (length < 64) return 0;
  const counts = countsOf(source);
  if (entropyBytes(counts, length) + 16 > room) return 0;
  const frequencies = normalize(counts, length);
  const symbols = spread(frequencies);
  const starts = new Int32Array(256);
  const states = new Uint16Array(TABLE_SIZE);
  let used = 0;
  for (let s = 0, start = 0; s < 256; s++) {
    starts[s] = start - frequencies[s]!;
    start += frequencies[s]!;
    if (frequencies[s]! > 0) used++;
  }
  const next = frequencies.slice();
  for (let i = 0; i < TABLE_SIZE; i++) {
    const s = symbols[i]!;
    const place = next[s]!;
    next[s] = place + 1;
    states[starts[s]! + place] = TABLE_SIZE + i;
  }
  if (steps.length < length) steps = new Uint16Array(length);
  let state = TABLE_SIZE;
  let bitsTotal = TABLE_LOG;
  for (let i = length - 1; i >= 0; i--) {
    const s = source[i]!;
    const frequency = frequencies[s]!;
    let bits = TABLE_LOG - 31 + Math.clz32(frequency);
    if (state >>> bits < frequency) bits--;
    steps[i] = (bits << 12) | (state & ((1 << bits) - 1));
    bitsTotal += bits;
    state = states[starts[s]! + (state >>> bits)]!;
  }
  const bytes = 1 + used * ENTRY_BYTES + Math.ceil(bitsTotal / 8);
  if (bytes > room) return 0;
  let at = targetStart;
  target[at++] = used - 1;
  for (let s = 0; s < 256; s++) {
    const frequency = frequencies[s]!;
    if (frequency === 0) continue;
    target[at] = s;
    target[at + 1] = frequency & 0xff;
    target[at + 2] = frequency >>> 8;
    at += ENTRY_BYTES;
  }
  let pending = state - TABLE_SIZE;
  let count = TABLE_LOG;
  for (let i = 0; i < length; i++) {
    const step = steps[i]!;
    pending |= (step & 0xfff) << count;
    count += step >>> 12;
    while (count >= 8) {
      target[at++] = pending;
      pending >>>= 8;
      count -= 8;
    }
  }
  if (count > 0) target[at++] = pending;
  return at - targetStart;
}

/** What a table of frequencies says; undefined if it is none. */
function readTable(bytes: Uint8Array, from: number, to: number) {
  if (from >= to) return undefined;
  const used = bytes[from]! + 1;
  const end = from + 1 + used * ENTRY_BYTES;
  if (end > to) return undefined;
  const frequencies = new Uint16Array(256);
  let sum = 0;
  for (let i = 0, at = from + 1, before = -1; i < used; i++, at += ENTRY_BYTES) {
    const s = bytes[at]!;
    const frequency = bytes[at + 1]! | (bytes[at + 2]! << 8);
    if (s <= before || frequency === 0) return undefined;
    before = s;
    frequencies[s] = frequency;
    sum += frequency;
    if (sum > TABLE_SIZE) return undefined;
  }
  return sum === TABLE_SIZE ? { frequencies, end } : undefined;
}

/** Back: fills `target` from source[from, to), which may be anything. False if it is no such. */
export function decodeBytes(
  source: Uint8Array,
  from: number,
  to: number,
  target: Uint8Array,
): boolean {
  const read = readTable(source, from, to);
  if (read === undefined) return false;
  const { frequencies, end } = read;
  const symbols = spread(frequencies);
  // Symbol, bits of the step, and the state before they are added.
  const table = new Int32Array(TABLE_SIZE);
  const next = frequencies.slice();
  for (let i = 0; i < TABLE_SIZE; i++) {
    const s = symbols[i]!;
    const place = next[s]!;
    next[s] = place + 1;
    const bits = TABLE_LOG - 31 + Math.clz32(place);
    table[i] = (s << 16) | (bits << 12) | ((place << bits) - TABLE_SIZE);
  }
  let pending = 0;
  let count = 0;
  let at = end;
  while (count < TABLE_LOG) {
    if (at >= to) return false;
    pending |= source[at++]! << count;
    count += 8;
  }
  let state = pending & (TABLE_SIZE - 1);
  pending >>>= TABLE_LOG;
  count -= TABLE_LOG;
  const { length } = target;
  for (let i = 0; i < length; i++) {
    const entry = table[state]!;
    const bits = (entry >>> 12) & 15;
    while (count < bits) {
      if (at >= to) return false;
      pending |= source[at++]! << count;
      count += 8;
    }
    target[i] = entry >>> 16;
    state = (entry & 0xfff) + (pending & ((1 << bits) - 1));
    pending >>>= bits;
    count -= bits;
  }
  // The coder began there; of the last byte only zeros are left.
  return state === 0 && at === to && pending === 0;
}
