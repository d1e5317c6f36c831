/** Stores with runs, archives and snapshots, whose every row is known. */
import { readdir } from "node:fs/promises";
import { join } from "node:path";
import {
  defineTable,
  integer,
  type OpenOptions,
  open,
  type Store,
  string,
} from "../../src/index.js";
import type { Manifest } from "../../src/manifest/format.js";
import { makeDirectory, manifestOf } from "./frames.js";

export const orders = defineTable({
  name: "orders",
  version: 1,
  tier: "critical",
  key: integer(),
  fields: { price: integer(), text: string() },
  patches: true,
});

export const names = defineTable({
  name: "names",
  version: 1,
  key: string(),
  fields: { full: string() },
});

export const TABLES = [orders, names] as const;

/** Every row of a store, as JSON, by table and key. */
export type State = Readonly<Record<string, string>>;

export function openRuns(directory: string, options: OpenOptions = {}): Promise<Store> {
  return open(directory, {
    tables: [...TABLES],
    environment: "test",
    writerId: "tester",
    segmentBytes: 64 * 1024,
    frameBytesMax: 8192,
    recoveryBudgetMillis: 60_000,
    finalSnapshotMillis: 0,
    onWarning: () => {},
    ...options,
  });
}

/** Keys are written again and again, some patched, some deleted; one transaction a step. */
export async function steps(store: Store, from: number, to: number): Promise<void> {
  for (let i = from; i < to; i++) {
    await store.transact((tx) => {
      const isPatched = i % 3 === 1 && tx.patch(orders, i % 90, { price: i });
      if (!isPatched)
        tx.put(orders, i % 90, { price: i, text: `order ${i} ${"x".repeat(400 + (i % 7) * 300)}` });
      if (i % 4 === 0) tx.put(names, `name-${i % 50}`, { full: `name of ${i}` });
      if (i % 5 === 0) tx.delete(orders, (i * 7) % 90);
      if (i % 9 === 0) tx.delete(names, `name-${(i * 3) % 50}`);
    });
  }
}

interface Reads {
  table(definition: (typeof TABLES)[number]): {
    // biome-ignore lint/suspicious/noExplicitAny: rows of either table
    entries(): Iterable<readonly [unknown, any]>;
  };
}

export function stateOf(store: Pick<Store, "table"> | Reads): State {
  const rows: [string, string][] = [];
  for (const definition of TABLES) {
    const table = (store as Reads).table(definition);
    for (const [key, row] of table.entries()) {
      rows.push([`${definition.name} ${String(key)}`, JSON.stringify(row)]);
    }
  }
  return Object.fromEntries(rows);
}

/** A closed store, and what it and its snapshots hold. */
export interface KnownStore {
  readonly directory: string;
  readonly now: State;
  readonly snapshots: Readonly<Record<string, State>>;
  readonly sequence: number;
}

/**
 * Three rounds, each with a run, a snapshot with some log behind its runs, and many later writes.
 * All history is kept.
 */
export async function makeRunStore(options: OpenOptions = {}): Promise<KnownStore> {
  const directory = await makeDirectory();
  const store = await openRuns(directory, { history: "all", ...options });
  const snapshots: Record<string, State> = {};
  for (const round of [0, 1, 2]) {
    const at = round * 100;
    for (let i = 0; i < 80; i += 20) {
      await steps(store, at + i, at + i + 20);
      await store.flush();
    }
    await steps(store, at + 80, at + 90);
    await store.snapshot(`round-${round}`);
    snapshots[`round-${round}`] = stateOf(store);
    await steps(store, at + 90, at + 100);
  }
  await store.flush();
  await steps(store, 300, 305);
  const now = stateOf(store);
  const { lastSequence: sequence } = store;
  await store.close();
  return { directory, now, snapshots, sequence };
}

/** What the store in a directory holds now. */
export async function read(directory: string, environment = "test"): Promise<State> {
  const store = await openRuns(directory, { environment });
  try {
    return stateOf(store);
  } finally {
    await store.close();
  }
}

/** Files of that kind, in the order of their names. */
export async function filesOf(directory: string, end: string): Promise<string[]> {
  const found = (await readdir(directory)).filter((name) => name.endsWith(end)).sort();
  return found.map((name) => join(directory, name));
}

/** The entry of the largest run file of the state. */
export function largestFile({ state, files }: Manifest): Manifest["files"][number] {
  const ids = new Set(state.runs.flatMap((run) => run.files));
  const of = files.filter(({ id }) => ids.has(id)).sort((a, b) => b.bytes - a.bytes);
  const [first] = of;
  if (first === undefined) throw new Error("the store has no run");
  return first;
}

export { manifestOf };
