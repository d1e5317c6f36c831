/** Options of what a store does by itself beside its work: checkpoints, backups, closing. */
import { CLOSING_SIGNALS } from "./closing-signals.js";
import { checkNames, checkRange, checkType, invalid } from "./option-checks.js";

/** Named snapshots on a schedule. */
export interface CheckpointOptions {
  /** One is taken so often, if anything was written: 1 to 10,080. Default: 60. */
  readonly everyMinutes?: number;
  /** How many are kept, the newest: 1 to 500. Default: 24. */
  readonly keep?: number;
  /** One is taken when the store is closed. Default: true. */
  readonly onClose?: boolean;
}

/** What a backup is, and how many are kept. */
export interface MakeBackupOptions {
  /**
   * Restore what was made, within its place, and compare digests of its rows and the store's: all
   * that the store holds is read twice. Default: true.
   */
  readonly verify?: boolean;
  /**
   * Older ones are removed afterwards, but neither the newest nor the newest that was verified: 1
   * to 36,500. Default: 30.
   */
  readonly keepForDays?: number;
  /** Gives it up; what was begun is removed. */
  readonly signal?: AbortSignal;
}

/** Backups that a store makes by itself. */
export interface BackupOptions extends Omit<MakeBackupOptions, "signal"> {
  /** The directory for the backups of this store; made where it is not there. */
  readonly to: string;
  /** One is due when the newest there is has this age: 1 to 8,760. Default: 24. */
  readonly everyHours?: number;
}

export function checkCheckpoints(options: CheckpointOptions): void {
  checkType("checkpoints", options, "object");
  checkNames("checkpoints.", options, ["everyMinutes", "keep", "onClose"]);
  const { everyMinutes = 60, keep = 24, onClose = true } = options;
  checkRange("checkpoints.everyMinutes", everyMinutes, 1, 10_080);
  checkRange("checkpoints.keep", keep, 1, 500);
  checkType("checkpoints.onClose", onClose, "boolean");
}

export function checkSignals(signals: unknown): void {
  const known: readonly unknown[] = CLOSING_SIGNALS;
  if (Array.isArray(signals) && signals.every((signal) => known.includes(signal))) return;
  throw invalid(`closeOnSignals must be a list of ${CLOSING_SIGNALS.join(", ")}`);
}

export function checkBackupOptions(options: BackupOptions): void {
  checkType("backup", options, "object");
  checkNames("backup.", options, ["to", "everyHours", "verify", "keepForDays"]);
  const { to, everyHours = 24, ...others } = options;
  checkBackupPlace("backup.to", to);
  checkRange("backup.everyHours", everyHours, 1, 8_760);
  checkKeeping("backup.", others);
}

/** Throws INVALID_ARGUMENT. */
export function checkMakeBackup(directory: unknown, options: MakeBackupOptions): void {
  checkBackupPlace("the directory", directory);
  checkType("the options", options, "object");
  checkNames("", options, ["verify", "keepForDays", "signal"]);
  const { signal } = options;
  const isSignal = signal === undefined || signal instanceof AbortSignal;
  if (!isSignal) throw invalid("signal must be an AbortSignal");
  checkKeeping("", options);
}

function checkBackupPlace(option: string, place: unknown): void {
  if (typeof place !== "string" || place === "") throw invalid(`${option} must be a path`);
}

function checkKeeping(before: string, options: MakeBackupOptions): void {
  const { verify = true, keepForDays = 30 } = options;
  checkType(`${before}verify`, verify, "boolean");
  checkRange(`${before}keepForDays`, keepForDays, 1, 36_500);
}
