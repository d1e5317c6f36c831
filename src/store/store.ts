/** The open store: transactions, tiers, and what can be asked of it. */
import { HoldfastError } from "../base/errors.js";
import type { TableDefinition } from "../codec/schema.js";
import type { Disk, PlaceInfo, WriteMethod } from "../disk/disk.js";
import type { LogSource } from "../history/log-source.js";
import type { LogWriter } from "../log/writer.js";
import type { RecoveryReport } from "../recovery/opening.js";
import type { SeriesDefinition } from "../series/definition.js";
import type { Background } from "./background.js";
import { CachedRows } from "./cached.js";
import type { Catalog } from "./catalog.js";
import { Commits, RESOLVED } from "./commits.js";
import { evolveTable } from "./evolve.js";
import { type ForkInfo, Forks } from "./fork.js";
import { type MigratedTable, type MigrateOptions, migrateStore } from "./migrate.js";
import { checkForkOptions, type ForkOptions, type Options } from "./options.js";
import { countOf, entriesOf, keysOf, newest, type RangeOptions, valuesOf } from "./range.js";
import { type Series, seriesOf } from "./series.js";
import { checkSnapshotName, type SnapshotInfo } from "./snapshots.js";
import { type StoreStats, statsOf } from "./stats.js";
import { StoreChecks } from "./store-checks.js";
import { StoreHistory } from "./store-history.js";
import type { Table } from "./table.js";
import type { TableState } from "./table-state.js";
import { TransactionRunner } from "./transaction.js";
import type { Transaction } from "./transaction-interface.js";
import { StoreView, type View } from "./view.js";
import { WithHistory } from "./with-history.js";

/** What `open` hands over. */
export interface StoreParts {
  readonly directory: string;
  readonly disk: Disk;
  readonly place: PlaceInfo;
  readonly method: WriteMethod;
  readonly framesInFlight: number;
  readonly epoch: number;
  readonly options: Options;
  readonly catalog: Catalog;
  readonly writer: LogWriter;
  readonly recovery: RecoveryReport;
  readonly background: Background;
  /** For those who read the history. */
  readonly source: LogSource;
  /** Gives everything back; called once, after the log is drained or has failed. */
  readonly release: (clean: boolean) => Promise<void>;
}

/**
 * An open store. Made by `open`.
 *
 * Writes happen at once in memory, in the order of the calls; promises tell when they are durable.
 */
export class Store extends WithHistory {
  /** What opening found and did. */
  readonly recovery: RecoveryReport;
  readonly #parts: StoreParts;
  readonly #catalog: Catalog;
  readonly #writer: LogWriter;
  readonly #runner: TransactionRunner;
  readonly #cached: CachedRows;
  readonly #commits: Commits;
  readonly #handles = new Map<unknown, unknown>();
  readonly #views = new Set<StoreView>();
  readonly #forks: Forks;
  #closing: Promise<void> | undefined;
  #closed = false;

  /** @internal */
  constructor(parts: StoreParts) {
    super(new StoreHistory({ source: parts.source, ...parts.options }));
    this.#parts = parts;
    this.recovery = parts.recovery;
    this.#catalog = parts.catalog;
    this.#writer = parts.writer;
    this.#forks = new Forks(parts);
    this.#runner = new TransactionRunner(parts.catalog, parts.writer);
    this.#cached = new CachedRows({
      catalog: parts.catalog,
      writer: parts.writer,
      runner: this.#runner,
      scheduler: parts.disk.scheduler,
      delayMicros: parts.options.cachedDelayMicros,
      isShort: parts.background.isShort,
    });
    this.#commits = new Commits({
      runner: this.#runner,
      writer: parts.writer,
      cached: this.#cached,
      checks: new StoreChecks(parts.options.checks),
      background: parts.background,
      assertOpen: () => this.assertOpen(),
    });
  }

  /** Number of the last transaction; 0 before the first. */
  get lastSequence(): number {
    return this.#writer.lastSequence;
  }

  /** Every transaction up to this one is on disk. */
  get durableSequence(): number {
    return this.#writer.durableSequence;
  }

  /** A table that the store was opened with. Throws INVALID_ARGUMENT for any other. */
  table<K, R, I>(definition: TableDefinition<K, R, I>): Table<K, R, I> {
    let handle = this.#handles.get(definition);
    if (handle === undefined) {
      handle = this.#makeTable(this.#catalog.of(definition));
      this.#handles.set(definition, handle);
    }
    return handle as Table<K, R, I>;
  }

  /** A series that the store was opened with. Throws INVALID_ARGUMENT for any other. */
  series<V, I>(definition: SeriesDefinition<V, I>): Series<V, I> {
    const assertOpen = () => this.assertOpen();
    const handle =
      this.#handles.get(definition) ??
      seriesOf(definition, {
        catalog: this.#catalog,
        assertOpen,
        view: () => this.view(),
        transact: (work) => this.transact(work),
        transactSync: (work) => this.transactSync(work),
      });
    this.#handles.set(definition, handle);
    return handle as Series<V, I>;
  }

  /**
   * Runs `work` as one transaction: all of its writes happen or none, and no other code runs in
   * between. `work` is synchronous; when it throws, or a check refuses, nothing has happened.
   * Resolves with what `work` returned when the transaction is durable for the most demanding tier
   * among the tables it wrote.
   *
   * Errors: as for the writes of a `Table`. Inside a transaction this, and every write by a
   * `Table`, throws NESTED_TRANSACTION at once: that takes the outer one back, unless its function
   * catches it.
   */
  transact<T>(work: (transaction: Transaction) => T): Promise<T> {
    this.#runner.assertNotActive();
    let result: T;
    try {
      result = this.#commits.run(work, false);
    } catch (error) {
      return Promise.reject(error);
    }
    const durable = this.#commits.acknowledgement();
    return durable === RESOLVED ? Promise.resolve(result) : durable.then(() => result);
  }

  /** As `transact`, but returns when the transaction is on disk; the event loop waits. */
  transactSync<T>(work: (transaction: Transaction) => T): T {
    return this.#commits.runSync(work);
  }

  /**
   * Resolves, with `durableSequence`, when that transaction and all before it are on disk; without
   * an argument, all there have been so far, rows of cached tables included.
   *
   * Errors: OUTCOME_UNKNOWN, POISONED; INVALID_ARGUMENT for a sequence that is not yet there.
   */
  async durable(sequence?: number): Promise<number> {
    this.assertOpen();
    if (sequence === undefined) this.#cached.flush();
    const wanted = sequence === undefined ? this.#writer.lastSequence : sequence;
    if (!Number.isSafeInteger(wanted) || wanted < 0 || wanted > this.#writer.lastSequence) {
      throw new HoldfastError(
        "INVALID_ARGUMENT",
        `there is no transaction ${String(wanted)}; the last one is ${this.#writer.lastSequence}`,
      );
    }
    await this.#writer.durable(wanted);
    return this.#writer.durableSequence;
  }

  /** What the store is doing. Cheap enough to be asked every second. */
  stats(): StoreStats {
    const alive = this.#writer.poison === undefined ? "open" : "poisoned";
    return statsOf(this.#parts, this.#closed ? "closed" : alive);
  }

  /**
   * The state as it is now, held while writes go on. To be released; `using` does that by itself.
   * Throws CLOSED, NESTED_TRANSACTION, and what a write throws while rows of cached tables are put
   * into the log.
   */
  view(): View {
    this.assertOpen();
    this.#runner.assertNotActive();
    this.#cached.flush();
    const view: StoreView = new StoreView(this.#catalog, this.#writer.lastSequence, () => {
      this.#views.delete(view);
    });
    this.#views.add(view);
    return view;
  }

  /**
   * Keeps the state of this moment, all of it, under a name; resolves when it is durable. It shares
   * with the store what both hold, so that it takes no time to speak of, and room only for what
   * changes later. Without a name it gets one that begins with "snapshot-".
   *
   * Errors: SNAPSHOT_EXISTS, INVALID_ARGUMENT, TOO_LARGE (a store has at most 1,000), DISK_FULL,
   * IO, and those of `durable`.
   */
  async snapshot(name?: string): Promise<SnapshotInfo> {
    this.assertOpen();
    this.#runner.assertNotActive();
    if (name !== undefined) checkSnapshotName(name);
    this.#cached.flush();
    return this.#parts.background.snapshot(name, this.#writer.lastSequence);
  }

  /** The named snapshots there are, the oldest first. */
  snapshots(): SnapshotInfo[] {
    this.assertOpen();
    return this.#parts.background.snapshots();
  }

  /** Forgets a snapshot; what only it needed is removed. Errors: SNAPSHOT_NOT_FOUND, IO. */
  async dropSnapshot(name: string): Promise<void> {
    this.assertOpen();
    checkSnapshotName(name);
    await this.#parts.background.dropSnapshot(name);
  }

  /**
   * Makes a new, independent store in a directory that is absent or empty, of what this one holds
   * now, or with `at` held when that snapshot was taken: docs/fork.md.
   *
   * Errors: INVALID_ARGUMENT, SNAPSHOT_NOT_FOUND, LOCKED, CORRUPT_LOG, MISSING_FILE, DISK_FULL, IO.
   */
  async fork(directory: string, options: ForkOptions = {}): Promise<ForkInfo> {
    this.assertOpen();
    this.#runner.assertNotActive();
    checkForkOptions(directory, options);
    if (options.at === undefined) await this.durable();
    return this.#forks.fork(directory, options);
  }

  /**
   * Resolves when all there is now is in runs, so that an opening would have nothing to read back.
   * The store does this by itself as often as `recoveryBudgetMillis` asks for.
   */
  async flush(): Promise<void> {
    this.assertOpen();
    this.#cached.flush();
    const sequence = this.#writer.lastSequence;
    await this.#writer.durable(sequence);
    await this.#parts.background.flush(sequence);
  }

  /**
   * Rewrites all rows of older versions, in small transactions beside whatever else goes on; what
   * was done stays done where it is stopped. Resolves with what became of each table that had such
   * rows; where a row cannot be rewritten, that and the others of its table go on being read as
   * they were. Errors: those of a write, CORRUPT_RUN, and the signal's reason.
   */
  async migrate(options: MigrateOptions = {}): Promise<MigratedTable[]> {
    this.assertOpen();
    this.#runner.assertNotActive();
    const assertOpen = () => this.assertOpen();
    const flush = () => this.flush();
    return migrateStore({ ...this.#parts, runner: this.#runner, assertOpen, flush }, options);
  }

  /**
   * Makes everything durable, seals the log and gives the directory back. Idempotent. Rejects if
   * something could not be made durable (OUTCOME_UNKNOWN, POISONED, DISK_FULL); the store is closed
   * and the lock released all the same. Throws NESTED_TRANSACTION inside a transaction.
   */
  close(): Promise<void> {
    this.#runner.assertNotActive();
    this.#closing ??= this.#close();
    return this.#closing;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  // ---- tables ----------------------------------------------------------------------------------

  #makeTable<K, R, I>(state: TableState<K, R, I>): Table<K, R, I> {
    const runner = this.#runner;
    const { definition } = state;
    const read = <T>(result: () => T): T => {
      this.assertOpen();
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
      put: (key, row) => this.#commits.put(inForce(), key, row),
      putSync: (key, row) => this.#commits.putSync(inForce(), key, row),
      update: (key, change) => this.transact(() => runner.update(definition, key, change)),
      delete: (key) => this.transact(() => runner.deleteRow(inForce(), key)),
      deleteSync: (key) => this.transactSync(() => runner.deleteRow(inForce(), key)),
      evolve: async (next) => {
        runner.assertNotActive();
        await evolveTable(read(inForce), next, this.#parts, () => this.#cached.flush());
        return this.table(next);
      },
      entries: (range?: RangeOptions<K>) => read(() => entriesOf(newest(state), range)),
      keys: (range?: RangeOptions<K>) => read(() => keysOf(newest(state), range)),
      values: (range?: RangeOptions<K>) => read(() => valuesOf(newest(state), range)),
      history: (key, range) => read(() => this.past.history(state.name, key, range)),
    };
  }

  // ---- closing ---------------------------------------------------------------------------------

  async #close(): Promise<void> {
    let failure: unknown;
    try {
      if (this.#writer.poison === undefined) this.#cached.flush();
    } catch (error) {
      failure = error;
    }
    this.#closed = true;
    try {
      await this.#writer.drain();
    } catch (error) {
      failure ??= error;
    }
    this.#cached.stop();
    for (const view of this.#views) view.release();
    await this.#forks.settled();
    this.past.close();
    const millis = this.#parts.options.finalSnapshotMillis;
    await this.#parts.background.close(failure === undefined ? millis : 0);
    this.#writer.stop(new HoldfastError("CLOSED", "the store is closed"));
    await this.#parts.release(failure === undefined);
    if (failure !== undefined) throw failure;
  }

  /** @internal */
  protected override assertOpen(): void {
    if (this.#closed || this.#closing !== undefined) {
      throw new HoldfastError("CLOSED", "the store is closed");
    }
  }
}
