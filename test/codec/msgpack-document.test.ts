import { decode, encode } from "@msgpack/msgpack";
import { expect, test } from "vitest";
import { decodeDocument } from "../../src/codec/msgpack-document.js";
import fc from "../support/properties.js";

/** The package refuses to read the one name that would change what an object is. */
const NAMES = fc.string().filter((name) => name !== "__proto__");

test("what msgpack writes is read, whatever it is", () => {
  fc.assert(
    fc.property(fc.anything({ withTypedArray: false, maxDepth: 4, key: NAMES }), (value) => {
      let bytes: Uint8Array;
      try {
        bytes = encode(value);
      } catch {
        return;
      }
      expect(decodeDocument(bytes)).toEqual(decode(bytes));
    }),
    { numRuns: 3000 },
  );
  for (const value of [new Uint8Array(300), new Uint8Array(70_000), "x".repeat(70_000)]) {
    expect(decodeDocument(encode(value))).toEqual(value);
  }
  for (const value of [new Array(20).fill(1), new Array(70_000).fill(null), new Date(5)]) {
    expect(decodeDocument(encode(value))).toEqual(value);
  }
});

test("what msgpack takes of random bytes is taken, and nothing else", () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 40 }), (bytes) => {
      const sizes = bytes.some((byte) => byte >= 0xdd && byte <= 0xdf);
      // Where lengths are of four bytes msgpack itself may make room for more than there is.
      if (sizes) return;
      const outcome = (read: (bytes: Uint8Array) => unknown): unknown => {
        try {
          return { value: read(bytes) };
        } catch {
          return "refused";
        }
      };
      expect(outcome(decodeDocument)).toEqual(outcome(decode));
    }),
    { numRuns: 20_000 },
  );
});

test("lengths that would take more memory than there is are refused before anything is made", () => {
  const array = [0xdd, 0x01, 0xc0, 0x00, 0x00];
  const bomb = Uint8Array.from(Array.from({ length: 20 }, () => array).flat());
  const before = process.memoryUsage().heapUsed;
  expect(() => decodeDocument(bomb)).toThrow("lengths that cannot be");
  expect(process.memoryUsage().heapUsed - before).toBeLessThan(100_000_000);
  for (const one of [[0xdd], [0xdf, 0xff, 0xff, 0xff, 0xff], [0xc6, 0xff, 0xff, 0xff, 0xff, 0]]) {
    expect(() => decodeDocument(Uint8Array.from(one))).toThrow(RangeError);
  }
});
