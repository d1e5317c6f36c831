/** What a replay of recorded transactions takes and gives. */
import { HoldfastError } from "../base/errors.js";
import type { LoggedTransaction } from "../history/logged-transaction.js";
import type { Moment } from "../history/moments.js";
import type { StoredRow } from "../history/stored-tables.js";
import type { StoreCheck } from "./options.js";
import type { AnyTable } from "./past-state.js";
import type { RecordedChange } from "./recorded-state.js";
import type { FieldDifference } from "./state-difference.js";
import type { Store } from "./store.js";

export const LIMIT_DEFAULT = 100;

/** A transaction as it was recorded. */
export interface RecordedTransaction extends LoggedTransaction {
  /** Each key once, with the row before and after, as the tables in force have it. */
  readonly changes: readonly RecordedChange[];
}

export interface ReplayProgress {
  readonly sequence: number;
  /** Of so many. */
  readonly replayed: number;
  readonly transactions: number;
  readonly differences: number;
}

/** How to replay recorded transactions. */
export interface ReplayOptions {
  /** The first transaction that is replayed; the state before it is what the fork begins with. */
  readonly from: Moment;
  /** The last one. Default: the last durable one. */
  readonly to?: Moment;
  /** Directory of the fork: absent or empty. It is an ordinary store, and stays. */
  readonly into: string;
  /**
   * Makes of a transaction what the code under trial would, by writing to the fork. It is given the
   * next one when its promise has resolved.
   */
  readonly handler: (transaction: RecordedTransaction, fork: Store) => unknown;
  /** The tables of the fork, by the code under trial. Default: those the store was opened with. */
  readonly tables?: readonly AnyTable[];
  /** Rules of the code under trial, for the fork. */
  readonly checks?: readonly StoreCheck[];
  /** Compare after each transaction, the default, or once, when all were replayed. */
  readonly compare?: "each" | "end";
  /** Most differences that are listed; all are counted. Default: 100. */
  readonly limit?: number;
  /** Ends it: the promise rejects with the signal's reason. The fork stays as it is then. */
  readonly signal?: AbortSignal;
  /** Called after each transaction. */
  readonly onProgress?: (progress: ReplayProgress) => void;
}

/** What came out otherwise than it was recorded. */
export interface ReplayDifference {
  /** After this transaction. */
  readonly sequence: number;
  /** When that was recorded, in microseconds since 1970. */
  readonly timeMicros: number;
  /**
   * "missing": recorded, and not there. "unexpected": there, and not recorded. "changed": another
   * row. "failed": the handler has thrown; nothing is said of a row then.
   */
  readonly kind: "missing" | "unexpected" | "changed" | "failed";
  readonly table?: string;
  readonly key?: unknown;
  readonly recorded?: StoredRow | undefined;
  readonly replayed?: StoredRow | undefined;
  /** For "changed": `before` is what was recorded, `after` what came out. */
  readonly fields?: readonly FieldDifference[];
  /** For "failed": what was thrown. */
  readonly error?: { readonly code?: string; readonly message: string };
}

export interface ReplayedTable {
  readonly table: string;
  /** Rows that were compared: those that were recorded, and those that the handler wrote. */
  readonly compared: number;
  /** Differences, of all transactions. */
  readonly differences: number;
  /** Rows that differ when all were replayed. */
  readonly differentAtEnd: number;
}

/** What a replay has found. `JSON.stringify` takes it: bigints as text, bytes as base64. */
export interface ReplayReport {
  readonly from: number;
  readonly to: number;
  readonly transactions: number;
  /** Of the fork. */
  readonly directory: string;
  /** Nothing differs, and nothing has failed. */
  readonly same: boolean;
  readonly first: ReplayDifference | undefined;
  /** The first ones, at most `limit`. */
  readonly differences: readonly ReplayDifference[];
  /** How many there are. */
  readonly differencesFound: number;
  readonly tables: readonly ReplayedTable[];
}

const OPTIONS = new Set([
  "from",
  "to",
  "into",
  "handler",
  "tables",
  "checks",
  "compare",
  "limit",
  "signal",
  "onProgress",
]);

/** Throws INVALID_ARGUMENT for what is not about places in the history: these are looked up. */
export function checkReplayOptions(options: ReplayOptions): void {
  if (typeof options !== "object" || options === null) throw invalid("a replay needs options");
  const unknown = Object.keys(options).find((name) => !OPTIONS.has(name));
  if (unknown !== undefined) throw invalid(`unknown option "${unknown}"`);
  const { into, handler, compare, limit = LIMIT_DEFAULT, onProgress } = options;
  if (typeof into !== "string" || into === "") throw invalid("into must be a path");
  if (typeof handler !== "function") throw invalid("handler must be a function");
  if (onProgress !== undefined && typeof onProgress !== "function") {
    throw invalid("onProgress must be a function");
  }
  if (compare !== undefined && compare !== "each" && compare !== "end") {
    throw invalid(`compare must be "each" or "end", got ${String(compare)}`);
  }
  if (!Number.isSafeInteger(limit) || limit < 0) {
    throw invalid(`limit must be a whole number, got ${String(limit)}`);
  }
}

/** INVALID_ARGUMENT. */
export function invalid(message: string): HoldfastError {
  return new HoldfastError("INVALID_ARGUMENT", message);
}
