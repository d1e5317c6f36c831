/**
 * Makes a backup: a store of its own, of what another one holds, in a directory that shares nothing
 * with it. Files that never change are copied once; the next backup gives them a second name.
 *
 * It is made as a fork is, so that one that is cut short is none; its record is written last, after
 * it was restored and found to hold the same.
 */
import { HoldfastError } from "../base/errors.js";
import { packFileName } from "../blobs/format.js";
import type { Disk } from "../disk/disk.js";
import { parseSegmentFileName } from "../log/format.js";
import { archiveFileName } from "../manifest/archive-name.js";
import { MANIFEST_SLOT_NAMES, type Manifest } from "../manifest/format.js";
import { LOCK_NAME } from "../recovery/files.js";
import { runFileName } from "../run/format.js";
import type { CopiedLog, LogSource, LogTarget } from "../snapshot/copy-log.js";
import type { DigestResult, FileSum, Job, ResultOf } from "../snapshot/jobs.js";
import { inOrder, normalizePosition } from "../snapshot/position.js";
import type { RestoreSource, RestoreTarget } from "../snapshot/snapshot-rows.js";
import {
  type BackupInfo,
  backupName,
  backupNumber,
  type FoundBackup,
  findBackups,
  infoOf,
  numbered,
  removeBackup,
  removeExpired,
  removeRemains,
  SCRATCH_NAME,
  takePlace,
  VERIFYING_NAME,
} from "./backup-place.js";
import {
  BACKUP_FORMAT_VERSION,
  BACKUP_RECORD_NAME,
  type BackupRecord,
  writeRecord,
} from "./backup-record.js";
import { type ForkPoint, forkStore, pointOf } from "./fork.js";
import { readManifest } from "./read-only.js";
import { asStoreError } from "./store-error.js";
import { linking, linkOrCopy, settle, type Transfer } from "./transfer.js";

/** What a backup is made with. */
export interface BackupWork {
  readonly disk: Disk;
  /** Does a job, and rejects with CLOSED once nobody wants it any more. */
  readonly run: <J extends Job>(job: J) => Promise<ResultOf<J>>;
  /** The directory that has the backups. */
  readonly place: string;
  readonly writerId: string;
  /** For tests: less memory. */
  readonly bounds?: Pick<RestoreTarget, "fileBytes" | "arenaBytes">;
}

export interface BackupSource {
  /** The store; somebody may be writing it. */
  readonly directory: string;
  /** What is to be kept; asked for again where files were replaced meanwhile. */
  readonly point: () => Promise<ForkPoint>;
  /** Restore it and compare digests of both states. */
  readonly verify: boolean;
  /** Older backups are removed, but neither the newest nor the newest that was verified. */
  readonly keepForDays: number;
}

/** What was made. */
export interface BackupResult extends BackupInfo {
  /** Of its files, those that had to be copied; the backups before have the others. */
  readonly copiedFiles: number;
  readonly copiedBytes: number;
  /** Names of backups that had become too old. */
  readonly removed: readonly string[];
  /** Why others that are too old are still there; undefined where none is. */
  readonly notRemoved: string | undefined;
}

/**
 * Errors: BACKUP_FOREIGN; INVALID_ARGUMENT if the directory is in the store; CORRUPT_BACKUP if what
 * was made does not hold the same; LOCKED; CORRUPT_LOG, CORRUPT_RUN, MISSING_FILE; DISK_FULL; IO;
 * CLOSED. After any of them the backups that were there are there as they were.
 */
export async function makeBackup(work: BackupWork, source: BackupSource): Promise<BackupResult> {
  try {
    return await make(work, source);
  } catch (error) {
    throw asStoreError(error, work.place, "backing up to");
  }
}

async function make(work: BackupWork, source: BackupSource): Promise<BackupResult> {
  const { disk, place } = work;
  if (`${place}/`.startsWith(`${source.directory}/`)) {
    const message = `${place} is within the store that is to be backed up`;
    throw new HoldfastError("INVALID_ARGUMENT", message, { file: place });
  }
  const { storeId } = (await source.point()).manifest;
  const ownership = await takePlace(disk, place, storeId, work.writerId);
  try {
    await removeRemains(disk, place);
    const previous = (await findBackups(disk, place)).findLast(isWhole);
    const last = numbered(await disk.list(place)).at(-1);
    const name = backupName(last === undefined ? 1 : (backupNumber(last) as number) + 1);
    try {
      const made = await new Backup(work, source, name, previous).make();
      const removed: string[] = [];
      // It is made, whatever becomes of the old ones: to try again would make one more.
      const notRemoved = await removeExpired(disk, place, source.keepForDays, removed).then(
        () => undefined,
        (error: unknown) => (error as Error).message,
      );
      return { ...made, removed, notRemoved };
    } catch (error) {
      // What cannot be removed now is removed by the next one.
      await removeRemains(disk, place).catch(() => {});
      throw error;
    }
  } finally {
    await ownership.release();
  }
}

type WholeBackup = FoundBackup & { readonly record: BackupRecord };

function isWhole(backup: FoundBackup): backup is WholeBackup {
  return typeof backup.record !== "string";
}

class Backup {
  readonly #work: BackupWork;
  readonly #source: BackupSource;
  readonly #name: string;
  readonly #directory: string;
  readonly #previous: WholeBackup | undefined;
  /** What is in the previous one, by name: tells a file from any other of that name. */
  #there: ReadonlyMap<string, string> = new Map();
  /** Files that never change, as they ought to be. */
  #shared: readonly FileSum[] = [];
  #copied: readonly FileSum[] = [];
  /** Of the state that is backed up. */
  #digest: DigestResult | undefined;

  constructor(
    work: BackupWork,
    source: BackupSource,
    name: string,
    previous: WholeBackup | undefined,
  ) {
    this.#work = work;
    this.#source = source;
    this.#name = name;
    this.#directory = `${work.place}/${name}`;
    this.#previous = previous;
  }

  async make(): Promise<Omit<BackupResult, "removed" | "notRemoved">> {
    const { disk, place, writerId } = this.#work;
    const { directory, point, verify } = this.#source;
    const createdMicros = disk.clock.nowMicros();
    this.#there = await this.#previousFiles();
    await disk.createDirectory(this.#directory);
    if (verify) await disk.createDirectory(`${place}/${SCRATCH_NAME}`);
    const target = { disk, directory, to: this.#directory, writerId };
    const fork = await forkStore(target, point, (from) => this.#transfer(from));
    const own = await this.#ownFiles();
    if (verify) await this.#verify();
    const storeId = fork.parentId;
    const { sequence, environment } = fork;
    const files = [...this.#shared, ...own].sort((a, b) => (a.name < b.name ? -1 : 1));
    const verifiedMicros = verify ? disk.clock.nowMicros() : null;
    const record: BackupRecord = {
      format: BACKUP_FORMAT_VERSION,
      storeId,
      environment,
      sequence,
      createdMicros,
      verifiedMicros,
      digest: this.#digest?.digest ?? null,
      files,
    };
    await writeRecord(disk, this.#directory, BACKUP_RECORD_NAME, record);
    await disk.syncDirectory(place);
    return {
      ...infoOf(place, { name: this.#name, record }),
      copiedFiles: this.#copied.length + own.length,
      copiedBytes: [...this.#copied, ...own].reduce((sum, file) => sum + file.bytes, 0),
    };
  }

  async #previousFiles(): Promise<ReadonlyMap<string, string>> {
    if (this.#previous === undefined) return new Map();
    const { disk, place } = this.#work;
    try {
      return identities(await readManifest(disk, `${place}/${this.#previous.name}`));
    } catch {
      // Damaged: all is copied anew.
      return new Map();
    }
  }

  #transfer(from: ForkPoint): Transfer {
    const { run } = this.#work;
    this.#shared = [];
    this.#copied = [];
    return {
      copyLog: (source: LogSource, target: LogTarget): Promise<CopiedLog> =>
        run({ kind: "copy-log", source, target }),
      share: (names) => this.#share(from, names),
    };
  }

  /** All that has to be read of the store is begun at once, while it is still there. */
  async #share(from: ForkPoint, names: readonly string[]): Promise<number> {
    const now = identities(from.manifest);
    const isKnown = (name: string) => this.#there.get(name) === now.get(name);
    const known = names.filter(isKnown);
    const [digest, copied, linked] = await settle([
      this.#source.verify
        ? digestOf(this.#work, sourceOf(this.#source.directory, from))
        : Promise.resolve(undefined),
      this.#copy(names.filter((name) => !isKnown(name))),
      this.#link(known),
    ]);
    this.#digest = digest;
    const sound = new Set(linked.map(({ name }) => name));
    const anew = await this.#copy(known.filter((name) => !sound.has(name)));
    this.#copied = [...copied, ...anew];
    this.#shared = [...linked, ...this.#copied];
    return this.#copied.length;
  }

  async #copy(files: readonly string[]): Promise<readonly FileSum[]> {
    if (files.length === 0) return [];
    const { directory } = this.#source;
    return (await this.#work.run({ kind: "copy", directory, to: this.#directory, files })).files;
  }

  /** Those that the previous backup has; if all is to be verified, only those that are sound. */
  async #link(names: readonly string[]): Promise<readonly FileSum[]> {
    const { disk, place, run } = this.#work;
    if (this.#previous === undefined || names.length === 0) return [];
    const { name: previous, record } = this.#previous;
    const directory = this.#directory;
    const expected = new Map(record.files.map((file) => [file.name, file]));
    const present = names.filter((name) => expected.has(name));
    for (const name of present) await linkOrCopy(disk, `${place}/${previous}`, directory, name);
    const wanted = present.map((name) => expected.get(name) as FileSum);
    if (!this.#source.verify) return wanted;
    const { files } = await run({ kind: "checksum", directory, files: present });
    for (const [i, file] of wanted.entries()) {
      if (!isSame(file, files[i])) await disk.remove(`${directory}/${file.name}`);
    }
    return wanted.filter((file, i) => isSame(file, files[i]));
  }

  /** What only this backup has; and a second look at what was copied, past the page cache. */
  async #ownFiles(): Promise<readonly FileSum[]> {
    const { disk, run } = this.#work;
    const directory = this.#directory;
    const names = (await disk.list(directory)).filter(isOwnFileName);
    const copies = this.#source.verify ? this.#copied : [];
    const files = [...names, ...copies.map(({ name }) => name)];
    const sums = (await run({ kind: "checksum", directory, files })).files;
    for (const [i, copy] of copies.entries()) {
      if (!isSame(copy, sums[names.length + i])) throw damaged(`${directory}/${copy.name}`);
    }
    return sums.slice(0, names.length);
  }

  async #verify(): Promise<void> {
    const restored = await digestOfRestored(this.#work, this.#directory);
    const { digest } = this.#digest as DigestResult;
    if (restored.digest === digest) return;
    const message =
      `${this.#directory} was restored and does not hold what the store does: its digest is ` +
      `${restored.digest}, and that of the store ${digest}`;
    throw new HoldfastError("CORRUPT_BACKUP", message, { file: this.#directory });
  }
}

/** Segments and manifests: nobody shares them. */
function isOwnFileName(name: string): boolean {
  if (name === LOCK_NAME) return false;
  const slots: readonly string[] = MANIFEST_SLOT_NAMES;
  return slots.includes(name) || parseSegmentFileName(name) !== undefined;
}

export function isSame(a: FileSum, b: FileSum | undefined): boolean {
  return b !== undefined && a.bytes === b.bytes && a.checksum === b.checksum;
}

export function damaged(file: string): HoldfastError {
  const message = `${file} does not hold what was written to it`;
  return new HoldfastError("CORRUPT_BACKUP", message, { file });
}

/** Run files, archives and packs by name: a text that no other file of that name has. */
function identities({ storeId: own, files, archives, packs = [] }: Manifest): Map<string, string> {
  const found = new Map<string, string>();
  for (const { id, bytes, checksum, storeId = own } of files) {
    found.set(runFileName(id), `${storeId} ${bytes} ${checksum}`);
  }
  for (const { id, bytes, firstSequence, lastSequence, lastMicros, storeId = own } of archives) {
    const content = `${bytes} ${firstSequence} ${lastSequence} ${lastMicros}`;
    found.set(archiveFileName(id), `${storeId} ${content}`);
  }
  for (const { id, bytes, checksum, storeId = own } of packs) {
    found.set(packFileName(id), `${storeId} ${bytes} ${checksum}`);
  }
  return found;
}

/** All rows of what a fork begins with. */
function sourceOf(directory: string, { manifest, state, sequence, end }: ForkPoint): RestoreSource {
  const { storeId, files, tables } = manifest;
  const ordered = inOrder(manifest.segments).filter(({ id }) => id <= end.segmentId);
  const replayFrom = normalizePosition(state.replayFrom, ordered);
  const segments = ordered.map(({ id }) => id).filter((id) => id >= replayFrom.segmentId);
  return {
    directory,
    manifest: { storeId, segments: manifest.segments, files, tables },
    snapshot: { sequence, state: { ...state, replayFrom }, segments },
  };
}

function digestOf(work: BackupWork, source: RestoreSource): Promise<DigestResult> {
  const { place, bounds = {} } = work;
  return work.run({ kind: "digest", source, scratch: `${place}/${SCRATCH_NAME}`, bounds });
}

/**
 * Restores a backup, by names for the files that are there already, and goes through all of its
 * rows. What was made for that is removed again.
 */
export async function digestOfRestored(work: BackupWork, directory: string): Promise<DigestResult> {
  const { disk, place, writerId } = work;
  const to = `${place}/${VERIFYING_NAME}`;
  const point = () => pointOf(disk, directory, undefined);
  await disk.createDirectory(`${place}/${SCRATCH_NAME}`);
  await forkStore({ disk, directory, to, writerId }, point, () => linking(disk, directory, to));
  const result = await digestOf(work, sourceOf(to, await pointOf(disk, to, undefined)));
  await removeBackup(disk, place, VERIFYING_NAME);
  await removeBackup(disk, place, SCRATCH_NAME);
  return result;
}
