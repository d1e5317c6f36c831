/**
 * Keys and rows of the log by the schemas that are stored with them: each row by the version that
 * it was written with. The one place where rows of the past are decoded.
 */
import { HoldfastError, isHoldfastError } from "../base/errors.js";
import { compileKey, type KeyCodec } from "../codec/key.js";
import { decodePatch, type PatchedFields } from "../codec/patch-read.js";
import { compileRow, type RowCodec } from "../codec/row.js";
import type { TableDefinition } from "../codec/schema.js";
import { parseSchema } from "../codec/schema-description.js";
import type { ManifestTable } from "../manifest/format.js";

/** A field by its name; what a row of any table is. */
export type StoredRow = Readonly<Record<string, unknown>>;

export interface StoredTable {
  readonly id: number;
  readonly name: string;
  readonly key: KeyCodec<unknown>;
  /** By version. */
  readonly versions: Map<number, StoredVersion>;
}

interface StoredVersion {
  readonly definition: TableDefinition;
  codec: RowCodec<StoredRow> | undefined;
}

export class StoredTables {
  readonly #byId = new Map<number, StoredTable>();

  constructor(tables: readonly ManifestTable[]) {
    for (const { id, schemas } of tables) {
      for (const schema of schemas) this.declare(id, schema);
    }
  }

  /** Known ones change nothing. Throws INVALID_SCHEMA for what is none. */
  declare(id: number, description: unknown): TableDefinition {
    const definition = parseSchema(description);
    let table = this.#byId.get(id);
    if (table === undefined) {
      const key = compileKey<unknown>(definition.key);
      table = { id, name: definition.name, key, versions: new Map() };
      this.#byId.set(id, table);
    }
    if (!table.versions.has(definition.version)) {
      table.versions.set(definition.version, { definition, codec: undefined });
    }
    return definition;
  }

  byId(id: number): StoredTable | undefined {
    return this.#byId.get(id);
  }

  byName(name: string): StoredTable | undefined {
    return [...this.#byId.values()].find((table) => table.name === name);
  }

  /** Throws CORRUPT_LOG: nobody but a writer of this program has written it. */
  decodeKey(table: StoredTable, bytes: Uint8Array, start: number, end: number): unknown {
    return decoded(table, () => table.key.decode(bytes, start, end));
  }

  /** Throws CORRUPT_LOG. */
  decodeRow(
    table: StoredTable,
    version: number,
    bytes: Uint8Array,
    start: number,
    end: number,
  ): StoredRow {
    return decoded(table, () => {
      const stored = versionOf(table, version);
      stored.codec ??= compileRow<StoredRow, StoredRow>(stored.definition as never);
      return stored.codec.decode(bytes, start, end);
    });
  }

  /** Throws CORRUPT_LOG. */
  decodePatch(
    table: StoredTable,
    version: number,
    bytes: Uint8Array,
    start: number,
    end: number,
  ): PatchedFields {
    return decoded(table, () =>
      decodePatch(versionOf(table, version).definition, bytes, start, end),
    );
  }
}

function versionOf(table: StoredTable, version: number): StoredVersion {
  const stored = table.versions.get(version);
  if (stored !== undefined) return stored;
  const what = `version ${version} of table "${table.name}" was never declared`;
  throw new HoldfastError("CORRUPT_LOG", what, { table: table.name });
}

function decoded<T>(table: StoredTable, decode: () => T): T {
  try {
    return decode();
  } catch (error) {
    if (!isHoldfastError(error) || error.code === "CORRUPT_LOG") throw error;
    const message = `a stored row of table "${table.name}" cannot be read: ${error.message}`;
    throw new HoldfastError("CORRUPT_LOG", message, { table: table.name }, error);
  }
}
