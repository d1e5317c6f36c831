/** Keys and rows of the log by the schemas stored with them, without the application's code. */
import { toHex } from "../base/bytes.js";
import { HoldfastError } from "../base/errors.js";
import { compileGenericReader, type GenericReader, readWithoutSchema } from "../codec/generic.js";
import { compileKey, type KeyCodec } from "../codec/key.js";
import { decodePatch, patchToJson } from "../codec/patch-read.js";
import type { TableDefinition } from "../codec/schema.js";
import { parseSchema, type SchemaDescription } from "../codec/schema-description.js";
import { type SchemaHistory, withSchema } from "../codec/schema-history.js";
import type { Json } from "../codec/value-json.js";
import { OPERATION } from "../log/format.js";
import { type LogOperation, type LogRecord, walkOperations } from "../log/record.js";
import type { Manifest } from "../manifest/format.js";

export type OperationKind = "put" | "patch" | "delete" | "declare";

/** One operation as plain JSON. */
export interface ReadableOperation {
  readonly operation: OperationKind;
  readonly table: string;
  readonly version: number;
  readonly key?: Json;
  readonly row?: Json;
  /** For "patch": what becomes of some fields. */
  readonly fields?: Json;
  /** For "declare". */
  readonly schema?: Json;
  /** What could not be decoded, and is shown raw. */
  readonly problem?: string;
}

export interface ReadableTable {
  readonly id: number;
  readonly name: string;
  /** In the order in which they were last declared; the last one is in force. */
  readonly schemas: SchemaHistory;
}

interface State {
  readonly id: number;
  name: string;
  schemas: SchemaHistory;
  key: KeyCodec<unknown> | undefined;
  readonly readers: Map<number, GenericReader>;
  readonly definitions: Map<number, TableDefinition>;
}

const KINDS: Readonly<Record<number, OperationKind>> = {
  [OPERATION.put]: "put",
  [OPERATION.patch]: "patch",
  [OPERATION.delete]: "delete",
  [OPERATION.declare]: "declare",
};

export class ReadableTables {
  readonly #tables = new Map<number, State>();
  /** What the manifest or the log says of tables, and is no schema. */
  readonly problems: string[] = [];

  constructor(manifest: Pick<Manifest, "tables"> | undefined) {
    for (const table of manifest?.tables ?? []) {
      for (const schema of table.schemas) {
        const problem = this.#declare(table.id, schema);
        if (problem !== undefined) this.problems.push(`table ${table.id}: ${problem}`);
      }
    }
  }

  get list(): ReadableTable[] {
    return [...this.#tables.values()].sort((a, b) => a.id - b.id);
  }

  nameOf(tableId: number): string {
    return this.#tables.get(tableId)?.name ?? `#${tableId}`;
  }

  /** Calls back for every operation of a record; returns what is wrong with the record itself. */
  walk(
    record: LogRecord,
    visit: (operation: ReadableOperation, raw: LogOperation) => void,
  ): string | undefined {
    return walkOperations(record, (raw) => visit(this.read(record, raw), raw));
  }

  /** Never throws: what cannot be decoded is shown as it stands, with the reason. */
  read(record: LogRecord, raw: LogOperation): ReadableOperation {
    const operation = KINDS[raw.kind] as OperationKind;
    if (operation === "declare") return this.#readDeclaration(record, raw);
    const state = this.#tables.get(raw.tableId);
    const version = raw.schemaVersion;
    const problems: string[] = [];
    const key = attempt(
      problems,
      () => keyToJson(this.#keyOf(state).decode(record.bytes, raw.keyStart, raw.keyEnd)),
      () => `0x${toHex(record.bytes.subarray(raw.keyStart, raw.keyEnd))}`,
    );
    const base = { operation, table: this.nameOf(raw.tableId), version, key };
    if (operation === "delete") return withProblems(base, problems);
    if (operation === "patch") {
      const fields = attempt(
        problems,
        () => this.#readPatch(state, record, raw),
        () => rawRow(record.bytes, raw.keyEnd, raw.rowEnd),
      );
      return withProblems({ ...base, fields }, problems);
    }
    const row = attempt(
      problems,
      () => this.#readerOf(state, version)(record.bytes, raw.keyEnd, raw.rowEnd),
      () => rawRow(record.bytes, raw.keyEnd, raw.rowEnd),
    );
    return withProblems({ ...base, row }, problems);
  }

  #readPatch(state: State | undefined, { bytes }: LogRecord, raw: LogOperation): Json {
    const { schemaVersion: version, keyEnd, rowEnd } = raw;
    const definition = state?.definitions.get(version);
    if (definition === undefined) throw undeclared(`version ${version} of its table`);
    return patchToJson(definition, decodePatch(definition, bytes, keyEnd, rowEnd));
  }

  #readDeclaration(record: LogRecord, raw: LogOperation): ReadableOperation {
    const text = new TextDecoder().decode(record.bytes.subarray(raw.keyEnd, raw.rowEnd));
    let schema: Json = text;
    let problem: string | undefined;
    try {
      schema = JSON.parse(text) as Json;
      problem = this.#declare(raw.tableId, schema);
    } catch {
      problem = "the schema is not JSON";
    }
    const table = this.nameOf(raw.tableId);
    const base = { operation: "declare", table, version: raw.schemaVersion, schema } as const;
    return withProblems(base, problem === undefined ? [] : [problem]);
  }

  /** Makes a schema known; returns what is wrong with it. Known ones change nothing. */
  #declare(id: number, description: unknown): string | undefined {
    const schema = description as SchemaDescription;
    try {
      const definition = parseSchema(description);
      const state = this.#tables.get(id) ?? {
        id,
        name: definition.name,
        schemas: [],
        key: compileKey<unknown>(definition.key),
        readers: new Map<number, GenericReader>(),
        definitions: new Map<number, TableDefinition>(),
      };
      this.#tables.set(id, state);
      if (!state.readers.has(definition.version)) {
        state.readers.set(definition.version, compileGenericReader(schema));
        state.definitions.set(definition.version, definition);
      }
      state.schemas = withSchema(state.schemas, schema);
      return undefined;
    } catch (error) {
      return (error as Error).message;
    }
  }

  #keyOf(state: State | undefined): KeyCodec<unknown> {
    if (state?.key === undefined) throw undeclared("the table");
    return state.key;
  }

  #readerOf(state: State | undefined, version: number): GenericReader {
    const reader = state?.readers.get(version);
    if (reader !== undefined) return reader;
    if (state === undefined) throw undeclared("the table");
    throw undeclared(`version ${version} of table "${state.name}"`);
  }
}

function undeclared(what: string): HoldfastError {
  return new HoldfastError("SCHEMA_MISMATCH", `${what} was never declared`);
}

function withProblems<T extends object>(operation: T, problems: readonly string[]) {
  if (problems.length === 0) return operation;
  return { ...operation, problem: [...new Set(problems)].join("; ") };
}

function attempt(problems: string[], read: () => Json, otherwise: () => Json): Json {
  try {
    return read();
  } catch (error) {
    problems.push((error as Error).message);
    return otherwise();
  }
}

function rawRow(bytes: Uint8Array, from: number, to: number): Json {
  try {
    return readWithoutSchema(bytes, from, to);
  } catch {
    return `0x${toHex(bytes.subarray(from, to))}`;
  }
}

/** A key as the rows have it: bigints as text. */
export function keyToJson(key: unknown): Json {
  if (Array.isArray(key)) return key.map(keyToJson);
  return typeof key === "bigint" ? String(key) : (key as Json);
}
