/** The open store: transactions, tiers, and what can be asked of it. */
import { HoldfastError } from "../base/errors.js";
import type { BookDefinition } from "../books/definition.js";
import type { TableDefinition } from "../codec/schema.js";
import type { Disk, PlaceInfo, WriteMethod } from "../disk/disk.js";
import type { LogSource } from "../history/log-source.js";
import { type Annotation, checkOwn } from "../log/annotation.js";
import type { LogWriter } from "../log/writer.js";
import type { RecoveryReport } from "../recovery/opening.js";
import type { SeriesDefinition } from "../series/definition.js";
import type { Background } from "./background.js";
import { notOpened } from "./blob-reads.js";
import type { Blobs } from "./blobs.js";
import { type Book, type BookPlace, bookOf } from "./books.js";
import { CachedRows } from "./cached.js";
import type { Catalog } from "./catalog.js";
import { closeOnSignals } from "./closing-signals.js";
import { Commits, RESOLVED } from "./commits.js";
import { goneTo, type Handover, HandoverDesk, type HandoverParty } from "./handover.js";
import { type BlobsOfStore, openBlobs } from "./open-blobs.js";
import type { Options } from "./options.js";
import { type Series, type SeriesPlace, seriesOf } from "./series.js";
import { type StoreStats, statsOf } from "./stats.js";
import { StoreChecks } from "./store-checks.js";
import type { StoreHistoryOptions } from "./store-history.js";
import type { Table } from "./table.js";
import { type TablePlace, tableHandle } from "./table-handle.js";
import { TransactionRunner } from "./transaction.js";
import type { Transaction } from "./transaction-interface.js";
import { StoreView, type View } from "./view.js";
import { WithUpkeep } from "./with-upkeep.js";

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
export class Store extends WithUpkeep {
  /** What opening found and did. */
  readonly recovery: RecoveryReport;
  readonly #catalog: Catalog;
  readonly #writer: LogWriter;
  readonly #runner: TransactionRunner;
  readonly #cached: CachedRows;
  readonly #commits: Commits;
  /** @internal */
  protected override readonly place: TablePlace & SeriesPlace;
  /** @internal */
  protected override readonly ofBlobs: BlobsOfStore | undefined;
  readonly #handles = new Map<unknown, unknown>();
  readonly #views = new Set<StoreView>();
  readonly #desk: HandoverDesk | undefined;
  /** Who has got the store, or is getting it. */
  #handedTo: HandoverParty | undefined;
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
    super(parts);
    this.recovery = parts.recovery;
    this.#catalog = parts.catalog;
    this.#writer = parts.writer;
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
    this.place = this.#makePlace();
    this.ofBlobs = openBlobs(parts, {
      ...this.place,
      past: this.past,
      runner: this.#runner,
      views: () => this.#views,
    });
    let onHandedOver = (_: Handover): void => {};
    this.handedOver = new Promise((resolve) => {
      onHandedOver = resolve;
    });
    this.#desk = this.#makeDesk(onHandedOver);
  }

  #makePlace(): TablePlace & SeriesPlace & BookPlace {
    return {
      parts: this.parts,
      catalog: this.#catalog,
      runner: this.#runner,
      commits: this.#commits,
      past: this.past,
      assertOpen: () => this.assertOpen(),
      flushCached: () => this.#cached.flush(),
      view: () => this.view(),
      transact: (work, annotation?: Annotation) => this.transact(work, annotation),
      transactSync: (work, annotation?: Annotation) => this.transactSync(work, annotation),
      tableOf: (definition) => this.table(definition),
    };
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
      handle = tableHandle(this.#catalog.of(definition), this.place);
      this.#handles.set(definition, handle);
    }
    return handle as Table<K, R, I>;
  }

  /** A series that the store was opened with. Throws INVALID_ARGUMENT for any other. */
  series<V, I>(definition: SeriesDefinition<V, I>): Series<V, I> {
    const handle = this.#handles.get(definition) ?? seriesOf(definition, this.place);
    this.#handles.set(definition, handle);
    return handle as Series<V, I>;
  }

  /** What is too large for a row: docs/blobs.md. Throws INVALID_ARGUMENT without that option. */
  get blobs(): Blobs {
    if (this.ofBlobs === undefined) throw notOpened();
    return this.ofBlobs.blobs;
  }

  /** An order book that the store was opened with. Throws INVALID_ARGUMENT for any other. */
  book(definition: BookDefinition): Book {
    const handle = this.#handles.get(definition) ?? bookOf(definition, this.place);
    this.#handles.set(definition, handle);
    return handle as Book;
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
      result = this.#commits.run(work, false, checkOwn(annotation, this.#writer.lastSequence));
    } catch (error) {
      return Promise.reject(error);
    }
    const durable = this.#commits.acknowledgement();
    return durable === RESOLVED ? Promise.resolve(result) : durable.then(() => result);
  }

  /** As `transact`, but returns when the transaction is on disk; the event loop waits. */
  transactSync<T>(work: (transaction: Transaction) => T, annotation?: Annotation): T {
    this.#runner.assertNotActive();
    return this.#commits.runSync(work, checkOwn(annotation, this.#writer.lastSequence));
  }

  /**
   * Resolves, with `durableSequence`, when that transaction and all before it are on disk; without
   * an argument, all there have been so far, rows of cached tables included.
   *
   * Errors: OUTCOME_UNKNOWN, POISONED; INVALID_ARGUMENT for a sequence that is not yet there.
   */
  override async durable(sequence?: number): Promise<number> {
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
    return statsOf(this.parts, this.#closed ? "closed" : alive, this.backups.stats);
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

  /** What goes on by itself from now on; whoever wants to take it over is heard. @internal */
  async begin(): Promise<void> {
    this.backups.start();
    this.checkpoints.start();
    this.ofBlobs?.files.start();
    this.#forgetSignals = closeOnSignals(this, this.parts.options.closeOnSignals);
    // Who comes right behind the opening is to be heard.
    await this.#desk?.start();
  }

  /**
   * Makes everything durable, seals the log and gives the directory back. Idempotent. Rejects if
   * something could not be made durable (OUTCOME_UNKNOWN, POISONED, DISK_FULL); the store is closed
   * and the lock released all the same. Throws NESTED_TRANSACTION inside a transaction.
   */
  close(): Promise<void> {
    this.#runner.assertNotActive();
    return this.#begin(this.parts.options.finalSnapshotMillis);
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  // ---- closing ---------------------------------------------------------------------------------

  #makeDesk(onHandedOver: (handover: Handover) => void): HandoverDesk | undefined {
    const { disk, directory, options } = this.parts;
    const { handover, onWarning } = options;
    if (handover === false) return undefined;
    return new HandoverDesk({
      disk,
      directory,
      handover: handover === true ? {} : handover,
      onWarning,
      prepare: (signal) => this.#prepareToGo(signal),
      goOn: () => this.parts.background.goOn(),
      letGo: async (to) => {
        this.#handedTo = to;
        // What cannot be made durable was told to those who wrote it.
        await this.#begin(0).catch(() => {});
        return this.#writer.durableSequence;
      },
      onHandedOver,
    });
  }

  /** So that little is left to be done, and to be read back, once nobody can write. */
  async #prepareToGo(signal: AbortSignal): Promise<void> {
    await this.forks.settled();
    if (!signal.aborted) await this.flush().catch(() => {});
    if (!signal.aborted) await this.parts.background.rest();
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
    await this.ofBlobs?.files.close();
    for (const view of this.#views) view.release();
    await Promise.all([this.forks.settled(), this.backups.stop(), this.checkpoints.stop()]);
    this.past.close();
    await this.parts.background.close(failure === undefined ? finalSnapshotMillis : 0);
    // Whoever takes the store over does not wait for a snapshot.
    const isLast = failure === undefined && this.#handedTo === undefined;
    if (isLast) await this.checkpoints.takeLast(this.#writer.lastSequence);
    this.#writer.stop(this.#refusal());
    await deaf;
    await this.parts.release(failure === undefined).finally(() => this.#forgetSignals());
    if (failure !== undefined) throw failure;
  }

  /** @internal */
  protected override assertOpen(): void {
    if (this.#closing !== undefined) throw this.#refusal();
  }

  #refusal(): HoldfastError {
    if (this.#handedTo === undefined) return new HoldfastError("CLOSED", "the store is closed");
    return goneTo(this.#handedTo, this.parts.directory);
  }
}
