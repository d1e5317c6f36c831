/** Everything a store holds, in order, as it can be compared. */
import { createHash } from "node:crypto";
import type { ReadOnlyStore, Store, TableDefinition } from "../../src/index.js";
import { tables } from "./tables.js";

type AnyTable = TableDefinition<unknown, unknown, unknown>;

export function stateOf(
  store: Store | ReadOnlyStore,
  definitions: readonly unknown[] = tables,
): Record<string, unknown[]> {
  const state: Record<string, unknown[]> = {};
  for (const definition of definitions as readonly AnyTable[]) {
    state[definition.name] = [...store.table(definition).entries()];
  }
  return state;
}

/** The same as one short text: vitest compares large rows slowly, and prints them all. */
export function digestOf(
  store: Store | ReadOnlyStore,
  definitions: readonly unknown[] = tables,
): string {
  const hash = createHash("sha256");
  hash.update(
    JSON.stringify(stateOf(store, definitions), (_, value: unknown) => {
      if (typeof value === "bigint") return `${value}n`;
      return value instanceof Uint8Array ? Buffer.from(value).toString("base64") : value;
    }),
  );
  return hash.digest("hex");
}
