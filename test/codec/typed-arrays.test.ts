import { describe, expect, test } from "vitest";
import { RowText } from "../../src/cli/row-text.js";
import { typeText } from "../../src/cli/type-text.js";
import { compileGenericReader } from "../../src/codec/generic.js";
import { compileRow, interpretRow } from "../../src/codec/row.js";
import {
  bigInt64Array,
  defineTable,
  float32Array,
  float64Array,
  int32Array,
  list,
  nullable,
  string,
  withDefault,
} from "../../src/codec/schema.js";
import {
  canonicalSchema,
  describeSchema,
  parseSchema,
} from "../../src/codec/schema-description.js";
import { typeCall } from "../../src/codec/schema-text.js";

const table = defineTable({
  name: "features",
  version: 1,
  key: string(),
  fields: {
    doubles: float64Array(),
    floats: float32Array({ lengthMax: 4 }),
    ints: int32Array({ length: 2 }),
    longs: nullable(bigInt64Array()),
    many: withDefault(list(float64Array()), []),
  },
});
const context = { table: "features", key: "k" };

/** A NaN with a payload, a signalling one, and its negative. */
const ODD = new Float64Array(
  BigUint64Array.of(0x7ff8_0000_0000_1234n, 0x7ff0_0000_0000_0001n, 0xfff8_dead_beef_0001n).buffer,
);

const input = {
  doubles: Float64Array.of(-0, Infinity, 5e-324, ...[0, 0, 0]),
  floats: Float32Array.of(0.1, Number.NaN),
  ints: Int32Array.of(-(2 ** 31), 2 ** 31 - 1),
  longs: BigInt64Array.of(-(2n ** 63n), 2n ** 63n - 1n),
  many: [new Float64Array(0), Float64Array.of(1)],
};
input.doubles.set(ODD, 3);

const bits = (row: typeof input) => [
  new Uint8Array(row.doubles.buffer, row.doubles.byteOffset, row.doubles.byteLength),
  row.floats,
  row.ints,
  row.longs,
  row.many,
];

describe.each([
  ["generated", compileRow],
  ["closures", interpretRow],
] as const)("%s", (_, compile) => {
  const codec = compile(table);

  test("every bit comes back, at any place, as bin in little-endian", () => {
    const row = codec.normalize(input, context);
    for (const start of [0, 1, 5]) {
      const target = new Uint8Array(1000);
      const end = codec.encode(row, target, start, 1000);
      expect(codec.encode(row, target, start, end - 1)).toBe(-1);
      const read = codec.decode(target, start, end);
      expect(bits(read as typeof input)).toEqual(bits(input));
      expect([...target.subarray(start + 1, start + 3)]).toEqual([0xc4, 48]);
      expect([...target.subarray(start + 3, start + 11)]).toEqual([0, 0, 0, 0, 0, 0, 0, 0x80]);
    }
  });

  test("what a caller gives and gets is never what is stored", () => {
    const given = { ...input, doubles: Float64Array.of(1, 2) };
    const row = codec.normalize(given, context);
    given.doubles[0] = 7;
    const out = codec.copyOut(row);
    out.doubles[1] = 7;
    expect([...row.doubles]).toEqual([1, 2]);
  });

  test.each([
    [{ ...input, doubles: [1] }, /expected a Float64Array/],
    [{ ...input, doubles: Float32Array.of(1) }, /expected a Float64Array/],
    [{ ...input, doubles: undefined }, /Float64Array, but it is missing/],
    [{ ...input, floats: new Float32Array(5) }, /at most 4 numbers, got 5/],
    [{ ...input, ints: new Int32Array(3) }, /expected 2 numbers, got 3/],
    [{ ...input, doubles: new Float64Array(200_000) }, /too long/],
  ])("refused: %#", (bad, message) => {
    expect(() => codec.normalize(bad as never, context)).toThrow(message);
  });

  test("stored bytes that are no array of the type are refused", () => {
    const row = codec.normalize(input, context);
    const target = new Uint8Array(1000);
    const end = codec.encode(row, target, 0, 1000);
    const longer = defineTable({ ...spec, fields: { ...spec.fields, ints: int32Array() } });
    const others = compile(longer);
    const odd = others.normalize({ ...input, ints: new Int32Array(3) } as never, context);
    const stop = others.encode(odd, target, 0, 1000);
    expect(() => codec.decode(target, 0, stop)).toThrow(/expected 2 numbers, got 3/);
    target.fill(0);
    codec.encode(row, target, 0, 1000);
    target[2] = 47;
    expect(() => codec.decode(target, 0, end)).toThrow(/8 bytes each, found 47/);
  });
});

const spec = {
  name: "features",
  version: 1,
  key: string(),
  fields: {
    doubles: float64Array(),
    floats: float32Array({ lengthMax: 4 }),
    ints: int32Array({ length: 2 }),
    longs: nullable(bigInt64Array()),
    many: withDefault(list(float64Array()), []),
  },
};

test("a schema says what its arrays are, in JSON, in code and for people", () => {
  const description = describeSchema(table);
  expect(canonicalSchema(describeSchema(parseSchema(description)))).toBe(
    canonicalSchema(description),
  );
  expect(table.fields.map(({ type }) => typeCall(type))).toEqual([
    "float64Array()",
    "float32Array({ lengthMax: 4 })",
    "int32Array({ length: 2 })",
    "nullable(bigInt64Array())",
    "list(float64Array())",
  ]);
  expect(description.fields.map(({ type }) => typeText(type)).slice(0, 3)).toEqual([
    "numbers of float64",
    "at most 4 numbers of float32",
    "2 numbers of int32",
  ]);
});

test.each([
  [{ length: -1 }, /integer from 0/],
  [{ lengthMax: 1.5 }, /integer from 0/],
  [{ length: 1, lengthMax: 2 }, /not both/],
])("no schema: %j", (options, message) => {
  const fields = { a: float64Array(options) };
  expect(() => defineTable({ name: "t", version: 1, key: string(), fields })).toThrow(message);
});

test("elements that are none are no schema", () => {
  const description = JSON.parse(JSON.stringify(describeSchema(table)));
  description.fields[0].type.element = "float16";
  expect(() => parseSchema(description)).toThrow(/elements of an array are float64/);
  expect(() => compileGenericReader(description)).toThrow(/INVALID_SCHEMA|elements/);
});

test("files: base64 to the bit and back; numbers are taken too, and never rounded by accident", () => {
  const text = new RowText(table as never);
  const codec = compileRow(table);
  const row = codec.normalize(input, context);
  const line = text.json("k", row);
  expect(JSON.parse(line).doubles).toMatch(/^[A-Za-z0-9+/=]+$/);
  expect(bits(text.fromJson(line).row as typeof input)).toEqual(bits(input));
  text.readHeader(text.csvHeader());
  expect(bits(text.fromCsv(text.csv("k", row)).row as typeof input)).toEqual(bits(input));
  const byHand =
    '{"key":"k","doubles":[1,-0.5,"NaN","-0"],"floats":[0.1],"ints":[1,2],' +
    '"longs":["9223372036854775807",-9007199254740993]}';
  const read = text.fromJson(byHand).row as typeof input;
  expect([...read.doubles]).toEqual([1, -0.5, Number.NaN, -0]);
  expect([...(read.longs ?? [])]).toEqual([2n ** 63n - 1n, -9007199254740993n]);
  for (const [bad, message] of [
    ['"ints":[1,1.5]', /ints\[1\].*Int32Array/],
    ['"ints":[1,2147483648]', /ints\[1\].*Int32Array/],
    ['"longs":["9223372036854775808"]', /longs\[0\].*BigInt64Array/],
    ['"ints":"AAA"', /base64/],
    ['"ints":"AAAA"', /4 bytes each, found 3/],
  ] as const) {
    const name = bad.slice(1, bad.indexOf(":") - 1);
    const object = { ...JSON.parse(byHand), longs: null };
    delete object[name];
    const members = JSON.stringify(object).slice(1);
    expect(() => text.fromJson(`{${bad},${members}`)).toThrow(message);
  }
});
