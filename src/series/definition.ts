/** Series: name, columns, capacity and policies, checked once and then frozen. */
import { HoldfastError } from "../base/errors.js";
import { NAME_BYTES_MAX } from "../base/limits.js";
import type { Decimal } from "../codec/decimal.js";
import { type Fields, fieldNodes, type InputOfFields, type RowOfFields } from "../codec/schema.js";
import { checkedFields } from "../codec/schema-check.js";
import { show } from "../codec/text.js";

/** Columns of a series, its time apart: a chunk of so many texts still fits a row. */
const SERIES_COLUMNS_MAX = 63;

/** UTF-8 bytes of one text in a series: symbols, venues, conditions; no documents. */
export const SERIES_TEXT_BYTES_MAX = 255;

/** Name of the column that every series has. */
export const TIME = "time";

/** Rows of a sealed chunk: bounds, and what is good for most. */
const CHUNK_ROWS_MIN = 16;
const CHUNK_ROWS_MAX = 65_536;
const CHUNK_ROWS_DEFAULT = 4_096;

/** Less would be full before the first chunk is sealed. */
const CAPACITY_BYTES_MIN = 65_536;

/** What of a column decides how it is kept. */
export type ColumnKind =
  | "timestamp"
  | "integer"
  | "int64"
  | "decimal"
  | "float64"
  | "boolean"
  | "string";

const KINDS: readonly unknown[] = [
  ...["timestamp", "integer", "int64", "decimal", "float64", "boolean", "string"],
];

/** A column as data. */
export interface ColumnNode {
  readonly name: string;
  readonly kind: ColumnKind;
  /** Digits after the point; 0 for all but decimals. */
  readonly scale: number;
  /** For float64: NaN and the infinities are values like any other. */
  readonly allowNonFinite: boolean;
  /** Stands in rows that were written without the column; undefined: there may be none. */
  readonly defaultValue: unknown;
}

/** How much a series keeps before it forgets its oldest rows; the tightest bound counts. */
export interface SeriesCapacity {
  /** The newest so many rows. */
  readonly rows?: number;
  /**
   * Sealed chunks, as they are stored, in bytes: at least 65,536. They are forgotten one by one,
   * but never the newest.
   */
  readonly bytes?: number;
  /** Rows whose time is at most so many microseconds before that of the newest row. */
  readonly ageMicros?: number;
}

/**
 * What becomes of a row whose time is before that of the newest row. "reject": LATE_ROW, and
 * nothing of the append is written. "insert": it stands where it belongs, behind rows of the same
 * time; among sealed rows that makes their chunk anew. "drop": it is left out, and not counted in
 * what `append` returns.
 */
export type LatePolicy = "reject" | "insert" | "drop";

declare const TYPES: unique symbol;

/** A series as `defineSeries` makes it. Frozen, all of it. */
export interface SeriesDefinition<Values = unknown, Input = unknown> {
  readonly name: string;
  readonly tier: "critical" | "important";
  /** Without the time. */
  readonly columns: readonly ColumnNode[];
  readonly capacity: SeriesCapacity;
  readonly late: LatePolicy;
  readonly chunkRows: number;
  /** Exists for type inference only. */
  readonly [TYPES]?: { readonly values: Values; readonly input: Input };
}

// biome-ignore lint/suspicious/noExplicitAny: series of different types
export type AnySeries = SeriesDefinition<any, any>;

/** What `defineSeries` takes. */
export interface SeriesOptions<C extends Fields> {
  /** Letters, digits, "_", "." and "-"; begins with a letter or "_". */
  readonly name: string;
  /**
   * Typed columns beside `time` (microseconds since 1970, a safe integer), which every series has:
   * `float64`, `integer`, `int64`, `decimal`, `timestamp`, `boolean`, and `string` up to 255 bytes.
   * New ones are added at the end, with `withDefault`, which says what older rows have.
   */
  readonly columns: C;
  /** Default: nothing is ever forgotten. */
  readonly capacity?: SeriesCapacity;
  /** Default: "reject". */
  readonly late?: LatePolicy;
  /** When an append is acknowledged, as for tables. Default: "critical". */
  readonly tier?: "critical" | "important";
  /** Rows of a sealed chunk: 16 to 65,536, fewer where rows are wide. Default: 4,096. */
  readonly chunkRows?: number;
}

/** Typed values of a column, one a row. Decimals are integers at the scale of the column. */
export type ArrayOf<Value> = Value extends number
  ? Float64Array
  : Value extends bigint | Decimal
    ? BigInt64Array
    : Value extends boolean
      ? Uint8Array
      : readonly string[];

type BatchValues<Input> = [Input] extends [string]
  ? readonly string[]
  : [Input] extends [boolean]
    ? readonly boolean[] | Uint8Array
    : [Input] extends [number]
      ? readonly number[] | Float64Array | BigInt64Array
      : [Input] extends [bigint]
        ? readonly bigint[] | BigInt64Array
        : readonly Input[] | BigInt64Array;

/** One row as it may be appended. */
export type SeriesInput<Input> = { readonly time: number } & Input;

/** Many rows as they may be appended: for each column its values. */
export type SeriesBatch<Input> = {
  readonly time: readonly number[] | Float64Array | BigInt64Array;
} & {
  readonly [K in keyof Input]: BatchValues<Exclude<Input[K], undefined>>;
};

/** One row as it is read. */
export type SeriesRow<Values> = { readonly time: number } & Values;

const OPTION_NAMES = ["name", "columns", "capacity", "late", "tier", "chunkRows"];
const CAPACITY_NAMES = ["rows", "bytes", "ageMicros"];
const NAME = /^[A-Za-z_][A-Za-z0-9_.-]*$/;

/** Defines a series. Throws INVALID_SCHEMA, naming series and column, for what cannot be kept. */
export function defineSeries<const C extends Fields>(
  options: SeriesOptions<C>,
): SeriesDefinition<RowOfFields<C>, InputOfFields<C>> {
  const { name, columns, capacity = {}, late = "reject", tier = "critical" } = options;
  const { chunkRows = CHUNK_ROWS_DEFAULT } = options;
  if (typeof name !== "string" || name.length > NAME_BYTES_MAX || !NAME.test(name)) {
    throw new HoldfastError(
      "INVALID_SCHEMA",
      `${show(name)} is not a name of a series: letters, digits, "_", "." and "-", beginning ` +
        `with a letter or "_", at most ${NAME_BYTES_MAX}`,
    );
  }
  for (const option of Object.keys(options)) {
    if (!OPTION_NAMES.includes(option)) throw refused(name, `unknown option "${option}"`);
  }
  checkOneOf(name, "late", late, ["reject", "insert", "drop"]);
  checkOneOf(name, "tier", tier, ["critical", "important"]);
  checkWhole(name, "chunkRows", chunkRows, CHUNK_ROWS_MIN, CHUNK_ROWS_MAX);
  checkCapacity(name, capacity);
  return Object.freeze({
    name,
    tier,
    columns: Object.freeze(columnNodes(name, columns)),
    capacity: Object.freeze({ ...capacity }),
    late,
    chunkRows,
  });
}

function columnNodes(series: string, columns: Fields): ColumnNode[] {
  const fields = checkedFields(`series ${series}`, fieldNodes(columns));
  if (fields.length === 0) throw refused(series, "a series has a column beside its time");
  if (fields.length > SERIES_COLUMNS_MAX) {
    throw refused(series, `a series has at most ${SERIES_COLUMNS_MAX} columns`);
  }
  return fields.map(({ name, type, defaultValue, was }) => {
    const { kind } = type;
    if (name === TIME) throw refused(series, "every series has a time: it is not named", name);
    if (was !== undefined) throw refused(series, "a column keeps its name", name);
    if (!KINDS.includes(kind)) throw refused(series, `a column cannot be a ${kind}`, name);
    return Object.freeze({
      name,
      kind: kind as ColumnKind,
      scale: "scale" in type ? type.scale : 0,
      allowNonFinite: "allowNonFinite" in type && type.allowNonFinite,
      defaultValue,
    });
  });
}

function checkCapacity(series: string, capacity: unknown): asserts capacity is SeriesCapacity {
  if (typeof capacity !== "object" || capacity === null) {
    throw refused(series, "capacity is { rows, bytes, ageMicros }, or some of these");
  }
  for (const [name, value] of Object.entries(capacity)) {
    if (!CAPACITY_NAMES.includes(name)) throw refused(series, `unknown capacity "${name}"`);
    const least = name === "bytes" ? CAPACITY_BYTES_MIN : 1;
    checkWhole(series, `capacity.${name}`, value, least, Number.MAX_SAFE_INTEGER);
  }
}

function checkWhole(series: string, name: string, value: unknown, least: number, most: number) {
  if (Number.isSafeInteger(value) && least <= (value as number) && (value as number) <= most)
    return;
  throw refused(series, `${name} is an integer from ${least} to ${most}, got ${show(value)}`);
}

function checkOneOf(series: string, name: string, value: unknown, values: readonly string[]) {
  if (values.includes(value as string)) return;
  throw refused(series, `${name} is one of ${values.join(", ")}, got ${show(value)}`);
}

function refused(series: string, reason: string, field?: string): HoldfastError {
  const place = field === undefined ? "" : `, column "${field}"`;
  return new HoldfastError("INVALID_SCHEMA", `series "${series}"${place}: ${reason}`, {
    series,
    ...(field !== undefined && { field }),
  });
}
