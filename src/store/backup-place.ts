/**
 * The directory that has the backups of one store: each is a store of its own in a directory
 * "backup-000001", "backup-000002" and so on, with a record beside its files.
 */
import { errnoCode, HoldfastError } from "../base/errors.js";
import type { Disk } from "../disk/disk.js";
import { acquireOwnership, type Ownership } from "../disk/lock.js";
import {
  isPassingFileName,
  isStoreFileName,
  LOCK_NAME,
  listOrUndefined,
} from "../recovery/files.js";
import {
  BACKUP_FORMAT_VERSION,
  BACKUP_RECORD_NAME,
  BACKUPS_RECORD_NAME,
  type BackupRecord,
  readBackupRecord,
  readBackupsRecord,
  writeRecord,
} from "./backup-record.js";
import { syncAncestors } from "./place.js";

/** Here a backup is restored when it is verified. */
export const VERIFYING_NAME = "verifying";
/** Here a digest has what is too much for memory. */
export const SCRATCH_NAME = "scratch";

const PASSING_DIRECTORIES: readonly string[] = [VERIFYING_NAME, SCRATCH_NAME];

/** A backup, as callers see it. */
export interface BackupInfo {
  /** Such as "backup-000012": later ones have larger numbers. */
  readonly name: string;
  /** Where it is. */
  readonly directory: string;
  /** It holds every transaction up to this one. */
  readonly sequence: number;
  /** Microseconds since 1970. */
  readonly createdMicros: number;
  /** When it was last restored and found to hold the same; undefined: not yet. */
  readonly verifiedMicros: number | undefined;
  /** Files it consists of, and their length. Others of its directory have most of them too. */
  readonly files: number;
  readonly bytes: number;
  /** Why nothing can be said of it: its record cannot be read. All else is 0 then. */
  readonly damage?: string;
}

/** One that is complete, or was. */
export interface FoundBackup {
  readonly name: string;
  /** A text: what is wrong with it. */
  readonly record: BackupRecord | string;
}

export function infoOf(place: string, { name, record }: FoundBackup): BackupInfo {
  const directory = `${place}/${name}`;
  if (typeof record === "string") {
    const none = { sequence: 0, createdMicros: 0, verifiedMicros: undefined, files: 0, bytes: 0 };
    return { name, directory, ...none, damage: record };
  }
  const { sequence, createdMicros, verifiedMicros, files } = record;
  return {
    name,
    directory,
    sequence,
    createdMicros,
    verifiedMicros: verifiedMicros ?? undefined,
    files: files.length,
    bytes: files.reduce((sum, file) => sum + file.bytes, 0),
  };
}

export function backupName(number: number): string {
  return `backup-${String(number).padStart(6, "0")}`;
}

/** Undefined for any other name. */
export function backupNumber(name: string): number | undefined {
  const digits = /^backup-(\d{6,15})$/.exec(name)?.[1];
  return digits === undefined || backupName(Number(digits)) !== name ? undefined : Number(digits);
}

/** The oldest first. Throws the system's error. */
export async function findBackups(disk: Disk, place: string): Promise<FoundBackup[]> {
  const found: FoundBackup[] = [];
  for (const name of numbered(await disk.list(place))) {
    try {
      found.push({ name, record: await readBackupRecord(disk, `${place}/${name}`) });
    } catch (error) {
      // One that was never completed, or is being removed.
      if (!isAbsence(error)) throw error;
    }
  }
  return found;
}

/** Names of backups, whole or not, the oldest first. */
export function numbered(names: readonly string[]): string[] {
  return names
    .filter((name) => backupNumber(name) !== undefined)
    .sort((a, b) => (backupNumber(a) as number) - (backupNumber(b) as number));
}

function isAbsence(error: unknown): boolean {
  return ["ENOENT", "ENOTDIR"].includes(errnoCode(error) ?? "");
}

/**
 * Whose backups a directory has; undefined where it is absent or empty. Throws BACKUP_FOREIGN if it
 * has anything else in it, and CORRUPT_BACKUP if what says whose they are is damaged.
 */
async function ownerOf(disk: Disk, place: string): Promise<string | undefined> {
  const names = (await listOrUndefined(disk, place)) ?? [];
  if (names.includes(BACKUPS_RECORD_NAME)) {
    const record = await readBackupsRecord(disk, place);
    if (typeof record !== "string") return record.storeId;
    const file = `${place}/${BACKUPS_RECORD_NAME}`;
    throw new HoldfastError("CORRUPT_BACKUP", `${file} is damaged: ${record}`, { file });
  }
  const passing = [LOCK_NAME, `${BACKUPS_RECORD_NAME}.partial`];
  const foreign = names.find((name) => !passing.includes(name) && !isPassingFileName(name));
  if (foreign === undefined) return undefined;
  throw new HoldfastError(
    "BACKUP_FOREIGN",
    `${place} is not empty (it has, for one, "${foreign}") and has no backups: backups need a ` +
      "directory of their own",
    { file: place },
  );
}

/** Throws BACKUP_NOT_FOUND; and as `ownerOf`. */
export async function assertHasBackups(disk: Disk, place: string): Promise<void> {
  if ((await ownerOf(disk, place)) !== undefined) return;
  throw new HoldfastError("BACKUP_NOT_FOUND", `${place} has no backups`, { file: place });
}

/** By name; without one the newest that can be used. Throws BACKUP_NOT_FOUND, CORRUPT_BACKUP. */
export async function findBackup(
  disk: Disk,
  place: string,
  name: string | undefined,
): Promise<{ readonly name: string; readonly record: BackupRecord }> {
  await assertHasBackups(disk, place);
  const found = await findBackups(disk, place);
  const one =
    name === undefined
      ? (found.findLast(({ record }) => typeof record !== "string") ?? found.at(-1))
      : found.find((backup) => backup.name === name);
  if (one === undefined) {
    const names = found.map((backup) => backup.name).slice(-20);
    const there = names.length === 0 ? "it has none" : `it has ${names.join(", ")}`;
    const what = name === undefined ? "a backup" : `the backup "${name}"`;
    const message = `${place} does not have ${what}; ${there}`;
    throw new HoldfastError("BACKUP_NOT_FOUND", message, { file: place });
  }
  const { record } = one;
  if (typeof record !== "string") return { name: one.name, record };
  const file = `${place}/${one.name}/${BACKUP_RECORD_NAME}`;
  throw new HoldfastError("CORRUPT_BACKUP", `${file} is damaged: ${record}`, { file });
}

/**
 * Makes the directory, if need be, one for backups of that store, and keeps others out of it.
 * Throws BACKUP_FOREIGN if it is another's, LOCKED, and as `ownerOf`.
 */
export async function takePlace(
  disk: Disk,
  place: string,
  storeId: string,
  writerId: string,
): Promise<Ownership> {
  assertOwner(place, await ownerOf(disk, place), storeId);
  await disk.createDirectory(place);
  await syncAncestors(disk, place);
  const ownership = await lockPlace(disk, place, writerId);
  try {
    const owner = await ownerOf(disk, place);
    assertOwner(place, owner, storeId);
    if (owner === undefined) {
      const record = { format: BACKUP_FORMAT_VERSION, storeId };
      await writeRecord(disk, place, BACKUPS_RECORD_NAME, record);
    }
    return ownership;
  } catch (error) {
    await ownership.release();
    throw error;
  }
}

/** Throws LOCKED. */
export function lockPlace(disk: Disk, place: string, writerId: string): Promise<Ownership> {
  return acquireOwnership(disk, `${place}/${LOCK_NAME}`, { writerId });
}

function assertOwner(place: string, owner: string | undefined, storeId: string): void {
  if (owner === undefined || owner === storeId) return;
  throw new HoldfastError(
    "BACKUP_FOREIGN",
    `${place} has the backups of store ${owner}, and this is store ${storeId}: each store needs ` +
      "a directory of its own",
    { file: place },
  );
}

// ---- removing ----------------------------------------------------------------------------------

/** Removes what was never completed. To be called with the lock. */
export async function removeRemains(disk: Disk, place: string): Promise<void> {
  const whole = new Set((await findBackups(disk, place)).map(({ name }) => name));
  const names = await disk.list(place);
  for (const name of [...numbered(names), ...PASSING_DIRECTORIES]) {
    if (names.includes(name) && !whole.has(name)) await removeBackup(disk, place, name);
  }
}

/**
 * Removes a backup, its record first: cut short anywhere, what is left counts as nothing. A
 * directory that has anything else in it is left alone.
 */
export async function removeBackup(disk: Disk, place: string, name: string): Promise<void> {
  const directory = `${place}/${name}`;
  const names = await disk.list(directory);
  if (!names.every(isBackupFileName)) return;
  const remove = async (record: string): Promise<void> => {
    if (!names.includes(record)) return;
    await disk.remove(`${directory}/${record}`);
    await disk.syncDirectory(directory);
  };
  await remove(BACKUP_RECORD_NAME);
  for (const one of names) {
    if (one !== BACKUP_RECORD_NAME) await disk.remove(`${directory}/${one}`);
  }
  await disk.removeDirectory(directory);
  await disk.syncDirectory(place);
}

function isBackupFileName(name: string): boolean {
  const own = [BACKUP_RECORD_NAME, `${BACKUP_RECORD_NAME}.partial`];
  return own.includes(name) || isStoreFileName(name) || isPassingFileName(name);
}

const MICROS_PER_DAY = 86_400_000_000;

/**
 * Removes backups older than that, but neither the newest nor the newest that was verified, and
 * notes the names of those that are gone. Damaged ones are left for people to look at.
 */
export async function removeExpired(
  disk: Disk,
  place: string,
  keepForDays: number,
  removed: string[],
): Promise<void> {
  const found = await findBackups(disk, place);
  const verified = found.findLast(
    ({ record }) => typeof record !== "string" && record.verifiedMicros !== null,
  );
  const oldest = disk.clock.nowMicros() - keepForDays * MICROS_PER_DAY;
  for (const backup of found) {
    const { name, record } = backup;
    if (typeof record === "string" || record.createdMicros >= oldest) continue;
    if (backup === verified || backup === found.at(-1)) continue;
    await removeBackup(disk, place, name);
    removed.push(name);
  }
}
