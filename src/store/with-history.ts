/** What an open store tells of its past. */
import type { LoggedTransaction } from "../history/logged-transaction.js";
import type {
  ChangesOptions,
  DiffOptions,
  HistoryHead,
  HistoryHeadRange,
  PastPoint,
  TransactionRange,
} from "./history-ranges.js";
import type { PastState } from "./past-state.js";
import type { ReplayOptions, ReplayReport } from "./replay-options.js";
import type { RowDifference } from "./state-difference.js";
import type { StoreHistory } from "./store-history.js";

export abstract class WithHistory {
  /** @internal */
  protected readonly past: StoreHistory;

  /** @internal */
  constructor(past: StoreHistory) {
    this.past = past;
  }

  /**
   * The whole state as it was after a transaction: by its sequence, a time, or the name of a
   * snapshot. To be closed; it lives on when the store is closed. What it takes is in
   * docs/history.md.
   *
   * Errors: HISTORY_GONE; INVALID_ARGUMENT for a sequence that is not yet durable;
   * SNAPSHOT_NOT_FOUND, CORRUPT_LOG, CORRUPT_RUN, MISSING_FILE, IO.
   */
  async at(point: PastPoint): Promise<PastState> {
    this.assertOpen();
    return this.past.at(point);
  }

  /**
   * The durable transactions of a range, the oldest first: who wrote what, when, and why. Without a
   * lower bound it begins with the oldest there is. With `causedBy` or `tags` only those that say
   * so: the log of the range is read all the same, but nothing else of it is decoded.
   *
   * Errors: HISTORY_GONE, INVALID_ARGUMENT, CORRUPT_LOG, MISSING_FILE, IO.
   */
  transactions(range?: TransactionRange): AsyncGenerator<LoggedTransaction, void, undefined> {
    this.assertOpen();
    return this.past.transactions(range);
  }

  /**
   * A transaction, the one it was caused by, and so on, to the first that names no cause. Each step
   * reads a part of the log, at most one segment or archive; see docs/history.md.
   *
   * Errors: HISTORY_GONE where a cause is not in the history any more; INVALID_ARGUMENT for a
   * sequence that is not yet durable; CORRUPT_LOG, MISSING_FILE, IO.
   */
  causes(sequence: number): AsyncGenerator<LoggedTransaction, void, undefined> {
    this.assertOpen();
    return this.past.causes(sequence);
  }

  /**
   * A hash that stands for the transactions of a range, byte for byte: kept elsewhere, it proves
   * later that none of them was rewritten. `base`, the head up to the one before, goes on from
   * there. Reads the log of the range; nothing is hashed while transactions are written.
   *
   * Errors: HISTORY_GONE, INVALID_ARGUMENT, CORRUPT_LOG, MISSING_FILE, IO.
   */
  async historyHead(range?: HistoryHeadRange): Promise<HistoryHead> {
    this.assertOpen();
    return this.past.historyHead(range);
  }

  /**
   * Transactions from one on, and then each new one when it is durable: exactly once, in order, and
   * no faster than they are taken. Ends when the signal is given or the store is closed.
   *
   * Errors: as for `transactions`; HISTORY_GONE also where it is taken so slowly that the log is
   * let go of before.
   */
  changes(options?: ChangesOptions): AsyncGenerator<LoggedTransaction, void, undefined> {
    this.assertOpen();
    return this.past.changes(options);
  }

  /**
   * What differs between two states of the past: rows added, removed and changed, field by field.
   * Goes through both states. Errors: as for `at`.
   */
  diff(
    a: PastPoint,
    b: PastPoint,
    options?: DiffOptions,
  ): AsyncGenerator<RowDifference, void, undefined> {
    this.assertOpen();
    return this.past.diff(a, b, options);
  }

  /**
   * Gives recorded transactions to `handler` once more, beside a fork that begins with the state
   * before the first of them, and tells where what comes out is not what was recorded:
   * docs/history.md. The store itself is only read. `openHistory` has the same, for a process of
   * its own.
   *
   * Errors: as for `at`; INVALID_ARGUMENT also where `into` is not empty; those of `open` and of
   * writes, for the fork; the signal's reason.
   */
  replay(options: ReplayOptions): Promise<ReplayReport> {
    this.assertOpen();
    return this.past.replay(options);
  }

  /** Throws CLOSED. @internal */
  protected abstract assertOpen(): void;
}
