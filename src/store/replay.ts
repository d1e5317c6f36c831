/** Turns the records of the log back into rows. */
import { HoldfastError, isHoldfastError } from "../base/errors.js";
import { applyPatch } from "../codec/row-patch.js";
import { OPERATION } from "../log/format.js";
import { type LogOperation, type LogRecord, walkOperations } from "../log/record.js";
import { FROM_RUN, type MapKey, type Version } from "../memtable/entry.js";
import type { Catalog } from "./catalog.js";
import type { EncodedRow, TableState } from "./table-state.js";

const decoder = new TextDecoder();

/** The log says so itself; or a run could not be read that has the row of a patch. */
const NOT_OF_THE_RECORD = ["CORRUPT_LOG", "CORRUPT_RUN", "MISSING_FILE", "IO"];

export class Replayer {
  readonly #catalog: Catalog;
  #record: LogRecord | undefined;
  /** Patches of rows that only runs can have, in their order. */
  readonly #waiting = new Map<TableState, Map<MapKey, LoggedPatch[]>>();
  /** Rows made here, each with bytes of its own: the next patch may change them where they are. */
  readonly #own = new WeakSet<Uint8Array>();

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
      if (!isHoldfastError(error) || NOT_OF_THE_RECORD.includes(error.code)) throw error;
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
    if (operation.kind === OPERATION.patch) {
      this.#patch(table, key, mapKey, operation);
      return;
    }
    this.#waiting.get(table)?.delete(mapKey);
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

  /** Before the runs are there, patches of what they have wait for `finish`. */
  #patch(table: TableState, key: unknown, mapKey: MapKey, operation: LogOperation): void {
    const { bytes, sequence } = this.#record as LogRecord;
    const { keyEnd: start, rowEnd: end, schemaVersion } = operation;
    const patch = { key, mapKey, bytes, start, end, schemaVersion, sequence };
    const before = this.#waiting.get(table)?.get(mapKey);
    const isInRuns = table.layers.runs === undefined && table.rows.get(mapKey) === undefined;
    if (before === undefined && !isInRuns) {
      this.#apply(table, patch);
      return;
    }
    // The runs may have come meanwhile: a key's patches keep their order.
    if (before !== undefined) before.push(patch);
    else {
      const ofTable = this.#waiting.get(table) ?? new Map<MapKey, LoggedPatch[]>();
      this.#waiting.set(table, ofTable.set(mapKey, [patch]));
    }
  }

  /**
   * The log was read, and the runs are there. Throws CORRUPT_LOG, and what reading from runs does.
   */
  finish(): void {
    for (const [table, keys] of this.#waiting) {
      for (const patches of keys.values()) {
        for (const patch of patches) this.#apply(table, patch);
      }
    }
    this.#waiting.clear();
  }

  /** The row that it makes is put together at once: the next one may be of that. */
  #apply(table: TableState, patch: LoggedPatch): void {
    const { key, mapKey, bytes, start: from, end: to, schemaVersion, sequence } = patch;
    const known = table.rows.get(mapKey);
    const base = known === undefined ? table.storedRow(key) : encodedRow(table, known, key);
    const wrong = (why: string) =>
      malformed(sequence, `a patch of table "${table.name}", ${table.key.inspect(key)}: ${why}`);
    if (base === undefined) throw wrong("there is no row that it could be of");
    if (base.schemaVersion !== schemaVersion) {
      throw wrong(`it is of version ${schemaVersion}, and the row of ${base.schemaVersion}`);
    }
    const { horizon } = table.layers;
    const isOwn = this.#own.has(base.bytes) && !(known && horizon.neededByView(known.sequence));
    const { bytes: row, start, end } = base;
    const made = applyPatch(row, start, end, bytes, from, to, isOwn);
    if (typeof made === "string") throw wrong(made);
    const whole = isOwn && made.buffer === row.buffer ? row : made;
    this.#own.add(whole);
    table.rows.putBytes(mapKey, key, whole, 0, whole.length, sequence, schemaVersion);
  }

  #parse(record: LogRecord, from: number, to: number): unknown {
    try {
      return JSON.parse(decoder.decode(record.bytes.subarray(from, to)));
    } catch (error) {
      throw malformed(record.sequence, "a schema is not JSON", error);
    }
  }
}

/** One that was read: bytes[start, end). */
interface LoggedPatch {
  readonly key: unknown;
  readonly mapKey: MapKey;
  readonly bytes: Uint8Array;
  readonly start: number;
  readonly end: number;
  readonly schemaVersion: number;
  readonly sequence: number;
}

/** The row of a version as it was written; undefined for a deleted key, or if that is lost. */
function encodedRow(table: TableState, version: Version, key: unknown): EncodedRow | undefined {
  const { row, bytes, start, end, storedVersion: schemaVersion } = version;
  if (bytes !== undefined) return { bytes, start, end, schemaVersion };
  if (row === undefined) return undefined;
  if (version.sequence === FROM_RUN) return table.storedRow(key);
  if (schemaVersion !== table.definition.version) return undefined;
  const encoded = table.encodedRow(table.rowOf(version, key));
  return { bytes: encoded, start: 0, end: encoded.length, schemaVersion };
}

function malformed(sequence: number, why: string, cause?: unknown): HoldfastError {
  return new HoldfastError(
    "CORRUPT_LOG",
    `transaction ${sequence} is malformed: ${why}`,
    { sequence },
    cause,
  );
}
