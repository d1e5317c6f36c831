import { describe, expect, test } from "vitest";
import { compileRow, interpretRow } from "../../src/codec/row.js";
import fc from "../support/properties.js";
import { type AnyRow, shortest, tablesWithRow, throughMsgpack, widest } from "./arbitraries.js";

const CONTEXT = { table: "any", key: "k" };
const PADDING = 0xa5;

describe.each([
  ["generated", compileRow],
  ["closures", interpretRow],
] as const)("a row codec of %s", (_, compile) => {
  test("writes the very bytes of msgpack, and reads them back", () => {
    fc.assert(
      fc.property(tablesWithRow, fc.nat(9), ({ table, input }, start) => {
        const codec = compile(table);
        const type = { kind: "record", fields: table.fields } as const;
        const row = codec.normalize(input, CONTEXT);
        const expected = shortest(type, row);
        const target = new Uint8Array(start + expected.length + 5).fill(PADDING);
        const end = codec.encode(row, target, start, target.length);
        expect(target.subarray(start, end)).toEqual(expected);
        expect(target.subarray(0, start).every((byte) => byte === PADDING)).toBe(true);
        expect(target.subarray(end).every((byte) => byte === PADDING)).toBe(true);
        expect(codec.decode(target, start, end)).toEqual(row);
        expect(codec.normalize(row, CONTEXT)).toEqual(row);
      }),
      { numRuns: 500 },
    );
  });

  test("writes what msgpack reads as the same values", () => {
    fc.assert(
      fc.property(tablesWithRow, ({ table, input }) => {
        const codec = compile(table);
        const type = { kind: "record", fields: table.fields } as const;
        const row = codec.normalize(input, CONTEXT);
        fc.pre(!hasProtoKey(row)); // Which msgpack refuses to read.
        const bytes = encoded(codec, row);
        const { read, written } = throughMsgpack(type, bytes, row);
        expect(read).toEqual(written);
      }),
      { numRuns: 300 },
    );
  });

  test("reads whatever form of an integer msgpack writes", () => {
    fc.assert(
      fc.property(tablesWithRow, ({ table, input }) => {
        const codec = compile(table);
        const row = codec.normalize(input, CONTEXT);
        const bytes = widest({ kind: "record", fields: table.fields }, row);
        expect(withoutSignOfZero(codec.decode(bytes, 0, bytes.length))).toEqual(
          withoutSignOfZero(row),
        );
      }),
      { numRuns: 300 },
    );
  });

  test("writes nothing at or beyond an end that is too near", () => {
    fc.assert(
      fc.property(tablesWithRow, ({ table, input }) => {
        const codec = compile(table);
        const row = codec.normalize(input, CONTEXT);
        const bytes = encoded(codec, row);
        const step = Math.max(1, Math.floor(bytes.length / 50));
        const target = new Uint8Array(bytes.length + 8);
        for (let end = 0; end < bytes.length; end += step) {
          target.fill(PADDING);
          expect(codec.encode(row, target, 0, end)).toBe(-1);
          expect(target.subarray(end).every((byte) => byte === PADDING)).toBe(true);
        }
        target.fill(PADDING);
        expect(codec.encode(row, target, 0, bytes.length)).toBe(bytes.length);
        expect(target.subarray(bytes.length).every((byte) => byte === PADDING)).toBe(true);
      }),
      { numRuns: 200 },
    );
  });
});

test("generated code and closures do the same", () => {
  fc.assert(
    fc.property(tablesWithRow, fc.anything(), ({ table, input }, other) => {
      const [generated, closures] = [compileRow(table), interpretRow(table)];
      const spoilt = { ...input, [table.fields[0]!.name]: other };
      for (const candidate of [input, spoilt, { ...input, extra: 1 }, {}, other]) {
        expect(outcome(() => generated.normalize(candidate as AnyRow, CONTEXT))).toEqual(
          outcome(() => closures.normalize(candidate as AnyRow, CONTEXT)),
        );
      }
      const row = closures.normalize(input, CONTEXT);
      expect(encoded(generated, row)).toEqual(encoded(closures, row));
    }),
    { numRuns: 500 },
  );
});

function outcome(run: () => unknown): unknown {
  try {
    return run();
  } catch (error) {
    return error instanceof Error ? error.message : error;
  }
}

function encoded(codec: ReturnType<typeof compileRow<AnyRow, AnyRow>>, row: AnyRow): Uint8Array {
  const target = new Uint8Array(1 << 20);
  return target.slice(0, codec.encode(row, target, 0, target.length));
}

function hasProtoKey(value: unknown): boolean {
  if (typeof value !== "object" || value === null) return false;
  return Object.entries(value).some(([key, item]) => key === "__proto__" || hasProtoKey(item));
}

/** msgpack writes -0 as the integer 0. */
function withoutSignOfZero(value: unknown): unknown {
  if (typeof value === "number") return value + 0;
  if (Array.isArray(value)) return value.map(withoutSignOfZero);
  if (typeof value !== "object" || value === null || ArrayBuffer.isView(value)) return value;
  return Object.entries(value).map(([key, item]) => [key, withoutSignOfZero(item)]);
}
