/** The model of the entropy coder: bins made of counted cells, and its bytes. */
import { BitReader, BitWriter } from "./bits.js";
import type { ByteReader, ByteWriter } from "./bytes.js";
import { corruptChunk } from "./errors.js";
import { BINS_MAX, TABLE_LOG_MAX, TABLE_LOG_MIN } from "./format.js";
import type { Model } from "./kernels.js";
import { CELLS, cellsOfLength, cellWidth, NEGATIVE } from "./tokens.js";

/** What a bin is, in magnitudes: [base, base + 2^width), or the same below zero. */
interface Bin {
  readonly isNegative: boolean;
  readonly base: bigint;
  readonly width: number;
  /** Symbols that fall into it: cells, and values of the dictionary behind all cells. */
  readonly symbols: readonly number[];
}

interface Node {
  readonly bits: number;
  readonly bins: readonly Bin[];
  readonly symbols: readonly number[];
}

const NOTHING: Node = { bits: 0, bins: [], symbols: [] };

/** Bits that a bin takes in the model, about. */
const BIN_BITS = 20;

/** Counts of symbols, for each context; `row` symbols in each. */
export interface Counts {
  readonly counts: Uint32Array;
  readonly contexts: number;
  readonly dictionary: BigInt64Array;
}

/** Merges cells as long as what they cost in the model is more than what they save. */
class BinTree {
  readonly #of: Counts;
  readonly #row: number;
  readonly #totals: number[];
  readonly #binBits: number;
  /** Of each symbol, whatever the context. */
  readonly #sums: Uint32Array;

  constructor(of: Counts, binBits: number) {
    this.#of = of;
    this.#row = CELLS + of.dictionary.length;
    this.#binBits = binBits;
    this.#sums = of.counts.slice(0, this.#row);
    for (let at = this.#row; at < of.counts.length; at++) {
      this.#sums[at % this.#row] = this.#sums[at % this.#row]! + of.counts[at]!;
    }
    this.#totals = Array.from({ length: of.contexts }, (_, context) =>
      of.counts.subarray(context * this.#row, (context + 1) * this.#row).reduce((a, b) => a + b, 0),
    );
  }

  bins(): Bin[] {
    const dictionary = [...this.#of.dictionary].map((value, i): Bin => {
      const isNegative = value < 0n;
      const base = isNegative ? -value : value;
      return { isNegative, base, width: 0, symbols: [CELLS + i] };
    });
    const used = dictionary.filter(({ symbols }) => this.#cost(symbols, 0) > 0);
    return [...used, ...this.#side(false).bins, ...this.#side(true).bins];
  }

  /** Bits that residuals of those symbols take as one bin, with the bin; 0 if there are none. */
  #cost(symbols: readonly number[], width: number): number {
    let bits = 0;
    for (let context = 0; context < this.#of.contexts; context++) {
      let count = 0;
      for (const symbol of symbols) count += this.#of.counts[context * this.#row + symbol]!;
      if (count === 0) continue;
      bits += count * (Math.log2(this.#totals[context]! / count) + width) + 8;
    }
    return bits === 0 ? 0 : bits + this.#binBits;
  }

  /** All magnitudes of a sign: those of a bit, of two bits, and so on, or all below as one bin. */
  #side(isNegative: boolean): Node {
    let below = NOTHING;
    for (let length = 0; length <= 64; length++) {
      const [first, count] = cellsOfLength(length);
      const base = length === 0 ? 0n : 1n << BigInt(length - 1);
      const width = Math.max(length - 1, 0);
      const isUsed = this.#isUsed(first + (isNegative ? NEGATIVE : 0), count);
      const octave = isUsed ? this.#octave(isNegative, base, width, first, count) : NOTHING;
      const apart = join(below, octave);
      // The least magnitude has to have a bin of its own kind: zero is not negative.
      const canMerge = octave !== NOTHING && below !== NOTHING && length <= 63;
      below = canMerge ? this.#merged(isNegative, 0n, length, apart) : apart;
    }
    return below;
  }

  #isUsed(first: number, count: number): boolean {
    for (let symbol = first; symbol < first + count; symbol++) {
      if (this.#sums[symbol]! > 0) return true;
    }
    return false;
  }

  #octave(isNegative: boolean, base: bigint, width: number, first: number, count: number): Node {
    if (count === 1) {
      const symbol = first + (isNegative ? NEGATIVE : 0);
      const bits = this.#cost([symbol], cellWidth(first));
      if (bits === 0) return NOTHING;
      return { bits, bins: [{ isNegative, base, width, symbols: [symbol] }], symbols: [symbol] };
    }
    const half = count / 2;
    const middle = base + (1n << BigInt(width - 1));
    const lower = this.#octave(isNegative, base, width - 1, first, half);
    const upper = this.#octave(isNegative, middle, width - 1, first + half, half);
    const apart = join(lower, upper);
    return apart === NOTHING ? NOTHING : this.#merged(isNegative, base, width, apart);
  }

  #merged(isNegative: boolean, base: bigint, width: number, apart: Node): Node {
    const { symbols } = apart;
    const bits = this.#cost(symbols, width);
    if (bits >= apart.bits) return apart;
    return { bits, bins: [{ isNegative, base, width, symbols }], symbols };
  }
}

function join(a: Node, b: Node): Node {
  if (a === NOTHING) return b;
  if (b === NOTHING) return a;
  return {
    bits: a.bits + b.bits,
    bins: [...a.bins, ...b.bins],
    symbols: [...a.symbols, ...b.symbols],
  };
}

export interface ChosenModel {
  readonly model: Model;
  readonly symbolBins: Uint8Array;
  readonly bins: readonly Bin[];
}

/** The model for residuals that were counted so. There is at least one. */
export function chooseModel(of: Counts, count: number): ChosenModel {
  let bins: Bin[];
  let binBits = BIN_BITS;
  do {
    bins = new BinTree(of, binBits).bins();
    binBits *= 2;
  } while (bins.length > BINS_MAX);
  const row = CELLS + of.dictionary.length;
  const symbolBins = new Uint8Array(row);
  bins.forEach(({ symbols }, bin) => {
    for (const symbol of symbols) symbolBins[symbol] = bin;
  });
  const needed = Math.max(Math.ceil(Math.log2(bins.length)) + 1, Math.ceil(Math.log2(count)) - 1);
  const tableLog = Math.min(TABLE_LOG_MAX, Math.max(TABLE_LOG_MIN, needed));
  const frequencies = new Uint16Array(of.contexts * bins.length);
  for (let context = 0; context < of.contexts; context++) {
    const binCounts = bins.map(({ symbols }) =>
      symbols.reduce((sum, symbol) => sum + of.counts[context * row + symbol]!, 0),
    );
    frequencies.set(normalize(binCounts, 1 << tableLog), context * bins.length);
  }
  const bases = BigInt64Array.from(bins, (bin) => laneBase(bin.isNegative, bin.base, bin.width));
  const widths = Uint8Array.from(bins, ({ width }) => width);
  return { model: { tableLog, bases, widths, frequencies }, symbolBins, bins };
}

/** Where the values of a bin begin: those below zero end with its base. */
function laneBase(isNegative: boolean, base: bigint, width: number): bigint {
  return BigInt.asIntN(64, isNegative ? 1n - base - (1n << BigInt(width)) : base);
}

/** Frequencies with that sum; none is 0 for a bin that is used. */
function normalize(counts: readonly number[], size: number): number[] {
  const total = counts.reduce((a, b) => a + b, 0);
  if (total === 0) return counts.map((_, bin) => (bin === 0 ? size : 0));
  const scaled = counts.map((count) =>
    count === 0 ? 0 : Math.max(1, Math.round((count * size) / total)),
  );
  let excess = scaled.reduce((a, b) => a + b, 0) - size;
  while (excess !== 0) {
    const largest = scaled.indexOf(Math.max(...scaled));
    const change = excess > 0 ? Math.min(excess, (scaled[largest]! + 1) >> 1) : excess;
    scaled[largest] = scaled[largest]! - change;
    excess -= change;
  }
  return scaled;
}

/** Number of contexts follows from the column, and is not stored. */
export function writeModel({ model, bins }: ChosenModel, target: ByteWriter): void {
  const bits = new BitWriter(target);
  bits.write(model.tableLog - TABLE_LOG_MIN, 3);
  bits.write(bins.length - 1, 8);
  for (const { isNegative, base, width } of bins) {
    const length = base === 0n ? 0 : base.toString(2).length;
    bits.write(isNegative ? 1 : 0, 1);
    bits.write(length, 7);
    bits.write(width, 7);
    const more = Math.max(length - 1 - width, 0);
    bits.writeLong((base >> BigInt(width)) & ((1n << BigInt(more)) - 1n), more);
  }
  for (const frequency of model.frequencies) {
    const length = 32 - Math.clz32(frequency);
    bits.write(length, 4);
    if (length > 1) bits.write(frequency & ((1 << (length - 1)) - 1), length - 1);
  }
  bits.end();
}

export function readModel(source: ByteReader, contexts: number): Model {
  const bits = new BitReader(source);
  const tableLog = bits.read(3) + TABLE_LOG_MIN;
  if (tableLog > TABLE_LOG_MAX) throw corruptChunk("a table is too large");
  const count = bits.read(8) + 1;
  const bases = new BigInt64Array(count);
  const widths = new Uint8Array(count);
  for (let bin = 0; bin < count; bin++) {
    const isNegative = bits.read(1) === 1;
    const length = bits.read(7);
    const width = bits.read(7);
    if (length > 64 || width > 64) throw corruptChunk("a bin is too wide");
    const more = Math.max(length - 1 - width, 0);
    const top = length === 0 ? 0n : 1n << BigInt(length - 1);
    const base = top | (bits.readLong(more) << BigInt(width));
    bases[bin] = laneBase(isNegative, base, width);
    widths[bin] = width;
  }
  const frequencies = new Uint16Array(contexts * count);
  for (let context = 0; context < contexts; context++) {
    let sum = 0;
    for (let bin = 0; bin < count; bin++) {
      const length = bits.read(4);
      const frequency = length === 0 ? 0 : (1 << (length - 1)) | bits.read(length - 1);
      frequencies[context * count + bin] = frequency;
      sum += frequency;
    }
    if (sum !== 1 << tableLog) throw corruptChunk("frequencies have another sum");
  }
  return { tableLog, bases, widths, frequencies };
}
