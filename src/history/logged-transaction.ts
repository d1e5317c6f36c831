/** A transaction of the log, as callers see it. */
import { HoldfastError, isHoldfastError } from "../base/errors.js";
import type { PatchedFields } from "../codec/patch-read.js";
import { type Annotation, annotationOf } from "../log/annotation.js";
import { OPERATION } from "../log/format.js";
import { type LogOperation, type LogRecord, walkOperations } from "../log/record.js";
import type { StoredRow, StoredTable, StoredTables } from "./stored-tables.js";

/** What one operation of a transaction did. */
export type LoggedOperation =
  | {
      readonly kind: "put";
      readonly table: string;
      readonly version: number;
      readonly key: unknown;
      readonly row: StoredRow;
    }
  /** Some fields of a row became others; what it became is in `history` and in states after it. */
  | {
      readonly kind: "patch";
      readonly table: string;
      readonly version: number;
      readonly key: unknown;
      /** Each with its new value; of bytes and typed arrays a list of the slices that changed. */
      readonly fields: PatchedFields;
    }
  | { readonly kind: "delete"; readonly table: string; readonly key: unknown }
  /** A table, or a version of one, became known. */
  | { readonly kind: "declare"; readonly table: string; readonly version: number };

/** With what it says of itself; what was not given is absent. */
export interface LoggedTransaction extends Annotation {
  readonly sequence: number;
  /** Microseconds since 1970; never less than that of the one before. */
  readonly timeMicros: number;
  /** `writerId` of the program that wrote it. */
  readonly writer: string;
  /** In the order in which they happened. */
  readonly operations: readonly LoggedOperation[];
}

/** `wants` leaves operations of other tables out, undecoded. Throws CORRUPT_LOG. */
export function decodeTransaction(
  record: LogRecord,
  writer: string,
  tables: StoredTables,
  wants: (table: string) => boolean = () => true,
): LoggedTransaction {
  const operations: LoggedOperation[] = [];
  const { sequence, timeMicros } = record;
  eachOperation(record, tables, (table, operation) => {
    if (wants(table.name)) operations.push(decodeOperation(record, table, operation, tables));
  });
  return { sequence, timeMicros, writer, ...annotationOf(record), operations };
}

/** Makes known what a record declares, and nothing else of it. Throws CORRUPT_LOG. */
export function declareTables(record: LogRecord, tables: StoredTables): void {
  eachOperation(record, tables, () => {});
}

/** Visits the operations, those that declare a table once it is declared. Throws CORRUPT_LOG. */
export function eachOperation(
  record: LogRecord,
  tables: StoredTables,
  visit: (table: StoredTable, operation: LogOperation) => void,
): void {
  const { sequence } = record;
  const wrong = walkOperations(record, (operation) => {
    if (operation.kind === OPERATION.declare) declare(record, operation, tables);
    const table = tables.byId(operation.tableId);
    if (table === undefined) {
      throw malformed(sequence, `table ${operation.tableId} was never declared`);
    }
    visit(table, operation);
  });
  if (wrong !== undefined) throw malformed(sequence, wrong);
}

function decodeOperation(
  { bytes }: LogRecord,
  table: StoredTable,
  { kind, keyStart, keyEnd, rowEnd, schemaVersion: version }: LogOperation,
  tables: StoredTables,
): LoggedOperation {
  const { name } = table;
  if (kind === OPERATION.declare) return { kind: "declare", table: name, version };
  const key = tables.decodeKey(table, bytes, keyStart, keyEnd);
  if (kind === OPERATION.delete) return { kind: "delete", table: name, key };
  if (kind === OPERATION.patch) {
    const fields = tables.decodePatch(table, version, bytes, keyEnd, rowEnd);
    return { kind: "patch", table: name, version, key, fields };
  }
  const row = tables.decodeRow(table, version, bytes, keyEnd, rowEnd);
  return { kind: "put", table: name, version, key, row };
}

function declare(record: LogRecord, operation: LogOperation, tables: StoredTables): void {
  const { keyEnd, rowEnd, tableId } = operation;
  const text = Buffer.from(record.bytes.subarray(keyEnd, rowEnd)).toString("utf8");
  try {
    tables.declare(tableId, JSON.parse(text));
  } catch (error) {
    if (!(error instanceof SyntaxError) && !isHoldfastError(error)) throw error;
    throw malformed(record.sequence, "a schema is not one", error);
  }
}

function malformed(sequence: number, why: string, cause?: unknown): HoldfastError {
  const message = `transaction ${sequence} is malformed: ${why}`;
  return new HoldfastError("CORRUPT_LOG", message, { sequence }, cause);
}
