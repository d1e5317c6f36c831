/** One table of an open store: its schemas, its codecs and its rows. */
import { HoldfastError } from "../base/errors.js";
import { compileKey, type KeyCodec } from "../codec/key.js";
import { compileRow, type RowCodec } from "../codec/row.js";
import type { TableDefinition } from "../codec/schema.js";
import type { SchemaDescription } from "../codec/schema-description.js";
import { type Entry, type MapKey, Memtable } from "../memtable/memtable.js";

/** Tiers by how soon they have to be on disk: the greatest of a transaction's tables decides. */
export const TIER_RANK = { cached: 0, important: 1, critical: 2 } as const;

/** Schema versions are declared in order; the last one is in force. */
export class TableState<Key = unknown, Row = unknown, Input = unknown> {
  readonly id: number;
  readonly name: string;
  readonly key: KeyCodec<Key>;
  readonly rows: Memtable<Key>;
  readonly schemas: SchemaDescription[] = [];
  /** The definition in force: the code's, once it was bound, and the stored one before. */
  definition: TableDefinition<Key, Row, Input>;
  row: RowCodec<Row, Input>;
  /** The tier of the definition in force, as a number. */
  rank: number;
  /** For tables of tier "cached": keys whose newest row is not in the log yet. */
  readonly unlogged = new Map<MapKey, Key>();

  constructor(id: number, definition: TableDefinition<Key, Row, Input>) {
    this.id = id;
    this.name = definition.name;
    this.definition = definition;
    this.key = compileKey<Key>(definition.key);
    this.row = compileRow<Row, Input>(definition);
    this.rank = TIER_RANK[definition.tier];
    this.rows = new Memtable<Key>(this.key.compare);
  }

  bind(definition: TableDefinition<Key, Row, Input>): void {
    this.definition = definition;
    this.row = compileRow<Row, Input>(definition);
    this.rank = TIER_RANK[definition.tier];
  }

  /** The row of an entry, decoded if it was not yet. Not for callers: see `copyOut`. */
  rowOf(entry: Entry<Key>): Row {
    if (entry.row === undefined) {
      const bytes = entry.bytes as Uint8Array;
      entry.row = this.row.decode(bytes, entry.start, entry.end);
      entry.bytes = undefined;
    }
    return entry.row as Row;
  }

  get(key: Key): Row | undefined {
    const entry = this.rows.get(this.key.mapKey(this.key.validate(key, this.name)));
    return entry === undefined ? undefined : this.row.copyOut(this.rowOf(entry));
  }

  has(key: Key): boolean {
    return this.rows.get(this.key.mapKey(this.key.validate(key, this.name))) !== undefined;
  }

  /** Runs the table's own checks on a row. Throws CHECK_FAILED. */
  check(key: Key, row: Row): void {
    for (const check of this.definition.checks) {
      const held = check.holds(row, key);
      if (held === true) continue;
      const why = typeof held === "string" ? `: ${held}` : "";
      throw new HoldfastError(
        "CHECK_FAILED",
        `table "${this.name}", key ${this.key.inspect(key)}: check "${check.name}" failed${why}`,
        { table: this.name, key, check: check.name },
      );
    }
  }
}
