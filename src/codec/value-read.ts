/** Readers of stored values, by type: a value of exactly that type, or ValueProblem. */

import { Decimal } from "./decimal.js";
import { COEFFICIENT_LIMIT } from "./decimal-digits.js";
import type { FieldNode, TypeNode } from "./field-types.js";
import {
  type Cursor,
  readAnyInteger,
  readArrayHeader,
  readBoolean,
  readBytes,
  readFloat64,
  readInteger,
  readMapHeader,
  readString,
  skipNil,
} from "./msgpack-read.js";
import { arrayReader } from "./typed-arrays.js";
import { ValueProblem } from "./value-problem.js";

export type { Cursor } from "./msgpack-read.js";

type Read = (source: Uint8Array, cursor: Cursor) => unknown;

/** The reader of a type. */
export function reader(type: TypeNode): Read {
  switch (type.kind) {
    case "string":
      return readString;
    case "boolean":
      return readBoolean;
    case "integer":
    case "timestamp":
      return readInteger;
    case "int64":
      return readInt64;
    case "bytes":
      return readBytes;
    case "array":
      return arrayReader(type);
    case "float64":
      return type.allowNonFinite ? readFloat64 : readFiniteFloat;
    case "decimal":
      return (source, cursor) => readDecimal(source, cursor, type.scale);
    case "enumeration":
      return (source, cursor) => readEnumeration(source, cursor, type.values);
    case "nullable": {
      const read = reader(type.item);
      return (source, cursor) => (skipNil(source, cursor) ? null : read(source, cursor));
    }
    case "list":
      return listReader(reader(type.item));
    case "map":
      return mapReader(reader(type.item));
    case "record":
      return recordReader(type.fields);
  }
}

export function readInt64(source: Uint8Array, cursor: Cursor): bigint {
  const value = BigInt(readAnyInteger(source, cursor));
  if (BigInt.asIntN(64, value) === value) return value;
  throw new ValueProblem("expected an integer of 64 bits, signed, found a larger one");
}

export function readFiniteFloat(source: Uint8Array, cursor: Cursor): number {
  const value = readFloat64(source, cursor);
  if (Number.isFinite(value)) return value;
  throw new ValueProblem(`expected a finite number, found ${value}`);
}

export function readDecimal(source: Uint8Array, cursor: Cursor, scale: number): Decimal {
  const coefficient = readAnyInteger(source, cursor);
  if (typeof coefficient === "bigint") {
    if (coefficient >= COEFFICIENT_LIMIT || coefficient <= -COEFFICIENT_LIMIT) {
      throw new ValueProblem("expected a decimal, found one of too many digits");
    }
  }
  return Decimal.fromCoefficient(coefficient, scale).keep();
}

export function readEnumeration(
  source: Uint8Array,
  cursor: Cursor,
  values: readonly string[],
): string {
  const index = readInteger(source, cursor);
  const value = values[index];
  if (value !== undefined) return value;
  throw new ValueProblem(`expected one of ${values.length} values, found number ${index}`);
}

function listReader(read: Read): Read {
  return (source, cursor) => {
    const count = readArrayHeader(source, cursor);
    const items: unknown[] = [];
    try {
      while (items.length < count) items.push(read(source, cursor));
    } catch (error) {
      throw ValueProblem.within(`[${items.length}]`, error);
    }
    return Object.freeze(items);
  };
}

function mapReader(read: Read): Read {
  return (source, cursor) => {
    const count = readMapHeader(source, cursor);
    const entries: Record<string, unknown> = Object.create(null);
    for (let index = 0; index < count; index++) {
      const key = readString(source, cursor);
      if (key in entries) throw new ValueProblem(`the key ${JSON.stringify(key)} stands twice`);
      try {
        entries[key] = read(source, cursor);
      } catch (error) {
        throw ValueProblem.within(`[${JSON.stringify(key)}]`, error);
      }
    }
    return Object.freeze(entries);
  };
}

function recordReader(fields: readonly FieldNode[]): Read {
  const compiled = fields.map(({ name, type }) => ({ name, read: reader(type) }));
  return (source, cursor) => {
    const count = readArrayHeader(source, cursor);
    if (count !== compiled.length) {
      throw new ValueProblem(`expected ${compiled.length} fields, found ${count}`);
    }
    const result: Record<string, unknown> = {};
    for (const { name, read } of compiled) {
      try {
        result[name] = read(source, cursor);
      } catch (error) {
        throw ValueProblem.within(`.${name}`, error);
      }
    }
    return Object.freeze(result);
  };
}
