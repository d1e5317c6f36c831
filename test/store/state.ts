/** Everything a store holds, in order, as it can be compared. */
import type { Store, TableDefinition } from "../../src/index.js";
import { tables } from "./tables.js";

type AnyTable = TableDefinition<unknown, unknown, unknown>;

export function stateOf(
  store: Store,
  definitions: readonly unknown[] = tables,
): Record<string, unknown[]> {
  const state: Record<string, unknown[]> = {};
  for (const definition of definitions as readonly AnyTable[]) {
    state[definition.name] = [...store.table(definition).entries()];
  }
  return state;
}
