/** The state at one sequence, held while writes go on. */
import { HoldfastError } from "../base/errors.js";
import type { BookDefinition } from "../books/definition.js";
import type { ReadBook } from "../books/reader.js";
import type { TableDefinition } from "../codec/schema.js";
import { isLive } from "../memtable/entry.js";
import type { ViewMark } from "../memtable/horizon.js";
import { Memtable } from "../memtable/memtable.js";
import type { RunSet } from "../run/run-set.js";
import type { SeriesDefinition } from "../series/definition.js";
import type { ReadSeries } from "../series/reader.js";
import { frozenBlobs, type ReadBlobs } from "./blob-reads.js";
import { frozenBook } from "./books.js";
import type { Catalog } from "./catalog.js";
import { asOf, countIn, entriesOf, keysOf, valuesOf } from "./range.js";
import { frozenSeries } from "./series.js";
import type { ReadTable } from "./table.js";
import type { TableState } from "./table-state.js";

/**
 * A frozen state of the store. It keeps what it shows in memory and on disk until it is released:
 * rows that were overwritten since, and runs that were merged since.
 */
export interface View {
  /** Shows every transaction up to this one, and none behind it. */
  readonly sequence: number;
  /** A table that the store was opened with. Throws INVALID_ARGUMENT for any other. */
  table<K, R, I>(definition: TableDefinition<K, R, I>): ReadTable<K, R>;
  /** A series that the store was opened with. Throws INVALID_ARGUMENT for any other. */
  series<V, I>(definition: SeriesDefinition<V, I>): ReadSeries<V>;
  /** Throws INVALID_ARGUMENT where the store was opened without the option `blobs`. */
  readonly blobs: ReadBlobs;
  /** A book that the store was opened with. Throws INVALID_ARGUMENT for any other. */
  book(definition: BookDefinition): ReadBook;
  /** Ends the view; reading from it throws CLOSED from then on. Idempotent. */
  release(): void;
  [Symbol.dispose](): void;
}

/** Made by `store.view()`. */
export class StoreView implements View {
  readonly sequence: number;
  readonly #catalog: Catalog;
  readonly #mark: ViewMark;
  readonly #runs: RunSet | undefined;
  readonly #onRelease: () => void;
  #released = false;

  constructor(catalog: Catalog, sequence: number, onRelease: () => void) {
    const { horizon, runs } = catalog.layers;
    this.sequence = sequence;
    this.#catalog = catalog;
    this.#mark = horizon.openView(sequence);
    this.#runs = runs;
    this.#onRelease = onRelease;
    runs?.retain();
  }

  table<K, R, I>(definition: TableDefinition<K, R, I>): ReadTable<K, R> {
    const state = this.#catalog.of(definition);
    const source = asOf(state, this.#runs, this.#mark);
    const read = <T>(result: () => T): T => {
      this.#assertOpen();
      state.assertInForce(definition);
      return result();
    };
    return {
      name: state.name,
      get: (key) => read(() => this.#get(state, key)),
      has: (key) => read(() => this.#get(state, key) !== undefined),
      count: () => read(() => countIn(source)),
      entries: (range) => this.#guarded(read(() => entriesOf(source, range))),
      keys: (range) => this.#guarded(read(() => keysOf(source, range))),
      values: (range) => this.#guarded(read(() => valuesOf(source, range))),
    };
  }

  series<V, I>(definition: SeriesDefinition<V, I>): ReadSeries<V> {
    return frozenSeries(definition, this.#catalog, this, () => this.#assertOpen());
  }

  get blobs(): ReadBlobs {
    return frozenBlobs(this, this.#catalog.layers, () => this.#assertOpen());
  }

  book(definition: BookDefinition): ReadBook {
    return frozenBook(definition, this.#catalog, this, () => this.#assertOpen());
  }

  release(): void {
    if (this.#released) return;
    this.#released = true;
    this.#catalog.layers.horizon.closeView(this.#mark);
    // What it kept open is closed behind the caller's back; a failure of that harms nobody.
    this.#runs?.release().catch(() => {});
    this.#onRelease();
  }

  [Symbol.dispose](): void {
    this.release();
  }

  #get<K, R, I>(state: TableState<K, R, I>, rawKey: K): R | undefined {
    const key = state.key.validate(rawKey, state.name);
    const entry = state.rows.get(state.key.mapKey(key));
    const version = entry === undefined ? undefined : Memtable.visible(entry, this.#mark);
    if (version !== undefined) {
      return isLive(version) ? state.row.copyOut(state.rowOf(version, key)) : undefined;
    }
    return this.#runs === undefined ? undefined : state.rowIn(this.#runs, key);
  }

  /** An iterator must not go on when the view has been released. */
  *#guarded<T>(rows: Iterable<T>): IterableIterator<T> {
    for (const row of rows) {
      yield row;
      this.#assertOpen();
    }
  }

  #assertOpen(): void {
    if (!this.#released) return;
    throw new HoldfastError("CLOSED", "the view has been released");
  }
}
