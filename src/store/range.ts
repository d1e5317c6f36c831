/** Range options as callers give them, and the iterators over a table's rows. */
import { HoldfastError } from "../base/errors.js";
import { type Entry, isLive, type Version } from "../memtable/entry.js";
import type { ViewMark } from "../memtable/horizon.js";
import { Memtable } from "../memtable/memtable.js";
import type { KeyRange } from "../memtable/ordered-index.js";
import type { RunSet } from "../run/run-set.js";
import { RunWalk } from "./run-walk.js";
import type { TableState } from "./table-state.js";

/**
 * Which rows, in which order. `gte` wins over `gt`, and `lte` over `lt`. For a tuple key the bounds
 * are whole tuples.
 */
export interface RangeOptions<Key> {
  readonly gt?: Key;
  readonly gte?: Key;
  readonly lt?: Key;
  readonly lte?: Key;
  /** From the last to the first. Default: false. */
  readonly reverse?: boolean;
  /** At most so many; no limit by default. */
  readonly limit?: number;
}

const KNOWN = new Set(["gt", "gte", "lt", "lte", "reverse", "limit"]);

function toKeyRange<Key>(table: TableState<Key>, options: RangeOptions<Key>): KeyRange<Key> {
  if (typeof options !== "object" || options === null) {
    throw new HoldfastError("INVALID_ARGUMENT", `a range is an object, got ${String(options)}`);
  }
  for (const name of Object.keys(options)) {
    if (KNOWN.has(name)) continue;
    throw new HoldfastError("INVALID_ARGUMENT", `unknown range option "${name}"`);
  }
  const { gt, gte, lt, lte, reverse = false } = options;
  if (typeof reverse !== "boolean") {
    throw new HoldfastError("INVALID_ARGUMENT", "reverse must be true or false");
  }
  const bound = (key: Key | undefined) =>
    key === undefined ? undefined : table.key.validate(key, table.name);
  return {
    lower: bound(gte === undefined ? gt : gte),
    lowerExclusive: gte === undefined,
    upper: bound(lte === undefined ? lt : lte),
    upperExclusive: lte === undefined,
    reverse,
  };
}

function toLimit(limit: number | undefined): number {
  if (limit === undefined || limit === Number.POSITIVE_INFINITY) return Number.POSITIVE_INFINITY;
  if (Number.isSafeInteger(limit) && limit >= 0) return limit;
  throw new HoldfastError("INVALID_ARGUMENT", `limit must be a whole number, got ${limit}`);
}

/** Which state of a table is read: the newest, or a view's. */
export interface RangeSource<Key, Row> {
  readonly table: TableState<Key, Row>;
  /** The runs to read; asked for again at every step, since they are replaced now and then. */
  runs(): RunSet | undefined;
  /** What memory says of a key; undefined: nothing, ask the runs. */
  visible(entry: Entry<Key>): Version | undefined;
}

/** The newest state. Runs are read only where memory does not have the whole table. */
export function newest<Key, Row>(table: TableState<Key, Row>): RangeSource<Key, Row> {
  return {
    table,
    runs: () => (table.rows.complete ? undefined : table.layers.runs),
    visible: (entry) => entry,
  };
}

/** The state that a view shows, of which `runs` hold the beginning. */
export function asOf<Key, Row>(
  table: TableState<Key, Row>,
  runs: RunSet | undefined,
  mark: ViewMark,
): RangeSource<Key, Row> {
  return { table, runs: () => runs, visible: (entry) => Memtable.visible(entry, mark) };
}

/** Rows in key order. Options are checked at once, not at the first step. */
export function entriesOf<Key, Row>(
  source: RangeSource<Key, Row>,
  options: RangeOptions<Key> = {},
): IterableIterator<readonly [Key, Row]> {
  const range = toKeyRange(source.table as TableState<Key>, options);
  const limit = toLimit(options.limit);
  return walk(source, range, limit, true, (key, row) => [key, row as Row] as const);
}

/** Keys in order. */
export function keysOf<Key>(
  source: RangeSource<Key, unknown>,
  options: RangeOptions<Key> = {},
): IterableIterator<Key> {
  const range = toKeyRange(source.table, options);
  return walk(source, range, toLimit(options.limit), false, (key) => key);
}

/** Rows in the order of their keys. */
export function valuesOf<Key, Row>(
  source: RangeSource<Key, Row>,
  options: RangeOptions<Key> = {},
): IterableIterator<Row> {
  const range = toKeyRange(source.table as TableState<Key>, options);
  return walk(source, range, toLimit(options.limit), true, (_, row) => row as Row);
}

/** Of a table, from its first key to its last. */
export const EVERYTHING = {
  lower: undefined,
  lowerExclusive: false,
  upper: undefined,
  upperExclusive: false,
  reverse: false,
} as const;

/** Number of rows: known where memory has them all, counted key by key where it has not. */
export function countOf<Key, Row>(table: TableState<Key, Row>): number {
  if (table.rows.complete) return table.rows.live;
  return countIn(newest(table));
}

export function countIn<Key, Row>(source: RangeSource<Key, Row>): number {
  let count = 0;
  for (const _ of walk(source, EVERYTHING, Number.POSITIVE_INFINITY, false, () => true)) count++;
  return count;
}

/** Memory and runs side by side, in the order of the keys; what memory says of a key counts. */
function* walk<Key, Row, T>(
  source: RangeSource<Key, Row>,
  range: KeyRange<Key>,
  limit: number,
  wantsRow: boolean,
  take: (key: Key, row: Row | undefined) => T,
): Generator<T, void, undefined> {
  const { table } = source;
  const { definition } = table;
  const memory = table.rows.cursor(range);
  const runs = new RunWalk(source, range);
  const compare = (a: Key, b: Key) => table.key.compare(a, b) * (range.reverse ? -1 : 1);
  try {
    for (let left = limit; left > 0; ) {
      table.assertInForce(definition);
      const entry = memory.peek();
      const hasRun = runs.peek();
      if (entry === undefined && !hasRun) return;
      const order = entry === undefined ? 1 : hasRun ? compare(entry.key, runs.key) : -1;
      if (entry === undefined || order > 0) {
        const { key } = runs;
        const row = wantsRow ? table.row.copyOut(runs.row()) : undefined;
        runs.pass();
        memory.mark(key);
        yield take(key, row);
        left--;
        continue;
      }
      memory.pass(entry);
      runs.mark(entry.key);
      const version = source.visible(entry);
      // Memory knows the key, but nothing of it that this state shows: the runs have their say.
      if (version === undefined) continue;
      if (order === 0) runs.pass();
      if (!isLive(version)) continue;
      const row = wantsRow ? table.row.copyOut(table.rowOf(version, entry.key)) : undefined;
      yield take(entry.key, row);
      left--;
    }
  } finally {
    runs.close();
  }
}
