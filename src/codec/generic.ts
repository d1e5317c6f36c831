/** Stored rows without the application that wrote them: for the command-line tools. */
import { HoldfastError } from "../base/errors.js";
import { decodeDocument } from "./msgpack-document.js";
import { compileRow } from "./row.js";
import { parseSchema, type SchemaDescription } from "./schema-description.js";
import { type Json, toJson } from "./value-json.js";

export type { Json } from "./value-json.js";

/** Reads the row in the bytes from `position` to `end`. Throws INVALID_ROW. */
export type GenericReader = (
  source: Uint8Array,
  position: number,
  end: number,
) => Readonly<Record<string, Json>>;

/**
 * A reader of rows as plain JSON: decimals and bigints as strings, bytes as base64, timestamps as
 * microseconds. Throws INVALID_SCHEMA for a description that is none.
 */
export function compileGenericReader(description: SchemaDescription): GenericReader {
  const table = parseSchema(description);
  const codec = compileRow(table);
  const type = { kind: "record", fields: table.fields } as const;
  return (source, position, end) =>
    toJson(type, codec.decode(source, position, end)) as Readonly<Record<string, Json>>;
}

/** What msgpack alone says of a row whose schema is lost. Throws INVALID_ROW. */
export function readWithoutSchema(source: Uint8Array, position: number, end: number): Json {
  try {
    return plain(decodeDocument(source.subarray(position, end), { useBigInt64: true }));
  } catch (error) {
    throw new HoldfastError("INVALID_ROW", "stored row is no msgpack", {}, error);
  }
}

function plain(value: unknown): Json {
  if (typeof value === "bigint") return String(value);
  if (value instanceof Uint8Array) return Buffer.from(value).toString("base64");
  if (Array.isArray(value)) return value.map(plain);
  if (typeof value === "number" && !Number.isFinite(value)) return String(value);
  if (typeof value !== "object" || value === null) return value as Json;
  const result: Record<string, Json> = Object.create(null);
  for (const [name, member] of Object.entries(value)) result[name] = plain(member);
  return result;
}
