/** Rows to bytes and back, compiled once per version of a table. */
import { HoldfastError } from "../base/errors.js";
import type { TypeNode } from "./field-types.js";
import { inspectKey } from "./key.js";
import { compileRecord, interpretRecord, type RecordCodec } from "./record.js";
import type { TableDefinition } from "./schema.js";
import { ValueProblem } from "./value-problem.js";

/** Where a row belongs, for messages. */
export interface RowContext {
  readonly table: string;
  readonly key: unknown;
}

/** The codec of the rows of one version of one table. */
export interface RowCodec<Row, Input = Row> {
  /** A field, at any depth, holds bytes or a typed array: what cannot be frozen. */
  readonly hasBytes: boolean;

  /**
   * The row as it is stored: every field checked, defaults filled in, decimals at their scale,
   * nested values copied; frozen, all of it, bytes excepted. Throws INVALID_ROW naming table, key
   * and field.
   */
  normalize(input: Input, context: RowContext): Row;

  /**
   * Writes a normalised row as a msgpack array. The position after it, or -1 if it does not fit
   * before `end`; then nothing at or after `end` is touched.
   */
  encode(row: Row, target: Uint8Array, position: number, end: number): number;

  /**
   * Reads the row that takes up the bytes from `position` to `end`, which may be anything. Throws
   * INVALID_ROW naming table and field.
   */
  decode(source: Uint8Array, position: number, end: number): Row;

  /** The row for a caller: itself, or where it has bytes a copy with bytes of its own. */
  copyOut(row: Row): Row;
}

/** Compiles the codec of a table's rows. */
export function compileRow<Row, Input>(
  table: TableDefinition<unknown, Row, Input>,
): RowCodec<Row, Input> {
  return rowCodec(table, compileRecord(table.fields));
}

/** The same from closures only, as where code may not be generated. Exported for the tests. */
export function interpretRow<Row, Input>(
  table: TableDefinition<unknown, Row, Input>,
): RowCodec<Row, Input> {
  return rowCodec(table, interpretRecord(table.fields));
}

function rowCodec<Row, Input>(
  table: TableDefinition<unknown, Row, Input>,
  codec: RecordCodec,
): RowCodec<Row, Input> {
  const hasBytes = table.fields.some(({ type }) => holdsBytes(type));
  const cursor = { position: 0, end: 0 };

  function normalize(input: Input, context: RowContext): Row {
    try {
      return codec.normalize(input) as Row;
    } catch (error) {
      throw refusedInput(error, context);
    }
  }

  function decode(source: Uint8Array, position: number, end: number): Row {
    cursor.position = position;
    cursor.end = Math.min(end, source.length);
    try {
      const row = codec.read(source, cursor) as Row;
      if (cursor.position === end) return row;
      throw new ValueProblem(`${end - cursor.position} bytes follow after the row`);
    } catch (error) {
      throw refusedBytes(error, table, cursor.position);
    }
  }

  return Object.freeze({
    hasBytes,
    normalize,
    encode: codec.encode,
    decode,
    copyOut: hasBytes ? (row: Row) => codec.normalize(row) as Row : (row: Row) => row,
  });
}

export function refusedInput(error: unknown, { table, key }: RowContext): unknown {
  if (!(error instanceof ValueProblem)) return error;
  const field = error.path.slice(1);
  const place = `table "${table}", key ${inspectKey(key)}`;
  return field === ""
    ? new HoldfastError("INVALID_ROW", `${place}: ${error.message}`, { table, key })
    : new HoldfastError("INVALID_ROW", `${place}, field "${field}": ${error.message}`, {
        table,
        key,
        field,
      });
}

function refusedBytes(error: unknown, table: TableDefinition, offset: number): unknown {
  if (!(error instanceof ValueProblem)) return error;
  const field = error.path.slice(1);
  const place = `stored row of table "${table.name}" version ${table.version}`;
  return field === ""
    ? new HoldfastError("INVALID_ROW", `${place}, byte ${offset}: ${error.message}`, {
        table: table.name,
        offset,
      })
    : new HoldfastError(
        "INVALID_ROW",
        `${place}, field "${field}", byte ${offset}: ${error.message}`,
        { table: table.name, field, offset },
      );
}

function holdsBytes(type: TypeNode): boolean {
  switch (type.kind) {
    case "bytes":
    case "array":
      return true;
    case "nullable":
    case "list":
    case "map":
      return holdsBytes(type.item);
    case "record":
      return type.fields.some((field) => holdsBytes(field.type));
    default:
      return false;
  }
}
