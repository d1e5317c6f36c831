/** Rows of cached tables on their way to the log: the newest of each key, when there is time. */
import { isHoldfastError } from "../base/errors.js";
import type { Scheduler, Timer } from "../disk/disk.js";
import type { LogWriter } from "../log/writer.js";
import type { MapKey } from "../memtable/entry.js";
import type { Catalog } from "./catalog.js";
import type { TableState } from "./table-state.js";
import type { TransactionRunner } from "./transaction.js";

/** They go to the log in transactions of at most so many bytes. */
const BATCH_BYTES = 256 * 1024;

/** When background work is short of I/O they wait longer, but not for ever. */
const POSTPONED_MAX = 9;

export interface CachedRowsOptions {
  readonly catalog: Catalog;
  readonly writer: LogWriter;
  readonly runner: TransactionRunner;
  readonly scheduler: Scheduler;
  readonly delayMicros: number;
  /** The background work has used up its I/O for now: these rows yield first. */
  readonly isShort: () => boolean;
}

export class CachedRows {
  readonly #o: CachedRowsOptions;
  #timer: Timer | undefined;
  #postponed = 0;
  #stopped = false;

  constructor(options: CachedRowsOptions) {
    this.#o = options;
  }

  flushLater(): void {
    const { scheduler, delayMicros } = this.#o;
    this.#timer ??= scheduler.after(delayMicros / 1000, this.#turn, true);
  }

  /** Puts the newest rows of cached tables into the log. */
  flush(): void {
    this.#postponed = 0;
    for (const table of this.#o.catalog.tables) {
      while (table.unlogged.size > 0) this.#flushBatch(table);
    }
  }

  stop(): void {
    this.#stopped = true;
    this.#timer?.cancel();
  }

  readonly #turn = (): void => {
    this.#timer = undefined;
    const { writer, isShort } = this.#o;
    if (this.#stopped || writer.poison !== undefined) return;
    if (isShort() && this.#postponed < POSTPONED_MAX) {
      this.#postponed++;
      this.flushLater();
      return;
    }
    try {
      this.flush();
      writer.flushLater();
    } catch {
      // The disk is full: best effort, so try again later.
      this.flushLater();
    }
  };

  #flushBatch(table: TableState): void {
    const { runner, writer } = this.#o;
    runner.begin();
    const done: MapKey[] = [];
    let sequence: number;
    try {
      for (const [mapKey, key] of table.unlogged) {
        if (!this.#logRow(table, mapKey, key, done.length > 0)) break;
        done.push(mapKey);
        if (writer.frame.recordBytes >= BATCH_BYTES) break;
      }
      sequence = writer.commitRecord();
      runner.end();
    } catch (error) {
      runner.rollback();
      throw error;
    }
    for (const mapKey of done) {
      table.unlogged.delete(mapKey);
      const entry = table.rows.get(mapKey);
      if (entry !== undefined) entry.sequence = sequence;
    }
  }

  /** False if there is no room for it in a transaction that has others already. */
  #logRow(table: TableState, mapKey: MapKey, key: unknown, hasOthers: boolean): boolean {
    try {
      this.#o.runner.logRow(table, mapKey, key);
      return true;
    } catch (error) {
      if (hasOthers && isHoldfastError(error, "TOO_LARGE")) return false;
      throw error;
    }
  }
}
