/**
 * Values as plain JSON, for descriptions of schemas and for tools: decimals and bigints as strings,
 * bytes and typed arrays as base64, timestamps as microseconds, the doubles that JSON lacks as
 * strings.
 */
import type { TypeNode } from "./field-types.js";
import { show } from "./text.js";
import {
  ARRAYS,
  type ArrayNode,
  arrayOfBytes,
  type NumberArray,
  storedBytesOf,
} from "./typed-arrays.js";
import { ValueProblem } from "./value-problem.js";

export type Json =
  | null
  | boolean
  | number
  | string
  | readonly Json[]
  | { readonly [name: string]: Json };

const ODD_DOUBLES: readonly number[] = [Number.NaN, Infinity, -Infinity, -0];

/** The JSON of a normalised value. */
export function toJson(type: TypeNode, value: unknown): Json {
  switch (type.kind) {
    case "decimal":
    case "int64":
      return String(value);
    case "bytes":
      return Buffer.from(value as Uint8Array).toString("base64");
    case "array":
      return Buffer.from(storedBytesOf(value as NumberArray)).toString("base64");
    case "float64":
      return doubleToJson(value as number);
    case "nullable":
      return value === null ? null : toJson(type.item, value);
    case "list":
      return (value as readonly unknown[]).map((item) => toJson(type.item, item));
    case "map":
      return object(
        Object.entries(value as object).map(([key, item]) => [key, toJson(type.item, item)]),
      );
    case "record":
      return object(
        type.fields.map(({ name, type: field }) => [
          name,
          toJson(field, (value as Readonly<Record<string, unknown>>)[name]),
        ]),
      );
    default:
      return value as Json;
  }
}

/** The value of a JSON, not normalised and so not checked yet. Throws ValueProblem. */
export function fromJson(type: TypeNode, json: unknown): unknown {
  switch (type.kind) {
    case "int64":
      return int64FromJson(json);
    case "bytes":
      return bytesFromJson(json);
    case "array":
      return Array.isArray(json) ? numbersFromJson(type, json) : arrayFromJson(type, json);
    case "float64":
      return doubleFromJson(json);
    case "nullable":
      return json === null ? null : fromJson(type.item, json);
    case "list":
      return Array.isArray(json) ? json.map((item) => fromJson(type.item, item)) : json;
    case "map":
      if (!isObject(json)) return json;
      return object(Object.entries(json).map(([key, item]) => [key, fromJson(type.item, item)]));
    case "record": {
      if (!isObject(json)) return json;
      const types = new Map(type.fields.map((field) => [field.name, field.type]));
      return object(
        Object.entries(json).map(([name, item]) => {
          const field = types.get(name);
          return [name, field === undefined ? item : fromJson(field, item)];
        }),
      );
    }
    default:
      return json;
  }
}

function doubleToJson(value: number): Json {
  if (Object.is(value, -0)) return "-0";
  return Number.isFinite(value) ? value : String(value);
}

function bytesFromJson(json: unknown): Uint8Array {
  const bytes = typeof json === "string" ? Buffer.from(json, "base64") : undefined;
  // The decoder of the platform skips what is not base64; what it gives back must be the same.
  if (bytes !== undefined && bytes.toString("base64") === json) return new Uint8Array(bytes);
  throw new ValueProblem(`expected bytes as base64, got ${show(json)}`);
}

function arrayFromJson(type: ArrayNode, json: unknown): NumberArray {
  return arrayOfBytes(type, bytesFromJson(json));
}

/** Numbers one by one, as people write them; as int64 and float64 have each. */
function numbersFromJson(type: ArrayNode, json: readonly unknown[]): NumberArray {
  const { element } = type;
  const make = ARRAYS[element];
  const array = new make(json.length);
  json.forEach((item, index) => {
    const value = element === "int64" ? int64FromJson(item) : doubleFromJson(item);
    const isRight = typeof value === (element === "int64" ? "bigint" : "number");
    (array as { [index: number]: unknown })[index] = isRight ? value : 0;
    const kept = (array as { [index: number]: unknown })[index];
    if (isRight && (element === "float32" || Object.is(kept, value))) return;
    throw new ValueProblem(`expected a number of a ${make.name}, got ${show(item)}`, `[${index}]`);
  });
  return array;
}

function doubleFromJson(json: unknown): unknown {
  return ODD_DOUBLES.find((double) => doubleToJson(double) === json) ?? json;
}

function int64FromJson(json: unknown): bigint {
  if (typeof json === "string" && /^-?[0-9]{1,19}$/.test(json)) return BigInt(json);
  throw new ValueProblem(`expected the digits of an integer, got ${show(json)}`);
}

function isObject(json: unknown): json is Readonly<Record<string, unknown>> {
  return typeof json === "object" && json !== null && !Array.isArray(json);
}

/** Without a prototype, so that "__proto__" is a name like any other. */
function object<T>(entries: readonly (readonly [string, T])[]): Readonly<Record<string, T>> {
  const result: Record<string, T> = Object.create(null);
  for (const [name, value] of entries) result[name] = value;
  return result;
}
