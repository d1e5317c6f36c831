/** The books of a store: which there are, and how they are read and written. */
import { HoldfastError } from "../base/errors.js";
import { assertSameBook, type BookDefinition, parseBook } from "../books/definition.js";
import type { BookSnapshot, BookUpdate } from "../books/input.js";
import { type BookTransaction, LiveBook } from "../books/live.js";
import { BookReader, type ReadBook } from "../books/reader.js";
import { type BookState, type BookTables, readState } from "../books/state.js";
import { bookStates } from "../books/tables.js";
import type { Annotation } from "../log/annotation.js";
import type { Catalog } from "./catalog.js";
import { TIER_RANK } from "./table-state.js";
import type { Transaction } from "./transaction-interface.js";
import type { View } from "./view.js";

/** A book within a transaction. Reads see what the transaction has done. */
export interface TransactionBook extends ReadBook {
  /** See `Book.update`. After BOOK_GAP and BOOK_CROSSED the transaction may go on. */
  update(update: BookUpdate): number | undefined;
  /** See `Book.snapshot`. */
  snapshot(snapshot: BookSnapshot, updates?: readonly BookUpdate[]): boolean;
  /** See `Book.clear`. */
  clear(): void;
}

/**
 * A book of an open store. Each write is a transaction of its own, resolves when that is durable
 * for the tier of the book, and has happened when the method returns.
 *
 * Every write may throw or reject with INVALID_ROW, and with what the writes of a `Table` do.
 */
export interface Book extends ReadBook {
  /**
   * Applies an update. Resolves with the number of levels that it has changed, which are all that
   * the log gets of it; undefined if all of it was in the book before: then nothing was written.
   *
   * Errors: BOOK_GAP where updates are missing before it, BOOK_CROSSED where the best bid would be
   * at or above the best ask; the book is as it was then, and needs another snapshot.
   */
  update(update: BookUpdate, annotation?: Annotation): Promise<number | undefined>;
  /** As `update`, but returns when it is durable; the event loop waits. */
  updateSync(update: BookUpdate, annotation?: Annotation): number | undefined;
  /**
   * Puts a snapshot in the place of all levels, and applies the updates that came while it was
   * fetched, in the same transaction. Resolves with false if the book has that snapshot or is
   * newer: then nothing was written. Errors as for `update`.
   */
  snapshot(
    snapshot: BookSnapshot,
    updates?: readonly BookUpdate[],
    annotation?: Annotation,
  ): Promise<boolean>;
  /** Empties it: the next snapshot counts, whatever its id is. */
  clear(annotation?: Annotation): Promise<void>;
}

/** The books that the code declared at opening. */
export class BookSet {
  readonly #live = new Map<BookDefinition, LiveBook>();

  /** Throws SCHEMA_MISMATCH for a book whose stored levels would mean something else. */
  bind(definitions: readonly BookDefinition[], catalog: Catalog): void {
    for (const definition of definitions) {
      const stored = catalog.of(bookStates).get(definition.name);
      if (stored !== undefined) {
        assertSameBook(parseBook(definition.name, stored.definition), definition);
      }
      this.#live.set(definition, new LiveBook(definition));
    }
  }

  /** Rows of them were changed by somebody else. */
  forget(): void {
    for (const live of this.#live.values()) live.forget();
  }

  /** Throws INVALID_ARGUMENT for a book that was not declared. */
  of(definition: BookDefinition): LiveBook {
    const live = this.#live.get(definition);
    if (live !== undefined) return live;
    const name = (definition as { name?: unknown } | undefined)?.name;
    throw new HoldfastError(
      "INVALID_ARGUMENT",
      `book ${JSON.stringify(name)} is not among the books that the store was opened with`,
    );
  }
}

/** A transaction, as far as books need one. */
interface RunningTransaction extends Transaction, BookTransaction {
  rank: number;
  readonly operations: number;
  assertRunning(): void;
  assertMayWrite(): void;
}

class BookInTransaction extends BookReader implements TransactionBook {
  readonly #transaction: RunningTransaction;
  readonly #live: LiveBook;

  constructor(transaction: RunningTransaction, live: LiveBook) {
    super(live.definition, () => {
      transaction.assertRunning();
      return live.state(transaction);
    });
    this.#transaction = transaction;
    this.#live = live;
  }

  update(update: BookUpdate): number | undefined {
    return this.#write(() => this.#live.update(this.#transaction, update));
  }

  snapshot(snapshot: BookSnapshot, updates: readonly BookUpdate[] = []): boolean {
    return this.#write(() => this.#live.snapshot(this.#transaction, snapshot, updates));
  }

  clear(): void {
    this.#write(() => this.#live.clear(this.#transaction));
  }

  #write<T>(work: () => T): T {
    const transaction = this.#transaction;
    transaction.assertMayWrite();
    const { operations } = transaction;
    const result = work();
    const rank = TIER_RANK[this.#live.definition.tier];
    const hasWritten = transaction.operations > operations;
    if (hasWritten && transaction.rank < rank) transaction.rank = rank;
    return result;
  }
}

export function bookIn(transaction: RunningTransaction, live: LiveBook): TransactionBook {
  return new BookInTransaction(transaction, live);
}

/** What the books of an open store need of it. */
export interface BookPlace {
  readonly catalog: Catalog;
  readonly assertOpen: () => void;
  readonly transact: <T>(
    work: (transaction: Transaction) => T,
    annotation?: Annotation,
  ) => Promise<T>;
  readonly transactSync: <T>(work: (transaction: Transaction) => T, annotation?: Annotation) => T;
}

class StoreBook extends BookReader implements Book {
  readonly #definition: BookDefinition;
  readonly #place: BookPlace;

  constructor(definition: BookDefinition, place: BookPlace) {
    const live = place.catalog.books.of(definition);
    const tables = newestTables(place.catalog);
    super(definition, () => {
      place.assertOpen();
      return live.state(tables);
    });
    this.#definition = definition;
    this.#place = place;
  }

  update(update: BookUpdate, annotation?: Annotation): Promise<number | undefined> {
    return this.#place.transact((tx) => tx.book(this.#definition).update(update), annotation);
  }

  updateSync(update: BookUpdate, annotation?: Annotation): number | undefined {
    return this.#place.transactSync((tx) => tx.book(this.#definition).update(update), annotation);
  }

  snapshot(
    snapshot: BookSnapshot,
    updates: readonly BookUpdate[] = [],
    annotation?: Annotation,
  ): Promise<boolean> {
    const work = (tx: Transaction) => tx.book(this.#definition).snapshot(snapshot, updates);
    return this.#place.transact(work, annotation);
  }

  clear(annotation?: Annotation): Promise<void> {
    return this.#place.transact((tx) => tx.book(this.#definition).clear(), annotation);
  }
}

/** A book of the newest state. Throws INVALID_ARGUMENT if it was not declared. */
export function bookOf(definition: BookDefinition, place: BookPlace): Book {
  return new StoreBook(definition, place);
}

function newestTables(catalog: Catalog): BookTables {
  return { get: (definition, key) => catalog.of(definition).get(key) };
}

/** A book of a state that does not change. Throws INVALID_ARGUMENT if it was not declared. */
export function frozenBook(
  definition: BookDefinition,
  { books }: Catalog,
  state: Pick<View, "table">,
  assertOpen: () => void,
): ReadBook {
  books.of(definition);
  let read: BookState | undefined;
  return new BookReader(definition, () => {
    assertOpen();
    read ??= readState(tablesOf(state), definition);
    return read;
  });
}

/** Tables of a view as a book reads them. */
export function tablesOf(state: Pick<View, "table">): BookTables {
  return { get: (definition, key) => state.table(definition).get(key) };
}
