/** How a transaction ends: in the log, or not at all; and when its caller is told. */
import { HoldfastError } from "../base/errors.js";
import { type Annotation, appendAnnotation } from "../log/annotation.js";
import type { LogWriter } from "../log/writer.js";
import type { Background } from "./background.js";
import type { CachedRows } from "./cached.js";
import type { StoreChecks } from "./store-checks.js";
import { type TableState, TIER_RANK } from "./table-state.js";
import type { TransactionRunner } from "./transaction.js";
import type { Transaction } from "./transaction-interface.js";

export interface CommitParts {
  readonly runner: TransactionRunner;
  readonly writer: LogWriter;
  readonly cached: CachedRows;
  readonly checks: StoreChecks;
  readonly background: Background;
  /** Throws CLOSED. */
  readonly assertOpen: () => void;
}

export const RESOLVED: Promise<void> = Promise.resolve();

export class Commits {
  readonly #runner: TransactionRunner;
  readonly #writer: LogWriter;
  readonly #cached: CachedRows;
  readonly #checks: StoreChecks;
  readonly #background: Background;
  readonly #assertOpen: () => void;

  constructor(parts: CommitParts) {
    this.#runner = parts.runner;
    this.#writer = parts.writer;
    this.#cached = parts.cached;
    this.#checks = parts.checks;
    this.#background = parts.background;
    this.#assertOpen = parts.assertOpen;
  }

  /**
   * Runs a transaction; with `toLog`, or if it is annotated, it goes there even if it concerns
   * cached tables only.
   */
  run<T>(work: (transaction: Transaction) => T, toLog: boolean, annotation?: Annotation): T {
    return this.#run(work, toLog, annotation, this.#checks.any);
  }

  /** Of rows that were there before, whatever checks say now; goes to the log. */
  runUnchecked(work: () => void, annotation: Annotation): void {
    this.#run(work, true, annotation, false);
  }

  #run<T>(
    work: (transaction: Transaction) => T,
    toLog: boolean,
    annotation: Annotation | undefined,
    checked: boolean,
  ): T {
    this.#assertOpen();
    const runner = this.#runner;
    this.#background.assertRoom();
    runner.begin();
    try {
      if (annotation !== undefined) appendAnnotation(this.#writer, annotation);
      const result = work(runner);
      if (typeof (result as { then?: unknown } | null | undefined)?.then === "function") {
        // Whatever it throws later comes of this refusal.
        Promise.resolve(result).catch(() => {});
        throw new HoldfastError(
          "INVALID_ARGUMENT",
          "the function of a transaction must be synchronous; it returned a promise",
        );
      }
      runner.assertWhole();
      if (checked) this.#checks.run(runner);
      this.#finish(toLog || annotation !== undefined);
      return result;
    } catch (error) {
      if (runner.active) runner.rollback();
      throw error;
    }
  }

  /** The same, and returns when it is on disk; the event loop waits. */
  runSync<T>(work: (transaction: Transaction) => T, annotation?: Annotation): T {
    const result = this.run(work, true, annotation);
    this.#writer.flushSync();
    return result;
  }

  /** A transaction of one row; resolves when that is durable for its tier. */
  put<K, R, I>(state: TableState<K, R, I>, key: K, row: I): Promise<void> {
    this.#runner.assertNotActive();
    try {
      if (this.#checks.any) this.run(() => this.#runner.putRow(state, key, row), false);
      else this.#putAlone(state, key, row);
    } catch (error) {
      return Promise.reject(error);
    }
    return this.acknowledgement();
  }

  putSync<K, R, I>(state: TableState<K, R, I>, key: K, row: I): void {
    // A cached table's row would stay in memory; as a transaction it goes to the log.
    if (this.#checks.any || state.rank === TIER_RANK.cached) {
      this.runSync(() => this.#runner.putRow(state, key, row));
      return;
    }
    this.#putAlone(state, key, row);
    this.#writer.flushSync();
  }

  /** Resolves when the transaction that has just ended is durable for its tier. */
  acknowledgement(): Promise<void> {
    const { rank, operations } = this.#runner;
    if (operations === 0) return RESOLVED;
    const { gate } = this.#background;
    if (rank === TIER_RANK.critical) {
      this.#writer.flushSoon();
      const durable = this.#writer.fillingPromise;
      return gate === undefined ? durable : durable.then(() => gate);
    }
    if (rank === TIER_RANK.important) this.#writer.flushLater();
    return gate ?? RESOLVED;
  }

  #putAlone<K, R, I>(state: TableState<K, R, I>, key: K, row: I): void {
    this.#assertOpen();
    this.#background.assertRoom();
    this.#runner.putAlone(state, key, row);
    if (this.#runner.rank === TIER_RANK.cached) this.#cached.flushLater();
  }

  /** Gives the transaction its place in the log, unless it concerns cached tables only. */
  #finish(toLog: boolean): void {
    const runner = this.#runner;
    if (runner.operations === 0) {
      runner.rollback();
    } else if (runner.rank > TIER_RANK.cached || toLog) {
      this.#writer.commitRecord();
      runner.settleCached(true);
      runner.end();
      // Nobody waits for it, and nothing else sends it off.
      if (runner.rank === TIER_RANK.cached) this.#writer.flushLater();
    } else {
      this.#writer.abandonRecord();
      runner.settleCached(false);
      runner.end();
      this.#cached.flushLater();
    }
  }
}
