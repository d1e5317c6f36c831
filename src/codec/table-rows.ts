/**
 * Rows of tables, as those see them who keep something else in tables: series, books, blobs. The
 * same as what the store gives, as far as they need it.
 */
import type { TableDefinition } from "./schema.js";

/** Of a table, which part. */
interface Range<Key> {
  readonly gte?: Key;
  readonly gt?: Key;
  readonly lt?: Key;
  readonly lte?: Key;
  readonly reverse?: boolean;
  readonly limit?: number;
}

/** Rows of one state: a transaction's, the newest, a view's or one of the past. */
export interface TablesToRead {
  get<K, R, I>(table: TableDefinition<K, R, I>, key: NoInfer<K>): R | undefined;
  entries<K, R, I>(
    table: TableDefinition<K, R, I>,
    range?: Range<NoInfer<K>>,
  ): IterableIterator<readonly [K, R]>;
}

/** A transaction. */
export interface TablesToWrite extends TablesToRead {
  put<K, R, I>(table: TableDefinition<K, R, I>, key: NoInfer<K>, row: NoInfer<I>): void;
  delete<K, R, I>(table: TableDefinition<K, R, I>, key: NoInfer<K>): boolean;
}
