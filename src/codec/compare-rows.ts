/** What differs between two lists of rows that are in the order of their keys. */
import type { TypeNode } from "./field-types.js";
import type { TableDefinition } from "./schema.js";
import { type Json, toJson } from "./value-json.js";

/** A field that is not the same, as JSON; undefined where one side has no such field. */
export interface FieldChange {
  readonly field: string;
  readonly before: Json | undefined;
  readonly after: Json | undefined;
}

export interface RowChange {
  readonly change: "added" | "removed" | "changed";
  readonly key: unknown;
  /** For a row that both have: those that differ. Otherwise all of them. */
  readonly fields: readonly FieldChange[];
}

export type OrderedRows = Iterable<readonly [key: unknown, row: unknown]>;

type Fields = Pick<TableDefinition, "fields">["fields"];

/**
 * Goes through both once, and keeps no more than a row of each. Values are the same if they are so
 * to the bit: 0 and -0 are not, and decimals of different scales are not.
 */
export function* compareRows(
  before: OrderedRows,
  after: OrderedRows,
  compareKeys: (a: unknown, b: unknown) => number,
  fieldsBefore: Fields,
  fieldsAfter: Fields = fieldsBefore,
): Generator<RowChange, void, void> {
  const left = before[Symbol.iterator]();
  const right = after[Symbol.iterator]();
  try {
    let a = left.next();
    let b = right.next();
    while (!a.done || !b.done) {
      const order = a.done ? 1 : b.done ? -1 : compareKeys(a.value[0], b.value[0]);
      const old = order <= 0 && !a.done ? jsonOf(fieldsBefore, a.value[1]) : NOTHING;
      const now = order >= 0 && !b.done ? jsonOf(fieldsAfter, b.value[1]) : NOTHING;
      const fields = changesOf(old, now);
      const key = order <= 0 && !a.done ? a.value[0] : b.value?.[0];
      if (order < 0) yield { change: "removed", key, fields };
      else if (order > 0) yield { change: "added", key, fields };
      else if (fields.length > 0) yield { change: "changed", key, fields };
      if (order <= 0) a = left.next();
      if (order >= 0) b = right.next();
    }
  } finally {
    left.return?.();
    right.return?.();
  }
}

type Values = ReadonlyMap<string, Json>;

const NOTHING: Values = new Map();

function jsonOf(fields: Fields, row: unknown): Values {
  const values = row as Readonly<Record<string, unknown>>;
  return new Map(fields.map(({ name, type }) => [name, toJson(type as TypeNode, values[name])]));
}

function changesOf(old: Values, now: Values): FieldChange[] {
  const changes: FieldChange[] = [];
  for (const field of new Set([...old.keys(), ...now.keys()])) {
    const [before, after] = [old.get(field), now.get(field)];
    if (JSON.stringify(before) !== JSON.stringify(after)) changes.push({ field, before, after });
  }
  return changes;
}
