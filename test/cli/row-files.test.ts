/** Rows as files and back: the same rows, to the bit, in each format, however the file is cut. */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { parseCsvRecord } from "../../src/cli/csv-text.js";
import { NumberText, parseJson } from "../../src/cli/json-text.js";
import { KeySet } from "../../src/cli/key-set.js";
import { BadRow, defaultKeyNames, RowText } from "../../src/cli/row-text.js";
import { ArraySplitter, LineSplitter } from "../../src/cli/split-rows.js";
import { compileKey } from "../../src/codec/key.js";
import { compileRow } from "../../src/codec/row.js";
import type { TableDefinition } from "../../src/codec/schema.js";
import {
  boolean,
  bytes,
  decimal,
  defineTable,
  float64,
  int64,
  integer,
  list,
  map,
  nullable,
  string,
  timestamp,
  withDefault,
} from "../../src/index.js";
import { int64s, safeIntegers, tablesWithRow, texts } from "../codec/arbitraries.js";

type Format = "json" | "jsonl" | "csv";

/** Texts of rows with their lines, of a file that comes in pieces of so many characters. */
function split(format: Format, file: string, pieceChars = file.length + 1) {
  const rows: { line: number; text: string }[] = [];
  const emit = (row: { line: number; text: string }) => rows.push(row);
  const splitter =
    format === "json"
      ? new ArraySplitter("f", emit)
      : new LineSplitter("f", emit, format === "csv");
  for (let at = 0; at < file.length; at += pieceChars) {
    splitter.push(file.slice(at, at + pieceChars));
  }
  splitter.end();
  return rows;
}

function fileOf(format: Format, text: RowText, rows: readonly (readonly [unknown, unknown])[]) {
  if (format === "csv") {
    return [text.csvHeader(), ...rows.map(([key, row]) => text.csv(key, row))]
      .map((line) => `${line}\n`)
      .join("");
  }
  const lines = rows.map(([key, row]) => text.json(key, row));
  return format === "json" ? `[${lines.join(",")}]` : lines.map((line) => `${line}\n`).join("");
}

function read(format: Format, text: RowText, file: string, pieceChars?: number) {
  const pieces = split(format, file, pieceChars);
  if (format !== "csv") return pieces.map((piece) => text.fromJson(piece.text));
  text.readHeader((pieces[0] as { text: string }).text);
  return pieces.slice(1).map((piece) => text.fromCsv(piece.text));
}

function encoded(table: TableDefinition, row: unknown): Uint8Array {
  const target = new Uint8Array(1024 * 1024);
  return target.slice(0, compileRow(table).encode(row, target, 0, target.length));
}

const KEYS = [
  { key: string(), keys: texts },
  { key: integer(), keys: safeIntegers },
  { key: [string(), int64()] as const, keys: fc.tuple(texts, int64s) },
];

describe.each(["json", "jsonl", "csv"] as const)("%s", (format) => {
  test("any row of any table comes back, to the bit", () => {
    fc.assert(
      fc.property(
        tablesWithRow,
        fc.constantFrom(...KEYS).chain(({ key, keys }) => keys.map((value) => ({ key, value }))),
        fc.integer({ min: 1, max: 40 }),
        ({ table: fields, input }, { key, value: raw }, pieceChars) => {
          const parts = Array.isArray(key)
            ? key.map(({ node }) => node)
            : (key as never as { node: unknown }).node;
          const table = { ...fields, key: parts } as TableDefinition;
          const text = new RowText(table);
          const value = compileKey(table.key).validate(raw, "any");
          const row = compileRow(table).normalize(input, { table: "any", key: value });
          const file = fileOf(format, text, [[value, row]]);
          const [back, ...others] = read(format, text, file, pieceChars);
          expect(others).toEqual([]);
          expect(back?.key).toEqual(value);
          expect(encoded(table, back?.row)).toEqual(encoded(table, row));
        },
      ),
      { numRuns: 300 },
    );
  });
});

const table = defineTable({
  name: "t",
  version: 1,
  key: string(),
  fields: {
    price: decimal(4),
    count: withDefault(integer(), 7),
    big: withDefault(int64(), 0n),
    ratio: withDefault(float64(), 0),
    at: withDefault(timestamp(), 0),
    flag: withDefault(boolean(), false),
    note: withDefault(nullable(string()), null),
    raw: withDefault(bytes(), new Uint8Array()),
    tags: withDefault(list(string()), []),
    more: withDefault(map(integer()), {}),
  },
});

function refusal(run: () => unknown): string {
  try {
    run();
  } catch (error) {
    if (error instanceof BadRow) return error.message;
    throw error;
  }
  return "taken";
}

const fromJson = (text: string) => new RowText(table).fromJson(text).row as Record<string, unknown>;

test.each([
  ['{"key":"a","price":0.1000}', "taken"],
  ['{"key":"a","price":123456789012345678901234.0001}', "taken"],
  ['{"key":"a","price":1,"big":9223372036854775807}', "taken"],
  ['{"key":"a","price":0.10001}', "price"],
  ['{"key":"a","price":1e2}', "without an exponent"],
  ['{"key":"a"}', "missing"],
  ['{"price":"1"}', '"key", which holds the key, is missing'],
  ['{"key":"a","price":"1","prise":"2"}', "neither key nor field"],
  ['{"key":"a","price":"1","price":"2"}', "stands twice"],
  ['{"key":"a","price":"1","count":1.0}', "expected an integer"],
  ['{"key":"a","price":"1","count":9007199254740993}', "safe integer"],
  ['{"key":"a","price":"1","big":9223372036854775808}', "64 bits"],
  ['{"key":"a","price":"1","ratio":1e999}', "more than a double holds"],
  ['{"key":"a","price":"1","note":5}', "expected a string"],
  ['{"key":"a","price":"1","raw":"AA"}', "base64"],
  ['{"key":"a","price":"1","tags":["x",1]}', '"tags[1]"'],
  ['{"key":"a","price":"1","more":{"x":null}}', '"more["x"]"'],
  ['{"key":"\\ud800","price":"1"}', "lone surrogate"],
  ['{"key":1,"price":"1"}', "expected a string"],
  ["[1]", "expected an object"],
  ['{"key":"a",}', "no JSON"],
  ['{"key":"a"} x', "no JSON"],
  [`{"key":${"[".repeat(1000)}`, "deep"],
])("%s: %s", (text, expected) => {
  expect(refusal(() => fromJson(text))).toContain(expected);
});

test("digits of a number are taken from the text, and never become a double", () => {
  const row = fromJson('{"key":"a","price":123456789012345678901234.0001,"big":9007199254740993}');
  expect(String(row.price)).toBe("123456789012345678901234.0001");
  expect(row.big).toBe(9007199254740993n);
  expect(parseJson("0.1000000000000000055")).toEqual(new NumberText("0.1000000000000000055"));
});

test("the parser of JSON takes what JSON.parse takes, and nothing else", () => {
  const plain = (value: unknown): unknown => {
    if (value instanceof NumberText) return Number(value.text);
    if (Array.isArray(value)) return value.map(plain);
    if (typeof value !== "object" || value === null) return value;
    return Object.fromEntries(Object.entries(value).map(([name, item]) => [name, plain(item)]));
  };
  const attempt = (parse: () => unknown) => {
    try {
      return { value: parse() };
    } catch {
      return "refused";
    }
  };
  const noise = fc.array(fc.constantFrom(...'{}[],:"\\ ue0+-.1\n', "null", '"a"', "true"), {
    maxLength: 12,
  });
  const inputs = fc.oneof(
    fc.json(),
    noise.map((parts) => parts.join("")),
  );
  fc.assert(
    fc.property(inputs, (text) => {
      const ours = attempt(() => plain(parseJson(text)));
      const theirs = attempt(() => JSON.parse(text));
      // Names that stand twice are the one thing that is refused here alone.
      if (ours === "refused" && /"(.*?)":.*"\1":/s.test(text)) return;
      expect(ours).toEqual(theirs);
    }),
    { numRuns: 2000 },
  );
});

test.each([
  ["a,b", ["a", "b"]],
  ['"a,""b""",', ['a,"b"', ""]],
  ['""', [""]],
  ["", [""]],
  ['"a', "a quote is not closed"],
  ['"a"b', "something follows behind a closing quote"],
  ['a"b', "a quote stands within a cell that has none around it"],
])("the cells of %s", (record, expected) => {
  const cells = parseCsvRecord(record);
  const found = typeof cells === "string" ? cells : cells.map(({ text }) => text);
  expect(found).toEqual(expected);
});

test("a cell without a value is null, and one with quotes an empty text", () => {
  const text = new RowText(table);
  text.readHeader("key,price,note");
  expect(text.fromCsv("a,1,").row).toMatchObject({ note: null });
  expect(text.fromCsv('a,1,""').row).toMatchObject({ note: "" });
  expect(refusal(() => text.fromCsv("a,,x"))).toContain("price");
  expect(refusal(() => text.fromCsv("a,1"))).toContain("2 cells, and the header has 3");
});

test.each([
  ["key,price,key", "stands twice"],
  ["key,price,other", "neither key nor field"],
  ["price", 'no column "key"'],
])("the header %s: %s", (header, expected) => {
  expect(refusal(() => new RowText(table).readHeader(header))).toContain(expected);
});

test("lines and rows: where each begins", () => {
  expect(split("csv", 'a,b\r\n"1\n2",3\n\n4,5').map(({ line }) => line)).toEqual([1, 2, 5]);
  expect(split("json", "\n[\n1,\n\n{\n},2]\n").map(({ line }) => line)).toEqual([3, 5, 6]);
  expect(split("jsonl", "1\n\n2\r\n")).toEqual([
    { line: 1, text: "1" },
    { line: 3, text: "2" },
  ]);
});

test.each([
  ["json", "", "expected a JSON array"],
  ["json", "{}", "expected a JSON array"],
  ["json", "[1", "no end"],
  ["json", "[1,]", "element is missing"],
  ["json", "[,1]", "element is missing"],
  ["json", "[1}]", "closes nothing"],
  ["json", "[1] 2", "text behind the array"],
  ["csv", 'a\n"b\nc', "line 2: a quote is never closed"],
] as const)("a file of %s that is none: %s", (format, file, expected) => {
  expect(() => split(format, file)).toThrow(expected);
});

test("a row without an end is refused before it fills memory", () => {
  expect(() => split("jsonl", "x".repeat(9 * 1024 * 1024))).toThrow("right format");
});

test("names of the key: free ones by themselves, a field that is the key, and others refused", () => {
  const fields = { key: string(), _key: string() };
  const named = defineTable({ name: "n", version: 1, key: string(), fields });
  expect(defaultKeyNames(named)).toEqual(["__key"]);
  const text = new RowText(named, ["key"]);
  expect(text.json("a", { key: "a", _key: "x" })).toBe('{"key":"a","_key":"x"}');
  expect(text.fromJson('{"key":"a","_key":"x"}')).toEqual({
    key: "a",
    row: { key: "a", _key: "x" },
  });
  expect(() => text.json("a", { key: "b", _key: "x" })).toThrow("needs a name of its own");
  expect(() => new RowText(named, ["a", "b"])).toThrow("1 parts");
  expect(() => new RowText(table, ["price"])).toThrow("of type decimal");
});

test("a set of keys knows each of them", () => {
  const keys = new KeySet();
  const bytes = (i: number) => Buffer.from(`key ${i}`);
  for (let i = 0; i < 5000; i++) expect(keys.add(bytes(i))).toBe(true);
  for (let i = 0; i < 5000; i++) expect(keys.add(bytes(i))).toBe(false);
});
