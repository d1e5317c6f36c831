/** What became of one key, transaction by transaction. */

import { HoldfastError } from "../base/errors.js";
import { applyPatch } from "../codec/row-patch.js";
import type { LogSource } from "../history/log-source.js";
import { eachOperation } from "../history/logged-transaction.js";
import type { StoredRow, StoredTable, StoredTables } from "../history/stored-tables.js";
import { type Annotation, annotationOf } from "../log/annotation.js";
import { OPERATION } from "../log/format.js";
import type { LogRecord } from "../log/record.js";
import { compareBytes } from "../run/entries.js";
import { newRowPlace } from "../run/run-file.js";
import { TABLE_ID_BYTES, writeTableId } from "./layers.js";
import { openBase } from "./past-state.js";

/** The key is looked up in runs once, and never again. */
const CACHE_BYTES = 1024 * 1024;

/** One change of one key, with what its transaction says of itself. */
export interface RowChange extends Annotation {
  /** Of the transaction that made it. */
  readonly sequence: number;
  /** Microseconds since 1970. */
  readonly timeMicros: number;
  readonly writer: string;
  /** Undefined if there was no row. */
  readonly before: StoredRow | undefined;
  /** False where what was before is not in the history that is kept: `before` says nothing then. */
  readonly beforeIsKnown: boolean;
  /** Undefined if it was deleted. */
  readonly after: StoredRow | undefined;
  /** False where it changed some fields of a row that is not known: `after` says nothing then. */
  readonly afterIsKnown: boolean;
}

/** A row as it is stored, of its version. */
interface Bytes {
  readonly version: number;
  readonly bytes: Uint8Array;
}

export class KeyHistory {
  readonly #tables: StoredTables;
  readonly #table: StoredTable;
  /** With the table's id in front. */
  readonly #fullKey: Uint8Array;
  #row: Bytes | undefined;
  #isKnown = true;

  constructor(tables: StoredTables, table: StoredTable, fullKey: Uint8Array) {
    this.#tables = tables;
    this.#table = table;
    this.#fullKey = fullKey;
    writeTableId(fullKey, table.id);
  }

  /**
   * Finds the row before transaction `from`, as far as it can be told; `oldest` is the first one of
   * the log. Returns the transaction with which reading the log has to begin.
   */
  async begin(source: LogSource, from: number, oldest: number | undefined): Promise<number> {
    const { runs, through } = await openBase(source, from - 1, CACHE_BYTES);
    try {
      if (through + 1 < from && (oldest === undefined || oldest > through + 1)) {
        this.#isKnown = false;
        return from;
      }
      const place = newRowPlace();
      const key = this.#fullKey;
      if (runs.get(key, key.length, place) && place.end >= 0) {
        const { block, start, end, schemaVersion } = place;
        const bytes = new Uint8Array(block.subarray(start, end));
        this.#row = { version: schemaVersion, bytes };
      }
      return through + 1;
    } finally {
      await runs.release();
    }
  }

  /** The changes that a transaction makes; of those of one transaction the last one counts. */
  take(record: LogRecord, writer: string): RowChange[] {
    const before = this.#decoded;
    const beforeIsKnown = this.#isKnown;
    let touched = false;
    eachOperation(record, this.#tables, (table, operation) => {
      const { kind, keyStart, keyEnd, rowEnd, schemaVersion } = operation;
      if (table !== this.#table || kind === OPERATION.declare) return;
      const key = this.#fullKey;
      const { bytes } = record;
      if (compareBytes(bytes, keyStart, keyEnd, key, TABLE_ID_BYTES, key.length) !== 0) return;
      touched = true;
      const content = new Uint8Array(bytes.subarray(keyEnd, rowEnd));
      if (kind === OPERATION.patch) this.#patch(record.sequence, schemaVersion, content);
      else {
        this.#row = kind === OPERATION.put ? { version: schemaVersion, bytes: content } : undefined;
        this.#isKnown = true;
      }
    });
    if (!touched) return [];
    const { sequence, timeMicros } = record;
    const annotation = annotationOf(record);
    const known = { before, beforeIsKnown, after: this.#decoded, afterIsKnown: this.#isKnown };
    return [{ sequence, timeMicros, writer, ...annotation, ...known }];
  }

  get #decoded(): StoredRow | undefined {
    if (this.#row === undefined) return undefined;
    const { version, bytes } = this.#row;
    return this.#tables.decodeRow(this.#table, version, bytes, 0, bytes.length);
  }

  #patch(sequence: number, version: number, patch: Uint8Array): void {
    if (!this.#isKnown) return;
    const row = this.#row;
    const made =
      row?.version === version
        ? applyPatch(row.bytes, 0, row.bytes.length, patch, 0, patch.length)
        : "there is no row of its version";
    if (typeof made !== "string") {
      this.#row = { version, bytes: made };
      return;
    }
    const what = `transaction ${sequence} is malformed: a patch of table "${this.#table.name}"`;
    throw new HoldfastError("CORRUPT_LOG", `${what}: ${made}`, { sequence });
  }
}
