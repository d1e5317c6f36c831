/** A series as it stands in its tables: what is sealed, and the open chunk in columns. */

import type { TablesToRead } from "../codec/table-rows.js";
import { ColumnSet } from "./column-set.js";
import type { AnySeries } from "./definition.js";
import { filled, kindsOf } from "./input.js";
import { unpackRows } from "./packed-rows.js";
import { seriesStates, seriesTail } from "./tables.js";

/** The row of `seriesStates`. */
export interface SealedState {
  /** Empty before the first append. */
  readonly definition: string;
  readonly generation: number;
  readonly rows: number;
  readonly bytes: number;
  readonly lastTime: number | null;
}

const EMPTY: SealedState = { definition: "", generation: 0, rows: 0, bytes: 0, lastTime: null };

export interface SeriesState {
  readonly sealed: SealedState;
  readonly open: ColumnSet;
  /** Slots of the tail that the open chunk takes up. */
  readonly slots: number;
}

export function readState(tables: TablesToRead, definition: AnySeries): SeriesState {
  const { name } = definition;
  const sealed = tables.get(seriesStates, name) ?? EMPTY;
  const kinds = kindsOf(definition);
  let open = new ColumnSet(kinds);
  let slots = 0;
  for (const [, row] of tables.entries(seriesTail, { gte: [name, 0], lte: [name, 2 ** 53 - 1] })) {
    if (row.generation !== sealed.generation) break;
    const batch = unpackRows(kinds.slice(0, row.columns), row.batch, row.rows);
    open = withRows(open, withAllColumns(batch, definition));
    slots++;
  }
  return { sealed, open, slots };
}

/** Rows that were written before a column was added have its default. */
function withAllColumns(set: ColumnSet, definition: AnySeries): ColumnSet {
  const kinds = kindsOf(definition);
  if (set.kinds.length === kinds.length) return set;
  const added = definition.columns.slice(set.kinds.length - 1);
  const arrays = [...set.arrays, ...added.map((column) => filled(column, set.length))];
  return ColumnSet.of(kinds, arrays, set.length);
}

/** The open chunk with a batch in it, which is sorted: the same memory if it stands at the end. */
export function withRows(open: ColumnSet, batch: ColumnSet): ColumnSet {
  if (batch.length === 0) return open;
  if (open.length > 0 && batch.first < open.last) return open.merge(batch);
  open.append(batch);
  return open;
}

/** The newest time there ever was; -Infinity before the first row. */
export function newestTime({ open, sealed }: SeriesState): number {
  return open.length > 0 ? open.last : (sealed.lastTime ?? Number.NEGATIVE_INFINITY);
}
