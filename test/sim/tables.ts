/** The tables of the simulated engine: one of each tier, and one of each kind of key. */
import { defineTable, integer, nullable, string } from "../../src/index.js";

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
});

export const notes = defineTable({
  name: "notes",
  version: 1,
  tier: "important",
  key: string(),
  fields,
});

export const quotes = defineTable({
  name: "quotes",
  version: 1,
  tier: "cached",
  key: [string(), integer()],
  fields,
});

export interface SimRow {
  readonly stamp: number;
  readonly text: string;
  readonly note: string | null;
}

export type TableName = "orders" | "notes" | "quotes";
export type SimKey = number | string | readonly [string, number];

export const TABLE_NAMES: readonly TableName[] = ["orders", "notes", "quotes"];

/** A key as text, for maps of the model. */
export function keyText(key: SimKey): string {
  return JSON.stringify(key);
}
