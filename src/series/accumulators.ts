/** What is kept of the rows of a bucket, for one column. */
import { HoldfastError } from "../base/errors.js";
import { type ColumnArray, ColumnSet } from "./column-set.js";
import type { ColumnKind, ColumnNode } from "./definition.js";
import { sumOf, toInt64 } from "./int64.js";

export type Operation = "first" | "last" | "min" | "max" | "sum" | "count";

export type Values = ColumnArray | readonly string[];

/** What rows [from, to) make of what was kept of the bucket; undefined for the first of them. */
type Fold = (kept: unknown, values: Values, from: number, to: number) => unknown;

const least: Fold = (kept, values, from, to) => {
  const numbers = values as Float64Array;
  let min = (kept ?? numbers[from]) as number;
  for (let i = from; i < to; i++) {
    const value = numbers[i] as number;
    // Nothing is less than NaN, which is there only until there is a number.
    if (value < min || Number.isNaN(min)) min = value;
  }
  return min;
};

const greatest: Fold = (kept, values, from, to) => {
  const numbers = values as Float64Array;
  let max = (kept ?? numbers[from]) as number;
  for (let i = from; i < to; i++) {
    const value = numbers[i] as number;
    if (value > max || Number.isNaN(max)) max = value;
  }
  return max;
};

/** From the first row to the last: another order would round elsewhere. */
const floatSum: Fold = (kept, values, from, to) => {
  let sum = (kept ?? 0) as number;
  for (let i = from; i < to; i++) sum += (values as Float64Array)[i] as number;
  return sum;
};

const exactSum: Fold = (kept, values, from, to) => {
  const sum = (kept ?? 0n) as bigint;
  if (values instanceof BigInt64Array) return sum + sumOf(values, from, to);
  return sum + sumOf(toInt64(values as Float64Array, from, to), 0, to - from);
};

function foldOf(kind: ColumnKind, operation: Operation): Fold {
  switch (operation) {
    case "first":
      return (kept, values, from) => kept ?? values[from];
    case "last":
      return (_kept, values, _from, to) => values[to - 1];
    case "count":
      return (kept, _values, from, to) => ((kept ?? 0) as number) + to - from;
    case "min":
      return least;
    case "max":
      return greatest;
    default:
      return kind === "float64" ? floatSum : exactSum;
  }
}

/** Buckets one behind the other; every one is begun before rows are added to it. */
export class Accumulator {
  readonly #series: string;
  readonly #node: ColumnNode;
  readonly #fold: Fold;
  readonly #isSum: boolean;
  readonly #kept: unknown[] = [];

  constructor(series: string, node: ColumnNode, operation: Operation) {
    this.#series = series;
    this.#node = node;
    this.#fold = foldOf(node.kind, operation);
    this.#isSum = operation === "sum" && node.kind !== "float64";
  }

  /** The next bucket. */
  begin(): void {
    this.#kept.push(undefined);
  }

  /** Rows [from, to) belong to the bucket that was begun last; there is one at least. */
  add(values: Values, from: number, to: number): void {
    const bucket = this.#kept.length - 1;
    this.#kept[bucket] = this.#fold(this.#kept[bucket], values, from, to);
  }

  /** A bound of a chunk as values of the column. */
  asValues(bound: bigint): Values {
    const isBig = this.#node.kind === "int64" || this.#node.kind === "decimal";
    return isBig ? BigInt64Array.of(bound) : Float64Array.of(Number(bound));
  }

  /** One value a bucket. Throws TOO_LARGE for a sum that the column cannot hold. */
  result(): ColumnArray {
    const kept = this.#isSum ? this.#kept.map((sum) => this.#fitting(sum as bigint)) : this.#kept;
    const [array] = new ColumnSet([this.#node.kind], kept.length).arrays as [ColumnArray];
    for (let i = 0; i < kept.length; i++) array[i] = kept[i] as never;
    return Array.isArray(array) ? array : array.subarray(0, kept.length);
  }

  #fitting(sum: bigint): bigint | number {
    const isBig = this.#node.kind === "int64" || this.#node.kind === "decimal";
    if (isBig && BigInt.asIntN(64, sum) === sum) return sum;
    if (!isBig && Number.isSafeInteger(Number(sum))) return Number(sum);
    throw new HoldfastError(
      "TOO_LARGE",
      `series "${this.#series}": the sum "${this.#node.name}" of a bucket is ${sum}, more than ` +
        `${isBig ? "64 bits hold" : "a number holds exactly"}`,
      { series: this.#series, field: this.#node.name },
    );
  }
}
