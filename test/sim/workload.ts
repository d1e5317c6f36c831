/** Random operations on a store, each checked against the model. */
import type { Disk } from "../../src/disk/disk.js";
import { HoldfastError, type Store } from "../../src/index.js";
import type { EngineRun } from "./engine.js";
import type { SimWrite } from "./model.js";
import type { Random } from "./random.js";
import { tableOf } from "./reading.js";
import { SessionBackground } from "./session-background.js";
import { SessionReads } from "./session-reads.js";
import {
  type AnyTable,
  KEYS,
  keyOf,
  keyText,
  type SimKey,
  type SimRow,
  type TableName,
} from "./tables.js";

/** Thrown inside transactions that must leave no trace. */
class Refusal extends Error {}

export interface SessionParts {
  readonly store: Store;
  readonly disk: Disk;
  readonly tables: readonly TableName[];
  /** False once the program was ended. */
  readonly alive: () => boolean;
  readonly sleep: (millis: number) => Promise<void>;
}

/** One opening of a store, from the point of view of the program that uses it. */
export class Session {
  readonly run: EngineRun;
  readonly random: Random;
  readonly store: Store;
  readonly disk: Disk;
  readonly tables: readonly TableName[];
  readonly alive: () => boolean;
  readonly sleep: (millis: number) => Promise<void>;
  readonly pending = new Set<Promise<void>>();
  readonly #background = new SessionBackground(this);
  readonly #reads = new SessionReads(this);
  /** What is under way may be refused for that. */
  closing = false;

  constructor(run: EngineRun, parts: SessionParts) {
    this.run = run;
    this.random = run.random;
    this.store = parts.store;
    this.disk = parts.disk;
    this.tables = parts.tables;
    this.alive = parts.alive;
    this.sleep = parts.sleep;
  }

  async operations(count: number): Promise<void> {
    for (let i = 0; i < count; i++) {
      await this.operation();
      this.run.operations++;
      const yields = this.random.below(8);
      if (yields === 0) await this.sleep(this.random.below(8));
      else if (yields < 4) await this.sleep(0);
      // A crash in a synchronous call does not end this function: nothing may run after death.
      if (!this.alive()) await new Promise(() => {});
    }
  }

  /** Waits for everything that was promised. */
  async settle(): Promise<void> {
    await Promise.all(this.pending);
  }

  async operation(): Promise<void> {
    const random = this.random;
    this.noteFlush();
    const kind = random.below(126);
    if (kind >= 120) this.#patch(random.pick(this.tables), random.chance(0.15));
    else if (kind < 34) this.#put(random.pick(this.tables), random.chance(0.15));
    else if (kind < 42) this.#update(random.pick(this.tables));
    else if (kind < 52) this.#delete(random.pick(this.tables), random.chance(0.15));
    else if (kind < 66) this.#transact(random.chance(0.2), false);
    else if (kind < 70) this.#transact(random.chance(0.2), true);
    else if (kind < 73) this.#burst();
    else if (kind < 75) this.#tooLarge();
    else if (kind < 81) this.#durable();
    else if (kind < 91) this.#reads.read(random.pick(this.tables));
    else if (kind < 95) await this.#idle();
    else if (kind < 99) this.#background.flush();
    else if (kind < 103) this.#background.snapshot();
    else if (kind < 106) this.#background.openSnapshot();
    else if (kind < 109) this.#reads.openView();
    else if (kind < 115) this.#reads.readView();
    else if (this.run.mayWait) await this.settle();
  }

  noteFlush(): void {
    const { model } = this.run;
    const { lastSequence } = this.store;
    if (lastSequence <= model.committed) return;
    model.noteFlush(lastSequence, this.store.stats().unloggedRows);
  }

  // ---- writes ----------------------------------------------------------------------------------

  #put(name: TableName, sync: boolean): void {
    const key = this.#key(name);
    const row = this.#row();
    const table = this.table(name);
    this.#write([{ table: name, key, row }], sync, () => {
      const given = { ...row };
      const result = sync ? table.putSync(key, given) : table.put(key, given);
      // It is the caller's again: what was put must not change with it.
      Object.assign(given, { stamp: -1, text: "changed" });
      this.run.count("row changed after put");
      return result;
    });
  }

  #update(name: TableName): void {
    const key = this.#key(name);
    const row = this.#row();
    const before = this.run.model.memory[name].get(keyText(key))?.row;
    const keep = this.random.chance(0.2);
    this.#write(keep ? [] : [{ table: name, key, row }], false, async () => {
      const result = await this.table(name).update(key, (old) => {
        this.run.check((old?.stamp ?? 0) === (before?.stamp ?? 0), "update saw another row");
        return keep ? undefined : row;
      });
      this.run.check(result?.stamp === (keep ? before : row)?.stamp, "update gave another row");
    });
  }

  /** All of a row but its text stays, or the text alone becomes another. */
  #patch(name: TableName, sync: boolean): void {
    const key = this.#key(name);
    const before = this.run.model.memory[name].get(keyText(key))?.row;
    const { stamp, text } = this.#row();
    const fields = this.random.chance(0.7) ? { stamp } : { stamp, text };
    const table = this.table(name);
    const writes =
      before === undefined ? [] : [{ table: name, key, row: { ...before, ...fields } }];
    this.#write(writes, sync, () => {
      this.run.count("patch");
      if (!sync) return table.patch(key, fields).then((was) => this.#wasThere(was, !!before));
      return this.#wasThere(table.patchSync(key, fields), !!before);
    });
  }

  #delete(name: TableName, sync: boolean): void {
    const key = this.#key(name);
    const there = this.run.model.memory[name].has(keyText(key));
    const table = this.table(name);
    const writes = there ? [{ table: name, key, row: undefined }] : [];
    this.#write(writes, sync, () => {
      if (!sync) return table.delete(key).then((was) => this.#wasThere(was, there));
      return this.#wasThere(table.deleteSync(key), there);
    });
  }

  #wasThere(was: boolean, there: boolean): void {
    this.run.check(was === there, "a write was wrong about what was there");
  }

  #transact(fails: boolean, sync: boolean): void {
    const random = this.random;
    const writes = new Map<string, SimWrite>();
    const plan: (SimWrite & { readonly patched: boolean })[] = [];
    const count = 1 + random.below(6);
    for (let i = 0; i < count; i++) {
      const table = random.pick(this.tables);
      const key = this.#key(table);
      const text = table + keyText(key);
      const there = writes.has(text)
        ? writes.get(text)?.row !== undefined
        : this.run.model.memory[table].has(keyText(key));
      const old = writes.has(text)
        ? writes.get(text)?.row
        : this.run.model.memory[table].get(keyText(key))?.row;
      const patched = old !== undefined && random.chance(0.2);
      const put = random.chance(0.25) ? undefined : this.#row();
      const row = patched ? { ...old, stamp: ++this.run.stamps } : put;
      const write = { table, key, row };
      plan.push({ ...write, patched });
      if (row !== undefined || there) writes.set(text, write);
    }
    const work = (tx: Parameters<Parameters<Store["transact"]>[0]>[0]): void => {
      for (const { table, key, row, patched } of plan) {
        const definition = this.run.definitions[table] as never;
        if (row === undefined) tx.delete(definition, key as never);
        else {
          if (patched) tx.patch(definition, key as never, { stamp: row.stamp } as never);
          else tx.put(definition, key as never, row as never);
          const own = tx.get(definition, key as never) as SimRow | undefined;
          this.run.check(own?.stamp === row.stamp, "a transaction must see its own writes");
        }
      }
      if (fails) throw new Refusal();
    };
    this.#write(
      fails ? [] : [...writes.values()],
      sync,
      () => (sync ? this.store.transactSync(work) : this.store.transact(work)),
      fails ? "a refusal" : undefined,
    );
  }

  /** Many synchronous writes without ever giving way: segments must grow by themselves. */
  #burst(): void {
    const count = 2 + this.random.below(this.random.chance(0.1) ? 40 : 8);
    for (let i = 0; i < count && this.alive(); i++) {
      this.noteFlush();
      this.#put(this.random.pick(this.tables), this.random.chance(0.5));
    }
  }

  #tooLarge(): void {
    const name = this.random.pick(this.tables);
    const row = { ...this.#row(), text: "x".repeat(this.run.frameBytesMax) };
    const table = this.table(name);
    this.run.count("row too large");
    this.#write([], false, () => table.put(this.#key(name), row), "TOO_LARGE");
  }

  /**
   * Runs a write that makes these changes, if it does not fail; tells the model what has happened
   * by whether the store has given it a sequence.
   */
  #write(writes: readonly SimWrite[], sync: boolean, run: () => unknown, expected?: string): void {
    const { model } = this.run;
    const before = this.store.lastSequence;
    let failure: unknown;
    let result: unknown;
    try {
      result = run();
    } catch (error) {
      failure = error;
    }
    // What follows may crash: a rejection that nobody looks at would end the test.
    if (result instanceof Promise) result.catch(() => {});
    const sequence = this.store.lastSequence;
    this.run.check(sequence <= before + 1, "one transaction has one sequence");
    const logged = sequence === before + 1;
    this.run.check(!logged || writes.length > 0, "a transaction without changes was logged");
    if (logged) model.commit(writes);
    // Nobody is left to be told.
    if (!this.alive()) return;
    if (failure !== undefined) {
      this.refused(failure, expected);
      return;
    }
    if (sync) {
      if (expected !== undefined) this.run.fail(`a write succeeded instead of ${expected}`);
      this.run.check(logged || writes.length === 0, "a synchronous write was not logged");
      model.acknowledge(sequence);
      this.run.check(this.store.durableSequence >= sequence, "durable when it returns");
      return;
    }
    const critical = writes.some(({ table }) => table === "orders");
    const applied = logged || (writes.length > 0 && writes.every((write) => this.#isThere(write)));
    if (applied && !logged) model.remember(writes);
    this.#track(result as Promise<unknown>, expected, () => {
      if (expected !== undefined) this.run.fail(`a write succeeded instead of ${expected}`);
      this.run.check(applied || writes.length === 0, "a write resolved and left no trace");
      if (logged && critical) model.acknowledge(sequence);
    });
  }

  /** Rows that are in no log are in memory: what has to be read from a run is not what was put. */
  #isThere({ table, key, row }: SimWrite): boolean {
    try {
      return this.table(table).get(key)?.stamp === row?.stamp;
    } catch (error) {
      if (!(error instanceof HoldfastError)) throw error;
      return false;
    }
  }

  #durable(): void {
    const { model } = this.run;
    const last = this.store.lastSequence;
    const wanted = this.random.chance(0.3) ? this.random.below(last + 1) : undefined;
    const promise = this.store.durable(wanted);
    this.noteFlush();
    const through = wanted ?? this.store.lastSequence;
    this.#track(promise, undefined, (sequence) => {
      this.run.check((sequence as number) >= through, "durable() resolved too early");
      model.acknowledge(through);
    });
  }

  #track(
    promise: Promise<unknown>,
    expected: string | undefined,
    done: (result: unknown) => void,
  ): void {
    this.keep(promise.then(done, (error: unknown) => this.refused(error, expected)));
  }

  /** Until it is settled. */
  keep(tracked: Promise<void>): void {
    const kept = tracked
      .catch((error: unknown) => this.run.noteFailure(error))
      .finally(() => this.pending.delete(kept));
    this.pending.add(kept);
  }

  refused(error: unknown, expected: string | undefined): void {
    if (error instanceof Refusal || !this.alive()) return;
    if (error instanceof HoldfastError && error.code === expected) return;
    this.run.refused("write", error);
  }

  // ---- time ------------------------------------------------------------------------------------

  async #idle(): Promise<void> {
    const long = this.random.chance(0.1);
    await this.sleep(long ? 1500 : 5 + this.random.below(20));
  }

  /** Reads that a fault may keep from being done. */
  reading(compare: () => string | undefined): boolean {
    return this.#reads.reading(compare);
  }

  getsOver(): Promise<void> {
    return this.#background.getsOver();
  }

  // ---- values ----------------------------------------------------------------------------------

  table(name: TableName): AnyTable {
    return tableOf(this.store, this.run.definitions, name) as AnyTable;
  }

  #key(name: TableName): SimKey {
    return keyOf(name, this.random.below(KEYS));
  }

  #row(): SimRow {
    const size = this.random.below(20);
    const length =
      size === 0 ? this.random.below(this.run.frameBytesMax / 4) : this.random.below(60);
    const stamp = ++this.run.stamps;
    // Half of the long ones cannot be made any shorter, so that runs have several blocks.
    const text =
      size === 0 && stamp % 2 === 0
        ? Buffer.from(this.random.fill(new Uint8Array(length / 2))).toString("hex")
        : String.fromCharCode(97 + (stamp % 26)).repeat(length);
    return { stamp, text, note: null };
  }
}
