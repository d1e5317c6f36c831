/** The rules by which versions of a schema follow one another are the table of docs/schemas.md. */
import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { Decimal } from "../../src/codec/decimal.js";
import {
  bytes,
  decimal,
  defineTable,
  enumeration,
  type Fields,
  float64,
  float64Array,
  int64,
  integer,
  list,
  map,
  nullable,
  record,
  string,
  timestamp,
  was,
  withDefault,
} from "../../src/codec/schema.js";
import { compareSchemas } from "../../src/codec/schema-compare.js";
import { RULES, type Rule } from "../../src/codec/schema-rules.js";

const text = readFileSync(new URL("../../docs/schemas.md", import.meta.url), "utf8");

/** Rows of the document's table: the difference, and what it takes. */
const documented = [...text.matchAll(/^\| ([^|]+?) +\| (rules|up|never) +\|/gm)].map(
  ([, rule, verdict]) => [rule, verdict],
);

const version = (number: number, fields: Fields, drops: readonly string[] = []) =>
  defineTable({ name: "t", version: number, key: string(), fields, drops });

interface Example {
  readonly writer: Fields;
  readonly reader: Fields;
  readonly drops?: readonly string[];
  /** A row of the writer's, and what the reader gets of it. */
  readonly row?: readonly [unknown, unknown];
}

const a = integer();

/** One for each rule but that of keys. */
const EXAMPLES: Readonly<Record<Exclude<Rule, "another key">, Example>> = {
  "field added with a default": {
    writer: { a },
    reader: { a, b: withDefault(string(), "x") },
    row: [{ a: 1 }, { a: 1, b: "x" }],
  },
  "nullable field added": {
    writer: { a },
    reader: { a, b: nullable(string()) },
    row: [{ a: 1 }, { a: 1, b: null }],
  },
  "field renamed with was": {
    writer: { a },
    reader: { b: was(a, "a") },
    row: [{ a: 1 }, { b: 1 }],
  },
  "field dropped with drops": {
    writer: { a, b: a },
    reader: { a },
    drops: ["b"],
    row: [{ a: 1, b: 2 }, { a: 1 }],
  },
  "fields in another order": {
    writer: { a, b: a },
    reader: { b: a, a },
    row: [
      { a: 1, b: 2 },
      { b: 2, a: 1 },
    ],
  },
  "another default": {
    writer: { a: withDefault(a, 1) },
    reader: { a: withDefault(a, 2) },
    row: [{ a: 1 }, { a: 1 }],
  },
  "field added without a default": { writer: { a }, reader: { a, b: a } },
  "field missing": { writer: { a, b: a }, reader: { a } },
  "integer to int64": { writer: { a }, reader: { a: int64() }, row: [{ a: -7 }, { a: -7n }] },
  "integer to float64": {
    writer: { a },
    reader: { a: float64() },
    row: [{ a: 2 ** 53 - 1 }, { a: 2 ** 53 - 1 }],
  },
  "integer to decimal": {
    writer: { a },
    reader: { a: decimal(18) },
    row: [{ a: -(2 ** 53) + 1 }, { a: Decimal.of("-9007199254740991", 18) }],
  },
  "int64 to decimal": {
    writer: { a: int64() },
    reader: { a: decimal(18) },
    row: [{ a: -(2n ** 63n) }, { a: Decimal.of(`${-(2n ** 63n)}`, 18) }],
  },
  "decimal to more digits": {
    writer: { a: decimal(2) },
    reader: { a: decimal(4) },
    row: [{ a: Decimal.of("1.25") }, { a: Decimal.of("1.2500") }],
  },
  "float64 to allowNonFinite": {
    writer: { a: float64() },
    reader: { a: float64({ allowNonFinite: true }) },
    row: [{ a: -0 }, { a: -0 }],
  },
  "typed array with more room": {
    writer: { a: float64Array({ length: 2 }) },
    reader: { a: float64Array({ lengthMax: 2 }) },
    row: [{ a: Float64Array.of(1, -0) }, { a: Float64Array.of(1, -0) }],
  },
  "enumeration with more values": {
    writer: { a: enumeration(["x", "y"]) },
    reader: { a: enumeration(["z", "y", "x"]) },
    row: [{ a: "y" }, { a: "y" }],
  },
  "enumeration to string": {
    writer: { a: enumeration(["x", "y"]) },
    reader: { a: string() },
    row: [{ a: "y" }, { a: "y" }],
  },
  "type to nullable": { writer: { a }, reader: { a: nullable(a) }, row: [{ a: 1 }, { a: 1 }] },
  "any other type": { writer: { a }, reader: { a: timestamp() } },
};

test("docs/schemas.md has every rule, with what it takes, in the order of the code", () => {
  expect(documented).toEqual(Object.entries(RULES));
});

describe.each(Object.entries(EXAMPLES))("%s", (rule, { writer, reader, drops, row }) => {
  const before = version(1, writer);
  const after = version(2, reader, drops);

  test("is found, alone, and takes what the table says", () => {
    const { differences, verdict } = compareSchemas(before, after);
    expect(differences.map((difference) => difference.rule)).toEqual([rule]);
    expect(verdict).toBe(RULES[rule as Rule]);
  });

  test("does to a row what the table says", () => {
    expect(row === undefined).toBe(RULES[rule as Rule] !== "rules");
    if (row === undefined) return;
    const made = compareSchemas(before, after).convert(row[0]);
    expect(made).toEqual(row[1]);
    expect(Object.keys(made as object)).toEqual(Object.keys(reader));
  });

  test("does the same inside a list, a map, a nullable and a record", () => {
    const inner = (fields: Fields) => ({ r: list(map(nullable(record(fields)))) });
    const nested = compareSchemas(
      version(1, inner(writer)),
      version(
        2,
        inner(reader),
        (drops ?? []).map((name) => `r.${name}`),
      ),
    );
    expect(nested.differences.map((difference) => difference.rule)).toEqual([rule]);
    expect(nested.differences[0]?.path.startsWith("r")).toBe(true);
    if (row === undefined) return;
    const made = nested.convert({ r: [{ k: row[0], none: null }] });
    expect(made).toEqual({ r: [{ k: row[1], none: null }] });
  });

  test("makes a definition with `previous` only where it may", () => {
    const options = { name: "t", version: 2, key: string(), fields: reader, drops: drops ?? [] };
    const make = () => defineTable({ ...options, previous: before });
    if (RULES[rule as Rule] === "rules") expect(make().step.previous).toBe(before);
    else expect(make).toThrow(/docs\/schemas.md.*previous: v1,\n {2}up: \(row, key\) => \(\{/s);
  });
});

test("another key is never compatible, with `up` or without", () => {
  const before = version(1, { a });
  const options = { name: "t", version: 2, key: [string(), integer()] as const, fields: { a } };
  expect(compareSchemas(before, defineTable(options)).verdict).toBe("never");
  const make = () =>
    defineTable({ ...options, previous: before, up: (row) => row as { a: number } });
  expect(make).toThrow(/the key differs/);
});

test("a name that one field gives up may be taken by another", () => {
  const { differences, convert } = compareSchemas(
    version(1, { a }),
    version(2, { b: was(a, "a"), a: withDefault(string(), "new") }),
  );
  expect(differences.map(({ rule }) => rule)).toEqual([
    "field renamed with was",
    "field added with a default",
  ]);
  expect(convert({ a: 1 })).toEqual({ b: 1, a: "new" });
});

test("what a field was is of no matter once it has its name", () => {
  const { differences } = compareSchemas(
    version(2, { b: was(a, "a") }),
    version(3, { b: was(a, "a") }),
  );
  expect(differences).toEqual([]);
});

test("narrower types take an `up`", () => {
  for (const [writer, reader] of [
    [int64(), integer()],
    [nullable(a), a],
    [decimal(4), decimal(2)],
    [float64({ allowNonFinite: true }), float64()],
    [enumeration(["x", "y"]), enumeration(["x"])],
    [string(), bytes()],
    [list(a), a],
    [float64(), integer()],
  ] as const) {
    const { differences } = compareSchemas(version(1, { a: writer }), version(2, { a: reader }));
    expect(differences.map(({ rule }) => rule)).toEqual(["any other type"]);
  }
});

describe("what a step must be like", () => {
  const before = version(1, { a });
  const base = { name: "t", version: 2, key: string(), fields: { a } } as const;
  const WRONG: [string, () => unknown, RegExp][] = [
    ["up alone", () => defineTable({ ...base, up: () => ({ a: 1 }) }), /up needs the definition/],
    ["down alone", () => defineTable({ ...base, down: () => 1 }), /down needs the definition/],
    [
      "a later version",
      () => defineTable({ ...base, version: 1, previous: before }),
      /previous is version 1, which is not before 1/,
    ],
    [
      "another table",
      () => defineTable({ ...base, name: "u", previous: before }),
      /previous is of table "t"/,
    ],
    ["no table", () => defineTable({ ...base, previous: {} as never }), /previous is what define/],
    [
      "up and drops",
      () => defineTable({ ...base, previous: before, drops: ["b"], up: () => ({ a: 1 }) }),
      /no field needs to be dropped/,
    ],
    ["drops", () => defineTable({ ...base, drops: "b" as never }), /drops is a list of names/],
    ["no name", () => defineTable({ ...base, drops: ["a."] }), /drops is a list of names/],
    ["was the same", () => defineTable({ ...base, fields: { a: was(a, "a") } }), /called the same/],
    [
      "was twice",
      () => defineTable({ ...base, fields: { b: was(a, "a"), c: was(a, "a") } }),
      /another field was "a", too/,
    ],
    ["was no name", () => defineTable({ ...base, fields: { b: was(a, "1") } }), /identifier/],
    ["was in a list", () => list(was(a, "b")), /goes around the whole type of a field/],
    ["was in a map", () => map(was(a, "b")), /goes around the whole type of a field/],
    ["was in a nullable", () => nullable(was(a, "b")), /goes around the whole type of a field/],
  ];
  test.each(WRONG)("%s is refused", (_, make, message) => {
    expect(make).toThrow(expect.objectContaining({ code: "INVALID_SCHEMA" }));
    expect(make).toThrow(message);
  });

  test("was and withDefault go around one another", () => {
    for (const type of [withDefault(was(a, "b"), 7), was(withDefault(a, 7), "b")]) {
      expect(version(2, { c: type }).fields[0]).toMatchObject({ was: "b", defaultValue: 7 });
    }
  });

  test("a definition that is spread leaves its step behind", () => {
    const second = defineTable({ ...base, previous: before, up: () => ({ a: 1 }) });
    const third = defineTable({ ...second, version: 3, key: string(), fields: { a }, checks: {} });
    expect(third.step).toEqual({ drops: [], previous: undefined, up: undefined, down: undefined });
  });
});
