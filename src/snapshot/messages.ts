/** What crosses between the store's thread and that of the background, and how errors cross. */
import { AssertionError } from "../base/assert.js";
import { ERROR_CODES, type ErrorCode, type ErrorData, HoldfastError } from "../base/errors.js";
import type { BudgetFigures, BudgetOptions } from "./budget.js";
import type { Job, JobResults } from "./jobs.js";

/** Which disk the thread makes for itself. */
export type WorkerBackend = "auto" | "native" | "io_uring" | "threads" | "portable";

export interface WorkerSettings {
  readonly backend: WorkerBackend;
  readonly budget: BudgetOptions;
}

export type ToWorker =
  | { readonly type: "run"; readonly id: number; readonly job: Job }
  | { readonly type: "cancel"; readonly id: number }
  | { readonly type: "hurry"; readonly on: boolean };

export type FromWorker =
  | { readonly type: "ready" }
  | {
      readonly type: "done";
      readonly id: number;
      readonly result: JobResults[Job["kind"]];
      readonly budget: BudgetFigures;
    }
  | {
      readonly type: "failed";
      readonly id: number;
      readonly error: PlainError;
      readonly budget: BudgetFigures;
    };

/** An error as data. */
export interface PlainError {
  /** Undefined: a mistake of the program. */
  readonly code: ErrorCode | undefined;
  readonly message: string;
  readonly data: ErrorData;
  readonly cause: { readonly message: string; readonly code: string | undefined } | undefined;
}

/** Of the cause only what people and programs look at crosses: its message and code. */
export function toPlainError(error: unknown): PlainError {
  const ours = error instanceof HoldfastError;
  const { message, cause } = error instanceof Error ? error : new AssertionError(String(error));
  return {
    code: ours ? error.code : undefined,
    message,
    data: ours ? error.data : {},
    cause: cause instanceof Error ? { message: cause.message, code: codeOf(cause) } : undefined,
  };
}

function codeOf(error: Error): string | undefined {
  const { code } = error as { code?: unknown };
  return typeof code === "string" ? code : undefined;
}

export function fromPlainError(plain: PlainError): Error {
  if (plain.code === undefined) return new AssertionError(plain.message);
  return new HoldfastError(plain.code, plain.message, plain.data, causeOf(plain));
}

function causeOf({ cause }: PlainError): unknown {
  if (cause === undefined) return undefined;
  const known = ERROR_CODES.find((code) => code === cause.code);
  if (known !== undefined) return new HoldfastError(known, cause.message);
  return cause.code === undefined
    ? new AssertionError(cause.message)
    : new SystemError(cause.code, cause.message);
}

/** A system error of the other thread, in its own words. */
class SystemError extends Error {
  override readonly name = "Error";
  readonly code: string;

  constructor(code: string, message: string) {
    super(message);
    this.code = code;
  }
}
