/** Rows and batches as callers give them, checked, as columns. */
import { HoldfastError, isHoldfastError } from "../base/errors.js";
import { Decimal } from "../codec/decimal.js";
import { isWellFormed, show } from "../codec/text.js";
import { type ColumnArray, ColumnSet } from "./column-set.js";
import {
  type AnySeries,
  type ColumnKind,
  type ColumnNode,
  SERIES_TEXT_BYTES_MAX,
  TIME,
} from "./definition.js";
import { toFloat64 } from "./int64.js";

const TIME_COLUMN: ColumnNode = {
  name: TIME,
  kind: "timestamp",
  scale: 0,
  allowNonFinite: false,
  defaultValue: undefined,
};

/** The time and the columns behind it, in the order in which they are kept. */
export function allColumns({ columns }: AnySeries): readonly ColumnNode[] {
  return [TIME_COLUMN, ...columns];
}

export function kindsOf(definition: AnySeries): readonly ColumnKind[] {
  return allColumns(definition).map(({ kind }) => kind);
}

/** What is wrong with a value; told to the caller with its series, column and row. */
class BadValue extends Error {}

type Given = Readonly<Record<string, unknown>>;

/** The columns of one row, or of a batch. Throws INVALID_ROW, naming series, column and row. */
export function columnsOf(definition: AnySeries, input: unknown): ColumnSet {
  if (typeof input !== "object" || input === null) {
    throw invalid(definition, undefined, undefined, `a row is an object, got ${show(input)}`);
  }
  const given = input as Given;
  const { time } = given;
  const columns = allColumns(definition);
  checkNames(definition, given, columns);
  if (!isList(time)) return oneRow(definition, given, columns);
  const { length } = time;
  const arrays = columns.map((column) => manyValues(definition, column, given, length));
  return ColumnSet.of(kindsOf(definition), arrays, length);
}

function isList(value: unknown): value is ArrayLike<unknown> {
  return Array.isArray(value) || (ArrayBuffer.isView(value) && !(value instanceof DataView));
}

/** Nothing that a caller says is left out in silence. */
function checkNames(definition: AnySeries, given: Given, columns: readonly ColumnNode[]): void {
  let found = 0;
  for (const { name, defaultValue } of columns) {
    if (Object.hasOwn(given, name)) found++;
    if (given[name] !== undefined || defaultValue !== undefined) continue;
    throw invalid(definition, name, undefined, "the column is missing");
  }
  const names = Object.keys(given);
  if (names.length === found) return;
  const unknown = names.find((name) => !columns.some((column) => column.name === name));
  if (unknown === undefined) return;
  throw invalid(definition, unknown, undefined, "there is no such column");
}

function oneRow(definition: AnySeries, given: Given, columns: readonly ColumnNode[]): ColumnSet {
  const set = new ColumnSet(kindsOf(definition), 1);
  columns.forEach((column, i) => {
    const { name, defaultValue } = column;
    const value = given[name];
    try {
      set.arrays[i]![0] = stored(column, value === undefined ? defaultValue : value) as never;
    } catch (error) {
      throw located(error, definition, name, undefined);
    }
  });
  set.length = 1;
  return set;
}

function manyValues(
  definition: AnySeries,
  column: ColumnNode,
  given: Given,
  length: number,
): ColumnArray {
  const { name } = column;
  const values = given[name];
  if (values === undefined) return filled(column, length);
  if (!isList(values)) {
    const reason = `a batch has a list of values for each column, got ${show(values)}`;
    throw invalid(definition, name, undefined, reason);
  }
  if (values.length !== length) {
    const reason = `it has ${values.length} values, and the batch ${length} rows`;
    throw invalid(definition, name, undefined, reason);
  }
  const typed = typedValues(column, values);
  if (typed !== undefined) return typed;
  const array = emptyFor(column.kind, length);
  for (let i = 0; i < length; i++) {
    try {
      array[i] = stored(column, values[i]) as never;
    } catch (error) {
      throw located(error, definition, name, i);
    }
  }
  return array;
}

/** A copy of typed values that need no look at each; undefined for all others. */
function typedValues(column: ColumnNode, values: unknown): ColumnArray | undefined {
  switch (column.kind) {
    case "int64":
    case "decimal":
      return values instanceof BigInt64Array ? values.slice() : undefined;
    case "float64":
      if (!(values instanceof Float64Array)) return undefined;
      return column.allowNonFinite || values.every(Number.isFinite) ? values.slice() : undefined;
    case "timestamp":
    case "integer": {
      const numbers = values instanceof BigInt64Array ? toFloat64(values) : values;
      if (!(numbers instanceof Float64Array) || !numbers.every(Number.isSafeInteger)) {
        return undefined;
      }
      // A zero has one form.
      return numbers.map((value) => value + 0);
    }
    case "boolean": {
      if (!(values instanceof Uint8Array)) return undefined;
      return values.every((value) => value <= 1) ? values.slice() : undefined;
    }
    default:
      return undefined;
  }
}

function emptyFor(kind: ColumnKind, length: number): ColumnArray {
  return new ColumnSet([kind], length).arrays[0]!;
}

/** So many times the default of a column. */
export function filled(column: ColumnNode, length: number): ColumnArray {
  const array = emptyFor(column.kind, length);
  const value = stored(column, column.defaultValue);
  for (let i = 0; i < length; i++) array[i] = value as never;
  return array;
}

const INT64_MIN = -(2n ** 63n);
const INT64_MAX = 2n ** 63n - 1n;

/** A value as it stands in the array of its column. Throws BadValue. */
function stored(column: ColumnNode, value: unknown): number | bigint | string {
  switch (column.kind) {
    case "timestamp":
    case "integer":
      if (Number.isSafeInteger(value)) return (value as number) + 0;
      throw new BadValue(`expected a safe integer, got ${show(value)}`);
    case "int64":
      if (typeof value === "bigint" && BigInt.asIntN(64, value) === value) return value;
      throw new BadValue(`expected a bigint of 64 bits, signed, got ${show(value)}`);
    case "float64":
      return storedFloat(column, value);
    case "boolean":
      if (typeof value === "boolean") return Number(value);
      throw new BadValue(`expected a boolean, got ${show(value)}`);
    case "decimal":
      return storedDecimal(column, value);
    default:
      return storedText(value);
  }
}

function storedFloat({ allowNonFinite }: ColumnNode, value: unknown): number {
  if (typeof value !== "number") throw new BadValue(`expected a number, got ${show(value)}`);
  if (allowNonFinite || Number.isFinite(value)) return value;
  throw new BadValue(`${value} is not finite; float64({ allowNonFinite: true }) takes it`);
}

function storedDecimal({ scale }: ColumnNode, value: unknown): bigint {
  if (typeof value !== "string" && !(value instanceof Decimal)) {
    const expected = "expected a decimal, as a string or a Decimal: a float is not exact";
    throw new BadValue(`${expected}, got ${show(value)}`);
  }
  const coefficient = BigInt(exactly(value, scale).coefficient);
  if (INT64_MIN <= coefficient && coefficient <= INT64_MAX) return coefficient;
  throw new BadValue(`${value} has more digits than 64 bits hold at scale ${scale}`);
}

function exactly(value: string | Decimal, scale: number): Decimal {
  try {
    return Decimal.of(value, scale);
  } catch (error) {
    if (isHoldfastError(error)) throw new BadValue(error.message);
    throw error;
  }
}

function storedText(value: unknown): string {
  if (typeof value !== "string") throw new BadValue(`expected a string, got ${show(value)}`);
  if (!isWellFormed(value)) throw new BadValue(`${show(value)} contains a lone surrogate`);
  if (3 * value.length <= SERIES_TEXT_BYTES_MAX) return value;
  const bytes = Buffer.byteLength(value);
  if (bytes <= SERIES_TEXT_BYTES_MAX) return value;
  throw new BadValue(`a text of ${bytes} bytes; the most is ${SERIES_TEXT_BYTES_MAX}`);
}

function located(error: unknown, definition: AnySeries, field: string, row: number | undefined) {
  return error instanceof BadValue ? invalid(definition, field, row, error.message) : error;
}

function invalid(
  { name }: AnySeries,
  field: string | undefined,
  row: number | undefined,
  reason: string,
): HoldfastError {
  const column = field === undefined ? "" : `, column "${field}"`;
  const place = row === undefined ? "" : `, row ${row} of the batch`;
  return new HoldfastError("INVALID_ROW", `series "${name}"${column}${place}: ${reason}`, {
    series: name,
    ...(field !== undefined && { field }),
  });
}
