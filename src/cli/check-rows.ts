/** Do keys and rows decode? By the schemas that the log and the manifest carry. */
import { toHex } from "../base/bytes.js";
import { compileKey, type KeyCodec } from "../codec/key.js";
import { decodePatch } from "../codec/patch-read.js";
import { compileRow, type RowCodec } from "../codec/row.js";
import type { TableDefinition } from "../codec/schema.js";
import { parseSchema, rowsOfSchema, type SchemaDescription } from "../codec/schema-description.js";
import type { Json } from "../codec/value-json.js";
import { OPERATION } from "../log/format.js";
import type { LogOperation, LogRecord } from "../log/record.js";
import type { Manifest } from "../manifest/format.js";
import { TABLE_ID_BYTES } from "../store/layers.js";
import type { KeyPlace } from "./findings.js";
import { keyToJson } from "./readable-tables.js";

interface Version {
  readonly definition: TableDefinition;
  readonly rows: RowCodec<unknown>;
  /** What its rows are like, as one text. */
  readonly shape: string;
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
  /** All tables are known, so that one that is not was never declared. */
  readonly #complete: boolean;

  /** Without a manifest only those are known that the log declares where it is read. */
  constructor(manifest: Pick<Manifest, "tables"> | undefined) {
    this.#complete = manifest !== undefined;
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
    const { bytes } = record;
    if (operation.kind === OPERATION.delete && rowEnd !== keyEnd) return "a delete has a row";
    if (operation.kind === OPERATION.patch) return this.#checkPatch(bytes, operation);
    const end = operation.kind === OPERATION.delete ? -1 : rowEnd;
    return this.checkRow(tableId, schemaVersion, bytes, keyStart, keyEnd, keyEnd, end);
  }

  /** What it says by itself; whether it fits its row shows where rows are put together. */
  #checkPatch(bytes: Uint8Array, operation: LogOperation): string | undefined {
    const { tableId, schemaVersion, keyStart, keyEnd, rowEnd } = operation;
    const wrong = this.checkRow(tableId, schemaVersion, bytes, keyStart, keyEnd, keyEnd, -1);
    if (wrong !== undefined) return wrong;
    const table = this.#tables.get(tableId);
    const version = table?.versions.get(schemaVersion);
    if (table === undefined || version === undefined) return this.#unknown(table, schemaVersion);
    try {
      decodePatch(version.definition, bytes, keyEnd, rowEnd);
      return undefined;
    } catch (error) {
      return (error as Error).message;
    }
  }

  /** The same for a key and the row of it; `rowEnd` is below zero where it was deleted. */
  checkRow(
    tableId: number,
    schemaVersion: number,
    bytes: Uint8Array,
    keyStart: number,
    keyEnd: number,
    rowStart: number,
    rowEnd: number,
  ): string | undefined {
    const table = this.#tables.get(tableId);
    if (table === undefined) {
      return this.#complete ? `table ${tableId} was never declared` : undefined;
    }
    try {
      table.key.decode(bytes, keyStart, keyEnd);
    } catch (error) {
      return `a key of table "${table.name}": ${(error as Error).message}`;
    }
    if (rowEnd < 0) return undefined;
    const version = table.versions.get(schemaVersion);
    if (version === undefined) return this.#unknown(table, schemaVersion);
    try {
      version.rows.decode(bytes, rowStart, rowEnd);
      return undefined;
    } catch (error) {
      return (error as Error).message;
    }
  }

  /** A key of a run for people: its table, and the key as far as it can be decoded. */
  describe(fullKey: Uint8Array): KeyPlace {
    if (fullKey.length < TABLE_ID_BYTES) return { table: "?", key: `0x${toHex(fullKey)}` };
    const id = ((fullKey[0] as number) << 8) | (fullKey[1] as number);
    const table = this.#tables.get(id);
    let key: Json | undefined;
    try {
      key = keyToJson(table?.key.decode(fullKey, TABLE_ID_BYTES, fullKey.length));
    } catch {
      key = undefined;
    }
    const raw = `0x${toHex(fullKey.subarray(TABLE_ID_BYTES))}`;
    return { table: table?.name ?? `#${id}`, key: key ?? raw };
  }

  #unknown(table: KnownTable | undefined, version: number): string | undefined {
    if (!this.#complete || table === undefined) return undefined;
    return `version ${version} of table "${table.name}" was never declared`;
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
    const shape = rowsOfSchema(description as SchemaDescription);
    const known = table.versions.get(version);
    if (known === undefined) {
      table.versions.set(version, { definition, rows: compileRow(definition), shape });
      return undefined;
    }
    if (known.shape === shape) return undefined;
    return `version ${version} of table "${name}" was declared before with other fields`;
  }
}
