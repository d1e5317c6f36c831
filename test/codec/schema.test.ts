import { describe, expect, expectTypeOf, test } from "vitest";
import { isHoldfastError } from "../../src/base/errors.js";
import { Decimal } from "../../src/codec/decimal.js";
import {
  boolean,
  bytes,
  decimal,
  defineTable,
  enumeration,
  float64,
  type InputOf,
  int64,
  integer,
  type KeyOf,
  list,
  map,
  nullable,
  type RowOf,
  record,
  string,
  type TableDefinition,
  timestamp,
  withDefault,
} from "../../src/codec/schema.js";
import {
  canonicalSchema,
  describeSchema,
  parseSchema,
  type SchemaDescription,
  sameSchema,
} from "../../src/codec/schema-description.js";
import fc from "../support/properties.js";
import { tables } from "./arbitraries.js";

const orders = defineTable({
  name: "trading.orders-1",
  version: 2,
  tier: "important",
  key: [string(), timestamp()],
  fields: {
    id: string(),
    price: decimal(8),
    side: enumeration(["buy", "sell"]),
    at: timestamp(),
    count: integer(),
    nonce: int64(),
    ratio: float64(),
    odd: withDefault(float64({ allowNonFinite: true }), Number.NaN),
    open: withDefault(boolean(), true),
    fee: withDefault(nullable(decimal(2)), "0.5"),
    blob: withDefault(bytes(), Uint8Array.of(1, 2)),
    big: withDefault(int64(), -5n),
    legs: list(record({ quantity: decimal(0), note: withDefault(string(), "") })),
    tags: withDefault(map(float64()), { a: -0 }),
  },
  checks: {
    positive: (row, key) =>
      row.price.sign() > 0 || `price ${row.price} of ${key[0]} is not positive`,
  },
});
const single = defineTable({
  name: "s",
  version: 1,
  key: int64(),
  fields: { a: nullable(string()) },
});

describe("types", () => {
  test("rows", () => {
    type Row = RowOf<typeof orders>;
    expectTypeOf<Row["id"]>().toEqualTypeOf<string>();
    expectTypeOf<Row["price"]>().toEqualTypeOf<Decimal>();
    expectTypeOf<Row["side"]>().toEqualTypeOf<"buy" | "sell">();
    expectTypeOf<Row["nonce"]>().toEqualTypeOf<bigint>();
    expectTypeOf<Row["open"]>().toEqualTypeOf<boolean>();
    expectTypeOf<Row["fee"]>().toEqualTypeOf<Decimal | null>();
    expectTypeOf<Row["blob"]>().toEqualTypeOf<Uint8Array>();
    expectTypeOf<Row["legs"]>().toEqualTypeOf<
      readonly { readonly quantity: Decimal; readonly note: string }[]
    >();
    expectTypeOf<Row["tags"]>().toEqualTypeOf<Readonly<Record<string, number>>>();
    expectTypeOf<RowOf<typeof single>>().toEqualTypeOf<{ readonly a: string | null }>();
    const write = (row: Row) => {
      // @ts-expect-error Rows are read-only.
      row.id = "";
    };
    expect(write).toBeTypeOf("function");
  });

  test("inputs", () => {
    type Input = InputOf<typeof orders>;
    expectTypeOf<Input["price"]>().toEqualTypeOf<Decimal | string>();
    expectTypeOf<Input["fee"]>().toEqualTypeOf<Decimal | string | null | undefined>();
    expectTypeOf<Input["open"]>().toEqualTypeOf<boolean | undefined>();
    expectTypeOf<Input["legs"][number]>().toEqualTypeOf<{
      readonly quantity: Decimal | string;
      readonly note?: string | undefined;
    }>();
    expectTypeOf<RowOf<typeof orders>>().toExtend<Input>();
    // @ts-expect-error A field without a default may not be left out.
    const missing: InputOf<typeof single> = {};
    expect(missing).toEqual({});
  });

  test("keys and definitions", () => {
    expectTypeOf<KeyOf<typeof orders>>().toEqualTypeOf<readonly [string, number]>();
    expectTypeOf<KeyOf<typeof single>>().toEqualTypeOf<bigint>();
    expectTypeOf(orders).toExtend<TableDefinition>();
    const wrong = () =>
      // @ts-expect-error A double is no key.
      defineTable({ name: "t", version: 1, key: float64(), fields: { a: string() } });
    expect(wrong).toThrow(/a key is made of string, integer, int64, timestamp, got float64/);
    // @ts-expect-error A default has to be of the type.
    withDefault(integer(), "5");
    // @ts-expect-error A default inside a list would never be used.
    list(withDefault(integer(), 5));
    // @ts-expect-error Not one of the values.
    withDefault(enumeration(["a", "b"]), "c");
  });
});

describe("a definition", () => {
  test("is frozen, with its defaults normalised and its checks named", () => {
    const seen = new Set<unknown>();
    (function expectFrozen(value: unknown): void {
      if (typeof value !== "object" || value === null || seen.has(value)) return;
      seen.add(value);
      if (!ArrayBuffer.isView(value)) expect(Object.isFrozen(value)).toBe(true);
      Object.values(value).forEach(expectFrozen);
    })(orders);
    expect(orders.fields.find(({ name }) => name === "fee")?.defaultValue).toEqual(
      Decimal.of("0.50"),
    );
    expect(orders.checks[0]?.name).toBe("positive");
    const row = { price: Decimal.of("-1") } as RowOf<typeof orders>;
    expect(orders.checks[0]?.holds(row, ["k", 1])).toBe("price -1 of k is not positive");
    expect(single.tier).toBe("critical");
  });

  const good = { name: "t", version: 1, key: string(), fields: { a: string() } };
  const deep = (depth: number) => {
    let type = list(string()) as ReturnType<typeof list<unknown, unknown>>;
    for (let level = 2; level < depth; level++) type = list(type);
    return type;
  };
  test.each([
    [{ name: "" }, '"" is not a table name'],
    [{ name: "1st" }, "is not a table name"],
    [{ name: "a b" }, "is not a table name"],
    [{ name: "x".repeat(129) }, "is not a table name"],
    [{ name: 5 }, "number 5 is not a table name"],
    [{ version: 0 }, 'table "t": a version is an integer from 1 to 65535, got number 0'],
    [{ version: 1.5 }, "a version is an integer"],
    [{ version: 65_536 }, "a version is an integer"],
    [{ tier: "urgent" }, 'a tier is one of critical, important, cached, got "urgent"'],
    [{ teir: "cached" }, 'table "t": unknown option "teir"'],
    [{ key: undefined }, 'table "t": a key is made of'],
    [{ key: [string()] }, "a key that is a tuple has 2 to 8 parts, got 1"],
    [{ key: new Array(9).fill(string()) }, "has 2 to 8 parts, got 9"],
    [{ key: [string(), boolean()] }, "got boolean"],
    [{ fields: {} }, "1 to 1000 fields are needed, got 0"],
    [{ fields: { "a b": string() } }, 'table "t", field "a b": a field name is an identifier'],
    [{ fields: { "": string() } }, "a field name is an identifier"],
    [{ fields: { ["__proto__"]: string() } }, 'field "__proto__": a field name'],
    [{ fields: { a: "string" } }, 'field "a": not a field type: undefined'],
    [{ fields: { a: list(undefined as never) } }, 'field "a": not a field type'],
    [
      { fields: { a: decimal(19) } },
      'field "a": the scale of a decimal is an integer from 0 to 18',
    ],
    [{ fields: { a: decimal(-1) } }, "the scale of a decimal"],
    [{ fields: { a: enumeration([]) } }, "an enumeration has 1 to 65536 values, got 0"],
    [{ fields: { a: enumeration(["x", "x"]) } }, 'field "a": the value "x" stands twice'],
    [{ fields: { a: enumeration([""]) } }, 'a value of an enumeration is a text, got ""'],
    [{ fields: { a: enumeration(["\ud800"]) } }, "a value of an enumeration is a text"],
    [{ fields: { a: nullable(nullable(string())) } }, 'field "a": nullable twice'],
    [{ fields: { a: deep(17) } }, "nested more than 16 deep"],
    [{ fields: { a: record({}) } }, 'field "a": 1 to 1000 fields are needed'],
    [{ fields: { a: list(record({ "b-c": string() })) } }, 'field "a.b-c": a field name'],
    [
      { fields: { a: withDefault(decimal(2), "1.005") } },
      'field "a": the default is not valid: 1.005',
    ],
    [
      { fields: { a: withDefault(list(string()), [5 as never]) } },
      'field "a[0]": the default is not',
    ],
    [{ checks: { c: true } }, 'table "t": check "c" is no function'],
  ])("with %o is refused", (change, message) => {
    const run = () => defineTable({ ...good, ...change } as never);
    expect(run).toThrow(message);
    expect(run).toThrow(expect.objectContaining({ code: "INVALID_SCHEMA" }));
  });

  test("may be as deep as the limit", () => {
    expect(() => defineTable({ ...good, fields: { a: deep(16) } })).not.toThrow();
  });
});

describe("a description", () => {
  test("is plain JSON from which the table comes back, without its checks", () => {
    const description = describeSchema(orders);
    const json = JSON.parse(JSON.stringify(description));
    expect(json).toEqual(description);
    const parsed = parseSchema(json);
    expect(parsed).toEqual({ ...orders, checks: [] });
    expect(sameSchema(description, describeSchema(parsed))).toBe(true);
    expect(description.fields.find(({ name }) => name === "odd")?.default).toBe("NaN");
    expect(description.fields.find(({ name }) => name === "blob")?.default).toBe("AQI=");
  });

  test("of any table comes back", () => {
    fc.assert(
      fc.property(tables, ({ table }) => {
        const description = describeSchema(table);
        const parsed = parseSchema(JSON.parse(JSON.stringify(description)));
        expect(parsed).toEqual(table);
        expect(canonicalSchema(description)).toBe(JSON.stringify(describeSchema(parsed)));
      }),
    );
  });

  test("differs where the schema does", () => {
    const base = describeSchema(single);
    const others: SchemaDescription[] = [
      { ...base, version: 2 },
      { ...base, tier: "cached" },
      { ...base, key: { kind: "integer" } },
      { ...base, fields: [{ name: "b", type: { kind: "nullable", item: { kind: "string" } } }] },
      { ...base, fields: [{ name: "a", type: { kind: "string" } }] },
      { ...base, fields: [{ ...base.fields[0]!, default: null }] },
    ];
    expect(sameSchema(base, { ...base })).toBe(true);
    for (const other of others) expect(sameSchema(base, other)).toBe(false);
  });

  test("that is damaged is refused with INVALID_SCHEMA, or is another schema", () => {
    const description = describeSchema(orders);
    const paths = allPaths(description);
    const junk = fc.oneof(
      fc.jsonValue(),
      fc.constantFrom(null, -1, 1e9, "", [], {}, "record", "list"),
    );
    fc.assert(
      fc.property(fc.constantFrom(...paths), junk, fc.boolean(), (path, value, remove) => {
        const copy = JSON.parse(JSON.stringify(description));
        const parent = path.slice(0, -1).reduce((at, name) => at[name], copy);
        if (remove) delete parent[path.at(-1)!];
        else parent[path.at(-1)!] = value;
        expectSchemaOrRefusal(copy);
      }),
      { numRuns: 3000 },
    );
    fc.assert(fc.property(fc.jsonValue(), expectSchemaOrRefusal));
  });

  test("with a field name that cannot be made a text is refused", () => {
    const { fields, ...rest } = describeSchema(single);
    const unconvertible: unknown[] = [
      { toString: "" },
      { toString: null, valueOf: null },
      [{ toString: 1 }],
      null,
    ];
    for (const name of unconvertible) {
      const field = { ...fields[0], name };
      const record = { ...fields[0], type: { kind: "record", fields: [field] } };
      for (const damaged of [field, record]) {
        expect(() => parseSchema({ ...rest, fields: [damaged] })).toThrow(/a field name is/);
      }
    }
  });

  test("nested without end is refused", () => {
    let type: unknown = { kind: "string" };
    for (let level = 0; level < 5000; level++) type = { kind: "list", item: type };
    const { fields, ...rest } = describeSchema(single);
    expect(() => parseSchema({ ...rest, fields: [{ ...fields[0], type }] })).toThrow(/nested more/);
  });
});

function expectSchemaOrRefusal(json: unknown): void {
  try {
    const table = parseSchema(json);
    expect(parseSchema(JSON.parse(JSON.stringify(describeSchema(table))))).toEqual(table);
  } catch (error) {
    if (!isHoldfastError(error, "INVALID_SCHEMA")) throw error;
  }
}

/** The way to every value inside, as names. */
function allPaths(value: unknown): string[][] {
  if (typeof value !== "object" || value === null) return [];
  return Object.entries(value).flatMap(([name, inner]) => [
    [name],
    ...allPaths(inner).map((path) => [name, ...path]),
  ]);
}
