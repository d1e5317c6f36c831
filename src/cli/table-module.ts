/** Tables of an application, from a module of it. */
import { resolve } from "node:path";
import { pathToFileURL } from "node:url";
import { HoldfastError } from "../base/errors.js";
import type { TableDefinition } from "../codec/schema.js";

/**
 * The tables that a module exports, alone or in lists; of each the newest version. Throws
 * INVALID_ARGUMENT where the module cannot be loaded, or exports none.
 */
export async function tablesOfModule(file: string): Promise<TableDefinition[]> {
  let exported: Readonly<Record<string, unknown>>;
  try {
    exported = (await import(pathToFileURL(resolve(file)).href)) as typeof exported;
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error);
    throw new HoldfastError("INVALID_ARGUMENT", `${file} cannot be loaded: ${message}`, {}, error);
  }
  const newest = new Map<string, TableDefinition>();
  for (const value of Object.values(exported).flat()) {
    if (!isTable(value)) continue;
    const known = newest.get(value.name);
    if (known === undefined || known.version < value.version) newest.set(value.name, value);
  }
  if (newest.size > 0) return [...newest.values()];
  throw new HoldfastError(
    "INVALID_ARGUMENT",
    `${file} exports no tables: it must export what defineTable returns, alone or in lists`,
  );
}

function isTable(value: unknown): value is TableDefinition {
  if (typeof value !== "object" || value === null || !Object.isFrozen(value)) return false;
  const { name, version, fields, step } = value as Partial<TableDefinition>;
  return (
    typeof name === "string" &&
    typeof version === "number" &&
    Array.isArray(fields) &&
    typeof step === "object"
  );
}
