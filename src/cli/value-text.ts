/**
 * Values as text, in files that people move between programs: one exact form for each type. They
 * are those of codec/value-json.ts; a number may also stand where its digits are asked for.
 */
import type { TypeNode } from "../codec/field-types.js";
import { fromJson, toJson } from "../codec/value-json.js";
import { ValueProblem } from "../codec/value-problem.js";
import { type Cell, csvCell } from "./csv-text.js";
import { NumberText, parseJson } from "./json-text.js";

const INTEGER = /^-?(?:0|[1-9][0-9]*)$/;
const PLAIN = /^-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?$/;
const FLOAT: TypeNode = { kind: "float64", allowNonFinite: true };
const NUMBER = /^-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?$/;

/** The value of what `parseJson` gave, to be normalised. Throws ValueProblem. */
export function valueFrom(type: TypeNode, json: unknown): unknown {
  if (json instanceof NumberText) return numberOf(type, json.text);
  switch (type.kind) {
    case "array":
      if (!Array.isArray(json)) return fromJson(type, json);
      return fromJson(
        type,
        json.map((item) => (item instanceof NumberText ? numberIn(type, item.text) : item)),
      );
    case "nullable":
      return json === null ? null : valueFrom(type.item, json);
    case "list":
      if (!Array.isArray(json)) return json;
      return json.map((item, index) => within(`[${index}]`, () => valueFrom(type.item, item)));
    case "map":
      return mapped(
        json,
        () => type.item,
        (name) => `[${JSON.stringify(name)}]`,
      );
    case "record": {
      const types = new Map(type.fields.map((field) => [field.name, field.type]));
      return mapped(
        json,
        (name) => types.get(name),
        (name) => `.${name}`,
      );
    }
    default:
      return fromJson(type, json);
  }
}

function mapped(
  json: unknown,
  typeOf: (name: string) => TypeNode | undefined,
  pathOf: (name: string) => string,
): unknown {
  if (typeof json !== "object" || json === null || Array.isArray(json)) return json;
  const result: Record<string, unknown> = Object.create(null);
  for (const [name, item] of Object.entries(json)) {
    const type = typeOf(name);
    // One without a type is an unknown field, and is refused as that later on.
    result[name] = type === undefined ? item : within(pathOf(name), () => valueFrom(type, item));
  }
  return result;
}

function within<T>(part: string, read: () => T): T {
  try {
    return read();
  } catch (error) {
    throw ValueProblem.within(part, error);
  }
}

/** Exactly the number that the digits say, or none. */
function numberOf(type: TypeNode, text: string): unknown {
  switch (type.kind) {
    case "nullable":
      return numberOf(type.item, text);
    case "decimal":
      if (PLAIN.test(text)) return text;
      throw new ValueProblem(`expected a decimal without an exponent, got ${text}`);
    case "int64":
      if (INTEGER.test(text)) return fromJson(type, text);
      throw new ValueProblem(`expected the digits of an integer, got ${text}`);
    case "integer":
    case "timestamp":
      if (INTEGER.test(text)) return Number(text);
      throw new ValueProblem(`expected an integer, got ${text}`);
    case "float64": {
      const value = Number(text);
      if (Number.isFinite(value)) return value;
      throw new ValueProblem(`${text} is more than a double holds`);
    }
    default:
      return Number(text);
  }
}

/** One of the numbers of an array, as `fromJson` takes it. */
function numberIn({ element }: Extract<TypeNode, { kind: "array" }>, text: string): unknown {
  return element === "int64" ? text : numberOf(FLOAT, text);
}

/** The value of a cell. Throws ValueProblem. */
export function valueOfCell(type: TypeNode, { text, quoted }: Cell): unknown {
  switch (type.kind) {
    case "nullable":
      return text === "" && !quoted ? null : valueOfCell(type.item, { text, quoted });
    case "string":
    case "enumeration":
      return text;
    case "bytes":
      return fromJson(type, text);
    case "array":
      return text.startsWith("[") ? valueFrom(type, parseJson(text)) : fromJson(type, text);
    case "boolean":
      if (text === "true" || text === "false") return text === "true";
      throw new ValueProblem(`expected true or false, got ${JSON.stringify(text)}`);
    case "list":
    case "map":
    case "record":
      return valueFrom(type, parseJson(text));
    default:
      if (NUMBER.test(text) && text !== "-0") return numberOf(type, text);
      // The doubles that JSON lacks; anything else is refused by the type.
      return fromJson(type, text);
  }
}

/** The cell of a normalised value, as it stands in the file. */
export function cellOf(type: TypeNode, value: unknown): string {
  switch (type.kind) {
    case "nullable":
      return value === null ? "" : cellOf(type.item, value);
    case "list":
    case "map":
    case "record":
      return csvCell(JSON.stringify(toJson(type, value)));
    default:
      return csvCell(String(toJson(type, value)));
  }
}
