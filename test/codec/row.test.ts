import { afterEach, describe, expect, test, vi } from "vitest";
import { HoldfastError } from "../../src/base/errors.js";
import { Decimal } from "../../src/codec/decimal.js";
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
  timestamp,
  withDefault,
} from "../../src/codec/schema.js";

const orders = defineTable({
  name: "orders",
  version: 1,
  key: string(),
  fields: {
    id: string(),
    price: decimal(8),
    quantity: withDefault(decimal(2), "1"),
    side: enumeration(["buy", "sell"]),
    at: timestamp(),
    nonce: withDefault(int64(), 0n),
    ratio: nullable(float64()),
    legs: withDefault(list(record({ price: decimal(2), tags: map(string()) })), []),
  },
});
const CONTEXT = { table: "orders", key: "a-1" };
const ORDER = { id: "a-1", price: "1.5", side: "buy", at: 5, ratio: null } as const;

const compilers = [
  ["generated", compileRow],
  ["closures", interpretRow],
] as const;

afterEach(() => vi.unstubAllGlobals());

describe.each(compilers)("normalising by %s", (_, compile) => {
  const codec = compile(orders);
  const normalize = (input: unknown) => codec.normalize(input as typeof ORDER, CONTEXT);

  test("converts decimals, fills defaults and keeps the order of the schema", () => {
    const row = normalize({
      nonce: 0n,
      ...ORDER,
      legs: [{ tags: { z: "1", a: "2" }, price: "3" }],
    });
    expect(Object.keys(row)).toEqual(orders.fields.map((field) => field.name));
    expect(String(row.price)).toBe("1.50000000");
    expect(String(row.quantity)).toBe("1.00");
    expect(row.nonce).toBe(0n);
    expect(Object.keys(row.legs[0]!.tags)).toEqual(["a", "z"]);
  });

  test("freezes everything and copies what was passed", () => {
    const legs = [{ price: "3", tags: { a: "2" } }];
    const row = normalize({ ...ORDER, legs });
    legs[0]!.tags.a = "changed";
    expect(row.legs[0]!.tags.a).toBe("2");
    for (const part of [
      row,
      row.price,
      row.legs,
      row.legs[0],
      row.legs[0]!.tags,
      row.legs[0]!.price,
    ]) {
      expect(Object.isFrozen(part)).toBe(true);
    }
  });

  test("takes an undefined for a field left out", () => {
    expect(normalize({ ...ORDER, quantity: undefined })).toEqual(normalize(ORDER));
  });

  test("takes rows again, and rows with other prototypes", () => {
    const row = normalize(ORDER);
    expect(normalize(row)).toEqual(row);
    expect(normalize({ ...row })).toEqual(row);
    expect(normalize(Object.assign(Object.create(null), ORDER))).toEqual(row);
    expect(normalize(Object.assign(new (class Order {})(), ORDER))).toEqual(row);
  });

  test.each([
    [{ price: 1.5 }, "price", "expected a decimal, got number 1.5"],
    [
      { price: "1.123456789" },
      "price",
      "1.123456789 does not fit 8 digits after the point exactly",
    ],
    [{ price: "1.2.3" }, "price", '"1.2.3" is not a decimal number'],
    [{ price: undefined }, "price", "expected a decimal, but it is missing"],
    [{ id: 5 }, "id", "expected a string, got number 5"],
    [{ id: "a\ud800" }, "id", '"a\\ud800" contains a lone surrogate, which UTF-8 cannot hold'],
    [{ id: "x".repeat(2 ** 20 + 1) }, "id", "a string of 1048577 characters is too long"],
    [{ side: "hold" }, "side", 'expected one of "buy", "sell", got "hold"'],
    [{ at: 1.5 }, "at", "expected a timestamp (a safe integer of microseconds since 1970), got"],
    [{ at: 2 ** 53 }, "at", "expected a timestamp"],
    [{ nonce: 5 }, "nonce", "expected a bigint, got number 5"],
    [
      { nonce: 2n ** 63n },
      "nonce",
      "expected a bigint of 64 bits, signed, got bigint 9223372036854775808",
    ],
    [{ ratio: Number.NaN }, "ratio", "expected a finite number, got number NaN"],
    [{ ratio: Infinity }, "ratio", "expected a finite number, got number Infinity"],
    [{ ratio: undefined }, "ratio", "expected a number, but it is missing"],
    [{ legs: {} }, "legs", "expected an array, got an object"],
    [
      {
        legs: [
          { price: "1", tags: {} },
          { price: "0.001", tags: {} },
        ],
      },
      "legs[1].price",
      "0.001 does",
    ],
    [
      { legs: [{ price: "1", tags: { "a b": 5 } }] },
      'legs[0].tags["a b"]',
      "expected a string, got",
    ],
    [
      { legs: [{ price: "1", tags: new Map() }] },
      "legs[0].tags",
      "expected an object, got an object of class Map",
    ],
    [{ legs: [{ price: "1", tags: {}, more: 1 }] }, "legs[0].more", "unknown field"],
    [{ prize: "1" }, "prize", "unknown field"],
  ])("refuses %o, naming table, key and field", (change, field, reason) => {
    const failure = catchError(() => normalize({ ...ORDER, ...change }));
    expect(failure).toBeInstanceOf(HoldfastError);
    expect(failure.code).toBe("INVALID_ROW");
    expect(failure.message).toContain(`table "orders", key "a-1", field "${field}": ${reason}`);
    expect(failure.data).toEqual({ table: "orders", key: "a-1", field });
  });

  test.each([[null], [undefined], [5], ["row"], [[]], [new Map()], [new Uint8Array(4)]])(
    "refuses %o for a row",
    (input) => {
      const failure = catchError(() => normalize(input));
      expect(failure.message).toMatch(/^table "orders", key "a-1": expected an object/);
    },
  );

  test("does not take what every object inherits for a field", () => {
    const fields = { constructor: withDefault(string(), "none"), toString: nullable(string()) };
    const odd = compile(defineTable({ name: "odd", version: 1, key: string(), fields }));
    expect(odd.normalize({ toString: null } as never, CONTEXT)).toEqual({
      constructor: "none",
      toString: null,
    });
    expect(() => odd.normalize({} as never, CONTEXT)).toThrow(/"toString": .* but it is missing/);
  });

  test("lets errors of the caller's own getters through", () => {
    const input = { ...ORDER };
    Object.defineProperty(input, "id", {
      enumerable: true,
      get: () => {
        throw new RangeError("mine");
      },
    });
    expect(() => normalize(input)).toThrow(RangeError);
  });
});

describe.each(compilers)("a row codec of %s", (_, compile) => {
  const blobs = defineTable({
    name: "blobs",
    version: 1,
    key: integer(),
    fields: { blob: bytes(), more: withDefault(list(nullable(bytes())), [Uint8Array.of(7)]) },
  });

  test("copies bytes on the way in, out and back", () => {
    const codec = compile(blobs);
    expect(codec.hasBytes).toBe(true);
    const blob = Buffer.from([1, 2, 3]);
    const row = codec.normalize({ blob }, { table: "blobs", key: 1 });
    blob[0] = 9;
    expect(row.blob).toEqual(Uint8Array.of(1, 2, 3));
    const out = codec.copyOut(row);
    out.blob[0] = 9;
    out.more[0]![0] = 9;
    expect(codec.normalize({ blob }, { table: "blobs", key: 1 }).more[0]).toEqual(Uint8Array.of(7));
    expect(row).toEqual({ blob: Uint8Array.of(1, 2, 3), more: [Uint8Array.of(7)] });
    const target = new Uint8Array(64);
    const end = codec.encode(row, target, 0, 64);
    const read = codec.decode(target, 0, end);
    target.fill(0);
    expect(read).toEqual(row);
  });

  test("hands rows without bytes out as they are", () => {
    const codec = compile(orders);
    const row = codec.normalize(ORDER, CONTEXT);
    expect(codec.hasBytes).toBe(false);
    expect(codec.copyOut(row)).toBe(row);
  });

  test("keeps -0, NaN and the infinities where they are allowed", () => {
    const fields = { a: float64({ allowNonFinite: true }), b: float64() };
    const codec = compile(defineTable({ name: "f", version: 1, key: string(), fields }));
    const target = new Uint8Array(32);
    for (const a of [Number.NaN, Infinity, -Infinity, -0, Number.MIN_VALUE]) {
      const end = codec.encode(codec.normalize({ a, b: -0 }, CONTEXT), target, 0, 32);
      const row = codec.decode(target, 0, end);
      expect(Object.is(row.a, a) && Object.is(row.b, -0)).toBe(true);
    }
  });

  test("stores an integer -0 as 0", () => {
    const codec = compile(
      defineTable({ name: "i", version: 1, key: string(), fields: { i: integer() } }),
    );
    expect(Object.is(codec.normalize({ i: -0 }, CONTEXT).i, 0)).toBe(true);
  });

  test("codes a hundred and a thousand fields", () => {
    for (const count of [15, 16, 100, 256, 257, 1000]) {
      const names = Array.from({ length: count }, (_, index) => `f${index}`);
      const fields = Object.fromEntries(names.map((name) => [name, boolean()]));
      const codec = compile(defineTable({ name: "wide", version: 1, key: string(), fields }));
      const input = Object.fromEntries(names.map((name, index) => [name, index % 3 === 0]));
      const row = codec.normalize(input, CONTEXT);
      const target = new Uint8Array(count + 3);
      const end = codec.encode(row, target, 0, target.length);
      expect(end).toBe(count < 16 ? count + 1 : count + 3);
      expect(codec.decode(target, 0, end)).toEqual(input);
    }
  });
});

test("where code may not be generated, closures do the work", () => {
  vi.stubGlobal("Function", () => {
    throw new EvalError("Code generation from strings disallowed for this context");
  });
  const codec = compileRow(orders);
  const row = codec.normalize(ORDER, CONTEXT);
  const target = new Uint8Array(200);
  expect(codec.decode(target, 0, codec.encode(row, target, 0, 200))).toEqual(row);
  expect(row.price.equals(Decimal.of("1.5"))).toBe(true);
});

function catchError(run: () => unknown): HoldfastError {
  try {
    run();
  } catch (error) {
    return error as HoldfastError;
  }
  throw new TypeError("nothing was thrown");
}
