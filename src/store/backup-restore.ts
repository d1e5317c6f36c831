/** What is done with backups that are there: listed, verified, made a store of again. */
import { HoldfastError } from "../base/errors.js";
import type { Disk, Timer } from "../disk/disk.js";
import type { FileSum } from "../snapshot/jobs.js";
import { InlineRunner } from "../snapshot/runner.js";
import { type BackupWork, damaged, digestOfRestored, isSame, makeBackup } from "./backup.js";
import {
  assertHasBackups,
  type BackupInfo,
  findBackup,
  findBackups,
  infoOf,
  lockPlace,
  removeRemains,
} from "./backup-place.js";
import { BACKUP_RECORD_NAME, type BackupRecord, writeRecord } from "./backup-record.js";
import { type ForkInfo, forkStore, pointOf } from "./fork.js";
import { asStoreError } from "./store-error.js";
import type { Transfer } from "./transfer.js";

/** Where backups are, and who looks at them. */
export interface BackupAccess {
  readonly disk: Disk;
  /** The directory that has them. */
  readonly place: string;
  readonly writerId: string;
  readonly signal?: AbortSignal | undefined;
  /** Of reading and writing. Default: no limit. */
  readonly bytesPerSecond?: number | undefined;
  readonly onProgress?: ((progress: BackupProgress) => void) | undefined;
}

/** What was read and written so far, in bytes. */
export interface BackupProgress {
  readonly bytesRead: number;
  readonly bytesWritten: number;
}

const PROGRESS_MILLIS = 200;

/**
 * The backups there are, the oldest first. Changes nothing and needs no lock. Errors:
 * BACKUP_NOT_FOUND, BACKUP_FOREIGN, CORRUPT_BACKUP, IO.
 */
export async function listBackupsIn(disk: Disk, place: string): Promise<BackupInfo[]> {
  try {
    await assertHasBackups(disk, place);
    return (await findBackups(disk, place)).map((backup) => infoOf(place, backup));
  } catch (error) {
    throw asStoreError(error, place, "reading");
  }
}

/**
 * Reads a backup, by default the newest, from end to end, restores it within its place, compares
 * the digest of its state with the one recorded, and notes in its record that it did.
 *
 * Errors: CORRUPT_BACKUP, CORRUPT_RUN, CORRUPT_LOG, CORRUPT_MANIFEST, MISSING_FILE for damage;
 * BACKUP_NOT_FOUND, BACKUP_FOREIGN, LOCKED, DISK_FULL, IO.
 */
export async function verifyBackupIn(access: BackupAccess, name?: string): Promise<BackupInfo> {
  const { disk, place, writerId } = access;
  try {
    await assertHasBackups(disk, place);
    const ownership = await lockPlace(disk, place, writerId);
    try {
      await removeRemains(disk, place);
      const found = await findBackup(disk, place, name);
      return await withWork(access, (work) => verify(work, found));
    } finally {
      await removeRemains(disk, place).catch(() => {});
      await ownership.release();
    }
  } catch (error) {
    throw asStoreError(error, place, "verifying");
  }
}

async function verify(
  work: BackupWork,
  found: { readonly name: string; readonly record: BackupRecord },
): Promise<BackupInfo> {
  const { disk, place } = work;
  const { name, record } = found;
  const directory = `${place}/${name}`;
  const files = record.files.map((file) => file.name);
  const sums = await work.run({ kind: "checksum", directory, files });
  assertSame(directory, record, sums.files);
  const { digest } = await digestOfRestored(work, directory);
  if (record.digest !== null && record.digest !== digest) {
    const message =
      `${directory} was restored and does not hold what was backed up: its digest is ${digest}, ` +
      `and was ${record.digest}`;
    throw new HoldfastError("CORRUPT_BACKUP", message, { file: directory });
  }
  const verified = { ...record, digest, verifiedMicros: disk.clock.nowMicros() };
  await writeRecord(disk, directory, BACKUP_RECORD_NAME, verified);
  return infoOf(place, { name, record: verified });
}

function assertSame(directory: string, record: BackupRecord, sums: readonly FileSum[]): void {
  const found = new Map(sums.map((sum) => [sum.name, sum]));
  const wrong = record.files.find((file) => {
    const sum = found.get(file.name);
    return sum !== undefined && !isSame(file, sum);
  });
  if (wrong !== undefined) throw damaged(`${directory}/${wrong.name}`);
}

/** Where a backup is to become a store. */
export interface RestoreBackupTarget {
  /** Absent or empty. */
  readonly to: string;
  /** Of the backup. Default: the newest. */
  readonly name?: string | undefined;
  /** Of the new store. Default: that of the backup. */
  readonly environment?: string | undefined;
}

/**
 * Makes a new store of a backup, which shares nothing with it; each file is checked while it is
 * copied. Changes nothing in the backup, and needs no lock.
 *
 * Errors: BACKUP_NOT_FOUND, BACKUP_FOREIGN, CORRUPT_BACKUP, CORRUPT_LOG, CORRUPT_MANIFEST,
 * MISSING_FILE; INVALID_ARGUMENT if `to` is not empty; LOCKED, DISK_FULL, IO. After any of them
 * there is no store in `to`.
 */
export async function restoreBackupFrom(
  access: BackupAccess,
  target: RestoreBackupTarget,
): Promise<ForkInfo & { readonly backup: BackupInfo }> {
  const { disk, place, writerId } = access;
  const { to, environment } = target;
  try {
    const found = await findBackup(disk, place, target.name);
    const directory = `${place}/${found.name}`;
    const fork = await withWork(access, (work) =>
      forkStore(
        { disk, directory, to, writerId, environment },
        () => pointOf(disk, directory, undefined),
        () => copying(work, directory, to, found.record),
      ),
    );
    return { ...fork, backup: infoOf(place, found) };
  } catch (error) {
    throw asStoreError(error, place, "restoring from");
  }
}

function copying(work: BackupWork, directory: string, to: string, record: BackupRecord): Transfer {
  return {
    copyLog: (source, target) => work.run({ kind: "copy-log", source, target }),
    share: async (files) => {
      if (files.length === 0) return 0;
      const copied = await work.run({ kind: "copy", directory, to, files });
      assertSame(directory, record, copied.files);
      return files.length;
    },
  };
}

/** Options of `backupStore`. */
export interface BackupBesideOptions {
  readonly directory: string;
  readonly verify: boolean;
  readonly keepForDays: number;
}

/**
 * Makes a backup of a store from beside whoever writes it: all that is durable. Errors: those of
 * `makeBackup`, and NOT_A_STORE, CORRUPT_MANIFEST, FORMAT_VERSION.
 */
export function backupBeside(access: BackupAccess, options: BackupBesideOptions) {
  const { directory } = options;
  const point = () => pointOf(access.disk, directory, undefined);
  return withWork(access, (work) => makeBackup(work, { ...options, point }));
}

async function withWork<T>(
  access: BackupAccess,
  use: (work: BackupWork) => Promise<T>,
): Promise<T> {
  const { disk, place, writerId, bytesPerSecond } = access;
  const budget =
    bytesPerSecond === undefined
      ? { bytesPerSecond: Number.POSITIVE_INFINITY, burstBytes: 1 }
      : { bytesPerSecond, burstBytes: bytesPerSecond };
  const runner = new InlineRunner(disk, budget);
  const signal = access.signal ?? new AbortController().signal;
  const stop = tellProgress(access, () => runner.budget);
  try {
    return await use({ disk, place, writerId, run: (job) => runner.run(job, signal) });
  } finally {
    stop();
    await runner.close();
  }
}

function tellProgress(
  { disk, onProgress }: BackupAccess,
  progress: () => BackupProgress,
): () => void {
  if (onProgress === undefined) return () => {};
  let timer: Timer;
  const tell = (): void => {
    const { bytesRead, bytesWritten } = progress();
    onProgress({ bytesRead, bytesWritten });
    timer = disk.scheduler.after(PROGRESS_MILLIS, tell, false);
  };
  tell();
  return () => timer.cancel();
}
