/**
 * The versions of a table that a store has seen, in the order in which each was last declared: the
 * last one is in force. docs/schemas.md tells how that becomes the way of a row.
 */
import type { SchemaDescription } from "./schema-description.js";
import { canonicalSchema } from "./schema-description.js";

export type SchemaHistory = readonly SchemaDescription[];

/** With a declaration; the same list where that says nothing new. */
export function withSchema(history: SchemaHistory, schema: SchemaDescription): SchemaHistory {
  const last = history.at(-1);
  if (last?.version === schema.version && canonicalSchema(last) === canonicalSchema(schema)) {
    return history;
  }
  return [...history.filter(({ version }) => version !== schema.version), schema];
}

/**
 * The versions that lead to the one in force, that one last. Versions that the store went back from
 * are none of them: they are above one that was declared after them.
 */
export function lineage(history: SchemaHistory): SchemaDescription[] {
  const line: SchemaDescription[] = [];
  for (const schema of history.toReversed()) {
    const above = line[0];
    if (above === undefined || schema.version < above.version) line.unshift(schema);
  }
  return line;
}

/** Those of them that rows of the newest state may be of. */
export function livingVersions(history: SchemaHistory): SchemaDescription[] {
  const line = lineage(history);
  return line.slice(
    Math.max(
      0,
      line.findLastIndex(({ migrated }) => migrated === true),
    ),
  );
}
