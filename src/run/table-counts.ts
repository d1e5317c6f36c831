/** Rows and tombstones of each table in a file, whose tables follow one another. */
import { assert } from "../base/assert.js";
import type { ManifestTable } from "../manifest/format.js";
import type { RunTableProperties } from "./properties.js";

interface Counts {
  readonly id: number;
  rows: number;
  tombstones: number;
}

export class TableCounts {
  readonly tables: Counts[] = [];
  rows = 0;
  tombstones = 0;
  #last: Counts | undefined;

  add(tableId: number, tombstone: boolean): void {
    if (this.#last?.id !== tableId) {
      this.#last = { id: tableId, rows: 0, tombstones: 0 };
      this.tables.push(this.#last);
    }
    if (tombstone) {
      this.#last.tombstones++;
      this.tombstones++;
    } else {
      this.#last.rows++;
      this.rows++;
    }
  }

  /** With the name and schemas of each. */
  describe(tables: readonly ManifestTable[]): RunTableProperties[] {
    return this.tables.map(({ id, rows, tombstones }) => {
      const table = tables.find((candidate) => candidate.id === id);
      assert(table !== undefined, "every table in a file is known");
      return { id, name: table.name, rows, tombstones, schemas: table.schemas };
    });
  }
}
