/** Range options as callers give them, and the iterators over a table's rows. */
import { HoldfastError } from "../base/errors.js";
import type { Entry } from "../memtable/memtable.js";
import type { KeyRange } from "../memtable/ordered-index.js";
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

/** Rows in key order. Options are checked at once, not at the first step. */
export function entriesOf<Key, Row>(
  table: TableState<Key, Row>,
  options: RangeOptions<Key> = {},
): IterableIterator<readonly [Key, Row]> {
  return walk(table, toKeyRange(table, options), toLimit(options.limit), (entry) => [
    entry.key,
    table.row.copyOut(table.rowOf(entry)),
  ]);
}

/** Keys in order. */
export function keysOf<Key>(
  table: TableState<Key>,
  options: RangeOptions<Key> = {},
): IterableIterator<Key> {
  return walk(table, toKeyRange(table, options), toLimit(options.limit), (entry) => entry.key);
}

/** Rows in the order of their keys. */
export function valuesOf<Key, Row>(
  table: TableState<Key, Row>,
  options: RangeOptions<Key> = {},
): IterableIterator<Row> {
  return walk(table, toKeyRange(table, options), toLimit(options.limit), (entry) =>
    table.row.copyOut(table.rowOf(entry)),
  );
}

function* walk<Key, Row, T>(
  table: TableState<Key, Row>,
  range: KeyRange<Key>,
  limit: number,
  take: (entry: Entry<Key>) => T,
): Generator<T, void, undefined> {
  if (limit === 0) return;
  let left = limit;
  for (const entry of table.rows.range(range)) {
    yield take(entry);
    if (--left === 0) return;
  }
}
