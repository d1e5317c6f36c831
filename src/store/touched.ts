/** Keys that are written while somebody needs to know. */
import type { MapKey } from "../memtable/entry.js";
import type { TableState } from "./table-state.js";

export interface TouchedKey {
  readonly table: TableState;
  readonly key: unknown;
}

export class Touched {
  readonly #tables = new Map<TableState, Map<MapKey, unknown>>();
  #size = 0;

  get size(): number {
    return this.#size;
  }

  add(table: TableState, mapKey: MapKey, key: unknown): void {
    let keys = this.#tables.get(table);
    if (keys === undefined) {
      keys = new Map();
      this.#tables.set(table, keys);
    }
    if (keys.has(mapKey)) return;
    keys.set(mapKey, key);
    this.#size++;
  }

  /** Some of them, which it forgets. */
  take(limit: number): TouchedKey[] {
    const taken: TouchedKey[] = [];
    for (const [table, keys] of this.#tables) {
      for (const [mapKey, key] of keys) {
        if (taken.length >= limit) break;
        taken.push({ table, key });
        keys.delete(mapKey);
      }
    }
    this.#size -= taken.length;
    return taken;
  }
}
