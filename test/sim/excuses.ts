/** What a store may refuse after a fault, and how a refusal that it may not make is told. */
import { type ErrorCode, HoldfastError } from "../../src/index.js";

/** The codes that each may fail with. */
const EXCUSABLE: Record<Activity, readonly ErrorCode[]> = {
  // IO: there is no file descriptor for the next segment, or a row cannot be read from its run.
  write: ["IO", "OUTCOME_UNKNOWN", "POISONED", "DISK_FULL", "CLOSED"],
  read: ["IO"],
  flush: ["IO", "OUTCOME_UNKNOWN", "POISONED", "DISK_FULL"],
  snapshot: ["IO", "OUTCOME_UNKNOWN", "POISONED", "DISK_FULL", "CORRUPT_MANIFEST"],
  open: ["IO", "DISK_FULL", "CORRUPT_MANIFEST", "CORRUPT_LOG"],
  close: ["OUTCOME_UNKNOWN", "POISONED", "DISK_FULL", "IO"],
};

/** What a program does with a store that may be refused. */
export type Activity = "write" | "read" | "flush" | "snapshot" | "open" | "close";

export function isExcusable(what: Activity, code: ErrorCode): boolean {
  return EXCUSABLE[what].includes(code);
}

/** What was expected and did not happen; with all that is needed to see it again. */
export class SimulationFailure extends Error {
  override readonly name = "SimulationFailure";
}

export function describe(error: unknown): string {
  if (error instanceof HoldfastError) return `${error.code}: ${error.message}`;
  return error instanceof Error ? (error.stack ?? error.message) : String(error);
}
