/** A table of an open store, as callers see it. */
import type { TableDefinition } from "../codec/schema.js";
import type { Slice, Sliceable } from "../codec/slice.js";
import type { Annotation } from "../log/annotation.js";
import type { HistoryRange } from "./history-ranges.js";
import type { RowChange } from "./key-history.js";
import type { RangeOptions } from "./range.js";

/** What can have parts that change. */
type PartOf<Value> =
  Extract<Value, Sliceable> extends never
    ? never
    : Slice<Extract<Value, Sliceable>> | readonly Slice<Extract<Value, Sliceable>>[];

/**
 * Fields that a patch changes: each with its new value, or, where it is bytes or a typed array,
 * with one or more of `slice(offset, values)`. Those that are left out stay as they are.
 */
export type PatchInput<Row, Input> = {
  readonly [K in keyof Input]?:
    | Input[K]
    | (K extends keyof Row ? PartOf<Row[K]> : never)
    | undefined;
};

/**
 * What can be read of a table. Reads are synchronous; a row that is not in memory is read from a
 * run (some ten microseconds where the page cache has it, a read of the device where it has not).
 *
 * Every method may throw INVALID_KEY, CLOSED, and where a run cannot be read CORRUPT_RUN or IO.
 */
export interface ReadTable<Key, Row> {
  readonly name: string;
  /** The row of a key; undefined if there is none. Rows are frozen. */
  get(key: Key): Row | undefined;
  has(key: Key): boolean;
  /**
   * Number of rows. At once while memory has the whole table, as for tables that are resident or
   * were never larger than memory since the opening; otherwise it goes through all keys.
   */
  count(): number;
  /** Keys and rows in key order. Changes made meanwhile behind the cursor are not seen. */
  entries(range?: RangeOptions<Key>): IterableIterator<readonly [Key, Row]>;
  keys(range?: RangeOptions<Key>): IterableIterator<Key>;
  values(range?: RangeOptions<Key>): IterableIterator<Row>;
}

/**
 * Reads are synchronous (see `ReadTable`). A write returns a promise that resolves when the write
 * is durable for the table's tier: "critical" when it is on disk, "important" and "cached" at once
 * (`store.durable()` waits for the disk). The write itself has happened when the method returns: a
 * read that follows sees it.
 *
 * Every write may carry an annotation, as `Store.transact` may.
 *
 * Every write may throw or reject with INVALID_KEY, CLOSED, INVALID_ROW, CHECK_FAILED, TOO_LARGE,
 * DISK_FULL, OVERLOADED and POISONED, after which nothing has been written, and with
 * OUTCOME_UNKNOWN, after which the write may or may not be there when the store is opened again.
 * Inside a transaction every write throws NESTED_TRANSACTION.
 */
export interface Table<Key, Row, Input> extends ReadTable<Key, Row> {
  put(key: Key, row: Input, annotation?: Annotation): Promise<void>;
  /** Returns when the row is durable, whatever the table's tier; the event loop waits. */
  putSync(key: Key, row: Input, annotation?: Annotation): void;
  /**
   * Puts what `change` makes of the row (or of undefined, if there is none), in one transaction;
   * leaves it as it is if that is undefined. Resolves with the row as it is afterwards.
   */
  update(
    key: Key,
    change: (row: Row | undefined) => Input | undefined,
    annotation?: Annotation,
  ): Promise<Row | undefined>;
  /**
   * Changes some fields of a row, and leaves the others as they are. Resolves with true if there
   * was a row; false: there is none, and nothing was written. Checks see the whole row. With
   * `patches: true` in the table's definition the log gets only what differs from the row before:
   * of bytes and typed arrays the parts that do, even where they were given whole.
   */
  patch(key: Key, fields: PatchInput<Row, Input>, annotation?: Annotation): Promise<boolean>;
  /** As `patch`, but returns when it is durable; the event loop waits. */
  patchSync(key: Key, fields: PatchInput<Row, Input>, annotation?: Annotation): boolean;
  /** Resolves with true if there was a row. */
  delete(key: Key, annotation?: Annotation): Promise<boolean>;
  /** As `delete`, but returns when it is durable; the event loop waits. */
  deleteSync(key: Key, annotation?: Annotation): boolean;
  /**
   * Puts another version of the table into force, while the store is running: a declaration in the
   * log, and no row is touched. Resolves with the table of the new version when that is durable;
   * it is in force when the method returns. What was made with the definition of before throws
   * SCHEMA_MISMATCH from then on: this `Table`, iterators, and transactions that name it.
   *
   * Errors: SCHEMA_MISMATCH as for `open`; INVALID_ARGUMENT for another table, one that would
   * become resident, and one that a check of the store is about; TOO_LARGE; and those of a write.
   */
  evolve<NextRow, NextInput>(
    next: TableDefinition<Key, NextRow, NextInput>,
  ): Promise<Table<Key, NextRow, NextInput>>;
  /**
   * Every durable change of a key in a range of transactions, the oldest first. Reads the log of
   * that range, and back to the last run before it.
   *
   * Errors: HISTORY_GONE, INVALID_ARGUMENT, INVALID_KEY, CORRUPT_LOG, CORRUPT_RUN, MISSING_FILE,
   * IO.
   */
  history(key: Key, range?: HistoryRange): AsyncGenerator<RowChange, void, undefined>;
}
