/**
 * Reads small tables back into memory after an opening, a little at a time: most stores fit, and
 * once memory has the whole table no read of it looks at a run again.
 */
import type { Scheduler } from "../disk/disk.js";
import type { MapKey } from "../memtable/entry.js";
import type { Catalog } from "./catalog.js";
import { EVERYTHING, newest } from "./range.js";
import { RunWalk } from "./run-walk.js";
import type { TableState } from "./table-state.js";

/** Rows read in one turn: well below a millisecond. */
const ROWS_PER_TURN = 50;

/** Tables are read as long as all rows take no more than this part of their memory. */
const MEMORY_PART = 0.5;

interface Progress {
  readonly table: TableState;
  readonly rows: RunWalk<unknown, unknown>;
  /** Rows that had left the table when it was begun: if one has since, it was in vain. */
  readonly evicted: number;
}

export class WarmUp {
  readonly #catalog: Catalog;
  readonly #scheduler: Scheduler;
  readonly #tables: TableState[];
  #now: Progress | undefined;
  #stopped = false;

  constructor(catalog: Catalog, scheduler: Scheduler) {
    this.#catalog = catalog;
    this.#scheduler = scheduler;
    this.#tables = [...catalog.tables].filter((table) => this.#mayFit(table));
  }

  /** A row takes more in memory than in a run: a table whose own files do not fit is not begun. */
  #mayFit({ id, rows, isBound }: TableState): boolean {
    const { runs, memory } = this.#catalog.layers;
    if (!isBound || rows.complete || runs === undefined) return false;
    return runs.bytesOfTable(id) <= memory.limitBytes * MEMORY_PART;
  }

  start(): void {
    if (this.#stopped || this.#tables.length === 0) return;
    this.#scheduler.after(1, this.#turn, false);
  }

  stop(): void {
    this.#stopped = true;
  }

  readonly #turn = (): void => {
    if (this.#stopped) return;
    try {
      if (this.#step()) this.#scheduler.after(0, this.#turn, false);
    } catch {
      // What cannot be read says so to whoever asks for it.
      this.#stopped = true;
    }
  };

  /** False once there is nothing more to do. */
  #step(): boolean {
    const now = this.#now ?? this.#next();
    if (now === undefined) return false;
    this.#now = now;
    const { memory } = this.#catalog.layers;
    for (let i = 0; i < ROWS_PER_TURN; i++) {
      if (memory.bytes > memory.limitBytes * MEMORY_PART) return false;
      if (!now.rows.peek()) {
        now.table.rows.complete = now.table.rows.evicted === now.evicted;
        this.#now = undefined;
        return true;
      }
      this.#take(now);
    }
    return true;
  }

  #next(): Progress | undefined {
    const table = this.#tables.shift();
    if (table === undefined) return undefined;
    const rows = new RunWalk(newest(table), EVERYTHING);
    return { table, rows, evicted: table.rows.evicted };
  }

  /** What memory knows of the key is newer. */
  #take({ table, rows }: Progress): void {
    const { key } = rows;
    const mapKey: MapKey = table.key.mapKey(key);
    if (table.rows.get(mapKey) === undefined) rows.keep(mapKey);
    rows.pass();
  }
}
