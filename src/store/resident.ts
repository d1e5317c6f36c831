/** Tables whose rows are all in memory. */
import type { Catalog } from "./catalog.js";
import { TABLE_ID_BYTES } from "./layers.js";
import { tableBound } from "./run-walk.js";
import type { TableState } from "./table-state.js";

/** Reads the rows that runs have of resident tables; what memory knows of a key is newer. */
export function loadResident(catalog: Catalog): void {
  for (const table of catalog.tables) {
    if (table.definition.resident && !table.rows.complete) load(table);
  }
}

function load(table: TableState): void {
  const cursor = table.layers.runs?.cursor({
    lower: tableBound(table.id),
    upper: tableBound(table.id + 1),
    upperExclusive: true,
  });
  while (cursor?.next()) {
    const start = cursor.keyStart + TABLE_ID_BYTES;
    const key = table.key.decode(cursor.key, start, cursor.keyEnd);
    const mapKey = table.key.mapKey(key);
    if (table.rows.get(mapKey) !== undefined) continue;
    const { row, rowStart, rowEnd, schemaVersion } = cursor;
    table.keep(mapKey, key, schemaVersion, row, rowStart, rowEnd);
  }
  table.rows.complete = true;
}
