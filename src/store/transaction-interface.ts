/** What the function of a transaction, and a check, works with. */
import type { BookDefinition } from "../books/definition.js";
import type { TableDefinition } from "../codec/schema.js";
import type { SeriesDefinition } from "../series/definition.js";
import type { TransactionBlobs } from "./blob-transaction.js";
import type { TransactionBook } from "./books.js";
import type { RangeOptions } from "./range.js";
import type { TransactionSeries } from "./series.js";
import type { PatchInput } from "./table.js";

/** One change that a transaction makes, for checks. */
export interface Change {
  readonly table: string;
  readonly key: unknown;
  readonly kind: "put" | "delete";
}

/** What a transaction's function works with; it is of no use after the function has returned. */
export interface Transaction {
  /** The row of a key, this transaction's own writes included; undefined if there is none. */
  get<K, R, I>(table: TableDefinition<K, R, I>, key: NoInfer<K>): R | undefined;
  has<K, R, I>(table: TableDefinition<K, R, I>, key: NoInfer<K>): boolean;
  count<K, R, I>(table: TableDefinition<K, R, I>): number;
  put<K, R, I>(table: TableDefinition<K, R, I>, key: NoInfer<K>, row: NoInfer<I>): void;
  /**
   * Puts what `change` makes of the row (or of undefined, if there is none); leaves it as it is if
   * that is undefined. Returns the row as it is afterwards.
   */
  update<K, R, I>(
    table: TableDefinition<K, R, I>,
    key: NoInfer<K>,
    change: (row: R | undefined) => NoInfer<I> | undefined,
  ): R | undefined;
  /** Changes some fields of a row: see `Table.patch`. True if there was a row. */
  patch<K, R, I>(
    table: TableDefinition<K, R, I>,
    key: NoInfer<K>,
    fields: PatchInput<NoInfer<R>, NoInfer<I>>,
  ): boolean;
  /** True if there was a row. */
  delete<K, R, I>(table: TableDefinition<K, R, I>, key: NoInfer<K>): boolean;
  entries<K, R, I>(
    table: TableDefinition<K, R, I>,
    range?: RangeOptions<NoInfer<K>>,
  ): IterableIterator<readonly [K, R]>;
  keys<K, R, I>(
    table: TableDefinition<K, R, I>,
    range?: RangeOptions<NoInfer<K>>,
  ): IterableIterator<K>;
  values<K, R, I>(
    table: TableDefinition<K, R, I>,
    range?: RangeOptions<NoInfer<K>>,
  ): IterableIterator<R>;
  /** A series that the store was opened with. Throws INVALID_ARGUMENT for any other. */
  series<V, I>(definition: SeriesDefinition<V, I>): TransactionSeries<V, I>;
  /** Throws INVALID_ARGUMENT where the store was opened without the option `blobs`. */
  readonly blobs: TransactionBlobs;
  /** An order book that the store was opened with. Throws INVALID_ARGUMENT for any other. */
  book(definition: BookDefinition): TransactionBook;
}
