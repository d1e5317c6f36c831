import { describe, expect, test } from "vitest";
import { isHoldfastError } from "../../src/base/errors.js";
import { KEY_BYTES_MAX } from "../../src/base/limits.js";
import { compileKey, type KeyPart } from "../../src/codec/key.js";
import type { KeyNode } from "../../src/codec/schema.js";
import fc from "../support/properties.js";
import { int64s, safeIntegers, texts } from "./arbitraries.js";

/** Texts that are near each other: where orders differ. */
const nearTexts = fc.oneof(
  fc
    .array(
      fc.constantFrom(
        "a",
        "\0",
        "\x01",
        "\xff",
        "\ud7ff",
        "\ue000",
        "\uffff",
        "\u{10000}",
        "\u{10ffff}",
      ),
      { maxLength: 5 },
    )
    .map((units) => units.join("")),
  texts,
);

const PARTS: Record<KeyNode["kind"], fc.Arbitrary<KeyPart>> = {
  string: nearTexts,
  integer: safeIntegers,
  timestamp: safeIntegers,
  int64: int64s,
};

const nodes = fc.constantFrom<KeyNode>(
  { kind: "string" },
  { kind: "integer" },
  { kind: "int64" },
  { kind: "timestamp" },
);

type AnyKey = KeyPart | readonly KeyPart[];

/** A key type, and three keys of it, some of them alike. */
const keys = fc
  .oneof(nodes, fc.array(nodes, { minLength: 2, maxLength: 4 }))
  .chain((type) => {
    const one: fc.Arbitrary<AnyKey> = Array.isArray(type)
      ? fc.tuple(...(type as KeyNode[]).map(({ kind }) => PARTS[kind]))
      : PARTS[(type as KeyNode).kind];
    return fc.record({
      type: fc.constant(type),
      a: one,
      b: one,
      mixed: fc.array(fc.boolean(), { minLength: 4, maxLength: 4 }),
    });
  })
  .map(({ type, a, b, mixed }) => ({
    codec: compileKey<AnyKey>(type),
    a,
    // Shares parts with a, so that later parts decide too.
    b: Array.isArray(b)
      ? b.map((part, index) => (mixed[index] ? (a as KeyPart[])[index]! : part))
      : b,
  }));

function encoded(codec: ReturnType<typeof compileKey<AnyKey>>, key: AnyKey): Uint8Array {
  const target = new Uint8Array(4 * KEY_BYTES_MAX);
  return target.slice(0, codec.encode(key, target, 0, target.length));
}

/** The order of values by definition: code points, or magnitude. */
function orderOf(a: AnyKey, b: AnyKey): number {
  if (Array.isArray(a)) {
    return (
      a.map((part, index) => orderOf(part, (b as KeyPart[])[index]!)).find((o) => o !== 0) ?? 0
    );
  }
  if (typeof a !== "string") {
    const [x, y] = [a, b] as [number, number];
    return x < y ? -1 : x > y ? 1 : 0;
  }
  const [x, y] = [Array.from(a), Array.from(b as string)];
  for (let index = 0; index < Math.min(x.length, y.length); index++) {
    const difference = x[index]!.codePointAt(0)! - y[index]!.codePointAt(0)!;
    if (difference !== 0) return Math.sign(difference);
  }
  return Math.sign(x.length - y.length);
}

test("bytes, compare and values have one order; mapKey tells keys apart", () => {
  fc.assert(
    fc.property(keys, ({ codec, a, b }) => {
      const order = orderOf(a, b);
      expect(Math.sign(codec.compare(a, b))).toBe(order);
      expect(Math.sign(codec.compare(b, a)) + order).toBe(0);
      expect(Buffer.compare(encoded(codec, a), encoded(codec, b))).toBe(order);
      expect(new Set([codec.mapKey(a), codec.mapKey(b)]).size).toBe(order === 0 ? 1 : 2);
    }),
    { numRuns: 5000 },
  );
});

test("keys come back as they were, and valid ones pass", () => {
  fc.assert(
    fc.property(keys, fc.nat(5), ({ codec, a }, start) => {
      const key = codec.validate(a, "t");
      expect(Object.isFrozen(key)).toBe(true);
      expect(key).toEqual(Array.isArray(a) ? a.map(positiveZero) : positiveZero(a as KeyPart));
      const bytes = encoded(codec, key);
      const target = new Uint8Array(start + bytes.length + 3);
      target.set(bytes, start);
      const read = codec.decode(target, start, start + bytes.length);
      expect(read).toEqual(key);
      expect(Object.isFrozen(read)).toBe(true);
      expect(codec.mapKey(a)).toBe(codec.mapKey(read));
    }),
    { numRuns: 2000 },
  );
});

test("an end that is too near is kept", () => {
  fc.assert(
    fc.property(keys, ({ codec, a }) => {
      const bytes = encoded(codec, a);
      const target = new Uint8Array(bytes.length + 4);
      for (let end = 0; end < bytes.length; end++) {
        target.fill(0xa5);
        expect(codec.encode(a, target, 0, end)).toBe(-1);
        expect(target.subarray(end).every((byte) => byte === 0xa5)).toBe(true);
      }
      target.fill(0xa5);
      expect(codec.encode(a, target, 0, bytes.length)).toBe(bytes.length);
      expect(target.subarray(bytes.length).every((byte) => byte === 0xa5)).toBe(true);
    }),
    { numRuns: 300 },
  );
});

test("any bytes are a key or INVALID_KEY; a key read is the only one with its bytes", () => {
  const sources = fc.oneof(
    fc.uint8Array({ maxLength: 40 }),
    fc
      .array(fc.constantFrom(0, 1, 0x61, 0x80, 0xff), { maxLength: 20 })
      .map((source) => Uint8Array.from(source)),
  );
  fc.assert(
    fc.property(keys, sources, ({ codec }, source) => {
      let key: AnyKey;
      try {
        key = codec.decode(source, 0, source.length);
      } catch (error) {
        if (!isHoldfastError(error, "INVALID_KEY")) throw error;
        return;
      }
      expect(encoded(codec, key)).toEqual(source);
    }),
    { numRuns: 5000 },
  );
});

describe("what cannot be a key is refused, naming the table", () => {
  const text = compileKey<string>({ kind: "string" });
  const integer = compileKey<number>({ kind: "integer" });
  const bigint = compileKey<bigint>({ kind: "int64" });
  const tuple = compileKey([{ kind: "string" }, { kind: "integer" }]);
  test.each([
    [text, 5, "key 5: expected a string, got number 5"],
    [text, "a\udc00", String.raw`key "a\udc00": "a\udc00" contains a lone surrogate`],
    [text, "x".repeat(1025), "it takes 1025 bytes, and a key at most 1024"],
    [text, "é".repeat(513), "it takes 1026 bytes, and a key at most 1024"],
    [text, undefined, "key undefined: expected a string, got undefined"],
    [
      integer,
      2 ** 53,
      "key 9007199254740992: expected a safe integer, got number 9007199254740992",
    ],
    [integer, 1.5, "expected a safe integer"],
    [integer, "1", 'key "1": expected a safe integer, got "1"'],
    [integer, 5n, "key 5n: expected a safe integer, got bigint 5"],
    [bigint, 5, "expected a bigint of 64 bits, signed, got number 5"],
    [bigint, 2n ** 63n, "expected a bigint of 64 bits, signed, got bigint 9223372036854775808"],
    [bigint, 1n << 10_000_000n, "got bigint of many digits"],
    [tuple, "a", 'key "a": expected an array of 2, got "a"'],
    [tuple, ["a"], 'key ["a"]: expected an array of 2, got an array of 1'],
    [tuple, ["a", 1, 2], 'key ["a", 1, 2]: expected an array of 2, got an array of 3'],
    [tuple, ["a", "b"], 'key ["a", "b"]: part 2: expected a safe integer, got "b"'],
    [tuple, ["x".repeat(1015), 1], "it takes 1025 bytes"],
    [tuple, ["\0".repeat(508), 1], "it takes 1026 bytes"],
  ] as const)("%#", (codec, key, message) => {
    const run = () => codec.validate(key, "orders");
    expect(run).toThrow('table "orders", key ');
    expect(run).toThrow(message);
    expect(run).toThrow(expect.objectContaining({ code: "INVALID_KEY" }));
  });

  test("what just fits is not", () => {
    expect(text.validate("é".repeat(512), "t")).toHaveLength(512);
    expect(tuple.validate(["x".repeat(1014), 1], "t")).toEqual(["x".repeat(1014), 1]);
    expect(tuple.validate(["\0".repeat(507), 1], "t")).toBeDefined();
  });
});

test("keys are shown as they are written", () => {
  const { inspect } = compileKey([{ kind: "string" }, { kind: "int64" }]);
  expect(inspect(["a\n", 5n])).toBe('["a\\n", 5n]');
  expect(inspect(-1)).toBe("-1");
});

function positiveZero(part: KeyPart): KeyPart {
  return typeof part === "number" ? part + 0 : part;
}
