/** Queries of the audit tables by symbol and time, and their export as text. */
import type { ReadTable } from "../index.js";
import { invalid } from "./amounts.js";

/** Which entries of a symbol, the oldest first. */
export interface AuditRange {
  /** Time in microseconds, this one included. Default: from the first. */
  readonly from?: number | undefined;
  /** Time in microseconds, this one left out. Default: to the last. */
  readonly to?: number | undefined;
  /** From the newest to the oldest. */
  readonly reverse?: boolean | undefined;
  readonly limit?: number | undefined;
}

/** Where an entry stands: each refers to the transaction that caused it. */
export interface AuditPlace {
  readonly symbol: string;
  readonly time: number;
  readonly sequence: number;
}

type AuditKey = readonly [string, number, number, number];

/** Entries of an audit table, with their place. */
export function* auditEntries<Row extends object>(
  table: ReadTable<AuditKey, Row>,
  symbol: string,
  range: AuditRange = {},
): IterableIterator<AuditPlace & Row> {
  const { from = Number.MIN_SAFE_INTEGER, to, reverse = false, limit } = range;
  const first = Number.MIN_SAFE_INTEGER;
  const bounds = {
    gte: [symbol, from, first, first] as const,
    ...(to === undefined
      ? { lte: [symbol, Number.MAX_SAFE_INTEGER, Number.MAX_SAFE_INTEGER, 0] as const }
      : { lt: [symbol, to, first, first] as const }),
  };
  const count = limit === undefined ? {} : { limit };
  for (const [key, row] of table.entries({ ...bounds, reverse, ...count })) {
    yield { symbol: key[0], time: key[1], sequence: key[2], ...row };
  }
}

/** Entries as text, a line each: "csv" with a line of names first, or "jsonl". */
export function* exportLines(
  entries: Iterable<object>,
  format: "csv" | "jsonl",
): IterableIterator<string> {
  if (format !== "csv" && format !== "jsonl") throw invalid(`"${format}" is no format of export`);
  let names: readonly string[] | undefined;
  for (const entry of entries) {
    if (format === "jsonl") {
      yield `${JSON.stringify(entry)}\n`;
      continue;
    }
    if (names === undefined) {
      names = Object.keys(entry);
      yield `${names.join(",")}\r\n`;
    }
    const values = entry as Readonly<Record<string, unknown>>;
    yield `${names.map((name) => csvField(values[name])).join(",")}\r\n`;
  }
}

/** As RFC 4180 has it; null is empty, and a text that is empty is quoted. */
function csvField(value: unknown): string {
  if (value === null || value === undefined) return "";
  const text = String(value);
  return text === "" || /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}
