/** What a rollback is asked for, what its transactions say, and what it tells. */
import { HoldfastError } from "../base/errors.js";
import { type Annotation, checkAnnotation, checkOwn } from "../log/annotation.js";
import type { RowDifference } from "./state-difference.js";

export interface RollbackOptions {
  /** Why; it stands in the log with the transactions that do it. */
  readonly reason: string;
  /** To find them by. */
  readonly tags?: Readonly<Record<string, string>>;
  /** Nothing is written: only told what would be. */
  readonly check?: boolean;
  /** Called for every row that changes: as it is, and as it will be. */
  readonly onRow?: (row: RowDifference) => void;
  /** Ends it, with its reason: before the first transaction, or between two. */
  readonly signal?: AbortSignal;
}

export interface RolledBackTable {
  readonly table: string;
  /** Rows that were not there, and are again. */
  readonly added: number;
  /** Rows that are there, and were not. */
  readonly removed: number;
  readonly changed: number;
}

export interface RollbackInfo {
  /** The transaction after which the state was as it is now. */
  readonly to: number;
  /** It was, or would be, one transaction; otherwise each of them is marked as a part. */
  readonly atomic: boolean;
  /** Those that were written; none where nothing differed, or it was only checked. */
  readonly firstSequence: number | undefined;
  readonly lastSequence: number | undefined;
  readonly transactions: number;
  /** Tables in which something differed. */
  readonly tables: readonly RolledBackTable[];
}

/** What its transactions carry. Throws INVALID_ARGUMENT or TOO_LARGE. */
export function checkRollback(options: RollbackOptions, lastSequence: number): Annotation {
  const { reason, tags, check, onRow, signal } = options ?? {};
  if (reason === undefined) throw invalid("a rollback needs a reason: { reason }");
  const annotation = checkOwn(
    { reason, ...(tags === undefined ? {} : { tags }) },
    lastSequence,
  ) as Annotation;
  checkAnnotation(marked(annotation, lastSequence, "1"), lastSequence);
  if (check !== undefined && typeof check !== "boolean") throw invalid("check is true or false");
  if (onRow !== undefined && typeof onRow !== "function") throw invalid("onRow is a function");
  if (signal === undefined || signal instanceof AbortSignal) return annotation;
  throw invalid("signal must be an AbortSignal");
}

function invalid(message: string): HoldfastError {
  return new HoldfastError("INVALID_ARGUMENT", message);
}

/** What the transactions of a rollback carry besides what the caller says. */
export function marked(annotation: Annotation, to: number, part: string): Annotation {
  const tags = { ...annotation.tags, "holdfast.rollback": String(to), "holdfast.part": part };
  return { ...annotation, tags };
}
