/** A series as a plain list of rows, and the definitions that the tests of series share. */
import {
  boolean,
  decimal,
  defineSeries,
  float64,
  int64,
  type LatePolicy,
  type ReadSeries,
  type SeriesCapacity,
  type SeriesReads,
  type SeriesSlice,
  string,
} from "../../src/index.js";

export interface Tick {
  readonly time: number;
  /** At scale 2. */
  readonly price: bigint;
  readonly size: number;
  readonly id: bigint;
  readonly buy: boolean;
  readonly venue: string;
}

export const NAMES = ["price", "size", "id", "buy", "venue"] as const;

export function ticks(late: LatePolicy, capacity: SeriesCapacity = {}, name = "ticks") {
  return defineSeries({
    name,
    columns: {
      price: decimal(2),
      size: float64({ allowNonFinite: true }),
      id: int64(),
      buy: boolean(),
      venue: string(),
    },
    chunkRows: 16,
    ...{ capacity, late },
  });
}

export type Ticks = ReturnType<typeof ticks>;
export type TickValues = Ticks extends import("../../src/index.js").SeriesDefinition<
  infer V,
  infer _
>
  ? V
  : never;

/** As they are appended: columns of typed arrays. */
export function batchOf(rows: readonly Tick[]) {
  return {
    time: Float64Array.from(rows, ({ time }) => time),
    price: BigInt64Array.from(rows, ({ price }) => price),
    size: Float64Array.from(rows, ({ size }) => size),
    id: BigInt64Array.from(rows, ({ id }) => id),
    buy: Uint8Array.from(rows, ({ buy }) => Number(buy)),
    venue: rows.map(({ venue }) => venue),
  };
}

/** Doubles by their bits: a NaN is one like any other. */
function bits(value: number): string {
  return new BigUint64Array(Float64Array.of(value).buffer)[0]!.toString(16);
}

/** The rows of a slice, in a form that can be compared. */
export function linesOf(slice: SeriesSlice<TickValues>): string[] {
  const { time, columns } = slice;
  return Array.from(time, (at, i) =>
    lineOf({
      time: at,
      price: columns.price[i] as bigint,
      size: columns.size[i] as number,
      id: columns.id[i] as bigint,
      buy: columns.buy[i] === 1,
      venue: columns.venue[i] as string,
    }),
  );
}

export function lineOf({ time, price, size, id, buy, venue }: Tick): string {
  return `${time} ${price} ${bits(size)} ${id} ${buy} ${JSON.stringify(venue)}`;
}

/** What the documents say of a series, in the plainest form. */
export class PlainSeries {
  rows: readonly Tick[] = [];
  readonly late: LatePolicy;
  readonly capacity: SeriesCapacity;

  constructor(late: LatePolicy, capacity: SeriesCapacity) {
    this.late = late;
    this.capacity = capacity;
  }

  get newest(): number {
    return this.rows.at(-1)?.time ?? Number.NEGATIVE_INFINITY;
  }

  /** How many rows are taken; undefined: the append is refused. */
  append(rows: readonly Tick[]): number | undefined {
    let newest = this.newest;
    const taken = rows.filter(({ time }) => {
      const isLate = time < newest;
      newest = Math.max(newest, time);
      return !isLate || this.late === "insert";
    });
    if (taken.length < rows.length && this.late === "reject") return undefined;
    // Stable: those of the same time stay in the order in which they came.
    this.rows = [...this.rows, ...taken].sort((a, b) => a.time - b.time);
    return taken.length;
  }

  /** The rows that are not forgotten. */
  get visible(): readonly Tick[] {
    const { rows = Infinity, ageMicros = Infinity } = this.capacity;
    const oldest = this.newest - ageMicros;
    return this.rows
      .slice(Math.max(0, this.rows.length - rows))
      .filter(({ time }) => time >= oldest);
  }
}

export interface Candle {
  readonly time: number;
  readonly open: bigint;
  readonly high: bigint;
  readonly low: bigint;
  readonly close: bigint;
  readonly volume: number;
  readonly count: number;
}

/** Candles, row by row. */
export function candlesOf(rows: readonly Tick[], bucketMicros: number): Candle[] {
  const buckets = new Map<number, Tick[]>();
  for (const row of rows) {
    const start = Math.floor(row.time / bucketMicros) * bucketMicros;
    buckets.set(start, [...(buckets.get(start) ?? []), row]);
  }
  return [...buckets].map(([time, ticksOfIt]) => {
    const prices = ticksOfIt.map(({ price }) => price);
    const sorted = prices.toSorted((a, b) => (a < b ? -1 : a > b ? 1 : 0));
    return {
      time,
      open: prices[0] as bigint,
      high: sorted.at(-1) as bigint,
      low: sorted[0] as bigint,
      close: prices.at(-1) as bigint,
      volume: ticksOfIt.reduce((sum, { size }) => sum + size, 0),
      count: prices.length,
    };
  });
}

/** The same as a store gives it. */
export function candlesIn(
  series: SeriesReads<TickValues>,
  bucketMicros: number,
  times = {},
): Candle[] {
  const { time, columns } = series.resample(
    bucketMicros,
    {
      open: { first: "price" },
      high: { max: "price" },
      low: { min: "price" },
      close: { last: "price" },
      volume: { sum: "size" },
      count: "count",
    },
    times,
  );
  return Array.from(time, (at, i) => ({
    time: at,
    open: columns.open[i] as bigint,
    high: columns.high[i] as bigint,
    low: columns.low[i] as bigint,
    close: columns.close[i] as bigint,
    volume: columns.volume[i] as number,
    count: columns.count[i] as number,
  }));
}

/** All rows through `slices`. */
export async function sliced(series: ReadSeries<TickValues>, options = {}): Promise<string[]> {
  const lines: string[] = [];
  for await (const slice of series.slices(options)) lines.push(...linesOf(slice));
  return lines;
}
