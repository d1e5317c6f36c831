/** What the replay needs of a store: a part of its public face. */
import type { TableDefinition } from "../index.js";

/** Bounds of a scan. */
export interface Range<Key> {
  readonly gte?: Key;
  readonly lt?: Key;
  readonly reverse?: boolean;
  readonly limit?: number;
}

/** Reads of committed state. */
export interface TableReader<Key, Row> {
  get(key: Key): Row | undefined;
  entries(range?: Range<Key>): Iterable<readonly [Key, Row]>;
  count(): number;
}

/** Reads and writes of one transaction; reads see its own writes. */
export interface Transaction {
  get<Key, Row, Input>(table: TableDefinition<Key, Row, Input>, key: Key): Row | undefined;
  put<Key, Row, Input>(table: TableDefinition<Key, Row, Input>, key: Key, row: Input): void;
  delete<Key, Row, Input>(table: TableDefinition<Key, Row, Input>, key: Key): unknown;
}

/** A store as the replay sees it. */
export interface StorePort {
  table<Key, Row, Input>(table: TableDefinition<Key, Row, Input>): TableReader<Key, Row>;
  /** Resolves when the transaction is durable, as the tiers of the tables it wrote ask. */
  transact<Result>(run: (tx: Transaction) => Result): Promise<Result>;
  /** Resolves when everything so far is durable. */
  durable(): Promise<unknown>;
  readonly lastSequence: number;
  readonly durableSequence: number;
}
