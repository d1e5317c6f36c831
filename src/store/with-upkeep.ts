/** What is done to an open store as a whole: snapshots, forks, going back, backups, runs. */
import { HoldfastError } from "../base/errors.js";
import type { BackupResult } from "./backup.js";
import { Backups } from "./backups.js";
import { Checkpoints } from "./checkpoints.js";
import { type ForkInfo, Forks } from "./fork.js";
import type { PastPoint } from "./history-ranges.js";
import { type MigratedTable, type MigrateOptions, migrateStore } from "./migrate.js";
import type { BlobsOfStore } from "./open-blobs.js";
import { checkForkOptions, type ForkOptions } from "./options.js";
import { rollBack } from "./rollback.js";
import { checkRollback, type RollbackInfo, type RollbackOptions } from "./rollback-options.js";
import { checkSnapshotName, type SnapshotInfo } from "./snapshots.js";
import type { StoreParts } from "./store.js";
import { StoreHistory } from "./store-history.js";
import type { TablePlace } from "./table-handle.js";
import { checkMakeBackup, type MakeBackupOptions } from "./upkeep-options.js";
import { WithHistory } from "./with-history.js";

export abstract class WithUpkeep extends WithHistory {
  /** @internal */
  protected readonly parts: StoreParts;
  /** @internal */
  protected abstract readonly place: TablePlace;
  /** @internal */
  protected abstract readonly ofBlobs: BlobsOfStore | undefined;
  /** @internal */
  protected readonly forks: Forks;
  /** @internal */
  protected readonly backups: Backups;
  /** @internal */
  protected readonly checkpoints: Checkpoints;
  #rollingBack = false;

  /** @internal */
  constructor(parts: StoreParts) {
    super(new StoreHistory({ source: parts.source, open: parts.open, ...parts.options }));
    this.parts = parts;
    this.forks = new Forks(parts);
    const flushed = () => {
      this.place.flushCached();
      return parts.writer.lastSequence;
    };
    this.backups = new Backups({ ...parts, flushed });
    this.checkpoints = new Checkpoints({ ...parts, flushed });
  }

  /** @internal */
  abstract durable(): Promise<number>;

  /**
   * Keeps the state of this moment, all of it, under a name; resolves when it is durable. It shares
   * with the store what both hold, so that it takes no time to speak of, and room only for what
   * changes later. Without a name it gets one that begins with "snapshot-".
   *
   * Errors: SNAPSHOT_EXISTS, INVALID_ARGUMENT, TOO_LARGE (a store has at most 1,000), DISK_FULL,
   * IO, and those of `durable`.
   */
  async snapshot(name?: string): Promise<SnapshotInfo> {
    this.assertOpen();
    this.place.runner.assertNotActive();
    if (name !== undefined) checkSnapshotName(name);
    this.place.flushCached();
    return this.parts.background.snapshot(name, this.parts.writer.lastSequence);
  }

  /** The named snapshots there are, the oldest first. */
  snapshots(): SnapshotInfo[] {
    this.assertOpen();
    return this.parts.background.snapshots();
  }

  /** Forgets a snapshot; what only it needed is removed. Errors: SNAPSHOT_NOT_FOUND, IO. */
  async dropSnapshot(name: string): Promise<void> {
    this.assertOpen();
    checkSnapshotName(name);
    await this.parts.background.dropSnapshot(name);
    this.ofBlobs?.files.dropped();
  }

  /**
   * Makes a new, independent store in a directory that is absent or empty, of what this one holds
   * now, or with `at` held when that snapshot was taken: docs/fork.md.
   *
   * Errors: INVALID_ARGUMENT, SNAPSHOT_NOT_FOUND, LOCKED, CORRUPT_LOG, MISSING_FILE, DISK_FULL, IO.
   */
  async fork(directory: string, options: ForkOptions = {}): Promise<ForkInfo> {
    this.assertOpen();
    this.place.runner.assertNotActive();
    checkForkOptions(directory, options);
    if (options.at === undefined) await this.durable();
    return this.forks.fork(directory, options);
  }

  /**
   * Makes the state what it was after a transaction, at a time, or in a snapshot, by new
   * transactions: nothing of the history goes. One transaction where that can hold it; otherwise
   * small ones, each marked as a part: stopped in between, the same call does the rest. What others
   * write meanwhile is taken back too. Checks are not asked: the rows were there before.
   *
   * Errors: SCHEMA_MISMATCH, with a list, where a version that came later has no `down`; those of
   * `at` and of a write; INVALID_ARGUMENT without a reason, and while another is under way; and the
   * signal's reason.
   */
  async rollback(to: PastPoint, options: RollbackOptions): Promise<RollbackInfo> {
    this.assertOpen();
    this.place.runner.assertNotActive();
    const annotation = checkRollback(options, this.parts.writer.lastSequence);
    if (this.#rollingBack) {
      throw new HoldfastError("INVALID_ARGUMENT", "another rollback is under way");
    }
    this.#rollingBack = true;
    // What comes back needs chunks that nothing else may need any more.
    const leave = await this.ofBlobs?.files.gate.enter();
    try {
      await this.durable();
      const sequence = await this.past.sequenceOf(to);
      return await rollBack({ ...this.parts, ...this.place }, sequence, options, annotation);
    } finally {
      leave?.();
      this.ofBlobs?.files.dropped();
      this.#rollingBack = false;
    }
  }

  /**
   * Makes a backup of all there is now in a directory for the backups of this store, which may be
   * on another device: docs/backup.md. Only files that the backup before does not have are copied,
   * on the background's thread and within `backgroundBytesPerSecond`. One at a time; others wait.
   *
   * Errors: INVALID_ARGUMENT, BACKUP_FOREIGN, CORRUPT_BACKUP, LOCKED, CORRUPT_LOG, CORRUPT_RUN,
   * MISSING_FILE, DISK_FULL, IO, those of `durable`, CLOSED if the store is closed meanwhile, and
   * the signal's reason. After any of them the earlier backups are as they were.
   */
  async backup(directory: string, options: MakeBackupOptions = {}): Promise<BackupResult> {
    this.assertOpen();
    this.place.runner.assertNotActive();
    checkMakeBackup(directory, options);
    return this.backups.backup(directory, options);
  }

  /**
   * Resolves when all there is now is in runs, so that an opening would have nothing to read back.
   * The store does this by itself as often as `recoveryBudgetMillis` asks for.
   */
  async flush(): Promise<void> {
    this.assertOpen();
    this.place.flushCached();
    const sequence = this.parts.writer.lastSequence;
    await this.parts.writer.durable(sequence);
    await this.parts.background.flush(sequence);
  }

  /**
   * Rewrites all rows of older versions, in small transactions beside whatever else goes on; what
   * was done stays done where it is stopped. Resolves with what became of each table that had such
   * rows; where a row cannot be rewritten, that and the others of its table go on being read as
   * they were. Errors: those of a write, CORRUPT_RUN, and the signal's reason.
   */
  async migrate(options: MigrateOptions = {}): Promise<MigratedTable[]> {
    this.assertOpen();
    this.place.runner.assertNotActive();
    const flush = () => this.flush();
    return migrateStore({ ...this.parts, ...this.place, flush }, options);
  }
}
