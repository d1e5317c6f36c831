import { expect, test } from "vitest";
import { isHoldfastError } from "../../src/base/errors.js";
import { compileGenericReader, readWithoutSchema } from "../../src/codec/generic.js";
import { compileRow } from "../../src/codec/row.js";
import {
  bytes,
  decimal,
  defineTable,
  enumeration,
  float64,
  int64,
  list,
  map,
  nullable,
  record,
  string,
  timestamp,
} from "../../src/codec/schema.js";
import { describeSchema } from "../../src/codec/schema-description.js";

const table = defineTable({
  name: "all",
  version: 1,
  key: string(),
  fields: {
    text: string(),
    price: decimal(8),
    count: int64(),
    at: timestamp(),
    ratio: float64({ allowNonFinite: true }),
    side: enumeration(["buy", "sell"]),
    blob: nullable(bytes()),
    legs: list(record({ price: decimal(2), tags: map(int64()) })),
  },
});
const codec = compileRow(table);
const target = new Uint8Array(500);
const row = codec.normalize(
  {
    text: "é",
    price: "1.5",
    count: 2n ** 60n,
    at: 1_754_000_000_000_000,
    ratio: Number.NaN,
    side: "sell",
    blob: Uint8Array.of(1, 2, 3),
    legs: [{ price: "-2", tags: JSON.parse('{"__proto__": 0}', (_, v) => (v === 0 ? 7n : v)) }],
  },
  { table: "all", key: "k" },
);
const end = codec.encode(row, target, 0, target.length);

test("a row is read by its description alone, as plain JSON", () => {
  const read = compileGenericReader(JSON.parse(JSON.stringify(describeSchema(table))));
  expect(JSON.stringify(read(target, 0, end))).toBe(
    '{"text":"é","price":"1.50000000","count":"1152921504606846976","at":1754000000000000,' +
      '"ratio":"NaN","side":"sell","blob":"AQID",' +
      '"legs":[{"price":"-2.00","tags":{"__proto__":"7"}}]}',
  );
  expect(() => read(target, 0, end - 1)).toThrow(/stored row of table "all"/);
});

test("a row whose schema is lost is shown as msgpack says", () => {
  const plain = defineTable({
    name: "p",
    version: 1,
    key: string(),
    fields: { a: int64(), b: bytes(), c: map(float64()) },
  });
  const other = compileRow(plain);
  const bytesOf = new Uint8Array(100);
  const input = { a: 2n ** 60n, b: Uint8Array.of(1), c: { x: 0.5 } };
  const stop = other.encode(other.normalize(input, { table: "p", key: "k" }), bytesOf, 0, 100);
  expect(JSON.stringify(readWithoutSchema(bytesOf, 0, stop))).toBe(
    '["1152921504606846976","AQ==",{"x":0.5}]',
  );
  for (const source of [[], [0xc1], [0xdd, 0xff, 0xff, 0xff, 0xff], [0x91], [1, 2]]) {
    try {
      readWithoutSchema(Uint8Array.from(source), 0, source.length);
      expect.unreachable();
    } catch (error) {
      expect(isHoldfastError(error, "INVALID_ROW")).toBe(true);
    }
  }
});
