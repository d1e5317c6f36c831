/**
 * Chooses how a column becomes residuals: from a sample, by what its residuals would take. Nothing
 * here has to be exact: a bad choice costs bytes, never a value.
 */
import { CONTEXTS } from "./format.js";
import { CELLS, cellOfNumber, cellWidth } from "./tokens.js";

/** Stretches of neighbouring rows. The first two rows of each are there for their differences. */
const STRETCHES = 8;
const STRETCH_ROWS = 130;
/** Of short chunks fewer: looking at them would take longer than coding them. */
const STRETCH_ROWS_MIN = 66;
const SHORT_ROWS = 16_384;
/** So far back are columns looked at as references and contexts. */
const REACH = 12;
/** A reference or a context has to save so many bits of each value, for what it costs to read. */
const WORTH_BITS = 0.06;

/** The rows that are looked at, for all columns the same. */
export class Sample {
  readonly starts: readonly number[];
  readonly rows: number;

  constructor(count: number) {
    if (count <= STRETCHES * STRETCH_ROWS) {
      this.starts = [0];
      this.rows = count;
      return;
    }
    this.rows = count < SHORT_ROWS ? STRETCH_ROWS_MIN : STRETCH_ROWS;
    const apart = (count - this.rows) / (STRETCHES - 1);
    this.starts = Array.from({ length: STRETCHES }, (_, i) => Math.floor(i * apart));
  }

  /** Lanes as numbers: exact below 2^53. */
  of(lanes: BigInt64Array): Float64Array {
    const values = new Float64Array(this.starts.length * this.rows);
    let at = 0;
    for (const start of this.starts) {
      for (let i = start; i < start + this.rows; i++) values[at++] = Number(lanes[i]!);
    }
    return values;
  }

  /** Differences within stretches; the first value of each is not a number. */
  differences(values: Float64Array): Float64Array {
    const out = new Float64Array(values.length);
    for (let i = 0; i < values.length; i++) {
      out[i] = i % this.rows === 0 ? Number.NaN : values[i]! - values[i - 1]!;
    }
    return out;
  }
}

/** A column that others may refer to. */
export interface Sampled {
  readonly values: Float64Array;
  /** Kinds of the differences, as `classify` of the kernels tells them. */
  readonly classes: Uint8Array;
  /** Its lanes can be divided as numbers. */
  readonly isSafe: boolean;
  /** Its lanes are a quantity, that others may be near. */
  readonly isNumeric: boolean;
}

export function classesOf(differences: Float64Array): Uint8Array {
  const classes = new Uint8Array(differences.length);
  for (let i = 0; i < classes.length; i++) {
    const d = differences[i]!;
    classes[i] = d < 0 ? 0 : d > 0 ? (d < 64 ? 2 : 3) : 1;
  }
  return classes;
}

export interface Transform {
  /** 0: as it is, 1: differences, 2: differences of differences. */
  readonly order: number;
  readonly reference: number | undefined;
  readonly context: number | undefined;
}

export interface Choice extends Transform {
  /** Bits of a value, about. */
  readonly bits: number;
  /** The sample's residuals. */
  readonly residuals: Float64Array;
}

const counts = new Uint32Array(CONTEXTS * CELLS);

/** Bits of a residual, by its cell: entropy and what is left within the cell; and of the model. */
export function estimate(residuals: Float64Array, classes?: Uint8Array): number {
  const totals = new Float64Array(CONTEXTS);
  const used: number[] = [];
  let [bits, total] = [0, 0];
  for (let i = 0; i < residuals.length; i++) {
    const residual = residuals[i]!;
    if (Number.isNaN(residual)) continue;
    const cell = cellOfNumber(residual);
    const context = classes === undefined ? 0 : classes[i]!;
    const at = context * CELLS + cell;
    if (counts[at] === 0) used.push(at);
    counts[at] = counts[at]! + 1;
    totals[context] = totals[context]! + 1;
    bits += cellWidth(cell);
    total++;
  }
  if (total === 0) return 0;
  for (const sum of totals) if (sum > 0) bits += sum * Math.log2(sum);
  for (const at of used) {
    const count = counts[at]!;
    // The sample sees many cells once that have others beside them: as if they were one more.
    bits -= count * Math.log2(count) - 0.7;
    counts[at] = 0;
  }
  return bits / total;
}

function minus(values: Float64Array, reference: Float64Array, divisor: number): Float64Array {
  const out = new Float64Array(values.length);
  for (let i = 0; i < out.length; i++) {
    out[i] = values[i]! - (divisor === 1 ? reference[i]! : Math.floor(reference[i]! / divisor));
  }
  return out;
}

/**
 * For the column whose values, scaled, are these. `before` are the columns before it. It was
 * divided by `divisor`, and so are references.
 */
export function chooseTransform(
  sample: Sample,
  values: Float64Array,
  divisor: number,
  before: readonly (Sampled | undefined)[],
): Choice {
  let best = bestOrder(sample, values);
  const first = Math.max(0, before.length - REACH);
  if (best.bits < WORTH_BITS) return best;
  for (let i = first; i < before.length; i++) {
    const other = before[i];
    if (other === undefined || !other.isNumeric || (divisor !== 1 && !other.isSafe)) continue;
    const one = ofReference(sample, minus(values, other.values, divisor), i, best.bits);
    if (one.bits < best.bits - WORTH_BITS) best = one;
  }
  for (let i = first; i < before.length; i++) {
    const other = before[i];
    if (other === undefined) continue;
    const bits = estimate(best.residuals, other.classes);
    const gain = best.context === undefined ? WORTH_BITS : 0;
    if (bits < best.bits - gain) best = { ...best, context: i, bits };
  }
  return best;
}

function choiceOf(order: number, residuals: Float64Array, reference?: number): Choice {
  return { order, reference, context: undefined, bits: estimate(residuals), residuals };
}

/** One order more has to be better than chance. */
const ORDER_BITS = 0.01;

/** Where differences are no better than values, theirs are not looked at. */
function bestOrder(sample: Sample, values: Float64Array): Choice {
  let best = choiceOf(0, values);
  for (let order = 1; order <= 2; order++) {
    const one = choiceOf(order, sample.differences(best.residuals));
    if (one.bits >= best.bits - ORDER_BITS) break;
    best = one;
  }
  return best;
}

/** Distances from a reference change slowly if it is any good: their differences tell first. */
function ofReference(
  sample: Sample,
  distances: Float64Array,
  reference: number,
  bound: number,
): Choice {
  const differences = choiceOf(1, sample.differences(distances), reference);
  if (differences.bits > 2 * bound) return differences;
  const plain = choiceOf(0, distances, reference);
  return plain.bits <= differences.bits + ORDER_BITS ? plain : differences;
}

const DICTIONARY_MAX = 96;

/** Values that come again and again, and are worth a bin of their own. */
export function chooseDictionary(residuals: Float64Array): BigInt64Array {
  const times = new Map<number, number>();
  for (const value of residuals) {
    if (Math.abs(value) >= 16 && Math.abs(value) < 2 ** 53) {
      times.set(value, (times.get(value) ?? 0) + 1);
    }
  }
  const often = [...times].filter(([, count]) => count >= 3).sort((a, b) => b[1] - a[1]);
  return BigInt64Array.from(often.slice(0, DICTIONARY_MAX), ([value]) => BigInt(value));
}
