/**
 * The one error class of the project. `code` is stable and documented in docs/errors.md under a
 * heading of the same name; `message` is for people and may change.
 */

/** Every code an error of this package can carry. A test holds docs/errors.md against this list. */
export const ERROR_CODES = [
  // The caller's mistake; nothing was written.
  "INVALID_ARGUMENT",
  "INVALID_SCHEMA",
  "INVALID_ROW",
  "LATE_ROW",
  "BOOK_GAP",
  "BOOK_CROSSED",
  "INVALID_KEY",
  "TOO_LARGE",
  "CHECK_FAILED",
  "MIGRATION_FAILED",
  "NESTED_TRANSACTION",
  "CLOSED",
  "HANDED_OVER",
  "SNAPSHOT_EXISTS",
  "SNAPSHOT_NOT_FOUND",
  "HISTORY_GONE",
  "BLOB_PINNED",
  "BAD_TENSORS",
  // Backups; those that are there stay as they are.
  "BACKUP_NOT_FOUND",
  "BACKUP_FOREIGN",
  // The store has more to do than it can; nothing was written.
  "OVERLOADED",
  // The store cannot be opened as asked; nothing was changed.
  "LOCKED",
  "HANDOVER_REFUSED",
  "HANDOVER_TIMEOUT",
  "WRONG_ENVIRONMENT",
  "NOT_A_STORE",
  "FORMAT_VERSION",
  "SCHEMA_MISMATCH",
  "UNSUPPORTED_FILE_SYSTEM",
  // The disk or what is on it.
  "CORRUPT_LOG",
  "CORRUPT_RUN",
  "CORRUPT_MANIFEST",
  "CORRUPT_BACKUP",
  "CORRUPT_CHUNK",
  "CORRUPT_BLOB",
  "MISSING_FILE",
  "IO",
  "DISK_FULL",
  "OUTCOME_UNKNOWN",
  "POISONED",
  "FENCED",
  // The outside world.
  "BAD_TAPE",
  "MISSING_PACKAGE",
  // holdfast/trading; nothing was written.
  "RISK_LIMIT",
  "TRADING_HALTED",
  "ORDER_TRANSITION",
  "UNKNOWN_ORDER",
  "FILL_CONFLICT",
] as const;

export type ErrorCode = (typeof ERROR_CODES)[number];

/** What an error knows about its place. All fields are optional; those that apply are set. */
export interface ErrorData {
  /** File the error is about. */
  readonly file?: string;
  /** Byte offset in that file. */
  readonly offset?: number;
  /** Sequence (number of a transaction) concerned; the first one where there are several. */
  readonly sequence?: number;
  /** Last sequence concerned. */
  readonly lastSequence?: number;
  /** For HISTORY_GONE: the first transaction that there still is; not set if there is none. */
  readonly oldestSequence?: number;
  readonly table?: string;
  readonly series?: string;
  /** Name of a blob; `version` is then its version. */
  readonly blob?: string;
  readonly book?: string;
  readonly key?: unknown;
  readonly field?: string;
  /** Version of a table's schema: of the row, where the error is about one. */
  readonly version?: number;
  readonly check?: string;
  /** Who has the store: for LOCKED, HANDOVER_REFUSED, HANDOVER_TIMEOUT and HANDED_OVER. */
  readonly holder?: { readonly pid: number; readonly host: string; readonly since: string };
  /** For CORRUPT_LOG: the damaged transactions are proven to have been acknowledged. */
  readonly provenAcknowledged?: boolean;
  /** For RISK_LIMIT: which limit, what it allows, what was asked, and what would be reached. */
  readonly limit?: {
    readonly name: string;
    readonly symbol?: string;
    readonly maximum: string;
    readonly value: string;
    readonly exposure: string;
    /** For the limit of a rate: when what was asked will be there. */
    readonly retryAfterMillis?: number;
  };
}

/**
 * Thrown, or rejected with, by everything in this package.
 *
 * `cause` holds the error of the layer below, where there is one.
 */
export class HoldfastError extends Error {
  override readonly name = "HoldfastError";
  readonly code: ErrorCode;
  readonly data: ErrorData;

  constructor(code: ErrorCode, message: string, data: ErrorData = {}, cause?: unknown) {
    super(message, cause === undefined ? undefined : { cause });
    this.code = code;
    this.data = data;
  }
}

/** True for an error of this package, with that code where one is given. */
export function isHoldfastError(error: unknown, code?: ErrorCode): error is HoldfastError {
  return error instanceof HoldfastError && (code === undefined || error.code === code);
}

/** The errno name of a system error ("ENOENT", "EIO", ...), or undefined for anything else. */
export function errnoCode(error: unknown): string | undefined {
  if (typeof error !== "object" || error === null || !("code" in error)) return undefined;
  const code = (error as { code: unknown }).code;
  return typeof code === "string" && /^E[A-Z0-9]+$/.test(code) ? code : undefined;
}
