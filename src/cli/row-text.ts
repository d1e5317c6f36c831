/** Rows with their keys as lines of a file, and back: JSON objects or records of CSV. */
import { HoldfastError, isHoldfastError } from "../base/errors.js";
import { ROW_BYTES_MAX } from "../base/limits.js";
import type { TypeNode } from "../codec/field-types.js";
import { compileKey, type KeyCodec } from "../codec/key.js";
import { compileRow, type RowCodec } from "../codec/row.js";
import type { KeyNode, TableDefinition } from "../codec/schema.js";
import { type Json, toJson } from "../codec/value-json.js";
import { ValueProblem } from "../codec/value-problem.js";
import { type Cell, csvCell, parseCsvRecord } from "./csv-text.js";
import { parseJson } from "./json-text.js";
import { cellOf, valueFrom, valueOfCell } from "./value-text.js";

/** A row that may be put. */
export interface KeyedRow {
  readonly key: unknown;
  readonly row: unknown;
}

/** At least what stands around key and row of an operation in the log. */
const OPERATION_BYTES = 32;

interface Member {
  readonly name: string;
  readonly type: TypeNode;
  /** Its place in the key; undefined: it is a field only. */
  readonly keyPart: number | undefined;
  readonly isField: boolean;
}

/** Why one row of a file is refused, for people. */
export class BadRow extends Error {}

/**
 * Which member or column holds the key, or each of its parts: `key`, or `key1`, `key2` and so on,
 * with as many "_" in front as keep them from being names of fields.
 */
export function defaultKeyNames({ key, fields }: TableDefinition): readonly string[] {
  const parts = Array.isArray(key) ? key.length : 1;
  const names = parts === 1 ? ["key"] : Array.from({ length: parts }, (_, i) => `key${i + 1}`);
  const taken = new Set(fields.map(({ name }) => name));
  for (let prefix = ""; ; prefix += "_") {
    const free = names.map((name) => prefix + name);
    if (free.every((name) => !taken.has(name))) return free;
  }
}

export class RowText {
  readonly #table: TableDefinition;
  readonly #key: KeyCodec<unknown>;
  readonly #codec: RowCodec<unknown>;
  readonly #members: readonly Member[];
  readonly #isTuple: boolean;
  readonly #target = new Uint8Array(ROW_BYTES_MAX);
  /** Of a CSV file: what its columns are. */
  #columns: readonly Member[] = [];

  /** Throws INVALID_ARGUMENT where the names cannot be those of the key. */
  constructor(table: TableDefinition, keyNames: readonly string[] = defaultKeyNames(table)) {
    this.#table = table;
    this.#key = compileKey(table.key);
    this.#codec = compileRow(table);
    this.#isTuple = Array.isArray(table.key);
    this.#members = membersOf(table, keyNames);
  }

  // ---- writing ---------------------------------------------------------------------------------

  /** One line, without its end. */
  json(key: unknown, row: unknown): string {
    const object: Record<string, Json> = Object.create(null);
    for (const member of this.#members) {
      object[member.name] = toJson(member.type, this.#value(member, key, row));
    }
    return JSON.stringify(object);
  }

  csvHeader(): string {
    return this.#members.map(({ name }) => csvCell(name)).join(",");
  }

  csv(key: unknown, row: unknown): string {
    return this.#members
      .map((member) => cellOf(member.type, this.#value(member, key, row)))
      .join(",");
  }

  /** A key that is also a field is written once, so both must say the same. */
  #value({ name, type, keyPart, isField }: Member, key: unknown, row: unknown): unknown {
    const field = isField ? (row as Readonly<Record<string, unknown>>)[name] : undefined;
    if (keyPart === undefined) return field;
    const part = this.#isTuple ? (key as readonly unknown[])[keyPart] : key;
    if (!isField || toJson(type, part) === toJson(type, field)) return part;
    throw new HoldfastError(
      "INVALID_ARGUMENT",
      `table "${this.#table.name}", key ${this.#key.inspect(key)}: field "${name}" is not the ` +
        "key, so the key needs a name of its own (--key)",
      { table: this.#table.name, key, field: name },
    );
  }

  // ---- reading ---------------------------------------------------------------------------------

  /** Takes the first record of a CSV file. Throws BadRow. */
  readHeader(text: string): void {
    const cells = parseCsvRecord(text);
    if (typeof cells === "string") throw new BadRow(cells);
    const known = new Map(this.#members.map((member) => [member.name, member]));
    this.#columns = cells.map(({ text: name }) => {
      const member = known.get(name);
      if (member === undefined) {
        const names = this.#members.map((one) => JSON.stringify(one.name)).join(", ");
        throw new BadRow(
          `column ${JSON.stringify(name)} stands twice, or is neither key nor field; the table ` +
            `has ${names}`,
        );
      }
      known.delete(name);
      return member;
    });
    for (const { name, keyPart } of known.values()) {
      if (keyPart !== undefined) throw new BadRow(`there is no column "${name}" for the key`);
    }
  }

  /** Throws BadRow. */
  fromCsv(text: string): KeyedRow {
    const cells = parseCsvRecord(text);
    if (typeof cells === "string") throw new BadRow(cells);
    if (cells.length !== this.#columns.length) {
      throw new BadRow(`${cells.length} cells, and the header has ${this.#columns.length}`);
    }
    return this.#row(
      new Map(this.#columns.map((member, i) => [member.name, cells[i] as Cell])),
      (type, cell) => valueOfCell(type, cell as Cell),
    );
  }

  /** Throws BadRow. */
  fromJson(text: string): KeyedRow {
    const json = asBadRow(() => parseJson(text));
    if (typeof json !== "object" || json === null || Array.isArray(json)) {
      throw new BadRow("expected an object with the members of the row");
    }
    return this.#row(new Map(Object.entries(json)), valueFrom);
  }

  #row(
    given: ReadonlyMap<string, unknown>,
    read: (type: TypeNode, text: unknown) => unknown,
  ): KeyedRow {
    const left = new Set(given.keys());
    const parts: unknown[] = [];
    const row: Record<string, unknown> = Object.create(null);
    for (const { name, type, keyPart, isField } of this.#members) {
      left.delete(name);
      if (!given.has(name)) {
        if (keyPart !== undefined) throw new BadRow(`"${name}", which holds the key, is missing`);
        continue;
      }
      const value = asBadRow(() => read(type, given.get(name)), name);
      if (keyPart !== undefined) parts[keyPart] = value;
      if (isField) row[name] = value;
    }
    const [unknown] = left;
    if (unknown !== undefined) {
      throw new BadRow(`${JSON.stringify(unknown)} is neither key nor field`);
    }
    return this.#checked(this.#isTuple ? parts : parts[0], row);
  }

  /** All that a put would refuse, but for the checks that only the application has. */
  #checked(rawKey: unknown, given: unknown): KeyedRow {
    try {
      const key = this.#key.validate(rawKey, this.#table.name);
      const row = this.#codec.normalize(given, { table: this.#table.name, key });
      if (this.#codec.encode(row, this.#target, 0, ROW_BYTES_MAX) >= 0) return { key, row };
    } catch (error) {
      if (isHoldfastError(error)) throw new BadRow(error.message);
      throw error;
    }
    throw new BadRow(`it takes more than ${ROW_BYTES_MAX} bytes`);
  }

  /** About the bytes that putting it takes in a transaction. */
  sizeOf({ key, row }: KeyedRow): number {
    const bytes = this.#codec.encode(row, this.#target, 0, ROW_BYTES_MAX);
    return bytes + this.keyBytes(key).length + OPERATION_BYTES;
  }

  /** Bytes of the key; equal for equal keys only. Valid until another row is looked at. */
  keyBytes(key: unknown): Uint8Array {
    return this.#target.subarray(0, this.#key.encode(key, this.#target, 0, ROW_BYTES_MAX));
  }
}

function asBadRow<T>(read: () => T, name?: string): T {
  try {
    return read();
  } catch (error) {
    if (!(error instanceof ValueProblem)) throw error;
    throw new BadRow(
      name === undefined ? error.message : `"${name}${error.path}": ${error.message}`,
    );
  }
}

function membersOf(table: TableDefinition, keyNames: readonly string[]): readonly Member[] {
  const keys = (Array.isArray(table.key) ? table.key : [table.key]) as readonly KeyNode[];
  if (keyNames.length !== keys.length || new Set(keyNames).size !== keys.length) {
    const message = `the key of table "${table.name}" has ${keys.length} parts: name each, once`;
    throw new HoldfastError("INVALID_ARGUMENT", message, { table: table.name });
  }
  const fields = new Map(table.fields.map(({ name, type }) => [name, type]));
  const parts = keys.map((type, keyPart): Member => {
    const name = keyNames[keyPart] as string;
    const field = fields.get(name);
    if (field === undefined || field.kind === type.kind) {
      return { name, type, keyPart, isField: field !== undefined };
    }
    const message = `field "${name}" is of type ${field.kind}, and the key of type ${type.kind}`;
    throw new HoldfastError("INVALID_ARGUMENT", message, { table: table.name, field: name });
  });
  const named = new Set(keyNames);
  const others = table.fields
    .filter(({ name }) => !named.has(name))
    .map(({ name, type }): Member => ({ name, type, keyPart: undefined, isField: true }));
  return [...parts, ...others];
}
