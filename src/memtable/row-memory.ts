/**
 * Bounds the rows that a store keeps in memory. What the runs hold may go; what has been asked for
 * since the sweep last came by stays one round longer (CLOCK, after Corbato, "A paging experiment
 * with the Multics system", 1968).
 */
import type { Memtable } from "./memtable.js";

/** Entries looked at for each one that comes in while there are too many. */
const STEPS_PER_ENTRY = 4;

export class RowMemory {
  readonly limitBytes: number;
  /** All rows in memory, those that have to be there included. */
  bytes = 0;
  readonly #tables: Memtable<unknown>[] = [];
  #hand = 0;
  #evicted = 0;
  /** Entries passed in vain since the last one that could go. */
  #inVain = 0;
  /** The horizon at which a whole round was in vain. */
  #futileVersion = -1;

  constructor(limitBytes: number) {
    this.limitBytes = limitBytes;
  }

  /** Rows that were dropped because they took too much room. */
  get evicted(): number {
    return this.#evicted;
  }

  add(table: Memtable<unknown>): void {
    this.#tables.push(table);
  }

  /** An entry came in: makes room, a little at a time. */
  relieve(horizonVersion: number): void {
    if (this.#futileVersion !== horizonVersion) this.sweep(STEPS_PER_ENTRY, horizonVersion);
  }

  /** Looks at so many entries. False if there is nothing to gain before the horizon changes. */
  sweep(steps: number, horizonVersion: number): boolean {
    for (let left = steps; left > 0; ) {
      if (this.bytes <= this.limitBytes) return false;
      const table = this.#tables[this.#hand];
      if (table === undefined) return false;
      const { passed, dropped } = table.sweep(left, true);
      this.#evicted += dropped;
      this.#inVain = dropped > 0 ? 0 : this.#inVain + passed;
      left -= passed;
      if (passed > 0 && left <= 0) break;
      this.#hand = (this.#hand + 1) % this.#tables.length;
      // Twice around: the first round only takes away the marks of use.
      if (this.#inVain > 2 * this.#entries) {
        this.#inVain = 0;
        this.#futileVersion = horizonVersion;
        return false;
      }
      if (passed === 0) left--;
    }
    return true;
  }

  get #entries(): number {
    return this.#tables.reduce((sum, table) => sum + table.entries, 0);
  }
}
