/** A version of a table in code and the one before it: do they make a step? */
import type { TableDefinition } from "./schema.js";
import { schemaError } from "./schema-check.js";
import { compareSchemas } from "./schema-compare.js";
import { differenceText, migrationSkeleton } from "./schema-text.js";
import { show } from "./text.js";

/** Throws INVALID_SCHEMA where rows of the version before cannot become rows of this one. */
export function checkStep(table: TableDefinition): void {
  const { name, version, step } = table;
  const { previous, up, down, drops } = step;
  const wrong = (reason: string) => schemaError(name, undefined, reason);
  for (const [option, given] of Object.entries({ up, down })) {
    if (given === undefined) continue;
    if (typeof given !== "function") throw wrong(`${option} is a function, got ${show(given)}`);
    if (previous === undefined) {
      throw wrong(`${option} needs the definition of the version before, as \`previous\``);
    }
  }
  if (up !== undefined && drops.length > 0) {
    throw wrong("with `up` no field needs to be dropped: what it returns is the row");
  }
  if (previous === undefined) return;
  if (!isDefinition(previous)) {
    throw wrong(`previous is what defineTable has returned, got ${show(previous)}`);
  }
  if (previous.name !== name) throw wrong(`previous is of table ${show(previous.name)}`);
  if (previous.version >= version) {
    throw wrong(`previous is version ${previous.version}, which is not before ${version}`);
  }
  const { verdict, differences } = compareSchemas(previous, table);
  if (verdict === "rules" || (verdict === "up" && up !== undefined)) return;
  const reasons = differences.filter((one) => one.verdict !== "rules").map(differenceText);
  const what =
    `rows of version ${previous.version} do not become rows of version ${version} by the rules ` +
    `of docs/schemas.md: ${reasons.join("; ")}`;
  if (verdict === "never") throw wrong(what);
  throw wrong(
    `${what}. They can with an \`up\`:\n\n${migrationSkeleton(previous, table, differences)}\n`,
  );
}

function isDefinition(value: unknown): value is TableDefinition {
  if (typeof value !== "object" || value === null || !Object.isFrozen(value)) return false;
  const { name, version, fields } = value as Partial<TableDefinition>;
  return typeof name === "string" && typeof version === "number" && Array.isArray(fields);
}
