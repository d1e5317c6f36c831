/** Random operations on a store, each checked against the model. */
import { HoldfastError, type Store } from "../../src/index.js";
import type { Table } from "../../src/store/table.js";
import type { EngineRun } from "./engine.js";
import type { Rows, SimWrite, State } from "./model.js";
import type { Random } from "./random.js";
import {
  keyText,
  notes,
  orders,
  quotes,
  type SimKey,
  type SimRow,
  TABLE_NAMES,
  type TableName,
} from "./tables.js";

type AnyTable = Table<SimKey, SimRow, SimRow>;
type Definition = Parameters<Store["table"]>[0];

export const DEFINITIONS = { orders, notes, quotes } as unknown as Record<TableName, Definition>;

/** Thrown inside transactions that must leave no trace. */
class Refusal extends Error {}

/** Everything a store holds, by way of its range reads. */
export function readState(store: Store, tables: readonly TableName[]): State {
  const state: State = { orders: new Map(), notes: new Map(), quotes: new Map() };
  for (const name of tables) {
    for (const [key, row] of tableOf(store, name).entries()) {
      state[name].set(keyText(key), { key, row });
    }
  }
  return state;
}

export function readAll(store: Store): State {
  return readState(store, TABLE_NAMES);
}

function tableOf(store: Store, name: TableName): AnyTable {
  return store.table(DEFINITIONS[name]) as unknown as AnyTable;
}

/** One opening of a store, from the point of view of the program that uses it. */
export class Session {
  readonly #run: EngineRun;
  readonly #random: Random;
  readonly #store: Store;
  readonly #tables: readonly TableName[];
  readonly #alive: () => boolean;
  readonly #sleep: (millis: number) => Promise<void>;
  readonly pending = new Set<Promise<void>>();

  constructor(
    run: EngineRun,
    store: Store,
    tables: readonly TableName[],
    alive: () => boolean,
    sleep: (millis: number) => Promise<void>,
  ) {
    this.#run = run;
    this.#random = run.random;
    this.#store = store;
    this.#tables = tables;
    this.#alive = alive;
    this.#sleep = sleep;
  }

  async operations(count: number): Promise<void> {
    for (let i = 0; i < count; i++) {
      await this.operation();
      this.#run.operations++;
      const yields = this.#random.below(8);
      if (yields === 0) await this.#sleep(this.#random.below(8));
      else if (yields < 4) await this.#sleep(0);
      // A crash in a synchronous call does not end this function: nothing may run after death.
      if (!this.#alive()) await new Promise(() => {});
    }
  }

  /** Waits for everything that was promised. */
  async settle(): Promise<void> {
    await Promise.all(this.pending);
  }

  async operation(): Promise<void> {
    const random = this.#random;
    this.noteFlush();
    const kind = random.below(100);
    if (kind < 34) this.#put(random.pick(this.#tables), random.chance(0.15));
    else if (kind < 42) this.#update(random.pick(this.#tables));
    else if (kind < 52) this.#delete(random.pick(this.#tables), random.chance(0.15));
    else if (kind < 66) this.#transact(random.chance(0.2), false);
    else if (kind < 70) this.#transact(random.chance(0.2), true);
    else if (kind < 73) this.#burst();
    else if (kind < 75) this.#tooLarge();
    else if (kind < 81) this.#durable();
    else if (kind < 91) this.#read(random.pick(this.#tables));
    else if (kind < 95) await this.#idle();
    else if (this.#run.mayWait) await this.settle();
  }

  noteFlush(): void {
    this.#run.model.noteFlush(this.#store.lastSequence, this.#store.stats().unloggedRows);
  }

  // ---- writes ----------------------------------------------------------------------------------

  #put(name: TableName, sync: boolean): void {
    const key = this.#key(name);
    const row = this.#row();
    const table = tableOf(this.#store, name);
    this.#write([{ table: name, key, row }], sync, () =>
      sync ? table.putSync(key, row) : table.put(key, row),
    );
  }

  #update(name: TableName): void {
    const key = this.#key(name);
    const row = this.#row();
    const before = this.#run.model.memory[name].get(keyText(key))?.row;
    const keep = this.#random.chance(0.2);
    this.#write(keep ? [] : [{ table: name, key, row }], false, async () => {
      const result = await tableOf(this.#store, name).update(key, (old) => {
        this.#run.check((old?.stamp ?? 0) === (before?.stamp ?? 0), "update saw another row");
        return keep ? undefined : row;
      });
      this.#run.check(result?.stamp === (keep ? before : row)?.stamp, "update gave another row");
    });
  }

  #delete(name: TableName, sync: boolean): void {
    const key = this.#key(name);
    const there = this.#run.model.memory[name].has(keyText(key));
    const table = tableOf(this.#store, name);
    const writes = there ? [{ table: name, key, row: undefined }] : [];
    this.#write(writes, sync, () => {
      if (!sync) return table.delete(key).then((was) => this.#wasThere(was, there));
      return this.#wasThere(table.deleteSync(key), there);
    });
  }

  #wasThere(was: boolean, there: boolean): void {
    this.#run.check(was === there, "delete was wrong about what was there");
  }

  #transact(fails: boolean, sync: boolean): void {
    const random = this.#random;
    const writes = new Map<string, SimWrite>();
    const plan: SimWrite[] = [];
    const count = 1 + random.below(6);
    for (let i = 0; i < count; i++) {
      const table = random.pick(this.#tables);
      const key = this.#key(table);
      const text = table + keyText(key);
      const there = writes.has(text)
        ? writes.get(text)?.row !== undefined
        : this.#run.model.memory[table].has(keyText(key));
      const row = random.chance(0.25) ? undefined : this.#row();
      const write = { table, key, row };
      plan.push(write);
      if (row !== undefined || there) writes.set(text, write);
    }
    const work = (tx: Parameters<Parameters<Store["transact"]>[0]>[0]): void => {
      for (const { table, key, row } of plan) {
        const definition = DEFINITIONS[table] as never;
        if (row === undefined) tx.delete(definition, key as never);
        else {
          tx.put(definition, key as never, row as never);
          const own = tx.get(definition, key as never) as SimRow | undefined;
          this.#run.check(own?.stamp === row.stamp, "a transaction must see its own writes");
        }
      }
      if (fails) throw new Refusal();
    };
    this.#write(
      fails ? [] : [...writes.values()],
      sync,
      () => (sync ? this.#store.transactSync(work) : this.#store.transact(work)),
      fails ? "a refusal" : undefined,
    );
  }

  /** Many synchronous writes without ever giving way: segments must grow by themselves. */
  #burst(): void {
    const count = 2 + this.#random.below(this.#random.chance(0.1) ? 40 : 8);
    for (let i = 0; i < count && this.#alive(); i++) {
      this.noteFlush();
      this.#put(this.#random.pick(this.#tables), this.#random.chance(0.5));
    }
  }

  #tooLarge(): void {
    const name = this.#random.pick(this.#tables);
    const row = { ...this.#row(), text: "x".repeat(this.#run.frameBytesMax) };
    const table = tableOf(this.#store, name);
    this.#write([], false, () => table.put(this.#key(name), row), "TOO_LARGE");
  }

  /**
   * Runs a write that makes these changes, if it does not fail; tells the model what has happened
   * by whether the store has given it a sequence.
   */
  #write(writes: readonly SimWrite[], sync: boolean, run: () => unknown, expected?: string): void {
    const { model } = this.#run;
    const before = this.#store.lastSequence;
    let failure: unknown;
    let result: unknown;
    try {
      result = run();
    } catch (error) {
      failure = error;
    }
    const sequence = this.#store.lastSequence;
    this.#run.check(sequence <= before + 1, "one transaction has one sequence");
    const logged = sequence === before + 1;
    this.#run.check(!logged || writes.length > 0, "a transaction without changes was logged");
    if (logged) model.commit(writes);
    if (!this.#alive()) {
      // Nobody is left to be told; but a rejection that nobody looks at would end the test.
      if (result instanceof Promise) result.catch(() => {});
      return;
    }
    if (failure !== undefined) {
      this.#refused(failure, expected);
      return;
    }
    if (sync) {
      if (expected !== undefined) this.#run.fail(`a write succeeded instead of ${expected}`);
      this.#run.check(logged || writes.length === 0, "a synchronous write was not logged");
      model.acknowledge(sequence);
      this.#run.check(this.#store.durableSequence >= sequence, "durable when it returns");
      return;
    }
    const critical = writes.some(({ table }) => table === "orders");
    const applied = logged || (writes.length > 0 && writes.every((write) => this.#isThere(write)));
    if (applied && !logged) model.remember(writes);
    this.#track(result as Promise<unknown>, expected, () => {
      if (expected !== undefined) this.#run.fail(`a write succeeded instead of ${expected}`);
      this.#run.check(applied || writes.length === 0, "a write resolved and left no trace");
      if (logged && critical) model.acknowledge(sequence);
    });
  }

  #isThere({ table, key, row }: SimWrite): boolean {
    return tableOf(this.#store, table).get(key)?.stamp === row?.stamp;
  }

  #durable(): void {
    const { model } = this.#run;
    const last = this.#store.lastSequence;
    const wanted = this.#random.chance(0.3) ? this.#random.below(last + 1) : undefined;
    const promise = this.#store.durable(wanted);
    this.noteFlush();
    const through = wanted ?? this.#store.lastSequence;
    this.#track(promise, undefined, (sequence) => {
      this.#run.check((sequence as number) >= through, "durable() resolved too early");
      model.acknowledge(through);
    });
  }

  #track(
    promise: Promise<unknown>,
    expected: string | undefined,
    done: (result: unknown) => void,
  ): void {
    const tracked: Promise<void> = promise.then(done, (error: unknown) =>
      this.#refused(error, expected),
    );
    const kept = tracked
      .catch((error: unknown) => this.#run.noteFailure(error))
      .finally(() => this.pending.delete(kept));
    this.pending.add(kept);
  }

  #refused(error: unknown, expected: string | undefined): void {
    if (error instanceof Refusal || !this.#alive()) return;
    if (error instanceof HoldfastError && error.code === expected) return;
    this.#run.refused("write", error);
  }

  // ---- reads -----------------------------------------------------------------------------------

  #read(name: TableName): void {
    const { model } = this.#run;
    const table = tableOf(this.#store, name);
    const expected = model.memory[name];
    if (this.#random.chance(0.4)) {
      const key = this.#key(name);
      const row = expected.get(keyText(key))?.row;
      this.#run.check(table.get(key)?.stamp === row?.stamp, `get ${name} ${keyText(key)}`);
      this.#run.check(table.has(key) === (row !== undefined), `has ${name} ${keyText(key)}`);
      this.#run.check(table.count() === expected.size, `count of ${name}`);
      return;
    }
    const [a, b] = [this.#key(name), this.#key(name)];
    const [gte, lt] = compareKeys(a, b) <= 0 ? [a, b] : [b, a];
    const reverse = this.#random.chance(0.5);
    const limit = 1 + this.#random.below(20);
    const found = [...table.entries({ gte, lt, reverse, limit })];
    const wanted = inRange(expected, gte, lt, reverse).slice(0, limit);
    const same =
      found.length === wanted.length &&
      found.every(([key, row], i) => {
        const other = wanted[i];
        return keyText(key) === keyText(other?.key ?? "") && row.stamp === other?.row.stamp;
      });
    this.#run.check(same, `range of ${name}, reverse ${reverse}`);
  }

  async #idle(): Promise<void> {
    const long = this.#random.chance(0.1);
    await this.#sleep(long ? 1500 : 5 + this.#random.below(20));
  }

  // ---- values ----------------------------------------------------------------------------------

  #key(name: TableName): SimKey {
    const n = this.#random.below(40);
    if (name === "orders") return n - 20;
    if (name === "notes") return `n${n % 7}/${n}`;
    return [n % 3 === 0 ? "x" : "y", n];
  }

  #row(): SimRow {
    const size = this.#random.below(20);
    const length =
      size === 0 ? this.#random.below(this.#run.frameBytesMax / 4) : this.#random.below(60);
    const stamp = ++this.#run.stamps;
    return { stamp, text: String.fromCharCode(97 + (stamp % 26)).repeat(length), note: null };
  }
}

function compareKeys(a: SimKey, b: SimKey): number {
  if (typeof a === "object" && typeof b === "object") {
    return compareKeys(a[0], b[0]) || compareKeys(a[1], b[1]);
  }
  return a < b ? -1 : a > b ? 1 : 0;
}

function inRange(rows: Rows, gte: SimKey, lt: SimKey, reverse: boolean) {
  const sorted = [...rows.values()]
    .filter(({ key }) => compareKeys(key, gte) >= 0 && compareKeys(key, lt) < 0)
    .sort((a, b) => compareKeys(a.key, b.key));
  return reverse ? sorted.reverse() : sorted;
}
