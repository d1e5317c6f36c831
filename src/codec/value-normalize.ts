/** From what a caller passes to what is stored: checked, converted, copied and frozen. */
import { isHoldfastError } from "../base/errors.js";
import { ROW_BYTES_MAX } from "../base/limits.js";
import { Decimal } from "./decimal.js";
import type { FieldNode, TypeNode } from "./field-types.js";
import { isWellFormed, show } from "./text.js";
import { arrayNormalizer } from "./typed-arrays.js";
import { ValueProblem } from "./value-problem.js";

type Normalize = (value: unknown) => unknown;

/** The normaliser of a type. */
export function normalizer(type: TypeNode): Normalize {
  switch (type.kind) {
    case "string":
      return normalizeString;
    case "boolean":
      return normalizeBoolean;
    case "integer":
      return normalizeInteger;
    case "timestamp":
      return normalizeTimestamp;
    case "int64":
      return normalizeInt64;
    case "bytes":
      return normalizeBytes;
    case "array":
      return arrayNormalizer(type);
    case "float64":
      return type.allowNonFinite ? normalizeAnyFloat : normalizeFloat;
    case "decimal":
      return (value) => normalizeDecimal(value, type.scale);
    case "enumeration":
      return enumerationNormalizer(type.values);
    case "nullable": {
      const item = normalizer(type.item);
      return (value) => (value === null ? null : item(value));
    }
    case "list":
      return listNormalizer(normalizer(type.item));
    case "map":
      return mapNormalizer(normalizer(type.item));
    case "record":
      return recordNormalizer(type.fields);
  }
}

function expected(what: string, value: unknown): ValueProblem {
  return new ValueProblem(
    value === undefined
      ? `expected ${what}, but it is missing`
      : `expected ${what}, got ${show(value)}`,
  );
}

function normalizeString(value: unknown): string {
  if (typeof value !== "string") throw expected("a string", value);
  if (value.length > ROW_BYTES_MAX) throw tooLong("a string", value.length, "characters");
  if (!isWellFormed(value)) {
    throw new ValueProblem(`${show(value)} contains a lone surrogate, which UTF-8 cannot hold`);
  }
  return value;
}

function normalizeBoolean(value: unknown): boolean {
  if (typeof value !== "boolean") throw expected("a boolean", value);
  return value;
}

function normalizeInteger(value: unknown): number {
  if (!Number.isSafeInteger(value)) throw expected("a safe integer", value);
  return (value as number) + 0;
}

function normalizeTimestamp(value: unknown): number {
  if (!Number.isSafeInteger(value)) {
    throw expected("a timestamp (a safe integer of microseconds since 1970)", value);
  }
  return (value as number) + 0;
}

function normalizeInt64(value: unknown): bigint {
  if (typeof value !== "bigint") throw expected("a bigint", value);
  if (BigInt.asIntN(64, value) !== value) throw expected("a bigint of 64 bits, signed", value);
  return value;
}

function normalizeFloat(value: unknown): number {
  if (typeof value !== "number") throw expected("a number", value);
  if (!Number.isFinite(value)) throw expected("a finite number", value);
  return value;
}

function normalizeAnyFloat(value: unknown): number {
  if (typeof value !== "number") throw expected("a number", value);
  return value;
}

/** The decimal at that scale, frozen: in a row, a change would be a change of the store. */
export function normalizeDecimal(value: unknown, scale: number): Decimal {
  if (!(value instanceof Decimal) && typeof value !== "string") throw expected("a decimal", value);
  try {
    return Decimal.of(value, scale).keep();
  } catch (error) {
    if (isHoldfastError(error)) throw new ValueProblem(error.message);
    throw error;
  }
}

function normalizeBytes(value: unknown): Uint8Array {
  if (!(value instanceof Uint8Array)) throw expected("a Uint8Array", value);
  if (value.length > ROW_BYTES_MAX) throw tooLong("bytes", value.length, "bytes");
  // Not slice(): a Buffer's shares its memory.
  return new Uint8Array(value);
}

function enumerationNormalizer(values: readonly string[]): Normalize {
  // The schema's own strings are stored, so that rows share them and compare by pointer.
  const known = new Map(values.map((value) => [value, value]));
  return (value) => {
    const found = known.get(value as string);
    if (found === undefined) throw expected(`one of ${listed(values)}`, value);
    return found;
  };
}

function listed(values: readonly string[]): string {
  const shown = values.slice(0, 8).map((value) => JSON.stringify(value));
  return values.length > 8 ? `${shown.join(", ")}, ...` : shown.join(", ");
}

function listNormalizer(item: Normalize): Normalize {
  return (value) => {
    if (!Array.isArray(value)) throw expected("an array", value);
    if (value.length > ROW_BYTES_MAX) throw tooLong("a list", value.length, "items");
    const items: unknown[] = [];
    try {
      for (let index = 0; index < value.length; index++) items.push(item(value[index]));
    } catch (error) {
      throw ValueProblem.within(`[${items.length}]`, error);
    }
    return Object.freeze(items);
  };
}

function mapNormalizer(item: Normalize): Normalize {
  return (value) => {
    if (!isRecord(value)) throw expected("an object", value);
    // Sorted, so that equal maps have equal bytes.
    const keys = Object.keys(value).sort();
    if (keys.length > ROW_BYTES_MAX) throw tooLong("a map", keys.length, "entries");
    const entries: Record<string, unknown> = Object.create(null);
    for (const key of keys) {
      try {
        entries[normalizeString(key)] = item(value[key]);
      } catch (error) {
        throw ValueProblem.within(`[${JSON.stringify(key)}]`, error);
      }
    }
    return Object.freeze(entries);
  };
}

/** Objects with own fields; what a map or a list would be mistaken for a record is not. */
export function isRecord(value: unknown): value is Record<string, unknown> {
  if (typeof value !== "object" || value === null || Array.isArray(value)) return false;
  return !(value instanceof Map || value instanceof Set || ArrayBuffer.isView(value));
}

function recordNormalizer(fields: readonly FieldNode[]): Normalize {
  const compiled = fields.map((field) => ({ ...field, normalize: normalizer(field.type) }));
  const names = new Set(fields.map((field) => field.name));
  return (value) => {
    if (!isRecord(value)) throw expected("an object", value);
    for (const name of Object.keys(value)) {
      if (!names.has(name)) throw new ValueProblem("unknown field", `.${name}`);
    }
    const result: Record<string, unknown> = {};
    for (const { name, normalize, defaultValue } of compiled) {
      const given = Object.hasOwn(value, name) ? value[name] : undefined;
      try {
        result[name] = normalize(given === undefined ? defaultValue : given);
      } catch (error) {
        throw ValueProblem.within(`.${name}`, error);
      }
    }
    return Object.freeze(result);
  };
}

function tooLong(what: string, length: number, unit: string): ValueProblem {
  return new ValueProblem(
    `${what} of ${length} ${unit} is too long: a row has at most ${ROW_BYTES_MAX} bytes`,
  );
}
