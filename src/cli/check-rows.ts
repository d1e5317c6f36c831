/** Do keys and rows decode? By the schemas that the log and the manifest carry. */
import { compileKey, type KeyCodec } from "../codec/key.js";
import { compileRow, type RowCodec } from "../codec/row.js";
import type { TableDefinition } from "../codec/schema.js";
import {
  canonicalSchema,
  parseSchema,
  type SchemaDescription,
} from "../codec/schema-description.js";
import { OPERATION } from "../log/format.js";
import type { LogOperation, LogRecord } from "../log/record.js";
import type { Manifest } from "../manifest/format.js";

interface Version {
  readonly rows: RowCodec<unknown>;
  /** The one text of the schema. */
  readonly canonical: string;
}

interface KnownTable {
  readonly name: string;
  readonly key: KeyCodec<unknown>;
  readonly versions: Map<number, Version>;
}

export class RowChecker {
  /** What is wrong with the schemas in the manifest. */
  readonly manifestProblems: string[] = [];
  readonly #tables = new Map<number, KnownTable>();

  constructor(manifest: Manifest | undefined) {
    for (const table of manifest?.tables ?? []) {
      for (const schema of table.schemas) {
        const problem = this.#learn(table.id, schema, undefined);
        if (problem !== undefined) this.manifestProblems.push(`table ${table.id}: ${problem}`);
      }
    }
  }

  /** What is wrong with an operation; undefined if nothing is. */
  check(record: LogRecord, operation: LogOperation): string | undefined {
    if (operation.kind === OPERATION.declare) return this.#checkDeclaration(record, operation);
    const { tableId, schemaVersion, keyStart, keyEnd, rowEnd } = operation;
    const table = this.#tables.get(tableId);
    if (table === undefined) return `table ${tableId} was never declared`;
    try {
      table.key.decode(record.bytes, keyStart, keyEnd);
    } catch (error) {
      return `a key of table "${table.name}": ${(error as Error).message}`;
    }
    if (operation.kind === OPERATION.delete) {
      return rowEnd === keyEnd ? undefined : "a delete has a row";
    }
    const version = table.versions.get(schemaVersion);
    if (version === undefined) {
      return `version ${schemaVersion} of table "${table.name}" was never declared`;
    }
    try {
      version.rows.decode(record.bytes, keyEnd, rowEnd);
      return undefined;
    } catch (error) {
      return (error as Error).message;
    }
  }

  #checkDeclaration(record: LogRecord, operation: LogOperation): string | undefined {
    const { tableId, schemaVersion, keyStart, keyEnd, rowEnd } = operation;
    if (keyStart !== keyEnd) return "a declaration has a key";
    let schema: unknown;
    try {
      const text = new TextDecoder("utf-8", { fatal: true });
      schema = JSON.parse(text.decode(record.bytes.subarray(keyEnd, rowEnd)));
    } catch {
      return `the schema of table ${tableId} is not JSON`;
    }
    return this.#learn(tableId, schema, schemaVersion);
  }

  #learn(id: number, description: unknown, asVersion: number | undefined): string | undefined {
    let definition: TableDefinition;
    try {
      definition = parseSchema(description);
    } catch (error) {
      return (error as Error).message;
    }
    const { name, version } = definition;
    if (asVersion !== undefined && asVersion !== version) {
      return `version ${version} of table "${name}" is declared as version ${asVersion}`;
    }
    let table = this.#tables.get(id);
    if (table === undefined) {
      table = { name, key: compileKey<unknown>(definition.key), versions: new Map() };
      this.#tables.set(id, table);
    }
    if (table.name !== name) return `table ${id} is "${table.name}" and is declared as "${name}"`;
    const canonical = canonicalSchema(description as SchemaDescription);
    const known = table.versions.get(version);
    if (known === undefined) {
      table.versions.set(version, { rows: compileRow(definition), canonical });
      return undefined;
    }
    if (known.canonical === canonical) return undefined;
    return `version ${version} of table "${name}" was declared before with other fields`;
  }
}
