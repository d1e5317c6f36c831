/** Sealed chunks: rows become one row of bytes, and rows again. */

import { HoldfastError } from "../base/errors.js";
import { ROW_BYTES_MAX } from "../base/limits.js";
import type { TablesToRead, TablesToWrite } from "../codec/table-rows.js";
import { ColumnChunk, type ColumnValues, encodeColumns } from "../columns/columns.js";
import type { Compressor } from "../disk/disk.js";
import { type ColumnArray, ColumnSet } from "./column-set.js";
import {
  type AnySeries,
  type ColumnKind,
  type ColumnNode,
  SERIES_TEXT_BYTES_MAX,
} from "./definition.js";
import { allColumns, filled, kindsOf } from "./input.js";
import { toFloat64, toInt64 } from "./int64.js";
import { type ChunkEntry, type ChunkKey, seriesChunks, seriesData } from "./tables.js";

/** Left for headers, where nothing of a chunk can be made smaller. */
const CHUNK_SLACK_BYTES = 64 * 1024;

/** Rows of a chunk: what the definition asks for, as far as the widest rows still fit a row. */
export function chunkRowsOf(definition: AnySeries): number {
  const widths = kindsOf(definition).map((kind) => {
    if (kind === "string") return SERIES_TEXT_BYTES_MAX + 1;
    return kind === "boolean" ? 1 : 8;
  });
  const rowBytes = widths.reduce((sum, width) => sum + width, 0);
  return Math.min(definition.chunkRows, Math.floor((ROW_BYTES_MAX - CHUNK_SLACK_BYTES) / rowBytes));
}

/** Writes rows [from, to) as a chunk, under a key of which only the number may be chosen. */
export function writeChunk(
  tables: TablesToWrite,
  key: ChunkKey,
  set: ColumnSet,
  from: number,
  to: number,
  compressor: Compressor,
): ChunkEntry {
  const values = set.kinds.map((kind, i) => valuesOf(kind, set.arrays[i]!, from, to));
  const chunk = encodeColumns(values, to - from, compressor);
  const entry = { last: set.time[to - 1] as number, rows: to - from, bytes: chunk.length };
  tables.put(seriesChunks, key, entry);
  tables.put(seriesData, key, { chunk });
  return { key, ...entry };
}

export function deleteChunk(tables: TablesToWrite, key: ChunkKey): void {
  tables.delete(seriesChunks, key);
  tables.delete(seriesData, key);
}

function valuesOf(kind: ColumnKind, array: ColumnArray, from: number, to: number): ColumnValues {
  switch (kind) {
    case "string":
      return { type: "string", values: (array as string[]).slice(from, to) };
    case "boolean":
      return { type: "boolean", values: (array as Uint8Array).subarray(from, to) };
    case "float64":
      return { type: "float64", values: (array as Float64Array).subarray(from, to) };
    case "int64":
    case "decimal":
      return { type: "int64", values: (array as BigInt64Array).subarray(from, to) };
    default:
      return { type: "int64", values: toInt64(array as Float64Array, from, to) };
  }
}

function arrayOf(kind: ColumnKind, column: ColumnValues): ColumnArray {
  const isNumber = kind === "timestamp" || kind === "integer";
  if (column.type === "int64" && isNumber) return toFloat64(column.values);
  return column.values as ColumnArray;
}

/** A chunk that is being read, column by column as they are asked for. */
export class OpenedChunk {
  readonly rows: number;
  readonly #chunk: ColumnChunk;
  readonly #columns: readonly ColumnNode[];

  constructor(definition: AnySeries, bytes: Uint8Array, compressor: Compressor) {
    this.#chunk = new ColumnChunk(bytes, compressor);
    this.rows = this.#chunk.count;
    this.#columns = allColumns(definition);
  }

  /** Values [from, to) of some columns; the time is number 0. */
  read(places: readonly number[], from = 0, to = this.rows): ColumnArray[] {
    const { columnCount } = this.#chunk;
    const stored = places.filter((place) => place < columnCount);
    // At once: one column may be coded by another, which is decoded once then.
    const values = this.#chunk.readMany(stored, from, to);
    return places.map((place) => {
      const column = this.#columns[place] as ColumnNode;
      if (place >= columnCount) return filled(column, to - from);
      return arrayOf(column.kind, values[stored.indexOf(place)] as ColumnValues);
    });
  }

  /** The least and the greatest value of a column of integers, as the chunk itself tells. */
  bounds(i: number): { min: bigint; max: bigint } | undefined {
    if (i >= this.#chunk.columnCount || this.#chunk.type(i) !== "int64") return undefined;
    return this.#chunk.bounds(i) as { min: bigint; max: bigint } | undefined;
  }

  all(): ColumnSet {
    const arrays = this.read(this.#columns.map((_, i) => i));
    return ColumnSet.of(
      this.#columns.map(({ kind }) => kind),
      arrays,
      this.rows,
    );
  }
}

/** Throws CORRUPT_RUN where a chunk that is listed has no content. */
export function readChunk(
  tables: TablesToRead,
  definition: AnySeries,
  { key, rows }: ChunkEntry,
  compressor: Compressor,
): OpenedChunk {
  const row = tables.get(seriesData, key);
  const chunk = row && new OpenedChunk(definition, row.chunk, compressor);
  if (chunk?.rows === rows) return chunk;
  const found = chunk === undefined ? "no content" : `${chunk.rows} rows instead of ${rows}`;
  throw new HoldfastError(
    "CORRUPT_RUN",
    `series "${definition.name}": the chunk of time ${key[1]} has ${found}`,
    { series: definition.name, key },
  );
}
