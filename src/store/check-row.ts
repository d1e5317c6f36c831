/** The checks of a table. */
import { HoldfastError } from "../base/errors.js";
import { inspectKey } from "../codec/key.js";
import type { TableDefinition } from "../codec/schema.js";

/** Runs a table's own checks on a row. Throws CHECK_FAILED. */
export function checkRow<Key, Row, Input>(
  { name: table, checks }: TableDefinition<Key, Row, Input>,
  key: Key,
  row: Row,
): void {
  for (const check of checks) {
    const held = check.holds(row, key);
    if (held === true) continue;
    const why = typeof held === "string" ? `: ${held}` : "";
    throw new HoldfastError(
      "CHECK_FAILED",
      `table "${table}", key ${inspectKey(key)}: check "${check.name}" failed${why}`,
      { table, key, check: check.name },
    );
  }
}
