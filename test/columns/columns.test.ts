/** Column chunks: what goes in comes out, to the bit, and nothing of a damaged one is believed. */
import { describe, expect, test } from "vitest";
import { isHoldfastError } from "../../src/base/errors.js";
import { ColumnChunk, type ColumnValues, encodeColumns } from "../../src/columns/columns.js";
import { bestKernels } from "../../src/columns/native.js";
import { portableKernels } from "../../src/columns/portable.js";
import { portableCompressor } from "../../src/disk/compressor.js";
import fc from "../support/properties.js";
import { anyColumns, bitsOf, quotes, sliceOf } from "./values.js";

const KERNELS = [...new Set([portableKernels, bestKernels()])];

function int64(...values: bigint[]): ColumnValues {
  return { type: "int64", values: BigInt64Array.from(values) };
}

describe.each(KERNELS)("with kernels in $name form", (kernels) => {
  const encode = (columns: readonly ColumnValues[], count: number) =>
    encodeColumns(columns, count, portableCompressor, kernels);
  const open = (bytes: Uint8Array) => new ColumnChunk(bytes, portableCompressor, kernels);

  test("all values come back to the bit, whole and in part", () => {
    const part = fc.tuple(fc.nat(), fc.nat());
    fc.assert(
      fc.property(anyColumns, part, ([count, columns], [a, b]) => {
        const chunk = open(encode(columns, count));
        const [from, to] = [a % (count + 1), b % (count + 1)].sort((x, y) => x - y) as [
          number,
          number,
        ];
        expect([chunk.count, chunk.columnCount]).toEqual([count, columns.length]);
        columns.forEach((column, i) => {
          expect(chunk.type(i)).toBe(column.type);
          expect(bitsOf(chunk.read(i))).toEqual(bitsOf(column));
          expect(bitsOf(chunk.read(i, from, to))).toEqual(bitsOf(sliceOf(column, from, to)));
        });
        const all = chunk.readMany(columns.map((_, i) => i));
        expect(all.map(bitsOf)).toEqual(columns.map(bitsOf));
      }),
      { numRuns: 80 },
    );
  });

  test("quotes take a small part of what they took", () => {
    const columns = quotes(5000);
    const bytes = encode(columns, 5000);
    expect((8 * 6 * 5000) / bytes.length).toBeGreaterThan(15);
    expect(open(bytes).readMany([0, 1, 2, 3, 4, 5]).map(bitsOf)).toEqual(columns.map(bitsOf));
  });

  test("bounds are told without decoding", () => {
    const floats = Float64Array.of(Number.NaN, 2.5, Number.NEGATIVE_INFINITY);
    const nan = Float64Array.of(Number.NaN, Number.NaN, Number.NaN);
    const columns: ColumnValues[] = [
      int64(-(2n ** 63n), 2n ** 63n - 1n, 5n),
      { type: "float64", values: floats },
      { type: "float64", values: nan },
      { type: "boolean", values: Uint8Array.of(0, 1, 0) },
      { type: "string", values: ["a", "b", "c"] },
    ];
    const chunk = open(encode(columns, 3));
    expect(columns.map((_, i) => chunk.bounds(i))).toEqual([
      { min: -(2n ** 63n), max: 2n ** 63n - 1n },
      { min: Number.NEGATIVE_INFINITY, max: 2.5 },
      undefined,
      { min: 0, max: 1 },
      undefined,
    ]);
  });

  test("a byte that was changed, and a length that was cut, are seen", () => {
    const bytes = encode(quotes(300), 300);
    const codeOf = (damaged: Uint8Array): unknown => {
      try {
        open(damaged);
      } catch (error) {
        if (isHoldfastError(error)) return error.code;
      }
      return undefined;
    };
    for (let at = 0; at < bytes.length; at++) {
      const damaged = bytes.slice();
      damaged[at] = damaged[at]! ^ (1 << (at % 8));
      expect(codeOf(damaged), `byte ${at}`).toBe("CORRUPT_CHUNK");
      expect(codeOf(bytes.subarray(0, at)), `cut at ${at}`).toBe("CORRUPT_CHUNK");
    }
  });

  test("a call that cannot be meant is refused", () => {
    const refused = (work: () => unknown) =>
      expect(work).toThrow(expect.objectContaining({ code: "INVALID_ARGUMENT" }));
    refused(() => encode([], 0));
    refused(() => encode([int64(1n)], 2));
    refused(() => encode([int64(1n)], 0.5));
    refused(() => encode([{ type: "boolean", values: Uint8Array.of(2) }], 1));
    const chunk = open(encode([int64(1n, 2n)], 2));
    refused(() => chunk.read(1));
    refused(() => chunk.read(0, 1, 3));
    refused(() => chunk.read(0, -1, 1));
    refused(() => chunk.read(0, 0.5, 1));
  });
});

test("both forms of the kernels give the same bytes, and read those of the other", () => {
  const best = bestKernels();
  fc.assert(
    fc.property(anyColumns, ([count, columns]) => {
      const bytes = encodeColumns(columns, count, portableCompressor, portableKernels);
      const others = encodeColumns(columns, count, portableCompressor, best);
      expect(Buffer.compare(bytes, others)).toBe(0);
      const chunk = new ColumnChunk(bytes, portableCompressor, best);
      expect(columns.map((_, i) => bitsOf(chunk.read(i)))).toEqual(columns.map(bitsOf));
    }),
    { numRuns: 80 },
  );
});
