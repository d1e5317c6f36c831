/** A hash of the whole state of a replay. */
import { createHash } from "node:crypto";
import { Decimal, type ReadTable, type TableDefinition } from "../index.js";
import { riskEvents, sessions, signalLog, tradeHistory } from "../trading/index.js";
import { REPLAY_TABLES } from "./tables.js";

/** What a state is read from: a store, or a snapshot of one. */
export interface TableSource {
  table<Key, Row, Input>(table: TableDefinition<Key, Row, Input>): ReadTable<Key, Row>;
}

/** Tables whose keys hold the sequence of the transaction at this place. */
const SEQUENCE_AT = 2;
const BY_SEQUENCE = new Set([riskEvents.name, signalLog.name, tradeHistory.name]);

/**
 * SHA-256, in hex, of all tables of the replay: for each, in the order of their names, its name,
 * then every key and row in key order, fields in the order of the schema.
 *
 * When and how often the replay ran is left out: the table that counts openings, and the sequences
 * of transactions, since every opening is one.
 */
export function stateDigest(store: TableSource): string {
  const hash = createHash("sha256");
  for (const table of REPLAY_TABLES) {
    if (table.name === sessions.name) continue;
    hash.update(`table ${table.name}\n`);
    for (const line of tableLines(store, table)) hash.update(line);
  }
  return hash.digest("hex");
}

/** One line of text for each row of a table: the form that is hashed, and that tests compare. */
export function* tableLines(store: TableSource, table: TableDefinition): Generator<string> {
  const names = table.fields.map((field) => field.name).filter((name) => name !== "sequence");
  const bySequence = BY_SEQUENCE.has(table.name);
  for (const [key, row] of store.table(table).entries()) {
    const fields = row as Readonly<Record<string, unknown>>;
    const place = bySequence ? (key as readonly unknown[]).toSpliced(SEQUENCE_AT, 1) : key;
    yield `${canonical(place)} ${canonical(names.map((name) => fields[name]))}\n`;
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
