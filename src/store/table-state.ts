/** One table of an open store: its schemas, its codecs and its rows, in memory and in runs. */
import { HoldfastError } from "../base/errors.js";
import { ROW_BYTES_MAX } from "../base/limits.js";
import { footprintOf } from "../codec/footprint.js";
import { compileKey, type KeyCodec } from "../codec/key.js";
import { PatchCodec } from "../codec/patch-write.js";
import { compileRow, type RowCodec } from "../codec/row.js";
import type { TableDefinition } from "../codec/schema.js";
import type { SchemaDescription } from "../codec/schema-description.js";
import { type SchemaHistory, withSchema } from "../codec/schema-history.js";
import { type Entry, isLive, type MapKey, type Version } from "../memtable/entry.js";
import { Memtable } from "../memtable/memtable.js";
import { packRow, unpackRow } from "../memtable/packed-row.js";
import { newRowPlace } from "../run/run-file.js";
import type { RunSet } from "../run/run-set.js";
import { type Layers, TABLE_ID_BYTES, writeTableId } from "./layers.js";
import { Upgrades } from "./upgrades.js";

/** Tiers by how soon they have to be on disk: the greatest of a transaction's tables decides. */
export const TIER_RANK = { cached: 0, important: 1, critical: 2 } as const;

/** Where the row of a lookup stands; used again by every one of them. */
const place = newRowPlace();

/** A row as log or run have it: bytes[start, end). */
export interface EncodedRow {
  readonly bytes: Uint8Array;
  readonly start: number;
  readonly end: number;
  readonly schemaVersion: number;
}

export class TableState<Key = unknown, Row = unknown, Input = unknown> {
  readonly id: number;
  readonly name: string;
  readonly key: KeyCodec<Key>;
  readonly rows: Memtable<Key>;
  readonly layers: Layers;
  /** Every version that was declared, the one in force last. */
  history: SchemaHistory = [];
  /** The same, as far as a manifest may say it. */
  published: SchemaHistory = [];
  /** The definition in force: the code's, once it was bound, and the stored one before. */
  definition: TableDefinition<Key, Row, Input>;
  /** The code has declared it; of other tables no row is ever asked for. */
  isBound = false;
  #row: RowCodec<Row, Input> | undefined;
  #patches: PatchCodec<Row> | undefined;
  #upgradesMade: Upgrades | undefined;
  /** Leads down to the definition in force, where the store goes back. */
  #newest: TableDefinition | undefined;
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
    this.rows.schemaVersion = definition.version;
  }

  /** Puts the code's definition into force; `newest` leads down to it, where that goes back. */
  bind(definition: TableDefinition<Key, Row, Input>, newest?: TableDefinition): void {
    this.isBound = true;
    this.#newest = newest;
    this.#use(definition);
    this.rank = TIER_RANK[definition.tier];
    this.rows.resident = definition.resident;
  }

  /** Another version was declared. */
  declare(schema: SchemaDescription, definition: TableDefinition<Key, Row, Input>): boolean {
    const history = withSchema(this.history, schema);
    if (history === this.history) return false;
    this.history = history;
    if (this.isBound) this.#upgradesMade = undefined;
    else this.#use(definition);
    return true;
  }

  #use(definition: TableDefinition<Key, Row, Input>): void {
    this.definition = definition;
    this.#row = undefined;
    this.#patches = undefined;
    this.#upgradesMade = undefined;
    this.rows.schemaVersion = definition.version;
    this.rows.footprint = footprintOf(definition.key, definition.fields);
  }

  /** Compiled when it is first needed: an opening declares each table as stored, then as coded. */
  get row(): RowCodec<Row, Input> {
    this.#row ??= compileRow<Row, Input>(this.definition);
    return this.#row;
  }

  get patches(): PatchCodec<Row> {
    this.#patches ??= new PatchCodec<Row>(this.definition.fields);
    return this.#patches;
  }

  /** The row of a version, decoded if it was not yet. Not for callers: see `copyOut`. */
  rowOf(version: Version, key: Key): Row {
    const { row, schemaVersion } = version;
    if (typeof row === "string") {
      version.row = this.decode(schemaVersion, unpackRow(row), 0, row.length, key);
    } else if (row === undefined) {
      const bytes = version.bytes as Uint8Array;
      version.row = this.decode(schemaVersion, bytes, version.start, version.end, key);
      // A patch of the log that is read later is of these.
      const mayBePatched = schemaVersion !== this.definition.version && this.definition.patches;
      if (!mayBePatched) version.bytes = undefined;
    } else if (schemaVersion !== this.definition.version) {
      version.row = this.#upgrades.upgrade(schemaVersion, row, key);
    } else return row as Row;
    version.schemaVersion = this.definition.version;
    return version.row as Row;
  }

  /** A stored row of any version as one of the version in force. */
  decode(version: number, source: Uint8Array, start: number, end: number, key: Key): Row {
    if (version === this.definition.version) return this.row.decode(source, start, end);
    return this.#upgrades.decode(version, source, start, end, key) as Row;
  }

  get #upgrades(): Upgrades {
    const definition = this.definition as TableDefinition;
    const { upgradeTwice } = this.layers;
    this.#upgradesMade ??= new Upgrades(
      this.history,
      definition,
      this.#newest ?? definition,
      upgradeTwice,
    );
    return this.#upgradesMade;
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
    return entry === undefined ? undefined : this.row.copyOut(this.rowOf(entry, valid));
  }

  has(key: Key): boolean {
    const valid = this.key.validate(key, this.name);
    return this.find(valid, this.key.mapKey(valid)) !== undefined;
  }

  #load(key: Key, mapKey: MapKey): Entry<Key> | undefined {
    const { runs } = this.layers;
    if (runs === undefined || !this.lookUp(runs, key)) return undefined;
    return this.keep(mapKey, key, place.schemaVersion, place.block, place.start, place.end);
  }

  /**
   * Keeps a row of a run in memory. One of an older version stays as it is until it is asked for:
   * one that cannot be made into a row of today can still be counted, put anew, or deleted.
   */
  keep(
    mapKey: MapKey,
    key: Key,
    version: number,
    source: Uint8Array,
    start: number,
    end: number,
  ): Entry<Key> {
    const row =
      version === this.definition.version
        ? this.row.decode(source, start, end)
        : packRow(source, start, end);
    return this.rows.load(mapKey, key, row, end - start, version);
  }

  /** The row that runs have of a key; undefined if they have none, or it was deleted. */
  rowIn(runs: RunSet, key: Key): Row | undefined {
    if (!this.lookUp(runs, key)) return undefined;
    return this.decode(place.schemaVersion, place.block, place.start, place.end, key);
  }

  /** The row that the newest runs have of a key, as it is; valid until the next lookup. */
  storedRow(key: Key): EncodedRow | undefined {
    const { runs } = this.layers;
    if (runs === undefined || !this.lookUp(runs, key)) return undefined;
    const { block: bytes, start, end, schemaVersion } = place;
    return { bytes, start, end, schemaVersion };
  }

  /** A row of the version in force as it would be written. */
  encodedRow(row: Row): Uint8Array {
    const bytes = new Uint8Array(ROW_BYTES_MAX);
    return bytes.subarray(0, this.row.encode(row, bytes, 0, ROW_BYTES_MAX));
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

  /** Throws SCHEMA_MISMATCH where another version has come into force since. */
  assertInForce(definition: TableDefinition<Key, Row, Input>): void {
    if (definition === this.definition) return;
    const { version } = definition;
    throw new HoldfastError(
      "SCHEMA_MISMATCH",
      `table "${this.name}" was evolved from version ${version} to version ` +
        `${this.definition.version}: use what \`evolve\` returned`,
      { table: this.name, version },
    );
  }
}
