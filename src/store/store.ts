/** The open store: transactions, tiers, and what can be asked of it. */
import { HoldfastError } from "../base/errors.js";
import type { TableDefinition } from "../codec/schema.js";
import type { Disk, PlaceInfo, WriteMethod } from "../disk/disk.js";
import type { LogSource } from "../history/log-source.js";
import { type Annotation, assertNoOwnTags, checkAnnotation } from "../log/annotation.js";
import type { LogWriter } from "../log/writer.js";
import type { RecoveryReport } from "../recovery/opening.js";
import type { SeriesDefinition } from "../series/definition.js";
import type { Background } from "./background.js";
import type { BackupResult } from "./backup.js";
import { Backups } from "./backups.js";
import { CachedRows } from "./cached.js";
import type { Catalog } from "./catalog.js";
import { Checkpoints } from "./checkpoints.js";
import { closeOnSignals } from "./closing-signals.js";
import { Commits, RESOLVED } from "./commits.js";
import { evolveTable } from "./evolve.js";
import { type ForkInfo, Forks } from "./fork.js";
import { goneTo, type Handover, HandoverDesk, type HandoverParty } from "./handover.js";
import { type MigratedTable, type MigrateOptions, migrateStore } from "./migrate.js";
import { checkForkOptions, type ForkOptions, type Options } from "./options.js";
import { countOf, entriesOf, keysOf, newest, type RangeOptions, valuesOf } from "./range.js";
import { rollBack } from "./rollback.js";
import { checkRollback, type RollbackInfo, type RollbackOptions } from "./rollback-options.js";
import { type Series, seriesOf } from "./series.js";
import { checkSnapshotName, type SnapshotInfo } from "./snapshots.js";
import { type StoreStats, statsOf } from "./stats.js";
import { StoreChecks } from "./store-checks.js";
import { type PastPoint, StoreHistory, type StoreHistoryOptions } from "./store-history.js";
import type { Table } from "./table.js";
import type { TableState } from "./table-state.js";
import { TransactionRunner } from "./transaction.js";
import type { Transaction } from "./transaction-interface.js";
import { checkMakeBackup, type MakeBackupOptions } from "./upkeep-options.js";
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
  /** Opens another store. */
  readonly open: StoreHistoryOptions["open"];
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
  #rollingBack = false;
  readonly #desk: HandoverDesk | undefined;
  /** Who has got the store, or is getting it. */
  #handedTo: HandoverParty | undefined;
  readonly #backups: Backups;
  readonly #checkpoints: Checkpoints;
  #forgetSignals = (): void => {};
  #closing: Promise<void> | undefined;
  #closed = false;
  /**
   * Resolves when the store, opened with `handover`, has gone to another process: it is closed
   * here, and every use of it throws HANDED_OVER. Never rejects; pending for ever where that does
   * not happen.
   */
  readonly handedOver: Promise<Handover>;

  /** @internal */
  constructor(parts: StoreParts) {
    super(new StoreHistory({ source: parts.source, open: parts.open, ...parts.options }));
    this.#parts = parts;
    this.recovery = parts.recovery;
    this.#catalog = parts.catalog;
    this.#writer = parts.writer;
    this.#forks = new Forks(parts);
    const flushed = () => this.#flushed();
    this.#backups = new Backups({ ...parts, flushed });
    this.#checkpoints = new Checkpoints({ ...parts, flushed });
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
    let onHandedOver = (_: Handover): void => {};
    this.handedOver = new Promise((resolve) => {
      onHandedOver = resolve;
    });
    this.#desk = this.#makeDesk(onHandedOver);
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
   * `annotation`: why it is, what it comes of, and tags to find it by; kept with the transaction in
   * the log, and shown by whatever tells of the past. One that changes nothing leaves no trace.
   * Right behind the call `lastSequence` is this transaction's, for `causedBy` of the next.
   *
   * Errors: as for the writes of a `Table`. Inside a transaction this, and every write by a
   * `Table`, throws NESTED_TRANSACTION at once: that takes the outer one back, unless its function
   * catches it.
   */
  transact<T>(work: (transaction: Transaction) => T, annotation?: Annotation): Promise<T> {
    this.#runner.assertNotActive();
    let result: T;
    try {
      result = this.#commits.run(work, false, this.#checked(annotation));
    } catch (error) {
      return Promise.reject(error);
    }
    const durable = this.#commits.acknowledgement();
    return durable === RESOLVED ? Promise.resolve(result) : durable.then(() => result);
  }

  /** As `transact`, but returns when the transaction is on disk; the event loop waits. */
  transactSync<T>(work: (transaction: Transaction) => T, annotation?: Annotation): T {
    this.#runner.assertNotActive();
    return this.#commits.runSync(work, this.#checked(annotation));
  }

  #checked(annotation: Annotation | undefined): Annotation | undefined {
    if (annotation === undefined) return undefined;
    const checked = checkAnnotation(annotation, this.#writer.lastSequence);
    assertNoOwnTags(checked);
    return checked;
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
    return statsOf(this.#parts, this.#closed ? "closed" : alive, this.#backups.stats);
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
   * Makes the state what it was after a transaction, at a time, or in a snapshot, by new
   * transactions: nothing of the history goes. One transaction where that can hold it; otherwise
   * small ones, each marked as a part: stopped in between, the same call does the rest. What others
   * write meanwhile is taken back too. Checks are not asked: the rows were there before.
   *
   * Errors: SCHEMA_MISMATCH, with a list, where a version that came later has no `down`; those of
   * `at` and of a write; INVALID_ARGUMENT without a reason, and while another is under way; and the
   * signal's reason.
   */
  async rollback(to: PastPoint, options: RollbackOptions): Promise<RollbackInfo> {
    this.assertOpen();
    const runner = this.#runner;
    runner.assertNotActive();
    const annotation = checkRollback(options, this.#writer.lastSequence);
    if (this.#rollingBack) {
      throw new HoldfastError("INVALID_ARGUMENT", "another rollback is under way");
    }
    this.#rollingBack = true;
    try {
      await this.durable();
      const sequence = await this.past.sequenceOf(to);
      const assertOpen = () => this.assertOpen();
      const flushCached = () => this.#cached.flush();
      const own = { runner, commits: this.#commits, assertOpen, flushCached };
      return await rollBack({ ...this.#parts, ...own }, sequence, options, annotation);
    } finally {
      this.#rollingBack = false;
    }
  }

  /**
   * Makes a backup of all there is now in a directory for the backups of this store, which may be
   * on another device: docs/backup.md. Only files that the backup before does not have are copied,
   * on the background's thread and within `backgroundBytesPerSecond`. One at a time; others wait.
   *
   * Errors: INVALID_ARGUMENT, BACKUP_FOREIGN, CORRUPT_BACKUP, LOCKED, CORRUPT_LOG, CORRUPT_RUN,
   * MISSING_FILE, DISK_FULL, IO, those of `durable`, CLOSED if the store is closed meanwhile, and
   * the signal's reason. After any of them the earlier backups are as they were.
   */
  async backup(directory: string, options: MakeBackupOptions = {}): Promise<BackupResult> {
    this.assertOpen();
    this.#runner.assertNotActive();
    checkMakeBackup(directory, options);
    return this.#backups.backup(directory, options);
  }

  /** What goes on by itself from now on; and whoever wants to take the store over is heard. @internal */
  begin(): void {
    this.#desk?.start();
    this.#backups.start();
    this.#checkpoints.start();
    this.#forgetSignals = closeOnSignals(this, this.#parts.options.closeOnSignals);
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
    return this.#begin(this.#parts.options.finalSnapshotMillis);
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
      put: (key, row, annotation) => {
        if (annotation === undefined) return this.#commits.put(inForce(), key, row);
        return this.transact(() => runner.putRow(inForce(), key, row), annotation);
      },
      putSync: (key, row, annotation) => {
        if (annotation === undefined) this.#commits.putSync(inForce(), key, row);
        else this.transactSync(() => runner.putRow(inForce(), key, row), annotation);
      },
      update: (key, change, annotation) =>
        this.transact(() => runner.update(definition, key, change), annotation),
      delete: (key, annotation) =>
        this.transact(() => runner.deleteRow(inForce(), key), annotation),
      deleteSync: (key, annotation) =>
        this.transactSync(() => runner.deleteRow(inForce(), key), annotation),
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

  #flushed(): number {
    this.#cached.flush();
    return this.#writer.lastSequence;
  }

  // ---- closing ---------------------------------------------------------------------------------

  #makeDesk(onHandedOver: (handover: Handover) => void): HandoverDesk | undefined {
    const { disk, directory, options } = this.#parts;
    const { handover, onWarning } = options;
    if (handover === false) return undefined;
    const desk = new HandoverDesk({
      disk,
      directory,
      handover: handover === true ? {} : handover,
      onWarning,
      prepare: (signal) => this.#prepareToGo(signal),
      goOn: () => this.#parts.background.goOn(),
      letGo: async (to) => {
        this.#handedTo = to;
        // What cannot be made durable was told to those who wrote it.
        await this.#begin(0).catch(() => {});
        return this.#writer.durableSequence;
      },
      onHandedOver,
    });
    return desk;
  }

  /** So that little is left to be done, and to be read back, once nobody can write. */
  async #prepareToGo(signal: AbortSignal): Promise<void> {
    await this.#forks.settled();
    if (!signal.aborted) await this.flush().catch(() => {});
    if (!signal.aborted) await this.#parts.background.rest();
  }

  #begin(finalSnapshotMillis: number): Promise<void> {
    this.#closing ??= this.#close(finalSnapshotMillis);
    return this.#closing;
  }

  async #close(finalSnapshotMillis: number): Promise<void> {
    const deaf = this.#desk?.close();
    if (this.#handedTo === undefined) this.#desk?.dismiss();
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
    await Promise.all([this.#forks.settled(), this.#backups.stop(), this.#checkpoints.stop()]);
    this.past.close();
    await this.#parts.background.close(failure === undefined ? finalSnapshotMillis : 0);
    // Whoever takes the store over does not wait for a snapshot.
    const isLast = failure === undefined && this.#handedTo === undefined;
    if (isLast) await this.#checkpoints.takeLast(this.#writer.lastSequence);
    this.#writer.stop(this.#refusal());
    await deaf;
    await this.#parts.release(failure === undefined).finally(() => this.#forgetSignals());
    if (failure !== undefined) throw failure;
  }

  /** @internal */
  protected override assertOpen(): void {
    if (this.#closing !== undefined) throw this.#refusal();
  }

  #refusal(): HoldfastError {
    if (this.#handedTo === undefined) return new HoldfastError("CLOSED", "the store is closed");
    return goneTo(this.#handedTo, this.#parts.directory);
  }
}
