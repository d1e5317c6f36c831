/** What the commands about the past read from the command line, and how they print values. */
import { HoldfastError } from "../base/errors.js";
import type { Json } from "../codec/value-json.js";
import { Decimal, openHistory, type PastPoint, type StoreHistory } from "../index.js";
import type { AnyTable } from "../store/past-state.js";
import { formatTime } from "./output.js";

/** Reads a store of whatever environment: it is only looked at. */
export function openPastOf(
  directory: string,
  tables: readonly AnyTable[] = [],
): Promise<StoreHistory> {
  return openHistory(directory, { tables, allowEnvironmentChange: true, onWarning: () => {} });
}

/** Digits are a sequence, what begins like a date is a time, anything else is a snapshot's name. */
export function pointOf(text: string): PastPoint {
  if (/^\d+$/.test(text)) return Number(text);
  const time = microsOf(text);
  return time === undefined ? text : { time };
}

/** ISO 8601, to the microsecond; without a zone it is UTC. */
function microsOf(text: string): number | undefined {
  const parts =
    /^(\d{4}-\d\d-\d\d)(?:[T ](\d\d:\d\d(?::\d\d)?)(?:\.(\d{1,6}))?(Z|[+-]\d\d:\d\d)?)?$/;
  const match = parts.exec(text);
  if (match === null) return undefined;
  const [, day, time = "00:00:00", fraction = "", zone = "Z"] = match;
  const millis = Date.parse(`${day}T${time}${zone}`);
  if (Number.isNaN(millis)) {
    throw new HoldfastError("INVALID_ARGUMENT", `${JSON.stringify(text)} is no time`);
  }
  return millis * 1000 + Number(fraction.padEnd(6, "0"));
}

/** A key of a table as it is typed: a tuple is a JSON list of its parts. */
export function keyOf(table: AnyTable, text: string): unknown {
  const { key } = table;
  if (!Array.isArray(key)) return partOf((key as { kind: string }).kind, text);
  let parts: unknown;
  try {
    parts = JSON.parse(text);
  } catch {
    parts = undefined;
  }
  if (Array.isArray(parts) && parts.length === key.length) {
    return key.map(({ kind }, i) => partOf(kind, String(parts[i])));
  }
  const kinds = key.map(({ kind }) => kind).join(", ");
  const message = `the key of table "${table.name}" is a JSON list of ${kinds}; got ${text}`;
  throw new HoldfastError("INVALID_ARGUMENT", message);
}

function partOf(kind: string, text: string): unknown {
  if (kind === "string") return text;
  if (!/^-?\d+$/.test(text)) {
    throw new HoldfastError("INVALID_ARGUMENT", `${JSON.stringify(text)} is no ${kind}`);
  }
  return kind === "int64" ? BigInt(text) : Number(text);
}

/** The table of that name; throws INVALID_ARGUMENT, naming those there are. */
export function tableNamed(tables: readonly AnyTable[], name: string): AnyTable {
  const found = tables.find((table) => table.name === name);
  if (found !== undefined) return found;
  const there = tables.map((table) => `"${table.name}"`).join(", ") || "none";
  const message = `the store has no table "${name}"; it has ${there}`;
  throw new HoldfastError("INVALID_ARGUMENT", message);
}

/** Decimals and bigints as texts, bytes as base64, the doubles that JSON lacks as texts. */
export function asJson(value: unknown): Json {
  if (value === undefined || value === null) return null;
  if (value instanceof Decimal || typeof value === "bigint") return String(value);
  if (ArrayBuffer.isView(value)) {
    const { buffer, byteOffset, byteLength } = value;
    return Buffer.from(buffer, byteOffset, byteLength).toString("base64");
  }
  if (Array.isArray(value)) return value.map(asJson);
  if (typeof value === "number") return Number.isFinite(value) ? value : String(value);
  if (typeof value !== "object") return value as Json;
  return Object.fromEntries(Object.entries(value).map(([name, item]) => [name, asJson(item)]));
}

/** In one line, a text as it is. */
export function asText(value: unknown): string {
  if (typeof value === "string" && !/[\n\r\t]/.test(value)) return value;
  if (value instanceof Decimal || typeof value === "bigint") return String(value);
  return value === undefined ? "-" : JSON.stringify(asJson(value));
}

export function timeOf(micros: number): { time: string; micros: number } {
  return { time: formatTime(micros), micros };
}
