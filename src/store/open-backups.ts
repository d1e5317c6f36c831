/** Backups without an open store: listed, verified, made and restored. */
import { hostname } from "node:os";
import { resolve } from "node:path";
import { HoldfastError } from "../base/errors.js";
import { chooseDisk } from "../disk/choose.js";
import type { Disk } from "../disk/disk.js";
import type { BackupResult } from "./backup.js";
import type { BackupInfo } from "./backup-place.js";
import {
  type BackupAccess,
  type BackupProgress,
  backupBeside,
  listBackupsIn,
  restoreBackupFrom,
  verifyBackupIn,
} from "./backup-restore.js";
import type { ForkInfo } from "./fork.js";
import { checkMakeBackup, type MakeBackupOptions } from "./upkeep-options.js";

/** What all of these take. */
export interface BackupAccessOptions {
  /** Gives it up. */
  readonly signal?: AbortSignal;
  /** Bytes a second to read and write on average: 64 KiB and more. Default: no limit. */
  readonly bytesPerSecond?: number;
  /** Told how far it has come, a few times a second. */
  readonly onProgress?: (progress: BackupProgress) => void;
  /** For tests and experiments: a disk of one's own. */
  readonly disk?: Disk;
}

/** How to make a store of a backup. */
export interface RestoreBackupOptions extends BackupAccessOptions {
  /** Of the backup, such as "backup-000012". Default: the newest. */
  readonly name?: string;
  /** Environment of the new store. Default: that of the one that was backed up. */
  readonly environment?: string;
}

/** The store that was made of a backup. */
export interface RestoredBackup extends ForkInfo {
  readonly backup: BackupInfo;
}

/**
 * The backups that a directory has, the oldest first. Changes nothing, and needs no lock.
 *
 * Errors: BACKUP_NOT_FOUND, BACKUP_FOREIGN, CORRUPT_BACKUP, INVALID_ARGUMENT, IO.
 */
export async function listBackups(
  directory: string,
  options: Pick<BackupAccessOptions, "disk"> = {},
): Promise<BackupInfo[]> {
  const { disk, place } = accessOf(directory, options);
  return listBackupsIn(disk, place);
}

/**
 * Reads a backup, by default the newest, from end to end, restores it within its directory and
 * compares a digest of all rows with that of the store when it was backed up. The backup notes when
 * it was verified last. No store is needed, and none is looked at.
 *
 * Errors: CORRUPT_BACKUP, CORRUPT_RUN, CORRUPT_LOG, CORRUPT_MANIFEST and MISSING_FILE for damage;
 * BACKUP_NOT_FOUND, BACKUP_FOREIGN, LOCKED while a backup is made there, DISK_FULL, IO,
 * INVALID_ARGUMENT, and the signal's reason.
 */
export async function verifyBackup(
  directory: string,
  options: BackupAccessOptions & { readonly name?: string } = {},
): Promise<BackupInfo> {
  const access = accessOf(directory, options);
  return untilAborted(access, verifyBackupIn(access, options.name));
}

/**
 * Makes a new store, with an id of its own, in a directory that is absent or empty, of a backup. It
 * shares nothing with the backup, which stays as it is.
 *
 * Errors: BACKUP_NOT_FOUND, BACKUP_FOREIGN; CORRUPT_BACKUP, CORRUPT_LOG, CORRUPT_MANIFEST and
 * MISSING_FILE for damage; INVALID_ARGUMENT, LOCKED, DISK_FULL, IO, and the signal's reason. After
 * any of them there is no store in `to`.
 */
export async function restoreBackup(
  directory: string,
  to: string,
  options: RestoreBackupOptions = {},
): Promise<RestoredBackup> {
  const access = accessOf(directory, options);
  const { name, environment } = options;
  if (environment === "") throw invalid("an environment has a name");
  const target = { to: pathOf("the directory of the new store", to, options), name, environment };
  return untilAborted(access, restoreBackupFrom(access, target));
}

/**
 * Makes a backup of a store from beside whoever writes it, or without anybody: of all that is
 * durable. Needs no lock of the store and changes nothing in it. A program that has the store open
 * calls `store.backup` instead.
 *
 * Errors: those of `store.backup`, and NOT_A_STORE, CORRUPT_MANIFEST and FORMAT_VERSION.
 */
export async function backupStore(
  store: string,
  directory: string,
  options: MakeBackupOptions & BackupAccessOptions = {},
): Promise<BackupResult> {
  const { disk: _, bytesPerSecond: __, onProgress: ___, ...making } = options;
  checkMakeBackup(directory, making);
  const access = accessOf(directory, options);
  const { verify = true, keepForDays = 30 } = options;
  const from = pathOf("the directory of the store", store, options);
  return untilAborted(access, backupBeside(access, { directory: from, verify, keepForDays }));
}

function accessOf(directory: string, options: BackupAccessOptions): BackupAccess {
  const { signal, bytesPerSecond, onProgress, disk = chooseDisk("auto", () => {}) } = options;
  const ok = bytesPerSecond === undefined || bytesPerSecond >= 65_536;
  if (!ok) throw invalid("bytesPerSecond must be at least 65536");
  const writerId = process.env.HOLDFAST_WRITER_ID || hostname();
  const place = pathOf("the directory of the backups", directory, options);
  return { disk, place, writerId, signal, bytesPerSecond, onProgress };
}

/** With a disk of one's own, paths are what that makes of them. */
function pathOf(what: string, path: unknown, { disk }: BackupAccessOptions): string {
  if (typeof path !== "string" || path === "") throw invalid(`${what} must be a path`);
  return disk === undefined ? resolve(path) : path;
}

async function untilAborted<T>({ signal }: BackupAccess, work: Promise<T>): Promise<T> {
  try {
    return await work;
  } catch (error) {
    if (signal?.aborted === true) throw signal.reason;
    throw error;
  }
}

function invalid(message: string): HoldfastError {
  return new HoldfastError("INVALID_ARGUMENT", message);
}
