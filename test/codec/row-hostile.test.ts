import { describe, expect, test } from "vitest";
import { isHoldfastError } from "../../src/base/errors.js";
import { compileRow, interpretRow } from "../../src/codec/row.js";
import {
  boolean,
  bytes,
  decimal,
  defineTable,
  enumeration,
  float64,
  int64,
  integer,
  list,
  map,
  nullable,
  record,
  string,
} from "../../src/codec/schema.js";
import fc from "../support/properties.js";
import { tables, tablesWithRow } from "./arbitraries.js";

const CONTEXT = { table: "any", key: "k" };

/** The row, or undefined for INVALID_ROW; anything else goes through. */
function decodeOrRefuse(decode: () => unknown): unknown {
  try {
    return decode();
  } catch (error) {
    if (!isHoldfastError(error, "INVALID_ROW")) throw error;
    return undefined;
  }
}

function sameOutcome(a: () => unknown, b: () => unknown): void {
  const [first, second] = [a, b].map((decode) => {
    try {
      return decode();
    } catch (error) {
      if (!isHoldfastError(error, "INVALID_ROW")) throw error;
      return error.message;
    }
  });
  expect(first).toEqual(second);
}

test("random bytes are a row or INVALID_ROW, the same for generated code and closures", () => {
  fc.assert(
    fc.property(tables, fc.uint8Array({ maxLength: 200 }), ({ table }, source) => {
      const [generated, closures] = [compileRow(table), interpretRow(table)];
      sameOutcome(
        () => generated.decode(source, 0, source.length),
        () => closures.decode(source, 0, source.length),
      );
    }),
    { numRuns: 2000 },
  );
});

test("a damaged row is a row or INVALID_ROW, and what is read can be written", () => {
  const damages = fc.array(
    fc.record({
      at: fc.nat(),
      byte: fc.oneof(fc.nat(255), fc.constantFrom(0xc0, 0xdb, 0xdd, 0xdf, 0xc6)),
    }),
    { minLength: 1, maxLength: 3 },
  );
  fc.assert(
    fc.property(tablesWithRow, damages, fc.nat(20), ({ table, input }, damage, cut) => {
      const [generated, closures] = [compileRow(table), interpretRow(table)];
      const target = new Uint8Array(1 << 16);
      const length = generated.encode(
        generated.normalize(input, CONTEXT),
        target,
        0,
        target.length,
      );
      const source = target.slice(0, Math.max(1, length - (cut < 10 ? 0 : cut - 10)));
      for (const { at, byte } of damage) source[at % source.length] = byte;
      sameOutcome(
        () => generated.decode(source, 0, source.length),
        () => closures.decode(source, 0, source.length),
      );
      const row = decodeOrRefuse(() => generated.decode(source, 0, source.length));
      if (row === undefined) return;
      const again = target.slice(0, generated.encode(row as never, target, 0, target.length));
      expect(generated.decode(again, 0, again.length)).toEqual(row);
      expect(generated.normalize(row as never, CONTEXT)).toEqual(row);
    }),
    { numRuns: 2000 },
  );
});

test("every cut of a row is refused", () => {
  fc.assert(
    fc.property(tablesWithRow, ({ table, input }) => {
      const codec = compileRow(table);
      const target = new Uint8Array(1 << 16);
      const length = codec.encode(codec.normalize(input, CONTEXT), target, 0, target.length);
      for (let end = 0; end < length; end += Math.max(1, Math.floor(length / 40))) {
        expect(() => codec.decode(target, 0, end)).toThrow(/stored row of table "any"/);
      }
      expect(() => codec.decode(target, 0, length + 1)).toThrow(/1 bytes follow/);
    }),
    { numRuns: 200 },
  );
});

describe("of bytes that claim too much", () => {
  const codec = compileRow(
    defineTable({
      name: "t",
      version: 3,
      key: string(),
      fields: {
        name: nullable(string()),
        tags: nullable(list(nullable(list(string())))),
        map: nullable(map(integer())),
        blob: nullable(bytes()),
      },
    }),
  );
  test.each([
    ["a string of 4 GB", [0x94, 0xdb, 0xff, 0xff, 0xff, 0xff, 0x61], /"name", byte \d+: .*end/],
    ["a list of 4 G items", [0x94, 0xc0, 0xdd, 0xff, 0xff, 0xff, 0xff, 0xc0], /"tags", byte/],
    ["a list in a list", [0x94, 0xc0, 0x91, 0xdd, 0xff, 0xff, 0xff, 0xff], /"tags\[0\]", byte/],
    ["a map of 4 G entries", [0x94, 0xc0, 0xc0, 0xdf, 0xff, 0xff, 0xff, 0xff], /"map", byte/],
    ["4 GB of bytes", [0x94, 0xc0, 0xc0, 0xc0, 0xc6, 0xff, 0xff, 0xff, 0xff], /"blob", byte/],
    ["too few fields", [0x93, 0xc0, 0xc0, 0xc0], /version 3, byte 1: expected 4 fields, found 3/],
    ["too many fields", [0x95, 0xc0, 0xc0, 0xc0, 0xc0, 0xc0], /expected 4 fields, found 5/],
    ["a key twice", [0x94, 0xc0, 0xc0, 0x82, 0xa1, 97, 1, 0xa1, 97, 2, 0xc0], /"a" stands twice/],
    ["a broken text", [0x94, 0xa2, 0xc3, 0x28, 0xc0, 0xc0, 0xc0], /not UTF-8/],
    ["a lone surrogate", [0x94, 0xa3, 0xed, 0xa0, 0x80, 0xc0, 0xc0, 0xc0], /not UTF-8/],
    ["more bytes than it takes", [0x94, 0xc0, 0xc0, 0xc0, 0xc0, 0xc0], /1 bytes follow/],
  ])("%s is refused", (_, source, message) => {
    expect(() => codec.decode(Uint8Array.from(source), 0, source.length)).toThrow(message);
  });

  test("an end beyond the buffer is refused", () => {
    expect(() => codec.decode(Uint8Array.of(0x94), 0, 100)).toThrow(/end within/);
  });
});

test("a stored value of another type is refused by every type", () => {
  const types = {
    string: string(),
    boolean: boolean(),
    float64: float64(),
    int64: int64(),
    decimal: decimal(2),
    enumeration: enumeration(["a", "b"]),
    list: list(string()),
    map: map(string()),
    record: record({ a: string() }),
    bytes: bytes(),
  };
  for (const type of Object.values(types)) {
    const codec = compileRow(
      defineTable({ name: "t", version: 1, key: string(), fields: { f: type } }),
    );
    for (const source of [
      [0x91, 0xc1],
      [0x91, 0xc0],
      [0x91, 0xd4, 1, 0],
      [0x91, 0xd8, 2, ...new Array(16).fill(0)],
      [0x91, 0xcb, 0x7f, 0xf8, 0, 0, 0, 0, 0, 0],
    ]) {
      expect(() => codec.decode(Uint8Array.from(source), 0, source.length)).toThrow(/field "f/);
    }
  }
});

test("integers beyond their type are refused", () => {
  const codec = compileRow(
    defineTable({
      name: "t",
      version: 1,
      key: string(),
      fields: { i: integer(), l: int64(), d: decimal(0), e: enumeration(["a"]) },
    }),
  );
  const ones = new Array(8).fill(0xff);
  const row = (i: number[], l: number[], d: number[], e: number[]) =>
    Uint8Array.from([0x94, ...i, ...l, ...d, ...e]);
  const refused = (source: Uint8Array) => () => codec.decode(source, 0, source.length);
  expect(refused(row([0xcf, ...ones], [1], [1], [0]))).toThrow(/"i".*safe integer/);
  expect(refused(row([1], [0xcf, ...ones], [1], [0]))).toThrow(/"l".*64 bits/);
  expect(refused(row([1], [1], [0xd8, 1, 0x7f, ...ones, ...ones.slice(1)], [0]))).toThrow(
    /"d".*digits/,
  );
  expect(refused(row([1], [1], [1], [1]))).toThrow(/"e".*one of 1 values, found number 1/);
  expect(refused(row([1], [1], [1], [0xff]))).toThrow(/"e".*found number -1/);
  expect(refused(row([1], [0xd3, ...ones], [0xcf, ...ones], [0]))).not.toThrow();
});
