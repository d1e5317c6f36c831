/** The tables of the simulated engine: one of each tier, and one of each kind of key. */
import { defineTable, integer, nullable, string } from "../../src/index.js";
import type { ReadTable, Table } from "../../src/store/table.js";

export const DIRECTORY = "/data/engine/store";

const fields = {
  /** Unique for every write of a run: a row that comes back from the dead gives itself away. */
  stamp: integer(),
  text: string(),
  note: nullable(string()),
};

export const orders = defineTable({
  name: "orders",
  version: 1,
  tier: "critical",
  key: integer(),
  fields,
  patches: true,
});

const noted = {
  name: "notes",
  version: 1,
  tier: "important",
  key: string(),
  fields,
  patches: true,
} as const;

export const notes = defineTable(noted);

/** The same table, of a program that wants all of its rows in memory. */
const residentNotes = defineTable({ ...noted, resident: true });

export const quotes = defineTable({
  name: "quotes",
  version: 1,
  tier: "cached",
  key: [string(), integer()],
  fields,
  patches: true,
});

export interface SimRow {
  readonly stamp: number;
  readonly text: string;
  readonly note: string | null;
}

export type TableName = "orders" | "notes" | "quotes";
export type SimKey = number | string | readonly [string, number];

export const TABLE_NAMES: readonly TableName[] = ["orders", "notes", "quotes"];

type Definition = typeof orders;
export type Definitions = Readonly<Record<TableName, Definition>>;

/** What a program may open the store with. */
export const DEFINITIONS = {
  plain: { orders, notes, quotes } as unknown as Definitions,
  resident: { orders, notes: residentNotes, quotes } as unknown as Definitions,
};

export type AnyTable = Table<SimKey, SimRow, SimRow>;
export type AnyReadTable = ReadTable<SimKey, SimRow>;

/** Keys of a table that is used: few, so that they are written again and again. */
export const KEYS = 40;

export function keyOf(name: TableName, n: number): SimKey {
  if (name === "orders") return n - 20;
  if (name === "notes") return `n${n % 7}/${n}`;
  return [n % 3 === 0 ? "x" : "y", n];
}

/** A key as text, for maps of the model. */
export function keyText(key: SimKey): string {
  return JSON.stringify(key);
}

export function compareKeys(a: SimKey, b: SimKey): number {
  if (typeof a === "object" && typeof b === "object") {
    return compareKeys(a[0], b[0]) || compareKeys(a[1], b[1]);
  }
  return a < b ? -1 : a > b ? 1 : 0;
}
