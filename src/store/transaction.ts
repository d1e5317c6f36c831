/** A transaction: reads and writes on several tables, all of which happen or none. */
import { HoldfastError, isHoldfastError } from "../base/errors.js";
import { TRANSACTION_OPERATIONS_MAX } from "../base/limits.js";
import type { BookDefinition } from "../books/definition.js";
import type { TableDefinition } from "../codec/schema.js";
import { OPERATION } from "../log/format.js";
import type { LogWriter } from "../log/writer.js";
import { isLive, type MapKey, UNLOGGED } from "../memtable/entry.js";
import type { Before } from "../memtable/memtable.js";
import { packRow } from "../memtable/packed-row.js";
import type { SeriesDefinition } from "../series/definition.js";
import { type BlobWork, blobsIn, type TransactionBlobs } from "./blob-transaction.js";
import { bookIn, type TransactionBook } from "./books.js";
import type { Catalog } from "./catalog.js";
import { changesOf, type Undo } from "./changes.js";
import { checkRow } from "./check-row.js";
import { assertRowFits, encodeOperation } from "./encode-operation.js";
import { countOf, entriesOf, keysOf, newest, type RangeOptions, valuesOf } from "./range.js";
import { seriesIn, type TransactionSeries } from "./series.js";
import type { PatchInput } from "./table.js";
import { type TableState, TIER_RANK } from "./table-state.js";
import type { Touched } from "./touched.js";
import type { Change, Transaction } from "./transaction-interface.js";

/**
 * Writes operations into the record being built and applies them to the tables at once, keeping
 * what is needed to take them back. There is one of these for a store, used again and again.
 */
export class TransactionRunner implements Transaction {
  readonly #catalog: Catalog;
  readonly #writer: LogWriter;
  #undo: Undo[] = [];
  #operations = 0;
  #ends: ((kept: boolean) => void)[] = [];
  #active = false;
  #reading = false;
  /** Why the record being built cannot be whole any more, whoever caught that. */
  #broken: unknown;
  /** For the messages of the codec; the same object for every put. */
  readonly #context: { table: string; key: unknown } = { table: "", key: undefined };
  /** Length of the row that was encoded last. */
  #rowBytes = 0;
  /** Greatest rank of the tables written. */
  rank = 0;
  /** Is told of every key that is written, while somebody asks for that. */
  touched: Touched | undefined;
  /** Undefined without blobs. */
  blobWork: BlobWork | undefined;

  constructor(catalog: Catalog, writer: LogWriter) {
    this.#catalog = catalog;
    this.#writer = writer;
  }

  get active(): boolean {
    return this.#active;
  }

  get operations(): number {
    return this.#operations;
  }

  /** Throws NESTED_TRANSACTION. */
  assertNotActive(): void {
    if (!this.#active) return;
    throw new HoldfastError(
      "NESTED_TRANSACTION",
      "a transaction is running: use its own methods, not the store's, inside it",
    );
  }

  begin(): void {
    this.assertNotActive();
    this.#writer.beginRecord();
    this.#active = true;
    this.#broken = undefined;
    this.#operations = 0;
    this.rank = 0;
  }

  /** Throws what made the log lose a part of the transaction. */
  assertWhole(): void {
    if (this.#broken !== undefined) throw this.#broken;
  }

  /** While checks run the transaction can be read but not written. */
  readOnly(run: () => void): void {
    this.#reading = true;
    try {
      run();
    } finally {
      this.#reading = false;
    }
  }

  /** The changes are final, or taken back. */
  end(kept = true): void {
    this.#active = false;
    if (this.#undo.length > 0) this.#undo = [];
    if (this.#ends.length === 0) return;
    const ends = this.#ends;
    this.#ends = [];
    for (const ended of ends) ended(kept);
  }

  /** Throws INVALID_ARGUMENT. */
  assertRunning(): void {
    if (this.#active) return;
    throw new HoldfastError("INVALID_ARGUMENT", "the transaction is over: its function returned");
  }

  /** See `EndingTransaction`. */
  onEnd(ended: (kept: boolean) => void): void {
    this.#ends.push(ended);
  }

  /** See `EndingTransaction`. */
  breakOff(error: unknown): void {
    this.#broken ??= error;
  }

  /** Takes everything back: as if the transaction had never begun. */
  rollback(): void {
    this.#writer.abandonRecord();
    for (const { table, before } of this.#undo.reverse()) table.rows.undo(before);
    this.end(false);
  }

  /** Every key that was written, once, with what became of it. */
  changes(): Change[] {
    return changesOf(this.#undo);
  }

  /** Keys of cached tables: in the log now, or still only in memory. */
  settleCached(logged: boolean): void {
    for (const { table, before } of this.#undo) {
      if (table.rank !== TIER_RANK.cached) continue;
      const { mapKey, entry } = before;
      if (logged) table.unlogged.delete(mapKey);
      else table.unlogged.set(mapKey, entry.key);
      const now = table.rows.get(mapKey);
      if (!logged && now !== undefined) now.sequence = UNLOGGED;
    }
  }

  touches(names: ReadonlySet<string>): boolean {
    return this.#undo.some(({ table }) => names.has(table.name));
  }

  // ---- Transaction -----------------------------------------------------------------------------

  get<K, R, I>(table: TableDefinition<K, R, I>, key: K): R | undefined {
    return this.#readable(table).get(key);
  }

  has<K, R, I>(table: TableDefinition<K, R, I>, key: K): boolean {
    return this.#readable(table).has(key);
  }

  series<V, I>(definition: SeriesDefinition<V, I>): TransactionSeries<V, I> {
    return seriesIn(this, this.#catalog.series.of(definition));
  }

  get blobs(): TransactionBlobs {
    return blobsIn(this, this.blobWork);
  }

  book(definition: BookDefinition): TransactionBook {
    return bookIn(this, this.#catalog.books.of(definition));
  }

  /** Throws INVALID_ARGUMENT while checks run. */
  assertMayWrite(table?: string): void {
    this.assertRunning();
    if (!this.#reading) return;
    const data = table === undefined ? {} : { table };
    throw new HoldfastError("INVALID_ARGUMENT", "a check reads; it must not write", data);
  }

  count<K, R, I>(table: TableDefinition<K, R, I>): number {
    return countOf(this.#readable(table));
  }

  entries<K, R, I>(table: TableDefinition<K, R, I>, range?: RangeOptions<K>) {
    return entriesOf(newest(this.#readable(table)), range);
  }

  keys<K, R, I>(table: TableDefinition<K, R, I>, range?: RangeOptions<K>) {
    return keysOf(newest(this.#readable(table)), range);
  }

  values<K, R, I>(table: TableDefinition<K, R, I>, range?: RangeOptions<K>) {
    return valuesOf(newest(this.#readable(table)), range);
  }

  put<K, R, I>(definition: TableDefinition<K, R, I>, key: K, input: I): void {
    this.putRow(this.#writable(definition), key, input);
  }

  update<K, R, I>(
    definition: TableDefinition<K, R, I>,
    key: K,
    change: (row: R | undefined) => I | undefined,
  ): R | undefined {
    const table = this.#writable(definition);
    const valid = table.key.validate(key, table.name);
    const mapKey = table.key.mapKey(valid);
    const entry = table.find(valid, mapKey);
    const input = change(entry && table.row.copyOut(table.rowOf(entry, valid)));
    if (input === undefined) return table.get(key);
    const row = this.#putNormal(this.#writable(definition), valid, mapKey, input);
    return table.row.copyOut(row);
  }

  patch<K, R, I>(definition: TableDefinition<K, R, I>, key: K, fields: PatchInput<R, I>): boolean {
    return this.patchRow(this.#writable(definition), key, fields);
  }

  delete<K, R, I>(definition: TableDefinition<K, R, I>, key: K): boolean {
    return this.deleteRow(this.#writable(definition), key);
  }

  // ---- the work --------------------------------------------------------------------------------

  putRow<K, R, I>(table: TableState<K, R, I>, rawKey: K, input: I): void {
    const key = table.key.validate(rawKey, table.name);
    this.#putNormal(table, key, table.key.mapKey(key), input);
  }

  #putNormal<K, R, I>(table: TableState<K, R, I>, key: K, mapKey: MapKey, input: I): R {
    const row = this.#normalize(table, key, input);
    this.#check(table as TableState, key, row);
    this.storeRow(table as TableState, key, row, mapKey);
    return row;
  }

  /**
   * Changes some fields of a row. False if there is no row. Logged as a patch where that is
   * shorter, and what is stored is of the version in force: see docs/schemas.md.
   */
  patchRow<K, R, I>(table: TableState<K, R, I>, rawKey: K, changes: object): boolean {
    const key = table.key.validate(rawKey, table.name);
    const mapKey = table.key.mapKey(key);
    const entry = table.find(key, mapKey);
    if (entry === undefined) return false;
    const row = table.rowOf(entry, key);
    const patch = table.patches.prepare(row, changes, { table: table.name, key });
    if (patch === undefined) return true;
    this.#check(table as TableState, key, patch.row);
    const { version, patches } = table.definition;
    const isShorter = patches && patch.patchBytes < patch.rowBytes;
    if (!isShorter || entry.storedVersion !== version || table.rank === TIER_RANK.cached) {
      this.storeRow(table as TableState, key, patch.row, mapKey);
      return true;
    }
    assertRowFits(table as TableState, key, patch.rowBytes);
    this.#write(table as TableState, OPERATION.patch, key, patch);
    const before = this.#remember(table as TableState, mapKey, key);
    table.rows.put(mapKey, key, patch.row, this.#sequence, patch.rowBytes, before as Before<K>);
    return true;
  }

  /** Puts a row that is normal, whatever checks would say: it may be there already. */
  storeRow(table: TableState, key: unknown, row: unknown, mapKey = table.key.mapKey(key)): void {
    this.#write(table, OPERATION.put, key, row);
    const before = this.#remember(table, mapKey, key);
    // What was asked for will be again: packed, it would only be unpacked.
    const kept = typeof before.version?.row === "object" ? row : this.#packedRow();
    table.rows.put(mapKey, key, kept, this.#sequence, this.#rowBytes, before);
  }

  /**
   * A whole transaction of one put that nobody but the table's own checks has a say in: everything
   * that can refuse it comes before anything changes, so nothing needs to be remembered.
   */
  putAlone<K, R, I>(table: TableState<K, R, I>, rawKey: K, input: I): void {
    this.begin();
    try {
      const key = table.key.validate(rawKey, table.name);
      const row = this.#normalize(table, key, input);
      this.#check(table as TableState, key, row);
      this.#write(table as TableState, OPERATION.put, key, row);
      this.rank = table.rank;
      const logged = this.rank > TIER_RANK.cached;
      const packed = this.#packedRow();
      let sequence = UNLOGGED;
      if (logged) sequence = this.#writer.commitRecord();
      else this.#writer.abandonRecord();
      const mapKey = table.key.mapKey(key);
      table.rows.put(mapKey, key, packed, sequence, this.#rowBytes);
      if (!logged) table.unlogged.set(mapKey, key);
      this.touched?.add(table as TableState, mapKey, key);
      this.#active = false;
    } catch (error) {
      this.rollback();
      throw error;
    }
  }

  deleteRow<K, R, I>(table: TableState<K, R, I>, rawKey: K): boolean {
    const key = table.key.validate(rawKey, table.name);
    const mapKey = table.key.mapKey(key);
    if (table.find(key, mapKey) === undefined) return false;
    this.#write(table as TableState, OPERATION.delete, key, undefined);
    this.#remember(table as TableState, mapKey, key);
    table.rows.delete(mapKey, key, this.#sequence);
    return true;
  }

  /** Writes the newest row of a cached table's key, or its end; the table stays as it is. */
  logRow(table: TableState, mapKey: MapKey, key: unknown): void {
    const entry = table.rows.get(mapKey);
    if (entry === undefined || !isLive(entry)) {
      this.#write(table, OPERATION.delete, key, undefined);
    } else this.#write(table, OPERATION.put, key, table.rowOf(entry, key));
  }

  #check(table: TableState, key: unknown, row: unknown): void {
    if (table.definition.checks.length > 0) this.#runChecks(table, key, row);
  }

  /** Apart from `#check`, which runs for every put: a closure would cost it its variables' heap. */
  #runChecks(table: TableState, key: unknown, row: unknown): void {
    this.readOnly(() => checkRow(table.definition, key, row));
  }

  /** The row as it will be stored. */
  #normalize<K, R, I>(table: TableState<K, R, I>, key: K, input: I): R {
    const context = this.#context;
    context.table = table.name;
    context.key = key;
    return table.row.normalize(input, context);
  }

  /** Of the transaction that is being built, if it goes to the log. */
  get #sequence(): number {
    return this.#writer.lastSequence + 1;
  }

  #remember(table: TableState, mapKey: MapKey, key: unknown): Before<unknown> {
    const before = table.rows.before(mapKey, key);
    this.#undo.push({ table, before });
    if (table.rank > this.rank) this.rank = table.rank;
    this.touched?.add(table, mapKey, key);
    return before;
  }

  #readable<K, R, I>(definition: TableDefinition<K, R, I>): TableState<K, R, I> {
    this.assertRunning();
    return this.#catalog.of(definition);
  }

  #writable<K, R, I>(definition: TableDefinition<K, R, I>): TableState<K, R, I> {
    const table = this.#readable(definition);
    this.assertMayWrite(table.name);
    return table;
  }

  /** Encodes one operation straight into the commit slot. */
  #write(table: TableState, kind: number, key: unknown, row: unknown): void {
    this.assertWhole();
    if (this.#operations >= TRANSACTION_OPERATIONS_MAX) {
      const most = `a transaction has at most ${TRANSACTION_OPERATIONS_MAX} operations`;
      throw new HoldfastError("TOO_LARGE", most);
    }
    while (!this.#encode(table, kind, key, row)) this.#grow(table, key);
    this.#operations++;
  }

  /** Throws TOO_LARGE, naming the row where it alone is too large. */
  #grow(table: TableState, key: unknown): void {
    try {
      this.#writer.growRecord();
    } catch (error) {
      if (!isHoldfastError(error, "TOO_LARGE")) {
        this.#broken = error;
        throw error;
      }
      if (this.#operations > 0) throw error;
      const message = `table "${table.name}", key ${table.key.inspect(key)}: ${error.message}`;
      throw new HoldfastError("TOO_LARGE", message, { table: table.name, key });
    }
  }

  /** False if it does not fit the frame. */
  #encode(table: TableState, kind: number, key: unknown, row: unknown): boolean {
    const rowBytes = encodeOperation(this.#writer.frame, table, kind, key, row);
    if (rowBytes < 0) return false;
    this.#rowBytes = rowBytes;
    return true;
  }

  /** The row that was encoded last: it stands at the end of the record being built. */
  #packedRow(): string {
    const { bytes, position } = this.#writer.frame;
    return packRow(bytes, position - this.#rowBytes, position);
  }
}
