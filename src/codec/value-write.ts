/** Writers of normalised values, by type, as msgpack. */
import type { Decimal } from "./decimal.js";
import type { FieldNode, TypeNode } from "./field-types.js";
import {
  bigintSize,
  bytesSize,
  headerSize,
  integerSize,
  stringSize,
  writeArrayHeader,
  writeBigint,
  writeBoolean,
  writeBytes,
  writeFloat64,
  writeInteger,
  writeMapHeader,
  writeNil,
  writeString,
} from "./msgpack-write.js";
import { arraySize, type NumberArray, writeArray } from "./typed-arrays.js";

interface ValueWriter {
  readonly bound: (value: unknown) => number;
  readonly size: (value: unknown) => number;
  readonly write: (target: Uint8Array, position: number, value: unknown) => number;
}

/** A writer of values known to be of one JavaScript type: normalising has made sure of it. */
function of<T>(typed: {
  bound: (value: T) => number;
  size: (value: T) => number;
  write: (target: Uint8Array, position: number, value: T) => number;
}): ValueWriter {
  return typed as unknown as ValueWriter;
}

const string = of<string>({ bound: stringBound, size: stringSize, write: writeString });
const boolean = of<boolean>({ bound: () => 1, size: () => 1, write: writeBoolean });
const integer = of<number>({ bound: () => 9, size: integerSize, write: writeInteger });
const int64 = of<bigint>({ bound: () => 9, size: bigintSize, write: writeBigint });
const float64 = of<number>({ bound: () => 9, size: () => 9, write: writeFloat64 });
const bytes = of<Uint8Array>({ bound: bytesSize, size: bytesSize, write: writeBytes });
const array = of<NumberArray>({ bound: arraySize, size: arraySize, write: writeArray });
const decimal = of<Decimal>({ bound: () => 18, size: decimalSize, write: writeDecimal });

/** The writer of a type. */
export function writer(type: TypeNode): ValueWriter {
  switch (type.kind) {
    case "string":
      return string;
    case "boolean":
      return boolean;
    case "integer":
    case "timestamp":
      return integer;
    case "int64":
      return int64;
    case "float64":
      return float64;
    case "bytes":
      return bytes;
    case "array":
      return array;
    case "decimal":
      return decimal;
    case "enumeration":
      return enumerationWriter(type.values);
    case "nullable":
      return nullableWriter(writer(type.item));
    case "list":
      return listWriter(writer(type.item));
    case "map":
      return mapWriter(writer(type.item));
    case "record":
      return recordWriter(type.fields);
  }
}

/** At least the bytes of a string, header included. */
export function stringBound(value: string): number {
  return 5 + 3 * value.length;
}

/** The coefficient as an integer; the scale is the field's and stands in the schema. */
export function writeDecimal(target: Uint8Array, position: number, value: Decimal): number {
  const { coefficient } = value;
  return typeof coefficient === "number"
    ? writeInteger(target, position, coefficient)
    : writeBigint(target, position, coefficient);
}

function decimalSize({ coefficient }: Decimal): number {
  return typeof coefficient === "number" ? integerSize(coefficient) : bigintSize(coefficient);
}

function enumerationWriter(values: readonly string[]): ValueWriter {
  const indexes = new Map(values.map((value, index) => [value, index]));
  return of<string>({
    bound: () => 5,
    size: (value) => integerSize(indexes.get(value)!),
    write: (target, position, value) => writeInteger(target, position, indexes.get(value)!),
  });
}

function nullableWriter(item: ValueWriter): ValueWriter {
  return {
    bound: (value) => (value === null ? 1 : item.bound(value)),
    size: (value) => (value === null ? 1 : item.size(value)),
    write: (target, position, value) =>
      value === null ? writeNil(target, position) : item.write(target, position, value),
  };
}

function listWriter(item: ValueWriter): ValueWriter {
  const total = (of: (value: unknown) => number) => (value: readonly unknown[]) => {
    let sum = headerSize(value.length);
    for (const element of value) sum += of(element);
    return sum;
  };
  return of<readonly unknown[]>({
    bound: total(item.bound),
    size: total(item.size),
    write: (target, position, value) => {
      let at = writeArrayHeader(target, position, value.length);
      for (const element of value) at = item.write(target, at, element);
      return at;
    },
  });
}

function mapWriter(item: ValueWriter): ValueWriter {
  const total = (of: (value: unknown) => number) => (value: Readonly<Record<string, unknown>>) => {
    const keys = Object.keys(value);
    let sum = headerSize(keys.length);
    for (const key of keys) sum += stringSize(key) + of(value[key]);
    return sum;
  };
  return of<Readonly<Record<string, unknown>>>({
    bound: total(item.bound),
    size: total(item.size),
    write: (target, position, value) => {
      const keys = Object.keys(value);
      let at = writeMapHeader(target, position, keys.length);
      for (const key of keys) at = item.write(target, writeString(target, at, key), value[key]);
      return at;
    },
  });
}

function recordWriter(fields: readonly FieldNode[]): ValueWriter {
  const compiled = fields.map(({ name, type }) => ({ name, ...writer(type) }));
  const header = headerSize(fields.length);
  return of<Readonly<Record<string, unknown>>>({
    bound: (value) => compiled.reduce((sum, { name, bound }) => sum + bound(value[name]), header),
    size: (value) => compiled.reduce((sum, { name, size }) => sum + size(value[name]), header),
    write: (target, position, value) => {
      let at = writeArrayHeader(target, position, compiled.length);
      for (const { name, write } of compiled) at = write(target, at, value[name]);
      return at;
    },
  });
}
