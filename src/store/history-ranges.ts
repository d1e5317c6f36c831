/** What is asked of the past, and how its hash is told. */
import type { Moment } from "../history/moments.js";
import type { AnyTable } from "./past-state.js";

/** A state of the past: a moment, or the name of a snapshot. */
export type PastPoint = Moment | string;

/** Which transactions: bounds are sequences or times. `gte` wins over `gt`, `lte` over `lt`. */
export interface HistoryRange {
  readonly gt?: Moment;
  readonly gte?: Moment;
  readonly lt?: Moment;
  readonly lte?: Moment;
  /** At most so many; no limit by default. */
  readonly limit?: number;
}

/** Which transactions, by what they say of themselves too. */
export interface TransactionRange extends HistoryRange {
  /** Only those that name this transaction as their cause. */
  readonly causedBy?: number;
  /** Only those that have all of these tags. */
  readonly tags?: Readonly<Record<string, string>>;
}

/** Which transactions are hashed; all there are by default. */
export interface HistoryHeadRange extends Omit<HistoryRange, "limit"> {
  /** The head of what is before them, to go on from there: 64 hex digits. */
  readonly base?: string;
}

export interface HistoryHead {
  /** The first and the last transaction. */
  readonly from: number;
  readonly to: number;
  readonly transactions: number;
  /** SHA-256 over each of them and the hash before it: 64 hex digits. */
  readonly head: string;
}

export interface ChangesOptions {
  /** Begin with this transaction. Default: the next one there will be. */
  readonly from?: Moment;
  /** Only transactions that concern one of these tables, and of those only what does. */
  readonly tables?: readonly AnyTable[];
  /** Ends it, without an error. */
  readonly signal?: AbortSignal;
}

export interface DiffOptions {
  /** Only these tables. */
  readonly tables?: readonly AnyTable[];
}
