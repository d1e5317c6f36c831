/** Which rows of a series a read sees, and the pieces of chunks that they are. */

import type { TablesToRead } from "../codec/table-rows.js";
import type { Compressor } from "../disk/disk.js";
import { type OpenedChunk, readChunk } from "./chunk.js";
import { type ColumnArray, type ColumnSet, rowAt } from "./column-set.js";
import type { AnySeries } from "./definition.js";
import { newestTime, type SeriesState } from "./state.js";
import { type ChunkEntry, type ChunkKey, chunkOf, chunksOf } from "./tables.js";

/** One state of a series, for reading. */
export interface SeriesSource {
  readonly definition: AnySeries;
  readonly tables: TablesToRead;
  readonly state: SeriesState;
  readonly compressor: Compressor;
}

/** Times of a read: from `gte` on, and before `lt`; infinite where there is no bound. */
export interface Times {
  readonly gte: number;
  readonly lt: number;
}

/** Rows [from, to) of a chunk, sealed or open. */
export interface Piece {
  readonly from: number;
  readonly to: number;
  /** Times of the first and the last of them. */
  readonly first: number;
  readonly last: number;
  /** Values [from, to) of some columns; the time is number 0. */
  read(places: readonly number[], from: number, to: number): ColumnArray[];
  /** The sealed chunk, which is read when it is first asked for; undefined for the open one. */
  readonly chunk: (() => OpenedChunk) | undefined;
  /** All rows of the chunk are in it. */
  readonly whole: boolean;
}

/** Where the rows begin that are not forgotten: chunks are forgotten whole, rows one by one. */
interface Start {
  /** The oldest chunk with such a row; undefined: they are all in the open one. */
  readonly key: ChunkKey | undefined;
  /** Rows of that chunk that are forgotten. */
  readonly skip: number;
  readonly gte: number;
}

function startOf({ definition, tables, state }: SeriesSource): Start {
  const { rows = Infinity, ageMicros = Infinity } = definition.capacity;
  let skip = Math.max(0, state.sealed.rows + state.open.length - rows);
  const gte = newestTime(state) - ageMicros;
  if (skip >= state.sealed.rows) return { key: undefined, skip: skip - state.sealed.rows, gte };
  for (const chunk of chunksOf(tables, definition.name)) {
    if (skip < chunk.rows) return { key: chunk.key, skip, gte };
    skip -= chunk.rows;
  }
  return { key: undefined, skip, gte };
}

/** The pieces with rows of these times, in their order, or from the last to the first. */
export function* piecesOf(
  source: SeriesSource,
  times: Times,
  reverse = false,
): Generator<Piece, void, undefined> {
  const start = startOf(source);
  const wanted = { gte: Math.max(times.gte, start.gte), lt: times.lt };
  if (!(wanted.gte < wanted.lt)) return;
  const open = openPiece(source, start, wanted);
  if (reverse && open !== undefined) yield open;
  yield* sealedPieces(source, start, wanted, reverse);
  if (!reverse && open !== undefined) yield open;
}

function openPiece({ state }: SeriesSource, start: Start, { gte, lt }: Times): Piece | undefined {
  const { open } = state;
  const forgotten = start.key === undefined ? start.skip : 0;
  const from = rowAt(open.time, forgotten, open.length, gte);
  const to = rowAt(open.time, from, open.length, lt);
  if (from === to) return undefined;
  const read = (places: readonly number[], begin: number, end: number) =>
    places.map((place) => partOf(open, place, begin, end));
  const [first, last] = [open.time[from] as number, open.time[to - 1] as number];
  const whole = from === 0 && to === open.length;
  return { from, to, first, last, read, chunk: undefined, whole };
}

function partOf(set: ColumnSet, i: number, from: number, to: number): ColumnArray {
  const array = set.arrays[i] as ColumnArray;
  return Array.isArray(array) ? array.slice(from, to) : array.subarray(from, to);
}

function* sealedPieces(
  source: SeriesSource,
  start: Start,
  wanted: Times,
  reverse: boolean,
): Generator<Piece, void, undefined> {
  if (start.key === undefined) return;
  for (const chunk of entriesIn(source, start.key, wanted, reverse)) {
    const piece = sealedPiece(source, chunk, start, wanted);
    if (piece !== undefined) yield piece;
  }
}

/** Chunks that may have rows of these times. */
function* entriesIn(
  { definition, tables }: SeriesSource,
  oldest: ChunkKey,
  { gte, lt }: Times,
  reverse: boolean,
): Generator<ChunkEntry, void, undefined> {
  const { name } = definition;
  // The last chunk that begins before the first row wanted may reach it; none before that can.
  const before = chunkOf(tables, name, { lt: gte, reverse: true });
  const key = before && compareKeys(before.key, oldest) > 0 ? before.key : oldest;
  yield* chunksOf(tables, name, { gte: key, lt, reverse });
}

function compareKeys(a: ChunkKey, b: ChunkKey): number {
  return a[1] - b[1] || a[2] - b[2];
}

function sealedPiece(
  { definition, tables, compressor }: SeriesSource,
  entry: ChunkEntry,
  start: Start,
  { gte, lt }: Times,
): Piece | undefined {
  if (entry.last < gte) return undefined;
  let opened: OpenedChunk | undefined;
  const chunk = () => {
    opened ??= readChunk(tables, definition, entry, compressor);
    return opened;
  };
  const isFirst = compareKeys(entry.key, start.key as ChunkKey) === 0;
  let from = isFirst ? start.skip : 0;
  let to = entry.rows;
  let [first, last] = [entry.key[1], entry.last];
  if (from > 0 || first < gte || last >= lt) {
    const times = chunk().read([0])[0] as Float64Array;
    from = rowAt(times, from, to, gte);
    to = rowAt(times, from, to, lt);
    if (from === to) return undefined;
    [first, last] = [times[from] as number, times[to - 1] as number];
  }
  const read = (places: readonly number[], begin: number, end: number) =>
    chunk().read(places, begin, end);
  return { from, to, first, last, read, chunk, whole: from === 0 && to === entry.rows };
}
