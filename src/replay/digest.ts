/** A hash of the whole state of a replay. */
import { createHash } from "node:crypto";
import type { TableDefinition } from "../index.js";
import { Decimal } from "../index.js";
import type { StorePort } from "./ports.js";
import { REPLAY_TABLES } from "./tables.js";

/**
 * SHA-256, in hex, of all tables of the replay: for each, in the order of their names, its name,
 * then every key and row in key order, fields in the order of the schema. Nothing in these tables
 * depends on when or how often the replay ran, so neither does the digest.
 */
export function stateDigest(store: StorePort): string {
  const hash = createHash("sha256");
  for (const table of REPLAY_TABLES) {
    hash.update(`table ${table.name}\n`);
    for (const line of tableLines(store, table as TableDefinition)) hash.update(line);
  }
  return hash.digest("hex");
}

/** One line of text for each row of a table: the form that is hashed, and that tests compare. */
export function* tableLines(store: StorePort, table: TableDefinition): Generator<string> {
  const names = table.fields.map((field) => field.name);
  for (const [key, row] of store.table(table).entries()) {
    const fields = row as Readonly<Record<string, unknown>>;
    yield `${canonical(key)} ${canonical(names.map((name) => fields[name]))}\n`;
  }
}

/** JSON in which decimals are quoted digits; all other types here have one JSON form only. */
function canonical(value: unknown): string {
  return JSON.stringify(value, (_name, item: unknown) => {
    if (item instanceof Decimal) return item.toString();
    if (typeof item === "bigint") return `${item}n`;
    return item;
  });
}
