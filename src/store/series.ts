/** The series of a store: which there are, and how they are read and written. */
import { HoldfastError } from "../base/errors.js";
import type { TablesToRead } from "../codec/table-rows.js";
import type {
  AnySeries,
  SeriesBatch,
  SeriesDefinition,
  SeriesInput,
} from "../series/definition.js";
import { type EndingTransaction, LiveSeries } from "../series/live.js";
import {
  FrozenSeries,
  type ReadSeries,
  SeriesReader,
  type SeriesReads,
  type SlicesOptions,
  tablesOf,
} from "../series/reader.js";
import { assertReadable, parseSeries } from "../series/stored-definition.js";
import { seriesStates } from "../series/tables.js";
import type { Catalog } from "./catalog.js";
import { entriesOf, newest } from "./range.js";
import { TIER_RANK } from "./table-state.js";
import type { Transaction } from "./transaction-interface.js";
import type { View } from "./view.js";

/** A series within a transaction. Reads see the transaction's own rows. */
export interface TransactionSeries<Values, Input> extends SeriesReads<Values> {
  /**
   * Appends a row, or a batch with a list for each column; returns how many rows were taken: all of
   * them, but for late ones that are dropped.
   *
   * Errors: INVALID_ROW and LATE_ROW, after which nothing of it was written and the transaction may
   * go on; those of a write, after which it is taken back whoever catches them.
   */
  append(rows: SeriesInput<Input> | SeriesBatch<Input>): number;
}

/** A series of an open store. */
export interface Series<Values, Input> extends ReadSeries<Values> {
  /**
   * Appends a row, or a batch with a list for each column, as a transaction of its own; resolves
   * when that is durable for the tier of the series with how many rows were taken: all of them, but
   * for late ones that are dropped. They can be read when the method returns.
   *
   * Errors: INVALID_ROW, LATE_ROW, and those of the writes of a `Table`; TOO_LARGE for a batch that
   * is more than a transaction holds, which is 4 MiB as it is stored. Nothing of it was written.
   */
  append(rows: SeriesInput<Input> | SeriesBatch<Input>): Promise<number>;
  /** As `append`, but returns when the rows are durable; the event loop waits. */
  appendSync(rows: SeriesInput<Input> | SeriesBatch<Input>): number;
}

/** The series that the code declared at opening. */
export class SeriesSet {
  readonly #live = new Map<AnySeries, LiveSeries>();

  /** Throws SCHEMA_MISMATCH for a series whose stored rows the code cannot read. */
  bind(definitions: readonly AnySeries[], catalog: Catalog): void {
    for (const definition of definitions) {
      const stored = catalog.of(seriesStates).get(definition.name);
      if (stored !== undefined) {
        assertReadable(parseSeries(definition.name, stored.definition), definition);
      }
      this.#live.set(definition, new LiveSeries(definition, catalog.layers.compressor));
    }
  }

  /** Rows of them were changed by somebody else, outside of any transaction of theirs. */
  forget(): void {
    for (const live of this.#live.values()) live.forget();
  }

  /** Throws INVALID_ARGUMENT for a series that was not declared. */
  of(definition: AnySeries): LiveSeries {
    const live = this.#live.get(definition);
    if (live !== undefined) return live;
    const name = (definition as { name?: unknown } | undefined)?.name;
    throw new HoldfastError(
      "INVALID_ARGUMENT",
      `series ${JSON.stringify(name)} is not among the series that the store was opened with`,
    );
  }
}

/** A transaction, as far as series need one. */
interface RunningTransaction extends Transaction, EndingTransaction {
  rank: number;
  assertRunning(): void;
}

class SeriesInTransaction<V, I> extends SeriesReader<V> implements TransactionSeries<V, I> {
  readonly #transaction: RunningTransaction;
  readonly #live: LiveSeries;

  constructor(transaction: RunningTransaction, live: LiveSeries) {
    super(live.definition, () => {
      transaction.assertRunning();
      return live.source(transaction);
    });
    this.#transaction = transaction;
    this.#live = live;
  }

  append(rows: SeriesInput<I> | SeriesBatch<I>): number {
    const transaction = this.#transaction;
    transaction.assertRunning();
    const taken = this.#live.append(transaction, rows);
    const rank = TIER_RANK[this.#live.definition.tier];
    if (taken > 0 && transaction.rank < rank) transaction.rank = rank;
    return taken;
  }
}

export function seriesIn<V, I>(
  transaction: RunningTransaction,
  live: LiveSeries,
): TransactionSeries<V, I> {
  return new SeriesInTransaction<V, I>(transaction, live);
}

/** What the series of an open store need of it. */
export interface SeriesPlace {
  readonly catalog: Catalog;
  readonly assertOpen: () => void;
  readonly view: () => View;
  readonly transact: <T>(work: (transaction: Transaction) => T) => Promise<T>;
  readonly transactSync: <T>(work: (transaction: Transaction) => T) => T;
}

class StoreSeries<V, I> extends SeriesReader<V> implements Series<V, I> {
  readonly #definition: SeriesDefinition<V, I>;
  readonly #place: SeriesPlace;

  constructor(definition: SeriesDefinition<V, I>, place: SeriesPlace) {
    const live = place.catalog.series.of(definition);
    const tables = newestTables(place.catalog);
    super(definition, () => {
      place.assertOpen();
      return live.source(tables);
    });
    this.#definition = definition;
    this.#place = place;
  }

  append(rows: SeriesInput<I> | SeriesBatch<I>): Promise<number> {
    return this.#place.transact((transaction) => transaction.series(this.#definition).append(rows));
  }

  appendSync(rows: SeriesInput<I> | SeriesBatch<I>): number {
    const append = (transaction: Transaction) => transaction.series(this.#definition).append(rows);
    return this.#place.transactSync(append);
  }

  async *slices<Name extends keyof V & string>(options: SlicesOptions<Name> = {}) {
    const view = this.#place.view();
    try {
      yield* view.series(this.#definition).slices(options);
    } finally {
      view.release();
    }
  }
}

/** A series of the newest state. Throws INVALID_ARGUMENT if it was not declared. */
export function seriesOf<V, I>(definition: SeriesDefinition<V, I>, place: SeriesPlace) {
  return new StoreSeries<V, I>(definition, place) as Series<V, I>;
}

function newestTables(catalog: Catalog): TablesToRead {
  return {
    get: (definition, key) => catalog.of(definition).get(key),
    entries: (definition, range) => entriesOf(newest(catalog.of(definition)), range),
  };
}

/** A series of a state that does not change. Throws INVALID_ARGUMENT if it was not declared. */
export function frozenSeries<V, I>(
  definition: SeriesDefinition<V, I>,
  { series, layers }: Catalog,
  state: Pick<View, "table">,
  assertOpen: () => void,
): ReadSeries<V> {
  series.of(definition);
  const { compressor, turn } = layers;
  return new FrozenSeries<V>(definition, { tables: tablesOf(state), compressor, turn, assertOpen });
}
