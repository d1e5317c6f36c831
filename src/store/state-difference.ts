/** What differs between two states: row by row, and field by field. */
import { isDeepStrictEqual } from "node:util";
import { compileKey } from "../codec/key.js";
import type { StoredRow } from "../history/stored-tables.js";
import type { AnyTable, PastState } from "./past-state.js";

export interface FieldDifference {
  readonly field: string;
  /** Undefined where the row has no such field. */
  readonly before: unknown;
  readonly after: unknown;
}

export interface RowDifference {
  readonly table: string;
  readonly key: unknown;
  readonly kind: "added" | "removed" | "changed";
  /** Undefined for one that was added. */
  readonly before: StoredRow | undefined;
  /** Undefined for one that was removed. */
  readonly after: StoredRow | undefined;
  /** For "changed": the fields that differ, in the order of the schema. */
  readonly fields: readonly FieldDifference[];
}

/** The fields in which two rows differ. */
export function fieldsThatDiffer(before: StoredRow, after: StoredRow): FieldDifference[] {
  const names = new Set([...Object.keys(before), ...Object.keys(after)]);
  return [...names]
    .filter((field) => !isDeepStrictEqual(plain(before[field]), plain(after[field])))
    .map((field) => ({ field, before: before[field], after: after[field] }));
}

/** Without what an object has besides its value: a decimal remembers whether it was frozen. */
function plain(value: unknown): unknown {
  if (value instanceof Uint8Array) return Array.from(value);
  if (Array.isArray(value)) return value.map(plain);
  if (typeof value !== "object" || value === null) return value;
  return Object.entries(value)
    .map(([name, item]) => [name, plain(item)] as const)
    .sort(([a], [b]) => (a < b ? -1 : 1));
}

/** Table after table, in the order of the keys. */
export function* differences(
  before: PastState,
  after: PastState,
  wants: (table: string) => boolean,
): Generator<RowDifference | undefined, void, undefined> {
  const was = new Map(before.tables.map((table) => [table.name, table]));
  const is = new Map(after.tables.map((table) => [table.name, table]));
  for (const name of new Set([...was.keys(), ...is.keys()])) {
    if (!wants(name)) continue;
    const [a, b] = [was.get(name), is.get(name)];
    const { key } = (b ?? a) as AnyTable;
    const { compare } = compileKey<unknown>(key);
    yield* compareRows(name, rowsOf(before, a), rowsOf(after, b), compare);
  }
}

type Rows = Iterator<readonly [unknown, StoredRow]>;

function rowsOf(state: PastState, table: AnyTable | undefined): Rows {
  const rows = table === undefined ? [] : state.table(table).entries();
  return rows[Symbol.iterator]() as Rows;
}

/** Undefined for a row that is the same in both, so that whoever goes through them can pause. */
export function* compareRows(
  table: string,
  before: Rows,
  after: Rows,
  compare: (a: unknown, b: unknown) => number,
): Generator<RowDifference | undefined, void, undefined> {
  let a = before.next();
  let b = after.next();
  while (a.done !== true || b.done !== true) {
    const order = a.done ? 1 : b.done ? -1 : compare(a.value[0], b.value[0]);
    const [key] = (order <= 0 ? a : b).value as readonly [unknown, StoredRow];
    const was = order <= 0 ? (a.value as [unknown, StoredRow])[1] : undefined;
    const is = order >= 0 ? (b.value as [unknown, StoredRow])[1] : undefined;
    yield differenceOf(table, key, was, is);
    if (order <= 0) a = before.next();
    if (order >= 0) b = after.next();
  }
}

/** Undefined where there is none; one of both is there. */
export function differenceOf(
  table: string,
  key: unknown,
  before: StoredRow | undefined,
  after: StoredRow | undefined,
): RowDifference | undefined {
  if (before === undefined || after === undefined) {
    const kind = before === undefined ? "added" : "removed";
    return { table, key, kind, before, after, fields: [] };
  }
  const fields = fieldsThatDiffer(before, after);
  return fields.length === 0 ? undefined : { table, key, kind: "changed", before, after, fields };
}
