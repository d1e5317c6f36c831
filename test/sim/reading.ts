/** Reads of a store, a view or a snapshot, each held against the state that it has to show. */
import type { TableDefinition } from "../../src/codec/schema.js";
import { type Rows, type State, sameRow, show } from "./model.js";
import type { Random } from "./random.js";
import {
  type AnyReadTable,
  compareKeys,
  type Definitions,
  KEYS,
  keyOf,
  keyText,
  type TableName,
} from "./tables.js";

/** Whatever has tables that can be read. */
export interface Readable {
  // biome-ignore lint/suspicious/noExplicitAny: tables of different types
  table(definition: TableDefinition<any, any, any>): unknown;
}

export function tableOf(source: Readable, definitions: Definitions, name: TableName): AnyReadTable {
  return source.table(definitions[name]) as AnyReadTable;
}

/** Everything a store holds, by way of its range reads. */
export function readState(
  source: Readable,
  definitions: Definitions,
  tables: readonly TableName[],
): State {
  const state: State = { orders: new Map(), notes: new Map(), quotes: new Map() };
  for (const name of tables) {
    for (const [key, row] of tableOf(source, definitions, name).entries()) {
      state[name].set(keyText(key), { key, row });
    }
  }
  return state;
}

/** One key by `get` and `has`, and the count now and then; says what is wrong. */
export function comparePoint(
  table: AnyReadTable,
  name: TableName,
  expected: Rows,
  random: Random,
): string | undefined {
  const key = keyOf(name, random.below(KEYS));
  const row = expected.get(keyText(key))?.row;
  const found = table.get(key);
  if (!sameRow(found, row)) {
    return `get ${name} ${keyText(key)}: expected ${show(row)}, got ${show(found)}`;
  }
  if (table.has(key) !== (row !== undefined)) return `has ${name} ${keyText(key)}`;
  const count = random.chance(0.3) ? table.count() : expected.size;
  return count === expected.size ? undefined : `count of ${name}: ${count}, not ${expected.size}`;
}

/** A range between two keys, either way; says what is wrong. */
export function compareRange(
  table: AnyReadTable,
  name: TableName,
  expected: Rows,
  random: Random,
): string | undefined {
  const [a, b] = [keyOf(name, random.below(KEYS)), keyOf(name, random.below(KEYS))];
  const [gte, lt] = compareKeys(a, b) <= 0 ? [a, b] : [b, a];
  const reverse = random.chance(0.5);
  const limit = 1 + random.below(20);
  const found = [...table.entries({ gte, lt, reverse, limit })];
  const sorted = [...expected.values()]
    .filter(({ key }) => compareKeys(key, gte) >= 0 && compareKeys(key, lt) < 0)
    .sort((one, other) => compareKeys(one.key, other.key));
  const wanted = (reverse ? sorted.reverse() : sorted).slice(0, limit);
  const same =
    found.length === wanted.length &&
    found.every(([key, row], i) => {
      const other = wanted[i];
      return keyText(key) === keyText(other?.key ?? "") && sameRow(row, other?.row);
    });
  return same ? undefined : `range of ${name}, reverse ${reverse}`;
}

/** Some keys of every table, there or not, against what ranges have shown. */
export function comparePoints(
  source: Readable,
  definitions: Definitions,
  tables: readonly TableName[],
  expected: State,
  random: Random,
): string | undefined {
  for (const name of tables) {
    const table = tableOf(source, definitions, name);
    for (let i = 0; i < 3; i++) {
      const wrong = comparePoint(table, name, expected[name], random);
      if (wrong !== undefined) return wrong;
    }
  }
  return undefined;
}
