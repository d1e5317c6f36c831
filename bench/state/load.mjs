// The steady load: which rows it writes, and when.
import { makeRandom } from "../random.mjs";
import { DEFINITIONS, keyOf, rowOf, TABLES } from "./tables.mjs";

/** Rows that most transactions are about, as open orders and positions are: at most half of all. */
export const HOT_ROWS = 10_000;
/** Part of the transactions that is about them; the rest goes to any row. */
export const HOT_PART = 0.9;
export const TRANSACTIONS_PER_SECOND = 10_000;

/**
 * Makes transactions of one `put` each: nine out of ten on the hot rows, or all of them on any row
 * where `uniform`. Hot rows are spread over the keys of all tables.
 */
export class Load {
  #tables;
  #rowsPerTable;
  #hotPerTable;
  #hotPart;
  #random;
  #version;

  constructor(store, { rowsPerTable, uniform = false, seed = 1 }) {
    this.#tables = DEFINITIONS.map((definition) => store.table(definition));
    this.#rowsPerTable = rowsPerTable;
    this.#hotPerTable = Math.min(HOT_ROWS / TABLES.length, Math.floor(rowsPerTable / 2));
    this.#hotPart = uniform ? 0 : HOT_PART;
    this.#random = makeRandom(seed);
    // Rows of two runs must differ, and so must those of one.
    this.#version = seed;
  }

  /** One transaction; its promise. */
  put() {
    const random = this.#random;
    const table = (random() * TABLES.length) | 0;
    const index = this.#pick();
    this.#version = (this.#version + 1) | 0;
    return this.#tables[table].put(keyOf(table, index), rowOf(table, index, this.#version));
  }

  /** The row of a key that the load may be writing, or of any key. */
  get(anyRow) {
    const random = this.#random;
    const table = (random() * TABLES.length) | 0;
    const index = anyRow ? (random() * this.#rowsPerTable) | 0 : this.#pick();
    return this.#tables[table].get(keyOf(table, index));
  }

  #pick() {
    const random = this.#random;
    if (random() >= this.#hotPart) return (random() * this.#rowsPerTable) | 0;
    const hot = (random() * this.#hotPerTable) | 0;
    return Math.floor((hot * this.#rowsPerTable) / this.#hotPerTable);
  }
}

/**
 * Calls `turn(count)` so that the counts add up to `rate` a second, `group` of them in a turn of the
 * event loop; what is late is made up for in the same turn. Resolves with how many there were, once
 * `seconds` are over.
 */
export function pace({ rate, group, seconds }, turn) {
  const period = (group / rate) * 1000;
  const start = performance.now();
  let groups = 0;
  return new Promise((resolve, reject) => {
    const wake = () => {
      const elapsed = performance.now() - start;
      const done = elapsed >= seconds * 1000;
      const due = Math.floor(Math.min(elapsed, seconds * 1000) / period) - groups;
      try {
        if (due > 0) turn(due * group);
        groups += Math.max(0, due);
        if (done) resolve(groups * group);
        else setTimeout(wake, Math.max(0, start + (groups + 1) * period - performance.now()));
      } catch (error) {
        reject(error);
      }
    };
    setTimeout(wake, period);
  });
}
