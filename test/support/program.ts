/**
 * A program that uses a store on a simulated machine, and the model of what the store has to hold. For
 * tests that choose its operations one by one; the simulator has random ones of its own.
 */
import type { Disk } from "../../src/disk/disk.js";
import { type OpenOptions, open, type SnapshotInfo, type Store } from "../../src/index.js";
import type { SimulatedMachine } from "../sim/disk.js";
import { compareExpected, Model, type SimWrite, type State } from "../sim/model.js";
import { readState, tableOf } from "../sim/reading.js";
import {
  type AnyTable,
  DEFINITIONS,
  DIRECTORY,
  keyOf,
  keyText,
  type SimRow,
  TABLE_NAMES,
  type TableName,
} from "../sim/tables.js";

/** What is known of a named snapshot: - "wanted": asked for; - "dropping": told to go. */
export interface KnownSnapshot {
  readonly stage: "wanted" | "there" | "dropping";
  /** Undefined until the store has told it. */
  readonly sequence: number | undefined;
}

/** Small, so that a handful of operations gets to every corner. */
export const SMALL: OpenOptions = {
  environment: "simulation",
  writerId: "program",
  segmentBytes: 64 * 1024,
  frameBytesMax: 24_576,
  framesInFlight: 3,
  recoveryBudgetMillis: 60_000,
  finalSnapshotMillis: 0,
  scrubEveryHours: 0,
  backgroundBytesPerSecond: Number.MAX_SAFE_INTEGER,
  bounds: { runsPerTier: 2, fileBytes: 40_000 },
  onWarning: () => {},
};

export function openStore(disk: Disk, options: OpenOptions = {}): Promise<Store> {
  const tables = TABLE_NAMES.map((name) => DEFINITIONS.plain[name]);
  return open(DIRECTORY, { ...SMALL, disk, tables, ...options });
}

export function stateOf(store: Store): State {
  return readState(store, DEFINITIONS.plain, TABLE_NAMES);
}

export class Program {
  readonly machine: SimulatedMachine;
  readonly options: OpenOptions;
  /** Of the present opening; what one before has promised is judged by its own. */
  model: Model;
  /** Replaced with every change. */
  snapshots: ReadonlyMap<string, KnownSnapshot> = new Map();
  /** Called when it has been killed. */
  ended: () => void = () => {};
  #disk: Disk | undefined;
  #store: Store | undefined;
  #stamps: number;

  /** Rows get stamps behind `stamps`, so that no two are ever the same. */
  constructor(machine: SimulatedMachine, options: OpenOptions, model = new Model(), stamps = 0) {
    this.machine = machine;
    this.options = options;
    this.model = model;
    this.#stamps = stamps;
  }

  get store(): Store {
    if (this.#store === undefined) throw new Error("the store is not open");
    return this.#store;
  }

  get stamps(): number {
    return this.#stamps;
  }

  /** Opens, and holds what is there against the model; from then on that is what must be there. */
  async open(): Promise<void> {
    this.#disk = this.machine.boot();
    this.#store = undefined;
    const store = await openStore(this.#disk, this.options);
    const state = stateOf(store);
    const { lastSequence } = store.recovery;
    const declared = store.lastSequence > lastSequence;
    const wrong =
      judge(this.model, lastSequence, state, declared) ??
      missingSnapshot(this.snapshots, store.snapshots());
    if (wrong !== undefined) throw new Error(`recovered: ${wrong}`);
    const found = store.snapshots().map(({ name, sequence }) => [name, sequence] as const);
    this.snapshots = new Map(found.map(([name, at]) => [name, { stage: "there", sequence: at }]));
    this.model = Model.startingAt(store.lastSequence, state);
    this.#store = store;
  }

  /** Ends the program, as SIGKILL does. */
  kill(): void {
    if (this.#disk !== undefined) this.machine.kill(this.#disk);
    this.#store = undefined;
    this.ended();
  }

  async sleep(millis: number): Promise<void> {
    const { scheduler } = this.#disk ?? this.machine.boot();
    await new Promise<void>((resolve) => void scheduler.after(millis, resolve, true));
  }

  // ---- writes: each resolves when the store says so --------------------------------------------

  put(table: TableName, n: number, bytes = 8): Promise<void> {
    const key = keyOf(table, n);
    const row = this.#row(bytes);
    return this.#write([{ table, key, row }], () => this.#table(table).put(key, row));
  }

  putSync(table: TableName, n: number, bytes = 8): Promise<void> {
    const key = keyOf(table, n);
    const row = this.#row(bytes);
    return this.#write([{ table, key, row }], () => this.#table(table).putSync(key, row));
  }

  delete(table: TableName, n: number): Promise<void> {
    const key = keyOf(table, n);
    const there = this.model.memory[table].has(keyText(key));
    const writes = there ? [{ table, key, row: undefined }] : [];
    return this.#write(writes, () => this.#table(table).delete(key));
  }

  /** Puts one row into each of two tables, and takes a third one away. */
  transact(n: number): Promise<void> {
    const [order, note] = [this.#row(8), this.#row(8)];
    const gone = keyOf("orders", n + 1);
    const writes: SimWrite[] = [
      { table: "orders", key: keyOf("orders", n), row: order },
      { table: "notes", key: keyOf("notes", n), row: note },
    ];
    if (this.model.memory.orders.has(keyText(gone))) {
      writes.push({ table: "orders", key: gone, row: undefined });
    }
    const { orders, notes } = DEFINITIONS.plain;
    return this.#write(writes, () =>
      this.store.transact((tx) => {
        tx.put(orders, keyOf("orders", n) as never, order);
        tx.put(notes, keyOf("notes", n) as never, note);
        tx.delete(orders, gone as never);
      }),
    );
  }

  async durable(): Promise<void> {
    const promise = this.store.durable();
    this.noteFlush();
    const through = this.store.lastSequence;
    await promise;
    this.model.acknowledge(through);
  }

  // ---- background ------------------------------------------------------------------------------

  async flush(): Promise<void> {
    const flushing = this.store.flush();
    this.noteFlush();
    const through = this.store.lastSequence;
    await flushing;
    this.noteFlush();
    this.model.acknowledge(through);
  }

  async snapshot(name: string): Promise<void> {
    const making = this.store.snapshot(name);
    this.#know(name, { stage: "wanted", sequence: undefined });
    this.noteFlush();
    const { sequence } = await making;
    this.noteFlush();
    this.model.acknowledge(sequence);
    this.#know(name, { stage: "there", sequence });
  }

  async drop(name: string): Promise<void> {
    const dropping = this.store.dropSnapshot(name);
    this.#know(name, { stage: "dropping", sequence: this.snapshots.get(name)?.sequence });
    await dropping;
    this.#know(name, undefined);
  }

  async close(): Promise<void> {
    const closing = this.store.close();
    this.noteFlush();
    const through = this.store.lastSequence;
    await closing;
    this.model.acknowledge(through);
  }

  /** Until nothing goes on behind the program's back. */
  async rest(): Promise<void> {
    for (;;) {
      this.noteFlush();
      const { flushes, merges, archives } = this.store.stats().background;
      if (!flushes.running && !merges.running && !archives.running) return;
      await this.sleep(5);
    }
  }

  /** Cached rows are logged without being asked for. */
  noteFlush(): void {
    if (this.#store === undefined) return;
    const { lastSequence } = this.store;
    if (lastSequence <= this.model.committed) return;
    this.model.noteFlush(lastSequence, this.store.stats().unloggedRows);
  }

  async #write(writes: readonly SimWrite[], run: () => unknown): Promise<void> {
    this.noteFlush();
    const { store, model } = this;
    const before = store.lastSequence;
    let result: unknown;
    let failure: unknown;
    try {
      result = run();
    } catch (error) {
      failure = error;
    }
    if (result instanceof Promise) result.catch(() => {});
    const sequence = store.lastSequence;
    if (sequence > before) model.commit(writes);
    else if (writes.every((write) => this.#isThere(write))) model.remember(writes);
    if (failure !== undefined) throw failure;
    await result;
    const critical = writes.some(({ table }) => table === "orders");
    if (sequence > before && critical) model.acknowledge(sequence);
  }

  #isThere({ table, key, row }: SimWrite): boolean {
    if (table !== "quotes") return false;
    return this.#table(table).get(key)?.stamp === row?.stamp;
  }

  #know(name: string, known: KnownSnapshot | undefined): void {
    const snapshots = new Map(this.snapshots);
    if (known === undefined) snapshots.delete(name);
    else snapshots.set(name, known);
    this.snapshots = snapshots;
  }

  #table(name: TableName): AnyTable {
    return tableOf(this.store, DEFINITIONS.plain, name) as AnyTable;
  }

  #row(bytes: number): SimRow {
    const stamp = ++this.#stamps;
    return { stamp, text: String.fromCharCode(97 + (stamp % 26)).repeat(bytes), note: null };
  }
}

/** Says what is wrong with what recovery has found. `declared`: it has then written the schemas. */
export function judge(
  model: Model,
  sequence: number,
  state: State,
  declared: boolean,
): string | undefined {
  const through = model.recoveredTo(sequence, declared);
  return typeof through === "string" ? through : compareExpected(model.expectedAt(through), state);
}

/** Says which snapshot is gone, or should be, or is not what it was. */
export function missingSnapshot(
  known: ReadonlyMap<string, KnownSnapshot>,
  found: readonly SnapshotInfo[],
): string | undefined {
  const sequences = new Map(found.map(({ name, sequence }) => [name, sequence]));
  for (const [name, { stage, sequence }] of known) {
    const at = sequences.get(name);
    if (at === undefined && stage === "there") return `snapshot ${name} is gone`;
    if (at !== undefined && sequence !== undefined && at !== sequence) {
      return `snapshot ${name} is of another sequence`;
    }
  }
  const stray = found.find(({ name }) => !known.has(name));
  return stray === undefined ? undefined : `snapshot ${stray.name} was dropped, or never made`;
}
