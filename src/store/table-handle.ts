/** A table of an open store: what reads is asked of its state, what writes is a transaction. */
import type { Annotation } from "../log/annotation.js";
import type { Commits } from "./commits.js";
import { evolveTable } from "./evolve.js";
import { countOf, entriesOf, keysOf, newest, type RangeOptions, valuesOf } from "./range.js";
import type { StoreParts } from "./store.js";
import type { StoreHistory } from "./store-history.js";
import type { Table } from "./table.js";
import type { TableState } from "./table-state.js";
import type { TransactionRunner } from "./transaction.js";

/** What the tables of an open store need of it. */
export interface TablePlace {
  readonly parts: StoreParts;
  readonly runner: TransactionRunner;
  readonly commits: Commits;
  readonly past: StoreHistory;
  readonly assertOpen: () => void;
  readonly flushCached: () => void;
  readonly transact: <T>(work: () => T, annotation?: Annotation) => Promise<T>;
  readonly transactSync: <T>(work: () => T, annotation?: Annotation) => T;
  readonly tableOf: <K, R, I>(definition: TableState<K, R, I>["definition"]) => Table<K, R, I>;
}

export function tableHandle<K, R, I>(
  state: TableState<K, R, I>,
  place: TablePlace,
): Table<K, R, I> {
  const { runner, commits, transact, transactSync } = place;
  const { definition } = state;
  const read = <T>(result: () => T): T => {
    place.assertOpen();
    state.assertInForce(definition);
    return result();
  };
  const inForce = (): TableState<K, R, I> => {
    state.assertInForce(definition);
    return state;
  };
  return {
    name: state.name,
    get: (key) => read(() => state.get(key)),
    has: (key) => read(() => state.has(key)),
    count: () => read(() => countOf(state)),
    put: (key, row, annotation) => {
      if (annotation === undefined) return commits.put(inForce(), key, row);
      return transact(() => runner.putRow(inForce(), key, row), annotation);
    },
    putSync: (key, row, annotation) => {
      if (annotation === undefined) commits.putSync(inForce(), key, row);
      else transactSync(() => runner.putRow(inForce(), key, row), annotation);
    },
    update: (key, change, annotation) =>
      transact(() => runner.update(definition, key, change), annotation),
    patch: (key, fields, annotation) =>
      transact(() => runner.patchRow(inForce(), key, fields), annotation),
    patchSync: (key, fields, annotation) =>
      transactSync(() => runner.patchRow(inForce(), key, fields), annotation),
    delete: (key, annotation) => transact(() => runner.deleteRow(inForce(), key), annotation),
    deleteSync: (key, annotation) =>
      transactSync(() => runner.deleteRow(inForce(), key), annotation),
    evolve: async (next) => {
      runner.assertNotActive();
      await evolveTable(read(inForce), next, place.parts, place.flushCached);
      return place.tableOf(next);
    },
    entries: (range?: RangeOptions<K>) => read(() => entriesOf(newest(state), range)),
    keys: (range?: RangeOptions<K>) => read(() => keysOf(newest(state), range)),
    values: (range?: RangeOptions<K>) => read(() => valuesOf(newest(state), range)),
    history: (key, range) => read(() => place.past.history(state.name, key, range)),
  };
}
