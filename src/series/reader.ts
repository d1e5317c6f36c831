/** A series as callers read it: the newest state, a transaction's, a view's, or one of the past. */

import type { TablesToRead } from "../codec/table-rows.js";
import type { AnySeries, SeriesRow } from "./definition.js";
import {
  countOf,
  lastOf,
  rangeOf,
  rowAtTime,
  type SeriesLast,
  type SeriesRange,
  type SeriesTimes,
  slicesOf,
} from "./read.js";
import { type Aggregates, type BucketOf, resampleOf } from "./resample.js";
import type { SeriesSlice } from "./slice.js";
import { readState } from "./state.js";
import type { SeriesSource } from "./window.js";

/**
 * Reads are synchronous, as those of tables are, and give copies in typed arrays. A sealed chunk
 * that is not in memory is read from a run.
 *
 * Every method may throw INVALID_ARGUMENT, CLOSED, and where a chunk cannot be read CORRUPT_RUN or
 * IO.
 */
export interface SeriesReads<Values> {
  readonly name: string;
  /** Number of rows, of all or of a range of times. */
  count(times?: SeriesTimes): number;
  /** Rows of a range of times, all of them by default. */
  range<Name extends keyof Values & string = keyof Values & string>(
    range?: SeriesRange<Name>,
  ): SeriesSlice<Pick<Values, Name>>;
  /** The newest so many rows, the oldest of them first. */
  last<Name extends keyof Values & string = keyof Values & string>(
    count: number,
    options?: SeriesLast<Name>,
  ): SeriesSlice<Pick<Values, Name>>;
  /** The last row at or before a time, in microseconds; undefined if there is none. */
  at(time: number): SeriesRow<Values> | undefined;
  /**
   * Rows of a range in buckets of so many microseconds, which begin at multiples of that; buckets
   * without rows are left out. `ohlcv` makes the aggregates of a candle. Sums of integers and
   * decimals are exact, TOO_LARGE where one does not fit 64 bits; NaN is neither the least nor the
   * greatest.
   */
  resample<const A extends Aggregates<keyof Values & string>>(
    bucketMicros: number,
    aggregates: A,
    times?: SeriesTimes,
  ): SeriesSlice<BucketOf<Values, A>>;
}

/** Options of `slices`. */
export interface SlicesOptions<Name extends string> extends SeriesRange<Name> {
  /** Ends it with the reason of the signal. */
  readonly signal?: AbortSignal;
}

/** A series of one state. */
export interface ReadSeries<Values> extends SeriesReads<Values> {
  /**
   * Rows of a range of any length, piece by piece, each of them at most a chunk; other work goes on
   * in between. All of them are of the state that there was when it began.
   */
  slices<Name extends keyof Values & string = keyof Values & string>(
    options?: SlicesOptions<Name>,
  ): AsyncGenerator<SeriesSlice<Pick<Values, Name>>, void, undefined>;
}

/** What is read from wherever `source` leads; asked for by every read. */
export class SeriesReader<Values> implements SeriesReads<Values> {
  readonly name: string;
  protected readonly source: () => SeriesSource;

  constructor(definition: AnySeries, source: () => SeriesSource) {
    this.name = definition.name;
    this.source = source;
  }

  count(times: SeriesTimes = {}): number {
    return countOf(this.source(), times);
  }

  range<Name extends keyof Values & string>(range: SeriesRange<Name> = {}) {
    return rangeOf<Pick<Values, Name>>(this.source(), range);
  }

  last<Name extends keyof Values & string>(count: number, options: SeriesLast<Name> = {}) {
    return lastOf<Pick<Values, Name>>(this.source(), count, options);
  }

  at(time: number): SeriesRow<Values> | undefined {
    return rowAtTime<Values>(this.source(), time);
  }

  resample<const A extends Aggregates<keyof Values & string>>(
    bucketMicros: number,
    aggregates: A,
    times: SeriesTimes = {},
  ) {
    return resampleOf<BucketOf<Values, A>>(this.source(), bucketMicros, aggregates, times);
  }
}

/** What a state that does not change needs to be read. */
export interface FrozenPlace extends Pick<SeriesSource, "tables" | "compressor"> {
  /** Throws CLOSED. */
  readonly assertOpen: () => void;
  /** Lets other work of this thread go on. */
  readonly turn: () => Promise<void>;
}

/** A series of a state that does not change: what is open in it is read once. */
export class FrozenSeries<Values> extends SeriesReader<Values> implements ReadSeries<Values> {
  readonly #turn: () => Promise<void>;

  constructor(definition: AnySeries, { tables, compressor, assertOpen, turn }: FrozenPlace) {
    let state: SeriesSource["state"] | undefined;
    super(definition, () => {
      assertOpen();
      state ??= readState(tables, definition);
      return { definition, tables, compressor, state };
    });
    this.#turn = turn;
  }

  async *slices<Name extends keyof Values & string>(options: SlicesOptions<Name> = {}) {
    const { signal } = options;
    signal?.throwIfAborted();
    for (const slice of slicesOf<Pick<Values, Name>>(this.source(), options)) {
      yield slice;
      await this.#turn();
      signal?.throwIfAborted();
      // Closed meanwhile, it must not go on.
      this.source();
    }
  }
}

/** The tables of a state, by whatever gives them. */
export function tablesOf(state: {
  table(definition: never): {
    get(key: never): unknown;
    entries(range?: never): IterableIterator<readonly [unknown, unknown]>;
  };
}): TablesToRead {
  type Handle = ReturnType<typeof state.table>;
  const handles = new Map<unknown, Handle>();
  const handleOf = (definition: unknown): Handle => {
    let handle = handles.get(definition);
    if (handle === undefined) {
      handle = state.table(definition as never);
      handles.set(definition, handle);
    }
    return handle;
  };
  return {
    get: (definition, key) => handleOf(definition).get(key as never) as never,
    entries: (definition, range) => handleOf(definition).entries(range as never) as never,
  };
}
