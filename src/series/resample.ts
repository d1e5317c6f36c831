/** Buckets of time: first, last, least, greatest, sum and number of rows, in one pass. */
import { HoldfastError } from "../base/errors.js";
import { show } from "../codec/text.js";
import { Accumulator, type Values as ColumnValues, type Operation } from "./accumulators.js";
import type { ColumnNode } from "./definition.js";
import { allColumns } from "./input.js";
import { placeOf, type SeriesTimes, timesOf } from "./read.js";
import { SeriesSlice } from "./slice.js";
import { type Piece, piecesOf, type SeriesSource } from "./window.js";

/** What is made of the rows of a bucket. `min`, `max` and `sum` are for numbers and decimals. */
export type Aggregate<Name extends string = string> =
  | { readonly first: Name }
  | { readonly last: Name }
  | { readonly min: Name }
  | { readonly max: Name }
  | { readonly sum: Name }
  | "count";

/** Aggregates by the names that they have in the result. */
export type Aggregates<Name extends string = string> = Readonly<Record<string, Aggregate<Name>>>;

type ColumnOf<A> = A extends
  | { readonly first: infer Name }
  | { readonly last: infer Name }
  | { readonly min: infer Name }
  | { readonly max: infer Name }
  | { readonly sum: infer Name }
  ? Name
  : never;

/** What a row of the result has: a bucket, of which `time` is the beginning. */
export type BucketOf<Values, A extends Aggregates> = {
  readonly [K in keyof A]: A[K] extends "count"
    ? number
    : ColumnOf<A[K]> extends keyof Values
      ? Values[ColumnOf<A[K]>]
      : never;
};

/**
 * The aggregates of a candle: open, high, low, close and volume, and the number of rows, of a
 * column of prices and one of quantities.
 */
export function ohlcv<const Price extends string, const Quantity extends string>(
  price: Price,
  quantity: Quantity,
) {
  return {
    open: { first: price },
    high: { max: price },
    low: { min: price },
    close: { last: price },
    volume: { sum: quantity },
    count: "count",
  } as const;
}

interface Planned {
  readonly node: ColumnNode;
  readonly place: number;
  readonly operation: Operation;
}

const OPERATIONS: readonly string[] = ["first", "last", "min", "max", "sum"];

/**
 * Rows of a range in buckets of so many microseconds, which begin at multiples of that. Buckets
 * without rows are left out. Sums of integers and decimals are exact; TOO_LARGE where one does not
 * fit 64 bits. NaN is neither the least nor the greatest.
 */
export function resampleOf<Values>(
  source: SeriesSource,
  bucketMicros: number,
  aggregates: Aggregates,
  options: SeriesTimes,
): SeriesSlice<Values> {
  if (!Number.isSafeInteger(bucketMicros) || bucketMicros < 1) {
    throw invalid(`a bucket is a whole number of microseconds, got ${show(bucketMicros)}`);
  }
  const plan = planOf(source, aggregates);
  const { name } = source.definition;
  const kept = plan.map(({ node, operation }) => new Accumulator(name, node, operation));
  const times: number[] = [];
  for (const piece of piecesOf(source, timesOf(options))) {
    addPiece(piece, bucketMicros, plan, kept, times);
  }
  const nodes = plan.map(({ node }) => node);
  return new SeriesSlice<Values>(nodes, [
    Float64Array.from(times),
    ...kept.map((one) => one.result()),
  ]);
}

function planOf({ definition }: SeriesSource, aggregates: Aggregates): Planned[] {
  if (typeof aggregates !== "object" || aggregates === null) {
    throw invalid(`aggregates are an object, got ${show(aggregates)}`);
  }
  return Object.entries(aggregates).map(([name, aggregate]) => {
    if (aggregate === "count") return { node: countNode(name), place: 0, operation: "count" };
    const [[operation, column] = [], more] = Object.entries(aggregate ?? {});
    if (more !== undefined || !OPERATIONS.includes(operation as string)) {
      throw invalid(
        `aggregate "${name}" is "count", or one of ${OPERATIONS.join(", ")} of a column`,
      );
    }
    const place = placeOf(definition, column);
    const node = allColumns(definition)[place] as ColumnNode;
    const isNumber = node.kind !== "string" && node.kind !== "boolean";
    if (!isNumber && operation !== "first" && operation !== "last") {
      throw invalid(`aggregate "${name}": there is no ${operation} of ${node.kind}s`);
    }
    return { node: { ...node, name }, place, operation: operation as Operation };
  });
}

function countNode(name: string): ColumnNode {
  return { name, kind: "integer", scale: 0, allowNonFinite: false, defaultValue: undefined };
}

function invalid(message: string): HoldfastError {
  return new HoldfastError("INVALID_ARGUMENT", message);
}

function addPiece(
  piece: Piece,
  bucketMicros: number,
  plan: readonly Planned[],
  kept: readonly Accumulator[],
  all: number[],
): void {
  const { starts, ends } = bucketsIn(piece, bucketMicros);
  const joins = all.at(-1) === starts[0];
  all.push(...(joins ? starts.slice(1) : starts));
  const left = plan
    .map((planned, i) => ({ ...planned, one: kept[i] as Accumulator }))
    .filter(({ place, operation, one }) => {
      return !(ends.length === 1 && addWhole(piece, place, operation, one, joins));
    });
  const read = left.filter(({ operation }) => operation !== "count");
  const places = [...new Set(read.map(({ place }) => place))];
  const arrays = piece.read(places, piece.from, piece.to);
  for (const { place, one } of left) {
    // Rows are counted by their number.
    const values = arrays[places.indexOf(place)] ?? [];
    for (let b = 0, begin = 0; b < ends.length; begin = ends[b++] as number) {
      if (b > 0 || !joins) one.begin();
      one.add(values, begin, ends[b] as number);
    }
  }
}

/** The buckets that the rows of a piece are in: their beginnings, and where they end, by row. */
function bucketsIn({ from, to, first, last, read }: Piece, bucketMicros: number) {
  const startOf = (time: number) => Math.floor(time / bucketMicros) * bucketMicros;
  const starts = [startOf(first)];
  if (startOf(last) === starts[0]) return { starts, ends: [to - from] };
  const times = read([0], from, to)[0] as Float64Array;
  const ends: number[] = [];
  let next = startOf(first) + bucketMicros;
  for (let i = 1; i < times.length; i++) {
    const time = times[i] as number;
    if (time < next) continue;
    ends.push(i);
    starts.push(startOf(time));
    next = startOf(time) + bucketMicros;
  }
  return { starts, ends: [...ends, times.length] };
}

/** A whole chunk in one bucket: what the chunk says of itself, or one value of it, is enough. */
function addWhole(
  { from, to, read, whole, chunk }: Piece,
  place: number,
  operation: Operation,
  one: Accumulator,
  joins: boolean,
): boolean {
  let values: ColumnValues | undefined;
  if (operation === "first") [values] = read([place], from, from + 1);
  else if (operation === "last") [values] = read([place], to - 1, to);
  else if (whole && (operation === "min" || operation === "max")) {
    const bound = chunk?.().bounds(place)?.[operation];
    if (bound !== undefined) values = one.asValues(bound);
  }
  if (values === undefined) return false;
  if (!joins) one.begin();
  one.add(values, 0, 1);
  return true;
}
