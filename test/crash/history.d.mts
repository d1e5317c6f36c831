import type { ReadOnlyStore, Store, TableDefinition } from "../../src/index.js";

// biome-ignore lint/suspicious/noExplicitAny: made with the library of whoever calls
type AnyTable = TableDefinition<any, any, any>;
// biome-ignore lint/suspicious/noExplicitAny: the library, from src or from dist
type Library = Record<"defineTable" | "integer" | "bytes", (...args: any[]) => any>;

export interface HistoryTables {
  readonly orders: AnyTable;
  readonly marks: AnyTable;
  readonly quotes: AnyTable;
}

export function historyTables(library: Library): HistoryTables;
export function tellsWhenDurable(n: number): boolean;
export function writeTransaction(store: Store, tables: HistoryTables, n: number): Promise<unknown>;
export function checkHistory(
  readable: Pick<Store | ReadOnlyStore, "table">,
  tables: HistoryTables,
): number;
export function checkQuotes(
  readable: Pick<Store | ReadOnlyStore, "table">,
  tables: HistoryTables,
): (readonly [key: number, n: number])[];
export function quotesOf(from: number, last: number): Map<number, number>;
