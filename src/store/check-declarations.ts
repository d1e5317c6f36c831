/** Whether tables, series, books and checks that a store is opened with are what they must be. */
import { HoldfastError } from "../base/errors.js";
import { invalid } from "./option-checks.js";
import type { StoreCheck } from "./options.js";

export function checkTables(option: string, tables: unknown): asserts tables is readonly Named[] {
  if (Array.isArray(tables) && tables.every(isTable)) return;
  throw invalid(`${option} must be a list of what defineTable returns`);
}

interface Named {
  readonly name: string;
}

function isTable(value: unknown): value is Named {
  if (typeof value !== "object" || value === null) return false;
  const { name, fields, checks } = value as Record<string, unknown>;
  return typeof name === "string" && Array.isArray(fields) && Array.isArray(checks);
}

export function checkSeries(series: unknown): void {
  const isSeries = (one: unknown) => {
    const { name, columns, late } = (one ?? {}) as Record<string, unknown>;
    return typeof name === "string" && Array.isArray(columns) && typeof late === "string";
  };
  if (!Array.isArray(series) || !series.every(isSeries)) {
    throw invalid("series must be a list of what defineSeries returns");
  }
  checkDistinct("series", series as readonly Named[]);
}

export function checkBooks(books: unknown): void {
  const isBook = (one: unknown) => (one as { kind?: unknown } | undefined)?.kind === "book";
  if (!Array.isArray(books) || !books.every(isBook)) {
    throw invalid("books must be a list of what defineBook returns");
  }
  checkDistinct("book", books as readonly Named[]);
}

export function checkDistinct(what: "table" | "series" | "book", all: readonly Named[]): void {
  const names = new Set<string>();
  for (const { name } of all) {
    if (names.has(name)) {
      throw new HoldfastError("INVALID_ARGUMENT", `${what} "${name}" is declared twice`, {
        [what]: name,
      });
    }
    names.add(name);
  }
}

/** A check that silently never ran would be worse than none: its tables have to be there. */
export function checkChecks(checks: unknown, tables: readonly Named[]): void {
  if (!Array.isArray(checks)) throw invalid("checks must be a list");
  for (const check of checks as readonly (Partial<StoreCheck> | null | undefined)[]) {
    const name = check?.name;
    if (typeof name !== "string" || name === "") throw invalid("a check must have a name");
    if (typeof check?.holds !== "function")
      throw invalid(`check "${name}" has no function "holds"`);
    const concerned: unknown = check.tables;
    checkTables(`the tables of check "${name}"`, concerned);
    if (concerned.length === 0) throw invalid(`check "${name}" concerns no table`);
    for (const table of concerned) {
      if (tables.some((known) => known.name === table.name)) continue;
      throw invalid(`check "${name}" concerns table "${table.name}", which is not opened`);
    }
  }
}
