/** What a transaction has changed so far, from what is kept to take it back. */
import { isLive, type MapKey } from "../memtable/entry.js";
import type { Before } from "../memtable/memtable.js";
import type { TableState } from "./table-state.js";
import type { Change } from "./transaction-interface.js";

export interface Undo {
  readonly table: TableState;
  readonly before: Before<unknown>;
}

/** Every key that was written, once, with what became of it. */
export function changesOf(undo: readonly Undo[]): Change[] {
  const seen = new Map<TableState, Set<MapKey>>();
  const changes: Change[] = [];
  for (const { table, before } of undo) {
    const { mapKey, entry } = before;
    const keys = seen.get(table) ?? new Set();
    if (keys.has(mapKey)) continue;
    seen.set(table, keys.add(mapKey));
    const now = table.rows.get(mapKey);
    const kind = now !== undefined && isLive(now) ? "put" : "delete";
    changes.push({ table: table.name, key: entry.key, kind });
  }
  return changes;
}
