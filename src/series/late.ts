/** Late rows that belong among sealed ones: their chunk is made anew, or becomes several. */

import type { TablesToWrite } from "../codec/table-rows.js";
import type { Compressor } from "../disk/disk.js";
import { deleteChunk, readChunk, writeChunk } from "./chunk.js";
import { type ColumnSet, rowAt } from "./column-set.js";
import type { AnySeries } from "./definition.js";
import type { SealedState } from "./state.js";
import { type ChunkEntry, type ChunkKey, chunkOf, chunksOf } from "./tables.js";

export interface SealedPlace {
  readonly definition: AnySeries;
  readonly compressor: Compressor;
  readonly chunkRows: number;
}

/** Puts rows, which are sorted and older than the newest sealed one, where they belong. */
export function insertSealed(
  tables: TablesToWrite,
  place: SealedPlace,
  sealed: SealedState,
  late: ColumnSet,
): SealedState {
  const { name } = place.definition;
  let { rows, bytes } = sealed;
  for (let from = 0; from < late.length; ) {
    const time = late.time[from] as number;
    const chunk =
      chunkOf(tables, name, { lt: time + 1, reverse: true }) ?? chunkOf(tables, name, {});
    const next = chunk && chunkBehind(tables, chunk.key);
    // A row of the time at which the next chunk begins stands behind the rows that have it.
    const end = next === undefined ? Number.POSITIVE_INFINITY : next.key[1];
    const to = rowAt(late.time, from, late.length, end);
    const group = late.part(from, to);
    const written = rewrite(tables, place, chunk, next, group);
    rows += group.length;
    bytes += written.reduce((sum, one) => sum + one.bytes, -(chunk?.bytes ?? 0));
    from = to;
  }
  return { ...sealed, rows, bytes };
}

function chunkBehind(tables: TablesToWrite, key: ChunkKey): ChunkEntry | undefined {
  const [, behind] = [...chunksOf(tables, key[0], { gte: key, limit: 2 })];
  return behind;
}

/** Writes a chunk with more rows in it, as as many chunks as it takes. */
function rewrite(
  tables: TablesToWrite,
  place: SealedPlace,
  chunk: ChunkEntry | undefined,
  next: ChunkEntry | undefined,
  group: ColumnSet,
): ChunkEntry[] {
  const { definition, compressor, chunkRows } = place;
  const all =
    chunk === undefined
      ? group
      : readChunk(tables, definition, chunk, compressor).all().merge(group);
  const pieces = Math.ceil(all.length / chunkRows);
  const starts = Array.from({ length: pieces }, (_, i) => Math.floor((i * all.length) / pieces));
  const keys = keysFor(
    definition.name,
    starts.map((start) => all.time[start] as number),
    chunk,
    next,
  );
  if (chunk !== undefined && !keys.some((key) => sameKey(key, chunk.key))) {
    deleteChunk(tables, chunk.key);
  }
  return keys.map((key, i) => {
    const to = starts[i + 1] ?? all.length;
    return writeChunk(tables, key, all, starts[i] as number, to, compressor);
  });
}

/**
 * Keys between those of a chunk and the next. Pieces that begin when the chunk did count up from
 * its number: no chunk behind it begins at that time, or the rows would have gone there. All others
 * count down from the next chunk, which may begin at the same time; so do those of the oldest chunk
 * where a row came before it, since there is nothing below.
 */
function keysFor(
  name: string,
  firsts: readonly number[],
  chunk: ChunkEntry | undefined,
  next: ChunkEntry | undefined,
): ChunkKey[] {
  const keys: ChunkKey[] = [];
  const [, begin, number] = chunk?.key ?? [name, 0, 0];
  const countsUp = chunk !== undefined && firsts[0] === begin;
  let after = next?.key;
  for (let i = firsts.length - 1; i >= 0; i--) {
    const first = firsts[i] as number;
    const down = after?.[1] === first ? after[2] - 1 : 0;
    after = [name, first, countsUp && first === begin ? number + i : down];
    keys.unshift(after);
  }
  return keys;
}

function sameKey(a: ChunkKey, b: ChunkKey): boolean {
  return a[1] === b[1] && a[2] === b[2];
}
