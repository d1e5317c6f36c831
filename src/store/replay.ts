/** Turns the records of the log back into rows. */
import { HoldfastError, isHoldfastError } from "../base/errors.js";
import { OPERATION } from "../log/format.js";
import { type LogOperation, type LogRecord, walkOperations } from "../log/record.js";
import type { Catalog } from "./catalog.js";

const decoder = new TextDecoder();

export class Replayer {
  readonly #catalog: Catalog;
  #record: LogRecord | undefined;

  constructor(catalog: Catalog) {
    this.#catalog = catalog;
  }

  /** Applies one record. Throws CORRUPT_LOG for what no writer of this program can have written. */
  apply(record: LogRecord): void {
    this.#record = record;
    let wrong: string | undefined;
    try {
      wrong = walkOperations(record, this.#operation);
    } catch (error) {
      // A key or a schema that is none: whoever opens the store has given neither.
      if (!isHoldfastError(error) || error.code === "CORRUPT_LOG") throw error;
      throw malformed(record.sequence, error.message, error);
    }
    if (wrong !== undefined) throw malformed(record.sequence, wrong);
  }

  readonly #operation = (operation: LogOperation): void => {
    const record = this.#record as LogRecord;
    const { keyStart, keyEnd, rowEnd } = operation;
    if (operation.kind === OPERATION.declare) {
      this.#catalog.declare(operation.tableId, this.#parse(record, keyEnd, rowEnd));
      return;
    }
    const table = this.#catalog.byId(operation.tableId);
    if (table === undefined) {
      throw malformed(record.sequence, `table ${operation.tableId} was never declared`);
    }
    const key = table.key.decode(record.bytes, keyStart, keyEnd);
    const mapKey = table.key.mapKey(key);
    if (operation.kind === OPERATION.delete) {
      // Remembered even where no run has the key yet: the next one may end between the put and
      // this.
      table.rows.delete(mapKey, key, record.sequence);
      return;
    }
    // The row stays where it was read to, until it is asked for or its memory is needed.
    const { bytes, sequence } = record;
    table.rows.putBytes(mapKey, key, bytes, keyEnd, rowEnd, sequence, operation.schemaVersion);
  };

  #parse(record: LogRecord, from: number, to: number): unknown {
    try {
      return JSON.parse(decoder.decode(record.bytes.subarray(from, to)));
    } catch (error) {
      throw malformed(record.sequence, "a schema is not JSON", error);
    }
  }
}

function malformed(sequence: number, why: string, cause?: unknown): HoldfastError {
  return new HoldfastError(
    "CORRUPT_LOG",
    `transaction ${sequence} is malformed: ${why}`,
    { sequence },
    cause,
  );
}
