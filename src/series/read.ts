/** Reads of a series: ranges, the last rows, the value at a time, and how many there are. */
import { HoldfastError } from "../base/errors.js";
import { show } from "../codec/text.js";
import { ColumnSet } from "./column-set.js";
import type { AnySeries, ColumnNode, SeriesRow } from "./definition.js";
import { allColumns } from "./input.js";
import { SeriesSlice } from "./slice.js";
import { type Piece, piecesOf, type SeriesSource, type Times } from "./window.js";

/** Which rows, by their times in microseconds. `gte` wins over `gt`, and `lte` over `lt`. */
export interface SeriesTimes {
  readonly gt?: number;
  readonly gte?: number;
  readonly lt?: number;
  readonly lte?: number;
}

/** Which columns; all by default. The time is always among them. */
export interface SeriesColumns<Name extends string> {
  readonly columns?: readonly Name[];
}

/** What of the newest rows. */
export interface SeriesLast<Name extends string> extends SeriesColumns<Name> {
  /** Only rows before this time. */
  readonly lt?: number;
}

/** Which rows of a series, and what of them. */
export interface SeriesRange<Name extends string> extends SeriesTimes, SeriesColumns<Name> {
  /** At most so many rows, the oldest ones; no limit by default. */
  readonly limit?: number;
}

const TIME_OPTIONS = ["gt", "gte", "lt", "lte"];

/** The bounds as they are worked with. Throws INVALID_ARGUMENT, for other options too. */
export function timesOf(options: unknown, others: readonly string[] = []): Times {
  if (typeof options !== "object" || options === null) {
    throw invalid(`a range is an object, got ${show(options)}`);
  }
  for (const name of Object.keys(options)) {
    if (!TIME_OPTIONS.includes(name) && !others.includes(name)) {
      throw invalid(`unknown range option "${name}"`);
    }
  }
  const { gt, gte, lt, lte } = options as SeriesTimes;
  const lower = gte ?? (gt === undefined ? Number.NEGATIVE_INFINITY : gt + 1);
  const upper = lte === undefined ? (lt ?? Number.POSITIVE_INFINITY) : lte + 1;
  for (const bound of [gt, gte, lt, lte]) if (bound !== undefined) checkTime(bound);
  return { gte: lower, lt: upper };
}

/** Throws INVALID_ARGUMENT for what is not a time. */
function checkTime(time: unknown): asserts time is number {
  if (Number.isSafeInteger(time)) return;
  if (time === Number.POSITIVE_INFINITY || time === Number.NEGATIVE_INFINITY) return;
  throw invalid(`a time is a safe integer of microseconds, got ${show(time)}`);
}

function checkCount(name: string, count: unknown): asserts count is number {
  if (Number.isSafeInteger(count) && (count as number) >= 0) return;
  throw invalid(`${name} is a whole number, got ${show(count)}`);
}

function invalid(message: string): HoldfastError {
  return new HoldfastError("INVALID_ARGUMENT", message);
}

/** Columns of a series that are read, with their places among all of them. */
export interface Wanted {
  readonly nodes: readonly ColumnNode[];
  /** The time, which is number 0, first. */
  readonly places: readonly number[];
}

/** Throws INVALID_ARGUMENT for a column that the series does not have. */
function wantedOf(definition: AnySeries, names: unknown): Wanted {
  const all = allColumns(definition);
  if (names === undefined) return { nodes: definition.columns, places: all.map((_, i) => i) };
  if (!Array.isArray(names)) throw invalid(`columns is a list of names, got ${show(names)}`);
  const places = [...new Set(names)].map((name) => placeOf(definition, name));
  return { nodes: places.map((place) => all[place] as ColumnNode), places: [0, ...places] };
}

/** Number of a column, from 1: number 0 is the time. Throws INVALID_ARGUMENT. */
export function placeOf({ name: series, columns }: AnySeries, name: unknown): number {
  const place = columns.findIndex((column) => column.name === name);
  if (place >= 0) return place + 1;
  const known = columns.map((column) => column.name).join(", ");
  throw invalid(`series "${series}" has no column ${show(name)}; it has ${known}`);
}

/** Rows of some pieces, one behind the other. */
function collect<Values>(pieces: Iterable<Piece>, wanted: Wanted, limit: number) {
  const kinds = ["timestamp" as const, ...wanted.nodes.map(({ kind }) => kind)];
  const set = new ColumnSet(kinds);
  for (const piece of pieces) {
    const rows = Math.min(piece.to - piece.from, limit - set.length);
    if (rows === 0) break;
    const at = set.length;
    set.grow(rows);
    const arrays = piece.read(wanted.places, piece.from, piece.from + rows);
    for (const [i, values] of arrays.entries()) set.set(i, at, values, 0, rows);
  }
  return new SeriesSlice<Values>(wanted.nodes, set.trimmed());
}

/** Rows of a range. Throws INVALID_ARGUMENT, CORRUPT_RUN, IO. */
export function rangeOf<Values>(source: SeriesSource, options: SeriesRange<string>) {
  const times = timesOf(options, ["columns", "limit"]);
  const { columns, limit = Number.MAX_SAFE_INTEGER } = options;
  checkCount("limit", limit);
  const wanted = wantedOf(source.definition, columns);
  return collect<Values>(limit === 0 ? [] : piecesOf(source, times), wanted, limit);
}

/** The newest rows. */
export function lastOf<Values>(
  source: SeriesSource,
  count: number,
  options: SeriesLast<string>,
): SeriesSlice<Values> {
  checkCount("the number of rows", count);
  const { lt = Number.POSITIVE_INFINITY } = options;
  for (const name of Object.keys(options)) {
    if (name !== "columns" && name !== "lt") throw invalid(`unknown option "${name}"`);
  }
  checkTime(lt);
  const wanted = wantedOf(source.definition, options.columns);
  const pieces: Piece[] = [];
  let left = count;
  if (left > 0) {
    for (const piece of piecesOf(source, { gte: Number.NEGATIVE_INFINITY, lt }, true)) {
      const from = Math.max(piece.from, piece.to - left);
      pieces.unshift({ ...piece, from });
      left -= piece.to - from;
      if (left === 0) break;
    }
  }
  return collect<Values>(pieces, wanted, Number.MAX_SAFE_INTEGER);
}

/** The last row at or before a time. */
export function rowAtTime<Values>(source: SeriesSource, time: number) {
  checkTime(time);
  const lt = time < Number.MAX_SAFE_INTEGER ? time + 1 : Number.POSITIVE_INFINITY;
  return lastOf<Values>(source, 1, { lt }).row(0) as SeriesRow<Values> | undefined;
}

/** How many rows there are in a range. */
export function countOf(source: SeriesSource, options: SeriesTimes): number {
  const times = timesOf(options);
  let count = 0;
  for (const { from, to } of piecesOf(source, times)) count += to - from;
  return count;
}

/** Rows of a range, a piece of at most a chunk at a time. */
export function* slicesOf<Values>(
  source: SeriesSource,
  options: SeriesRange<string>,
): Generator<SeriesSlice<Values>, void, undefined> {
  const times = timesOf(options, ["columns", "limit", "signal"]);
  const { columns, limit = Number.MAX_SAFE_INTEGER } = options;
  checkCount("limit", limit);
  const wanted = wantedOf(source.definition, columns);
  let left = limit;
  if (left === 0) return;
  for (const piece of piecesOf(source, times)) {
    const slice = collect<Values>([piece], wanted, left);
    yield slice;
    left -= slice.length;
    if (left === 0) return;
  }
}
