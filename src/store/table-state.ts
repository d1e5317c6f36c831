/** One table of an open store: its schemas, its codecs and its rows, in memory and in runs. */
import { HoldfastError } from "../base/errors.js";
import { footprintOf } from "../codec/footprint.js";
import { compileKey, type KeyCodec } from "../codec/key.js";
import { compileRow, type RowCodec } from "../codec/row.js";
import type { TableDefinition } from "../codec/schema.js";
import type { SchemaDescription } from "../codec/schema-description.js";
import { type Entry, isLive, type MapKey, type Version } from "../memtable/entry.js";
import { Memtable } from "../memtable/memtable.js";
import { unpackRow } from "../memtable/packed-row.js";
import { newRowPlace } from "../run/run-file.js";
import type { RunSet } from "../run/run-set.js";
import { type Layers, TABLE_ID_BYTES, writeTableId } from "./layers.js";

/** Tiers by how soon they have to be on disk: the greatest of a transaction's tables decides. */
export const TIER_RANK = { cached: 0, important: 1, critical: 2 } as const;

/** Where the row of a lookup stands; used again by every one of them. */
const place = newRowPlace();

/** Schema versions are declared in order; the last one is in force. */
export class TableState<Key = unknown, Row = unknown, Input = unknown> {
  readonly id: number;
  readonly name: string;
  readonly key: KeyCodec<Key>;
  readonly rows: Memtable<Key>;
  readonly layers: Layers;
  readonly schemas: SchemaDescription[] = [];
  /** The definition in force: the code's, once it was bound, and the stored one before. */
  definition: TableDefinition<Key, Row, Input>;
  #row: RowCodec<Row, Input> | undefined;
  /** The tier of the definition in force, as a number. */
  rank: number;
  /** For tables of tier "cached": keys whose newest row is not in the log yet. */
  readonly unlogged = new Map<MapKey, Key>();

  constructor(id: number, definition: TableDefinition<Key, Row, Input>, layers: Layers) {
    this.id = id;
    this.name = definition.name;
    this.definition = definition;
    this.layers = layers;
    this.key = compileKey<Key>(definition.key);
    this.rank = TIER_RANK[definition.tier];
    const { horizon, memory } = layers;
    const footprint = footprintOf(definition.key, definition.fields);
    this.rows = new Memtable<Key>({ compare: this.key.compare, horizon, memory, footprint });
  }

  bind(definition: TableDefinition<Key, Row, Input>): void {
    this.definition = definition;
    this.#row = undefined;
    this.rank = TIER_RANK[definition.tier];
    this.rows.resident = definition.resident;
    this.rows.footprint = footprintOf(definition.key, definition.fields);
  }

  /** Compiled when it is first needed: an opening declares each table as stored, then as coded. */
  get row(): RowCodec<Row, Input> {
    this.#row ??= compileRow<Row, Input>(this.definition);
    return this.#row;
  }

  /** The row of a version, decoded if it was not yet. Not for callers: see `copyOut`. */
  rowOf(version: Version): Row {
    const { row } = version;
    if (typeof row === "string") version.row = this.row.decode(unpackRow(row), 0, row.length);
    else if (row === undefined) {
      const bytes = version.bytes as Uint8Array;
      version.row = this.row.decode(bytes, version.start, version.end);
      version.bytes = undefined;
    }
    return version.row as Row;
  }

  /** The entry of a key that has a row, read from a run if memory does not have it. */
  find(key: Key, mapKey: MapKey): Entry<Key> | undefined {
    const entry = this.rows.get(mapKey);
    if (entry !== undefined) {
      entry.used = true;
      return isLive(entry) ? entry : undefined;
    }
    return this.rows.complete ? undefined : this.#load(key, mapKey);
  }

  get(key: Key): Row | undefined {
    const valid = this.key.validate(key, this.name);
    const entry = this.find(valid, this.key.mapKey(valid));
    return entry === undefined ? undefined : this.row.copyOut(this.rowOf(entry));
  }

  has(key: Key): boolean {
    const valid = this.key.validate(key, this.name);
    return this.find(valid, this.key.mapKey(valid)) !== undefined;
  }

  #load(key: Key, mapKey: MapKey): Entry<Key> | undefined {
    const { runs } = this.layers;
    if (runs === undefined || !this.lookUp(runs, key)) return undefined;
    const row = this.row.decode(place.block, place.start, place.end);
    return this.rows.load(mapKey, key, row, place.end - place.start);
  }

  /** The row that runs have of a key; undefined if they have none, or it was deleted. */
  rowIn(runs: RunSet, key: Key): Row | undefined {
    if (!this.lookUp(runs, key)) return undefined;
    return this.row.decode(place.block, place.start, place.end);
  }

  /** True if runs have a row of that key; it stands in `place` then, until the next lookup. */
  lookUp(runs: RunSet, key: Key): boolean {
    const { scratch } = this.layers;
    writeTableId(scratch, this.id);
    const end = this.key.encode(key, scratch, TABLE_ID_BYTES, scratch.length);
    try {
      return runs.get(scratch, end, place) && place.end >= 0;
    } catch (error) {
      this.layers.onReadError(error);
      throw error;
    }
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
