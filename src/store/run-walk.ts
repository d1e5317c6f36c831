/** Goes through the rows that runs have of a range of a table's keys. */
import { KEY_BYTES_MAX } from "../base/limits.js";
import type { MapKey } from "../memtable/entry.js";
import type { KeyRange } from "../memtable/ordered-index.js";
import type { RunCursor } from "../run/run-cursor.js";
import type { RunSet } from "../run/run-set.js";
import { TABLE_ID_BYTES, writeTableId } from "./layers.js";
import type { RangeSource } from "./range.js";
import type { TableState } from "./table-state.js";

/**
 * A cursor that outlives the runs it reads: when others have taken their place it goes on in those,
 * behind the last key that was passed.
 */
export class RunWalk<Key, Row> {
  readonly #source: RangeSource<Key, Row>;
  readonly #range: KeyRange<Key>;
  #runs: RunSet | undefined;
  #cursor: RunCursor | undefined;
  /** The cursor stands on a row, which is the next one. */
  #onRow = false;
  #hasPassed = false;
  #passed: Key | undefined;
  #key: Key | undefined;

  constructor(source: RangeSource<Key, Row>, range: KeyRange<Key>) {
    this.#source = source;
    this.#range = range;
  }

  /** The key of the row that `peek` found. */
  get key(): Key {
    return this.#key as Key;
  }

  /** True if there is another row. */
  peek(): boolean {
    const runs = this.#source.runs();
    if (runs !== this.#runs) this.#reopen(runs);
    if (this.#cursor === undefined) return false;
    if (this.#onRow) return true;
    const cursor = this.#cursor;
    if (!this.#advance(cursor)) return false;
    this.#onRow = true;
    const start = cursor.keyStart + TABLE_ID_BYTES;
    this.#key = this.#source.table.key.decode(cursor.key, start, cursor.keyEnd);
    return true;
  }

  /** The row that `peek` found; to be asked for before anything else is read. */
  row(): Row {
    const { row, rowStart, rowEnd, schemaVersion } = this.#cursor as RunCursor;
    return this.#source.table.decode(schemaVersion, row, rowStart, rowEnd, this.key);
  }

  /** Of that row. */
  get schemaVersion(): number {
    return (this.#cursor as RunCursor).schemaVersion;
  }

  /** Keeps that row in memory, which must not have one of its key. */
  keep(mapKey: MapKey): void {
    const { row, rowStart, rowEnd, schemaVersion } = this.#cursor as RunCursor;
    this.#source.table.keep(mapKey, this.key, schemaVersion, row, rowStart, rowEnd);
  }

  pass(): void {
    this.mark(this.#key as Key);
    this.#onRow = false;
  }

  /** A key that came from elsewhere lies behind: other runs are entered after it. */
  mark(key: Key): void {
    this.#passed = key;
    this.#hasPassed = true;
  }

  /** Gives back the memory of the cursor; it may not go on. */
  close(): void {
    this.#cursor?.close();
    this.#cursor = undefined;
  }

  #advance(cursor: RunCursor): boolean {
    try {
      return cursor.next();
    } catch (error) {
      this.#source.table.layers.onReadError(error);
      throw error;
    }
  }

  #reopen(runs: RunSet | undefined): void {
    const { table } = this.#source;
    const { reverse } = this.#range;
    let { lower, lowerExclusive, upper, upperExclusive } = this.#range;
    if (this.#hasPassed && reverse) [upper, upperExclusive] = [this.#passed, true];
    else if (this.#hasPassed) [lower, lowerExclusive] = [this.#passed, true];
    this.#runs = runs;
    this.#onRow = false;
    this.#cursor?.close();
    this.#cursor = runs?.cursor({
      lower: lower === undefined ? tableBound(table.id) : fullKey(table, lower),
      lowerExclusive: lower !== undefined && lowerExclusive,
      upper: upper === undefined ? tableBound(table.id + 1) : fullKey(table, upper),
      upperExclusive: upper === undefined || upperExclusive,
      reverse,
    });
  }
}

/** Below every key of the table, and above every key of those before it. */
export function tableBound(tableId: number): Uint8Array {
  const bound = new Uint8Array(TABLE_ID_BYTES);
  writeTableId(bound, tableId);
  return bound;
}

function fullKey<Key, Row>(table: TableState<Key, Row>, key: Key): Uint8Array {
  const bytes = new Uint8Array(TABLE_ID_BYTES + KEY_BYTES_MAX);
  writeTableId(bytes, table.id);
  return bytes.subarray(0, table.key.encode(key, bytes, TABLE_ID_BYTES, bytes.length));
}
