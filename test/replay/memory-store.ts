/** A store in memory with the face of the real one, so that the replay is tested without a disk. */
import type { TableDefinition } from "../../src/codec/schema.js";
import type { Range, StorePort, TableReader, Transaction } from "../../src/replay/ports.js";

type Key = string | number | readonly (string | number)[];

class MemoryTable {
  readonly rows = new Map<string, readonly [Key, unknown]>();

  entries(): (readonly [Key, unknown])[] {
    return [...this.rows.values()].sort(([a], [b]) => compareKeys(a, b));
  }
}

function compareKeys(a: Key, b: Key): number {
  if (typeof a !== "object" || typeof b !== "object") return a < b ? -1 : a > b ? 1 : 0;
  for (let i = 0; i < a.length; i++) {
    const order = compareKeys(a[i] ?? 0, b[i] ?? 0);
    if (order !== 0) return order;
  }
  return 0;
}

export class MemoryStore implements StorePort {
  readonly #tables = new Map<string, MemoryTable>();
  lastSequence = 0;
  durableSequence = 0;
  /** Transactions that wrote a critical table. */
  criticalTransactions = 0;

  table<K, Row, Input>(definition: TableDefinition<K, Row, Input>): TableReader<K, Row> {
    const table = this.#table(definition.name);
    return {
      get: (key) => table.rows.get(JSON.stringify(key))?.[1] as Row | undefined,
      entries: (_range?: Range<K>) => table.entries() as unknown as (readonly [K, Row])[],
      count: () => table.rows.size,
    };
  }

  transact<Result>(run: (tx: Transaction) => Result): Promise<Result> {
    const writes = new Map<string, { table: MemoryTable; key: Key; row: unknown }>();
    let critical = false;
    const write = (definition: TableDefinition<never, never, never>, key: Key, row: unknown) => {
      critical ||= definition.tier === "critical";
      const table = this.#table(definition.name);
      writes.set(`${definition.name} ${JSON.stringify(key)}`, { table, key, row });
    };
    const tx: Transaction = {
      get: (definition, key) => {
        const pending = writes.get(`${definition.name} ${JSON.stringify(key)}`);
        if (pending !== undefined) return pending.row as never;
        return this.table(definition).get(key);
      },
      put: (definition, key, row) => {
        for (const check of definition.checks) {
          const verdict = check.holds(row as never, key);
          if (verdict !== true) throw new Error(`${definition.name}.${check.name}: ${verdict}`);
        }
        for (const { name } of definition.fields) {
          if ((row as Record<string, unknown>)[name] === undefined) {
            throw new Error(`${definition.name}: field ${name} is missing`);
          }
        }
        write(definition as never, key as Key, row);
      },
      delete: (definition, key) => write(definition as never, key as Key, undefined),
    };
    const result = run(tx);
    for (const { table, key, row } of writes.values()) {
      if (row === undefined) table.rows.delete(JSON.stringify(key));
      else table.rows.set(JSON.stringify(key), [key, Object.freeze(row)]);
    }
    this.lastSequence++;
    this.durableSequence = this.lastSequence;
    if (critical) this.criticalTransactions++;
    return Promise.resolve(result);
  }

  durable(): Promise<void> {
    return Promise.resolve();
  }

  #table(name: string): MemoryTable {
    const table = this.#tables.get(name) ?? new MemoryTable();
    this.#tables.set(name, table);
    return table;
  }
}
