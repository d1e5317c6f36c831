/** What a read of a series gives: a typed array for each column, and no object for a row. */
import { HoldfastError } from "../base/errors.js";
import { Decimal } from "../codec/decimal.js";
import type { ColumnArray } from "./column-set.js";
import type { ArrayOf, ColumnNode, SeriesRow } from "./definition.js";
import { toFloat64 } from "./int64.js";

/** Typed arrays by the names of their columns. */
export type ArraysOf<Values> = { readonly [K in keyof Values]: ArrayOf<Values[K]> };

/**
 * Rows of a series in the order of their times, or buckets of `resample`. A copy: whatever is done
 * with it, the store stays as it is.
 */
export class SeriesSlice<Values> {
  /** Number of rows. */
  readonly length: number;
  /** Microseconds since 1970: whole numbers, in ascending order. */
  readonly time: Float64Array;
  /**
   * The values: `Float64Array` for float64, integer and timestamp, `BigInt64Array` for int64 and,
   * at the scale of the column, for decimals, `Uint8Array` (0 and 1) for booleans, and a list of
   * strings.
   */
  readonly columns: ArraysOf<Values>;
  readonly #nodes: readonly ColumnNode[];

  /** @internal */
  constructor(nodes: readonly ColumnNode[], arrays: readonly ColumnArray[]) {
    this.time = arrays[0] as Float64Array;
    this.length = this.time.length;
    this.#nodes = nodes;
    const named = nodes.map(({ name }, i) => [name, arrays[i + 1]]);
    this.columns = Object.freeze(Object.fromEntries(named)) as ArraysOf<Values>;
  }

  /**
   * A column of numbers or decimals as floats, each the nearest to its value: for indicators and
   * drawings. Throws INVALID_ARGUMENT for a column that is not among those read, or has no numbers.
   */
  numbers(name: keyof Values & string): Float64Array {
    const node = this.#nodes.find((one) => one.name === name);
    const values = node && (this.columns[node.name as keyof Values] as ColumnArray);
    if (values instanceof Float64Array) return values;
    if (node === undefined || !(values instanceof BigInt64Array)) {
      throw new HoldfastError(
        "INVALID_ARGUMENT",
        `"${name}" is no column of numbers that was read`,
      );
    }
    const floats = toFloat64(values);
    const power = 10 ** node.scale;
    for (let i = 0; i < floats.length; i++) {
      const float = floats[i] as number;
      // A division of two exact floats rounds once; beyond them it takes the exact way.
      floats[i] = Number.isSafeInteger(float)
        ? float / power
        : Decimal.fromCoefficient(values[i] as bigint, node.scale).toNumber();
    }
    return floats;
  }

  /** One row as an object, decimals as `Decimal`; undefined where there is none of that number. */
  row(i: number): SeriesRow<Values> | undefined {
    if (!(i >= 0 && i < this.length && Number.isInteger(i))) return undefined;
    const row: Record<string, unknown> = { time: this.time[i] };
    for (const node of this.#nodes) {
      row[node.name] = valueIn(node, this.columns[node.name as keyof Values] as ColumnArray, i);
    }
    return Object.freeze(row) as SeriesRow<Values>;
  }

  /** Every row as an object, for the convenience of small slices. */
  *rows(): IterableIterator<SeriesRow<Values>> {
    for (let i = 0; i < this.length; i++) yield this.row(i) as SeriesRow<Values>;
  }
}

function valueIn({ kind, scale }: ColumnNode, values: ColumnArray, i: number): unknown {
  const value = values[i];
  if (kind === "boolean") return value === 1;
  if (kind === "decimal") return Decimal.fromCoefficient(value as bigint, scale);
  return value;
}
