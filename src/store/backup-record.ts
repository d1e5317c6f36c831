/** What stands beside the files of a backup, and in the directory that has them: docs/format.md. */
import type { Checksum, Disk } from "../disk/disk.js";
import type { FileSum } from "../snapshot/jobs.js";

export const BACKUP_FORMAT_VERSION = 1;

/** In the directory of each backup, written last: without it that is none. */
export const BACKUP_RECORD_NAME = "backup.json";

/** In the directory that has them all: whose they are. */
export const BACKUPS_RECORD_NAME = "backups.json";

/** More than any record is long. */
const RECORD_BYTES_MAX = 64 * 1024 * 1024;

export interface BackupRecord {
  readonly format: number;
  /** 32 hex digits, of the store that was backed up. */
  readonly storeId: string;
  readonly environment: string;
  /** Every transaction up to this one is in it. */
  readonly sequence: number;
  readonly createdMicros: number;
  /** When it was last restored and found to be the same; null: never. */
  readonly verifiedMicros: number | null;
  /** Of all rows (snapshot/digest.ts); null where it was not computed. */
  readonly digest: string | null;
  /** All files but this one, by name. */
  readonly files: readonly FileSum[];
}

export interface BackupsRecord {
  readonly format: number;
  /** 32 hex digits, of the one store whose backups these are. */
  readonly storeId: string;
}

/** Writes a record so that it is there as a whole or not at all, and durable. */
export async function writeRecord(
  disk: Disk,
  directory: string,
  name: string,
  record: BackupRecord | BackupsRecord,
): Promise<void> {
  const path = `${directory}/${name}`;
  const partial = `${path}.partial`;
  await disk.remove(partial).catch(() => {});
  const file = await disk.open(partial, { write: true, create: true, exclusive: true });
  try {
    await file.write(0, encode(record, disk.checksum));
    await file.sync();
  } finally {
    await file.close();
  }
  await disk.rename(partial, path);
  await disk.syncDirectory(directory);
}

/** A text if it is there and is none, for people. Throws the system's error, such as ENOENT. */
export async function readBackupRecord(
  disk: Disk,
  directory: string,
): Promise<BackupRecord | string> {
  const value = await readRecord(disk, `${directory}/${BACKUP_RECORD_NAME}`);
  if (typeof value === "string") return value;
  return isBackupRecord(value) ? value : "it is not a record of a backup";
}

/** As above, of the directory that has them. */
export async function readBackupsRecord(
  disk: Disk,
  directory: string,
): Promise<BackupsRecord | string> {
  const value = await readRecord(disk, `${directory}/${BACKUPS_RECORD_NAME}`);
  if (typeof value === "string") return value;
  const ok = isHex(value.storeId, 32);
  return ok ? (value as unknown as BackupsRecord) : "it does not name a store";
}

type Fields = Readonly<Record<string, unknown>>;

/** JSON, with the CRC32C of all before its last line in that. */
function encode(record: object, checksum: Checksum): Uint8Array {
  const text = Buffer.from(`${JSON.stringify(record, null, 1)}\n`);
  return Buffer.concat([text, Buffer.from(`${sumOf(text, checksum)}\n`)]);
}

function sumOf(bytes: Uint8Array, checksum: Checksum): string {
  return checksum.crc32c(bytes, 0, bytes.length).toString(16).padStart(8, "0");
}

async function readRecord(disk: Disk, path: string): Promise<Fields | string> {
  const file = await disk.open(path);
  let bytes: Buffer;
  try {
    const read = await file.read(0, Math.min(RECORD_BYTES_MAX, await file.size()));
    bytes = Buffer.from(read.buffer, read.byteOffset, read.byteLength);
  } finally {
    await file.close();
  }
  const end = bytes.length - "12345678\n".length;
  const text = bytes.subarray(0, Math.max(0, end));
  const sum = bytes.subarray(Math.max(0, end)).toString("latin1");
  if (sum !== `${sumOf(text, disk.checksum)}\n`) return "it fails its checksum";
  try {
    const value: unknown = JSON.parse(text.toString("utf8"));
    if (typeof value !== "object" || value === null) return "it is no record";
    const { format } = value as Fields;
    if (format !== BACKUP_FORMAT_VERSION) return `it is of format version ${String(format)}`;
    return value as Fields;
  } catch {
    return "it is not JSON";
  }
}

function isBackupRecord(value: Fields): value is Fields & BackupRecord {
  const { storeId, environment, sequence, createdMicros, verifiedMicros, digest, files } = value;
  return (
    isHex(storeId, 32) &&
    typeof environment === "string" &&
    isCount(sequence) &&
    isCount(createdMicros) &&
    (verifiedMicros === null || isCount(verifiedMicros)) &&
    (digest === null || isHex(digest, 64)) &&
    Array.isArray(files) &&
    files.every(isFileSum)
  );
}

function isFileSum(value: unknown): value is FileSum {
  if (typeof value !== "object" || value === null) return false;
  const { name, bytes, checksum } = value as Fields;
  const isName = typeof name === "string" && /^[0-9a-z.]+$/.test(name);
  return isName && isCount(bytes) && isCount(checksum);
}

function isCount(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0;
}

function isHex(value: unknown, length: number): value is string {
  return typeof value === "string" && value.length === length && /^[0-9a-f]*$/.test(value);
}
