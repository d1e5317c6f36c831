/** Another version of a table comes into force while the store is running. */
import { HoldfastError } from "../base/errors.js";
import type { TableDefinition } from "../codec/schema.js";
import { appendDeclarations } from "./declare.js";
import type { StoreCheck } from "./options.js";
import type { StoreParts } from "./store.js";
import type { TableState } from "./table-state.js";

/**
 * Declares `next` in the log and uses it from there on. Resolves when the declaration is durable;
 * what it throws it throws before anything has changed, but for OUTCOME_UNKNOWN and POISONED.
 */
export async function evolveTable<Key, Row, Input>(
  table: TableState<Key>,
  next: TableDefinition<Key, Row, Input>,
  { catalog, writer, background, options }: StoreParts,
  flushCached: () => void,
): Promise<void> {
  assertEvolvable(table as TableState, next as TableDefinition, options.checks);
  background.assertRoom();
  const declarations = catalog.planEvolution(table as TableState, next as TableDefinition);
  // Rows that are in no log yet are of the version before.
  flushCached();
  const sequence = declarations.length === 0 ? 0 : appendDeclarations(writer, declarations);
  // Rows that are put from here on stand behind the declaration in the log.
  catalog.evolve(table as TableState, next as TableDefinition, declarations, () => {
    return writer.durableSequence >= sequence;
  });
  if (sequence === 0) return;
  writer.flushSoon();
  await writer.durable(sequence);
}

function assertEvolvable(
  table: TableState,
  next: TableDefinition,
  checks: readonly StoreCheck[],
): void {
  const { name } = table;
  const wrong = (reason: string) =>
    new HoldfastError("INVALID_ARGUMENT", `table "${name}": ${reason}`, { table: name });
  if (next?.name !== name || !Array.isArray(next.fields)) {
    throw wrong("what it evolves to is another version of it, as defineTable returns it");
  }
  const check = checks.find(({ tables }) => tables.some((one) => one.name === name));
  if (check !== undefined) {
    throw wrong(
      `check "${check.name}" of the store is about its version ${table.definition.version}: open ` +
        "the store with the new version and a check of that",
    );
  }
  if (next.resident && !table.rows.complete) {
    throw wrong("it can become resident only when the store is opened");
  }
}
