/** Turns the records of the log back into rows. */
import { HoldfastError } from "../base/errors.js";
import { OPERATION } from "../log/format.js";
import { type LogOperation, type LogRecord, walkOperations } from "../log/record.js";
import { Arena } from "../memtable/arena.js";
import type { Catalog } from "./catalog.js";

export class Replayer {
  readonly #catalog: Catalog;
  readonly #arena = new Arena();
  #source: Buffer = Buffer.alloc(0);
  #record: LogRecord | undefined;

  constructor(catalog: Catalog) {
    this.#catalog = catalog;
  }

  /** Applies one record. Throws CORRUPT_LOG for what no writer of this program can have written. */
  apply(record: LogRecord): void {
    if (this.#record?.bytes !== record.bytes) {
      const { buffer, byteOffset, byteLength } = record.bytes;
      this.#source = Buffer.from(buffer, byteOffset, byteLength);
    }
    this.#record = record;
    const wrong = walkOperations(record, this.#operation);
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
    const arena = this.#arena;
    arena.copy(this.#source, keyEnd, rowEnd);
    table.rows.putBytes(mapKey, key, arena.bytes, arena.start, arena.end, record.sequence);
  };

  #parse(record: LogRecord, from: number, to: number): unknown {
    try {
      return JSON.parse(this.#source.toString("utf8", from, to));
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
