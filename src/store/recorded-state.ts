/** The state of a store as its log tells it, taken forward transaction by transaction. */

import { LogReader } from "../history/log-reader.js";
import type { LogSource } from "../history/log-source.js";
import { decodeTransaction, type LoggedTransaction } from "../history/logged-transaction.js";
import { type StoredRow, StoredTables } from "../history/stored-tables.js";
import type { MapKey } from "../memtable/entry.js";
import type { RunSet } from "../run/run-set.js";
import type { Catalog } from "./catalog.js";
import { type AnyTable, loadPast, type PastOptions } from "./past-state.js";
import { Replayer } from "./replay.js";
import type { TableState } from "./table-state.js";
import { StoreView } from "./view.js";

/** A key of a table, by what tells it apart from others of that table. */
export interface TouchedKey {
  readonly table: AnyTable;
  readonly key: unknown;
  readonly mapKey: MapKey;
}

/** A transaction of the log, and the state as it is after it. */
export interface RecordedStep {
  readonly transaction: LoggedTransaction;
  /** What it changed, as far as it concerns a table that is known, each key once. */
  readonly changes: readonly RecordedChange[];
}

export interface RecordedChange {
  readonly table: string;
  readonly key: unknown;
  /** Undefined if there was no row. */
  readonly before: StoredRow | undefined;
  /** Undefined if there is none any more. */
  readonly after: StoredRow | undefined;
}

/** Rows are as the tables it was opened with have them, whatever version they were written with. */
export class RecordedState {
  readonly tables: readonly AnyTable[];
  readonly #source: LogSource;
  readonly #catalog: Catalog;
  readonly #runs: RunSet;
  readonly #byName: ReadonlyMap<string, AnyTable>;
  #sequence: number;

  private constructor(
    source: LogSource,
    sequence: number,
    { catalog, runs, tables }: Awaited<ReturnType<typeof loadPast>>,
  ) {
    this.tables = tables;
    this.#source = source;
    this.#catalog = catalog;
    this.#runs = runs;
    this.#sequence = sequence;
    this.#byName = new Map(tables.map((table) => [table.name, table]));
  }

  /** The state after `sequence`. To be closed. Throws what `openPast` does. */
  static async open(
    source: LogSource,
    sequence: number,
    options: PastOptions,
  ): Promise<RecordedState> {
    return new RecordedState(source, sequence, await loadPast(source, sequence, options));
  }

  /** All rows of a table as they are now. */
  *rows(table: AnyTable): Generator<readonly [unknown, StoredRow], void, undefined> {
    const view = new StoreView(this.#catalog, this.#sequence, () => {});
    try {
      yield* view.table(table).entries() as Iterable<readonly [unknown, StoredRow]>;
    } finally {
      view.release();
    }
  }

  get(table: AnyTable, key: unknown): StoredRow | undefined {
    return this.#stateOf(table).get(key) as StoredRow | undefined;
  }

  /** Undefined for a table that is not known. */
  touched(tableName: string, key: unknown): TouchedKey | undefined {
    const table = this.#byName.get(tableName);
    if (table === undefined) return undefined;
    return { table, key, mapKey: this.#stateOf(table).key.mapKey(key) };
  }

  /** Goes on to the end of `through`, a step at a time. */
  async *forward(
    through: number,
    signal: AbortSignal,
  ): AsyncGenerator<RecordedStep, void, undefined> {
    const stored = new StoredTables((await this.#source.manifest()).tables);
    const replayer = new Replayer(this.#catalog);
    const reader = new LogReader(this.#source, this.#sequence + 1, signal);
    for await (const { writer, records } of reader.read(through)) {
      for (const record of records) {
        const transaction = decodeTransaction(record, writer, stored);
        const keys = this.#keysOf(transaction);
        const before = keys.map(({ table, key }) => this.get(table, key));
        replayer.apply(record);
        this.#sequence = record.sequence;
        const changes = keys.map(({ table, key }, i) => ({
          table: table.name,
          key,
          before: before[i],
          after: this.get(table, key),
        }));
        yield { transaction, changes };
      }
    }
  }

  close(): Promise<void> {
    return this.#runs.release();
  }

  #keysOf({ operations }: LoggedTransaction): TouchedKey[] {
    const keys = new KeySet();
    for (const operation of operations) {
      if (operation.kind === "declare") continue;
      const key = this.touched(operation.table, operation.key);
      if (key !== undefined) keys.add(key);
    }
    return [...keys.all()];
  }

  #stateOf(table: AnyTable): TableState {
    return this.#catalog.of(table) as unknown as TableState;
  }
}

/** Keys of tables, each once, in the order in which they came. */
export class KeySet {
  readonly #byTable = new Map<string, Map<MapKey, TouchedKey>>();

  add(touched: TouchedKey): void {
    const { name } = touched.table;
    let keys = this.#byTable.get(name);
    if (keys === undefined) {
      keys = new Map();
      this.#byTable.set(name, keys);
    }
    if (!keys.has(touched.mapKey)) keys.set(touched.mapKey, touched);
  }

  clear(): void {
    this.#byTable.clear();
  }

  *all(): Generator<TouchedKey, void, undefined> {
    for (const keys of this.#byTable.values()) yield* keys.values();
  }
}
