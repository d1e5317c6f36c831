/**
 * Recorded transactions, given once more to code that may be another one by now: what it makes of
 * them, in a store of its own, is compared with what was recorded.
 */
import { resolve } from "node:path";
import { isHoldfastError } from "../base/errors.js";
import type { LogSource } from "../history/log-source.js";
import type { StoredRow } from "../history/stored-tables.js";
import { listOrUndefined } from "../recovery/files.js";
import type { OpenOptions, StoreCheck } from "./options.js";
import type { AnyTable } from "./past-state.js";
import { KeySet, RecordedState, type RecordedStep } from "./recorded-state.js";
import {
  invalid,
  LIMIT_DEFAULT,
  type ReplayDifference,
  type ReplayedTable,
  type ReplayOptions,
  type ReplayReport,
} from "./replay-options.js";
import { fieldsThatDiffer } from "./state-difference.js";
import type { Store } from "./store.js";

/** Rows that are copied in one transaction. */
const ROWS_PER_TRANSACTION = 500;

export interface ReplayParts {
  readonly source: LogSource;
  readonly open: (directory: string, options: OpenOptions) => Promise<Store>;
  /** Of the fork, where they are of no matter to the replay. */
  readonly options: OpenOptions;
  readonly tables: readonly AnyTable[];
  readonly cacheBytes: number;
}

/** `from` and `to` are sequences, and durable. */
export async function replayHistory(
  parts: ReplayParts,
  options: ReplayOptions,
  from: number,
  to: number,
): Promise<ReplayReport> {
  const { source, cacheBytes } = parts;
  await assertEmpty(parts, options.into);
  const tables = options.tables ?? parts.tables;
  const recorded = await RecordedState.open(source, from - 1, {
    tables,
    series: [],
    books: [],
    cacheBytes,
  });
  try {
    await fill(parts, options, recorded);
    return await new Replay(parts, options, recorded, from, to).run();
  } finally {
    await recorded.close();
  }
}

/** Opening what is there already would change it. */
async function assertEmpty({ source, options }: ReplayParts, into: string): Promise<void> {
  const path = options.disk === undefined ? resolve(into) : into;
  if (`${path}/`.startsWith(`${source.directory}/`)) {
    throw invalid(`${path} is within the store that is replayed`);
  }
  const [name] = (await listOrUndefined(source.disk, path)) ?? [];
  if (name === undefined) return;
  throw invalid(`${path} is not empty (it has, for one, "${name}"): a fork needs an empty place`);
}

/** The fork, with the rows of the recorded state; the checks of its tables have no say in these. */
async function fill(
  { open, options }: ReplayParts,
  { into, signal }: ReplayOptions,
  recorded: RecordedState,
): Promise<void> {
  const unchecked = recorded.tables.map((table) => ({ ...table, checks: [] }));
  const fork = await open(into, { ...options, tables: unchecked });
  try {
    for (const [i, table] of recorded.tables.entries()) {
      let some: (readonly [unknown, StoredRow])[] = [];
      const copy = async (): Promise<void> => {
        signal?.throwIfAborted();
        const rows = some;
        some = [];
        await fork.transact((tx) => {
          for (const [key, row] of rows) tx.put(unchecked[i] as AnyTable, key, row);
        });
      };
      for (const row of recorded.rows(table)) {
        if (some.push(row) === ROWS_PER_TRANSACTION) await copy();
      }
      await copy();
    }
  } finally {
    await fork.close();
  }
}

class Replay {
  readonly #p: ReplayParts;
  readonly #o: ReplayOptions;
  readonly #recorded: RecordedState;
  readonly #from: number;
  readonly #to: number;
  readonly #limit: number;
  /** Written, by the handler or as recorded, since it was last compared. */
  readonly #touched = new KeySet();
  /** Since the beginning. */
  readonly #ever = new KeySet();
  readonly #differences: ReplayDifference[] = [];
  readonly #found = new Map<string, number>();
  #differencesFound = 0;
  #replayed = 0;

  constructor(
    parts: ReplayParts,
    options: ReplayOptions,
    recorded: RecordedState,
    from: number,
    to: number,
  ) {
    this.#p = parts;
    this.#o = options;
    this.#recorded = recorded;
    this.#from = from;
    this.#to = to;
    this.#limit = options.limit ?? LIMIT_DEFAULT;
  }

  async run(): Promise<ReplayReport> {
    const { open, options } = this.#p;
    const { into, checks = [] } = this.#o;
    const { tables } = this.#recorded;
    const all = tables.length === 0 ? checks : [...checks, this.#witness()];
    const fork = await open(into, { ...options, tables, checks: all });
    try {
      let last: RecordedStep | undefined;
      const signal = this.#o.signal ?? new AbortController().signal;
      for await (const step of this.#recorded.forward(this.#to, signal)) {
        signal.throwIfAborted();
        await this.#step(step, fork);
        last = step;
      }
      await fork.durable();
      if (last !== undefined && this.#o.compare === "end") this.#compare(last, fork);
      return this.#report(fork);
    } catch (error) {
      this.#o.signal?.throwIfAborted();
      throw error;
    } finally {
      await fork.close();
    }
  }

  async #step(step: RecordedStep, fork: Store): Promise<void> {
    const { transaction, changes } = step;
    for (const { table, key } of changes) this.#touch(table, key);
    try {
      await this.#o.handler({ ...transaction, changes }, fork);
    } catch (error) {
      if (isBroken(error)) throw error;
      this.#note(step, { kind: "failed", error: told(error) });
    }
    this.#replayed++;
    if (this.#o.compare !== "end") this.#compare(step, fork);
    this.#o.onProgress?.({
      sequence: transaction.sequence,
      replayed: this.#replayed,
      transactions: this.#to - this.#from + 1,
      differences: this.#differencesFound,
    });
  }

  /** Sees each transaction of the fork, and refuses none. */
  #witness(): StoreCheck {
    return {
      name: "replay",
      tables: this.#recorded.tables,
      holds: (_, changes) => {
        for (const { table, key } of changes) this.#touch(table, key);
        return true;
      },
    };
  }

  #touch(table: string, key: unknown): void {
    const touched = this.#recorded.touched(table, key);
    if (touched === undefined) return;
    this.#touched.add(touched);
    this.#ever.add(touched);
  }

  #compare(step: RecordedStep, fork: Store): void {
    for (const { table, key } of this.#touched.all()) {
      const recorded = this.#recorded.get(table, key);
      const replayed = fork.table(table).get(key) as StoredRow | undefined;
      const difference = differenceOf(recorded, replayed);
      if (difference === undefined) continue;
      this.#found.set(table.name, (this.#found.get(table.name) ?? 0) + 1);
      this.#note(step, { table: table.name, key, recorded, replayed, ...difference });
    }
    this.#touched.clear();
  }

  #note(
    { transaction: { sequence, timeMicros } }: RecordedStep,
    difference: Omit<ReplayDifference, "sequence" | "timeMicros">,
  ): void {
    this.#differencesFound++;
    if (this.#differences.length >= this.#limit) return;
    this.#differences.push({ sequence, timeMicros, ...difference });
  }

  #report(fork: Store): ReplayReport {
    const report = {
      from: this.#from,
      to: this.#to,
      transactions: this.#replayed,
      directory: this.#o.into,
      same: this.#differencesFound === 0,
      first: this.#differences[0],
      differences: this.#differences,
      differencesFound: this.#differencesFound,
      tables: this.#tables(fork),
    };
    const toJSON = (): unknown => forJson(report);
    return Object.defineProperty({ ...report }, "toJSON", { value: toJSON });
  }

  #tables(fork: Store): ReplayedTable[] {
    const compared = new Map<string, number>();
    const different = new Map<string, number>();
    for (const { table, key } of this.#ever.all()) {
      const { name } = table;
      compared.set(name, (compared.get(name) ?? 0) + 1);
      const replayed = fork.table(table).get(key) as StoredRow | undefined;
      if (differenceOf(this.#recorded.get(table, key), replayed) === undefined) continue;
      different.set(name, (different.get(name) ?? 0) + 1);
    }
    return [...compared].map(([table, rows]) => ({
      table,
      compared: rows,
      differences: this.#found.get(table) ?? 0,
      differentAtEnd: different.get(table) ?? 0,
    }));
  }
}

function differenceOf(
  recorded: StoredRow | undefined,
  replayed: StoredRow | undefined,
): Pick<ReplayDifference, "kind" | "fields"> | undefined {
  if (recorded === undefined) return replayed === undefined ? undefined : { kind: "unexpected" };
  if (replayed === undefined) return { kind: "missing" };
  const fields = fieldsThatDiffer(recorded, replayed);
  return fields.length === 0 ? undefined : { kind: "changed", fields };
}

/** It is the fork that cannot go on, and not the handler that is at odds with the record. */
function isBroken(error: unknown): boolean {
  const codes = ["POISONED", "OUTCOME_UNKNOWN", "CLOSED", "DISK_FULL", "IO"] as const;
  return codes.some((code) => isHoldfastError(error, code));
}

function told(error: unknown): { code?: string; message: string } {
  if (!(error instanceof Error)) return { message: String(error) };
  const { code } = error as { code?: unknown };
  return { ...(typeof code === "string" ? { code } : {}), message: error.message };
}

function forJson(value: unknown): unknown {
  if (typeof value === "bigint") return String(value);
  if (value instanceof Uint8Array) return Buffer.from(value).toString("base64");
  if (Array.isArray(value)) return value.map(forJson);
  if (typeof value !== "object" || value === null || "toJSON" in value) return value;
  return Object.fromEntries(Object.entries(value).map(([name, item]) => [name, forJson(item)]));
}
