/**
 * Rows of older versions, made into rows of a newer one by the rules of schemas alone: merges
 * rewrite each row anyway. Where a version is made by code the row stays below that version; what
 * does not become a row is left as it is, for whoever asks for it to be told.
 */

import { isHoldfastError } from "../base/errors.js";
import { ROW_BYTES_MAX } from "../base/limits.js";
import { compileRow } from "../codec/row.js";
import type { TableDefinition } from "../codec/schema.js";
import { SCHEMA_VERSION_MAX } from "../codec/schema-check.js";
import { compareSchemas } from "../codec/schema-compare.js";
import { parseSchema } from "../codec/schema-description.js";
import { lineage, type SchemaHistory } from "../codec/schema-history.js";
import { ValueProblem } from "../codec/value-problem.js";
import type { ManifestTable } from "../manifest/format.js";

/** Valid until the next row. */
export interface UpgradedRow {
  readonly version: number;
  readonly bytes: Uint8Array;
  readonly length: number;
}

interface Way {
  readonly version: number;
  /** The length of the row in `target`; below zero if it does not fit. */
  readonly write: (row: Uint8Array, start: number, end: number, target: Uint8Array) => number;
}

export class RowUpgrader {
  readonly #histories = new Map<number, SchemaHistory>();
  /** By table and version; undefined: it stays as it is. */
  readonly #ways = new Map<number, Way | undefined>();
  #target = new Uint8Array(0);

  constructor(tables: readonly ManifestTable[]) {
    for (const { id, schemas } of tables) {
      const inForce = (schemas as SchemaHistory).at(-1);
      // A patch that the log has of a row is of the version in which it was written.
      const isPatched = (schemas as SchemaHistory).some(({ patches }) => patches === true);
      if (schemas.length > 1 && inForce?.back !== true && !isPatched)
        this.#histories.set(id, schemas as SchemaHistory);
    }
  }

  /** Undefined: the row stays as it is. */
  upgrade(
    tableId: number,
    version: number,
    row: Uint8Array,
    start: number,
    end: number,
  ): UpgradedRow | undefined {
    const history = this.#histories.get(tableId);
    if (history === undefined || history.at(-1)?.version === version) return undefined;
    try {
      const way = this.#way(history, tableId, version);
      if (way === undefined) return undefined;
      if (this.#target.length === 0) this.#target = new Uint8Array(ROW_BYTES_MAX);
      const length = way.write(row, start, end, this.#target);
      if (length >= 0) return { version: way.version, bytes: this.#target, length };
    } catch (error) {
      // A damaged row, or a number of more digits than there are: whoever reads it is told.
      const isOfRow = error instanceof ValueProblem || isHoldfastError(error);
      /* v8 ignore next -- @preserve: a mistake of ours; no row is known that leads there */
      if (!isOfRow) throw error;
    }
    return undefined;
  }

  #way(history: SchemaHistory, tableId: number, version: number): Way | undefined {
    const id = tableId * (SCHEMA_VERSION_MAX + 1) + version;
    if (!this.#ways.has(id)) this.#ways.set(id, compileWay(history, version));
    return this.#ways.get(id);
  }
}

function compileWay(history: SchemaHistory, version: number): Way | undefined {
  const line = lineage(history);
  const at = line.findIndex((schema) => schema.version === version);
  const first = line[at];
  if (first === undefined) return undefined;
  const from = parseSchema(first);
  const steps: ((row: unknown) => unknown)[] = [];
  let to = from;
  for (const schema of line.slice(at + 1)) {
    const next = parseSchema(schema);
    const { verdict, convert } = compareSchemas(to, next);
    if (schema.up === true || verdict !== "rules") break;
    steps.push(stepTo(next, convert));
    to = next;
  }
  if (to === from) return undefined;
  const reader = compileRow(from);
  const { encode } = compileRow(to);
  return {
    version: to.version,
    write: (bytes, start, end, target) => {
      let row: unknown = reader.decode(bytes, start, end);
      for (const step of steps) row = step(row);
      return encode(row, target, 0, target.length);
    },
  };
}

function stepTo(to: TableDefinition, convert: (row: unknown) => unknown) {
  const { normalize } = compileRow(to);
  return (row: unknown) => normalize(convert(row), { table: to.name, key: "" });
}
