/** Random schemas and rows, and what `@msgpack/msgpack` makes of them. */
import { Decoder, Encoder, ExtensionCodec } from "@msgpack/msgpack";
import { Decimal } from "../../src/codec/decimal.js";
import {
  bigInt64Array,
  boolean,
  bytes,
  decimal,
  defineTable,
  enumeration,
  type Fields,
  type FieldType,
  float64,
  float64Array,
  int64,
  integer,
  list,
  map,
  nullable,
  record,
  string,
  type TableDefinition,
  type TypeNode,
  timestamp,
} from "../../src/codec/schema.js";
import fc from "../support/properties.js";

type AnyType = FieldType<unknown, unknown, false>;

/** A field type, and the values that can be written to it. */
interface Typed {
  readonly type: AnyType;
  readonly values: fc.Arbitrary<unknown>;
}

/** Text of any kind: ASCII, long, with zeros, beyond the BMP; never a lone surrogate. */
export const texts = fc.oneof(
  { weight: 3, arbitrary: fc.string({ maxLength: 40 }) },
  fc.string({ unit: "binary", maxLength: 40 }),
  fc.string({ minLength: 60, maxLength: 300 }),
  fc.string({ unit: "grapheme", minLength: 30, maxLength: 90 }),
  fc.constantFrom("", "\0", "\uFEFFbom", "\u{10FFFF}", "\uFFFF", "\uE000", "\u{10000}", "é"),
);

const edges = [0, 7, 8, 15, 16, 31, 32, 47, 48, 52]
  .flatMap((bits) => [2 ** bits - 1, 2 ** bits, 2 ** bits + 1])
  .flatMap((value) => [value, -value])
  .concat(Number.MAX_SAFE_INTEGER, Number.MIN_SAFE_INTEGER);

/** Safe integers, -0 included. */
export const safeIntegers = fc.oneof(
  fc.maxSafeInteger(),
  fc.integer(),
  fc.integer({ min: -300, max: 300 }),
  fc.constantFrom(...edges, -0),
);

export const int64s = fc.oneof(
  fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }),
  safeIntegers.map(BigInt),
  fc.constantFrom(-(2n ** 63n), 2n ** 63n - 1n, 2n ** 53n, -(2n ** 53n)),
);

/** Coefficients of any decimal, most of them short. */
export const coefficients = fc.oneof(
  safeIntegers.map(BigInt),
  int64s,
  fc.bigInt({ min: -(10n ** 38n - 1n), max: 10n ** 38n - 1n }),
  fc.constantFrom(2n ** 63n, 2n ** 64n - 1n, 2n ** 64n, -(2n ** 63n) - 1n, 10n ** 38n - 1n),
);

const doubles = fc.oneof(fc.double({ noNaN: true, noDefaultInfinity: true }), fc.integer());

const names = fc.stringMatching(/^[A-Za-z_$][A-Za-z0-9_$]{0,8}$/).filter((n) => n !== "__proto__");

const leaves: fc.Arbitrary<Typed> = fc.oneof(
  fc.constantFrom<Typed>(
    { type: string(), values: texts },
    { type: boolean(), values: fc.boolean() },
    { type: integer(), values: safeIntegers },
    { type: timestamp(), values: safeIntegers },
    { type: int64(), values: int64s },
    { type: float64Array(), values: fc.float64Array({ maxLength: 40 }) },
    { type: bigInt64Array({ lengthMax: 9 }), values: fc.bigInt64Array({ maxLength: 9 }) },
    { type: bytes(), values: fc.uint8Array({ maxLength: 300 }) },
    { type: float64(), values: doubles },
    { type: float64({ allowNonFinite: true }), values: fc.double() },
  ),
  fc.integer({ min: 0, max: 18 }).map<Typed>((scale) => ({
    type: decimal(scale),
    values: coefficients.map((coefficient) => Decimal.fromCoefficient(coefficient, scale)),
  })),
  fc
    .uniqueArray(
      texts.filter((text) => text !== ""),
      { minLength: 1, maxLength: 20 },
    )
    .map<Typed>((values) => ({ type: enumeration(values), values: fc.constantFrom(...values) })),
);

function nested(depth: number): fc.Arbitrary<Typed> {
  if (depth === 0) return leaves;
  const inner = nested(depth - 1);
  return fc.oneof(
    { weight: 4, arbitrary: leaves },
    inner.map<Typed>(({ type, values }) => ({
      type: list(type),
      values: fc.array(values, { maxLength: 20 }),
    })),
    inner.map<Typed>(({ type, values }) => ({
      type: map(type),
      values: fc.dictionary(
        fc.oneof(texts, fc.constantFrom("__proto__", "constructor", "7")),
        values,
        {
          maxKeys: 18,
        },
      ),
    })),
    inner
      .filter(({ type }) => type.node.kind !== "nullable")
      .map<Typed>(({ type, values }) => ({
        type: nullable(type),
        values: fc.option(values, { nil: null }),
      })),
    fields(inner, 4).map<Typed>((typed) => ({
      type: record(types(typed)) as AnyType,
      values: fc.record(valuesOf(typed)),
    })),
  );
}

function fields(inner: fc.Arbitrary<Typed>, maxKeys: number) {
  return fc.dictionary(fc.oneof(names, fc.constantFrom("constructor", "toString")), inner, {
    minKeys: 1,
    maxKeys,
    noNullPrototype: true,
  });
}

function types(typed: Readonly<Record<string, Typed>>): Fields {
  return Object.fromEntries(Object.entries(typed).map(([name, { type }]) => [name, type]));
}

function valuesOf(typed: Readonly<Record<string, Typed>>): Record<string, fc.Arbitrary<unknown>> {
  return Object.fromEntries(Object.entries(typed).map(([name, { values }]) => [name, values]));
}

export type AnyRow = Readonly<Record<string, unknown>>;

/** A table of random fields. */
export const tables: fc.Arbitrary<{
  table: TableDefinition<string, AnyRow, AnyRow>;
  rows: fc.Arbitrary<AnyRow>;
}> = fields(nested(2), 18).map((typed) => ({
  table: defineTable({ name: "any", version: 1, key: string(), fields: types(typed) }),
  rows: fc.record(valuesOf(typed)),
}));

/** A table of random fields, and an input to it. */
export const tablesWithRow = tables.chain(({ table, rows }) =>
  rows.map((input) => ({ table, input })),
);

/** An integer of more than 64 bits, which msgpack needs an extension for. */
class Int128 {
  constructor(readonly value: bigint) {}
}

const extensionCodec = new ExtensionCodec();
extensionCodec.register({
  type: 1,
  encode: (object) => {
    if (!(object instanceof Int128)) return null;
    const digits = BigInt.asUintN(128, object.value).toString(16).padStart(32, "0");
    return new Uint8Array(Buffer.from(digits, "hex"));
  },
  decode: (data) =>
    new Int128(BigInt.asIntN(128, BigInt(`0x${Buffer.from(data).toString("hex")}`))),
});

const narrow = new Encoder();
const wide = new Encoder({ useBigInt64: true, extensionCodec });
const floats = new Encoder({ forceIntegerToFloat: true });
const decoder = new Decoder({ useBigInt64: true, extensionCodec });

function integerOf(value: unknown): bigint {
  return BigInt(value instanceof Decimal ? value.coefficient : (value as bigint | number));
}

function fits64(value: bigint): boolean {
  return value < 2n ** 64n && value >= -(2n ** 63n);
}

/** The bytes that msgpack gives for a value, in the shortest form of each part. */
export function shortest(type: TypeNode, value: unknown): Uint8Array {
  switch (type.kind) {
    case "nullable":
      return value === null ? narrow.encode(null) : shortest(type.item, value);
    case "float64":
      return floats.encode(value);
    case "enumeration":
      return narrow.encode(type.values.indexOf(value as string));
    case "integer":
    case "timestamp":
    case "int64":
    case "decimal": {
      const number = integerOf(value);
      if (Number.isSafeInteger(Number(number))) return narrow.encode(Number(number));
      return wide.encode(fits64(number) ? number : new Int128(number));
    }
    case "list": {
      const items = value as readonly unknown[];
      return join(arrayHeader(items.length), ...items.map((item) => shortest(type.item, item)));
    }
    case "map": {
      const entries = Object.entries(value as object);
      return join(
        mapHeader(entries.length),
        ...entries.flatMap(([key, item]) => [narrow.encode(key), shortest(type.item, item)]),
      );
    }
    case "record":
      return join(
        arrayHeader(type.fields.length),
        ...type.fields.map((field) => shortest(field.type, (value as AnyRow)[field.name])),
      );
    default:
      return narrow.encode(value);
  }
}

/** What to hand to msgpack as one object; every integer as a bigint, so in its widest form. */
function plain(type: TypeNode, value: unknown): unknown {
  switch (type.kind) {
    case "nullable":
      return value === null ? null : plain(type.item, value);
    case "enumeration":
      return BigInt(type.values.indexOf(value as string));
    case "integer":
    case "timestamp":
    case "int64":
    case "decimal": {
      const number = integerOf(value);
      return fits64(number) ? number : new Int128(number);
    }
    case "list":
      return (value as readonly unknown[]).map((item) => plain(type.item, item));
    case "map":
      return Object.fromEntries(
        Object.entries(value as object).map(([key, item]) => [key, plain(type.item, item)]),
      );
    case "record":
      return type.fields.map((field) => plain(field.type, (value as AnyRow)[field.name]));
    default:
      return value;
  }
}

/** The bytes that msgpack gives for the row as one object, integers in their widest form. */
export function widest(type: TypeNode, row: unknown): Uint8Array {
  return wide.encode(plain(type, row));
}

/** What msgpack reads, and what it should, in the same terms. */
export function throughMsgpack(type: TypeNode, bytes: Uint8Array, row: unknown) {
  return { read: comparable(decoder.decode(bytes)), written: comparable(plain(type, row)) };
}

/** Integers as bigints, bytes as text: msgpack reads a small integer as a number. */
function comparable(value: unknown): unknown {
  if (value instanceof Int128) return value.value;
  if (Number.isSafeInteger(value) && !Object.is(value, -0)) return BigInt(value as number);
  if (ArrayBuffer.isView(value)) {
    const { buffer, byteOffset, byteLength } = value;
    return `bytes ${Buffer.from(buffer, byteOffset, byteLength).toString("hex")}`;
  }
  if (Array.isArray(value)) return value.map(comparable);
  if (typeof value !== "object" || value === null) return value;
  return Object.entries(value).map(([key, item]) => [key, comparable(item)]);
}

function arrayHeader(count: number): Uint8Array {
  return narrow.encode(new Array(count).fill(null)).slice(0, -count || undefined);
}

function mapHeader(count: number): Uint8Array {
  const header = arrayHeader(count);
  // Arrays and maps have the same forms under other tags: 9x and 8x, dc and de, dd and df.
  header[0]! += count < 16 ? -0x10 : 2;
  return header;
}

function join(...parts: readonly Uint8Array[]): Uint8Array {
  return new Uint8Array(Buffer.concat(parts));
}
