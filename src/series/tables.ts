/**
 * The tables that series are kept in, all series of a store in the same four. Rows of tables are
 * what log, runs, views, history, forks and verification know: series need nothing of their own.
 */

import { bytes, defineTable, integer, nullable, string, timestamp } from "../codec/schema.js";
import type { TablesToRead } from "../codec/table-rows.js";

/** One row a series, written when a chunk is sealed or the definition has changed. */
export const seriesStates = defineTable({
  name: "series.states",
  version: 1,
  tier: "important",
  key: string(),
  fields: {
    /** See stored-definition.ts. */
    definition: string(),
    /** Of the open chunk: batches of another generation are left over from chunks sealed since. */
    generation: integer(),
    /** Rows, and bytes, of the sealed chunks. */
    rows: integer(),
    bytes: integer(),
    /** The newest time that was ever sealed. */
    lastTime: nullable(timestamp()),
  },
});

/**
 * The open chunk: a row for each append, in a slot that the next generation uses again. So sealing
 * deletes nothing, and a slot that is not of this generation says that the chunk ends before it.
 */
export const seriesTail = defineTable({
  name: "series.tail",
  version: 1,
  tier: "important",
  key: [string(), integer()],
  fields: { generation: integer(), rows: integer(), columns: integer(), batch: bytes() },
});

/** Sealed chunks by series, time of the first row, and a number where that is the same. */
export const seriesChunks = defineTable({
  name: "series.chunks",
  version: 1,
  tier: "important",
  key: [string(), timestamp(), integer()],
  fields: { last: timestamp(), rows: integer(), bytes: integer() },
});

/** What is in them, apart: whoever looks for a time does not read it. */
export const seriesData = defineTable({
  name: "series.data",
  version: 1,
  tier: "important",
  key: [string(), timestamp(), integer()],
  fields: { chunk: bytes() },
});

export const SERIES_TABLES = [seriesStates, seriesTail, seriesChunks, seriesData] as const;

export type ChunkKey = readonly [series: string, first: number, number: number];

/** A sealed chunk without what is in it. */
export interface ChunkEntry {
  readonly key: ChunkKey;
  readonly last: number;
  readonly rows: number;
  readonly bytes: number;
}

/** Below and above every number of a chunk, and every time. */
const LEAST = Number.MIN_SAFE_INTEGER;
const MOST = Number.MAX_SAFE_INTEGER;

/** Which chunks, by the times of their first rows. */
export interface ChunkRange {
  /** First row at or behind this time; by default the oldest. */
  readonly gte?: number | ChunkKey | undefined;
  /** First row before this time. */
  readonly lt?: number | undefined;
  readonly reverse?: boolean;
  readonly limit?: number;
}

/** Sealed chunks in the order of their rows. */
export function* chunksOf(
  tables: TablesToRead,
  series: string,
  range: ChunkRange = {},
): Generator<ChunkEntry, void, undefined> {
  const { gte = LEAST, lt = Number.POSITIVE_INFINITY, reverse = false, limit } = range;
  if (lt <= LEAST || (typeof gte === "number" && gte > MOST)) return;
  const entries = tables.entries(seriesChunks, {
    gte: typeof gte === "number" ? [series, Math.max(gte, LEAST), LEAST] : gte,
    ...(lt > MOST ? { lte: [series, MOST, MOST] } : { lt: [series, lt, LEAST] }),
    reverse,
    ...(limit !== undefined && { limit }),
  });
  for (const [key, row] of entries) yield { key, ...row };
}

/** The first or, with `reverse`, the last chunk of a range. */
export function chunkOf(
  tables: TablesToRead,
  series: string,
  range: ChunkRange,
): ChunkEntry | undefined {
  // A loop, since leaving it gives back what the iterator holds.
  for (const chunk of chunksOf(tables, series, { ...range, limit: 1 })) return chunk;
  return undefined;
}
