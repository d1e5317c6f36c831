/** The backups that an open store makes: those it is asked for, and those that are due. */
import { resolve } from "node:path";
import { AssertionError } from "../base/assert.js";
import { errnoCode, HoldfastError, isHoldfastError } from "../base/errors.js";
import type { Disk, Timer } from "../disk/disk.js";
import type { Job, ResultOf } from "../snapshot/jobs.js";
import { type BackupResult, makeBackup } from "./backup.js";
import { findBackups } from "./backup-place.js";
import type { ForkPoint } from "./fork.js";
import type { Options } from "./options.js";
import type { SnapshotInfo } from "./snapshots.js";
import { asStoreError } from "./store-error.js";
import type { BackupOptions, MakeBackupOptions } from "./upkeep-options.js";

/** Names of the snapshots that hold a state in place while it is backed up. */
const PIN_NAME = /^holdfast-backup-\d+$/;

const MICROS_PER_HOUR = 3_600_000_000;

/** One that has failed is tried again after this, then after twice as long, and so on. */
const RETRY_MILLIS = 60_000;
const RETRY_MILLIS_MAX = 3_600_000;

/** After an opening: what the application does first goes first. */
const SOON_MICROS = 1_000_000;

/** A timer waits no longer than this: whether one is due is then looked at again. */
const WAIT_MILLIS_MAX = 3_600_000;

/** What `store.stats()` tells of backups. */
export interface BackupStats {
  readonly done: number;
  readonly failures: number;
  readonly running: boolean;
  /** Of the last failure; undefined once one has succeeded since. */
  readonly error: { readonly code: string | undefined; readonly message: string } | undefined;
  /** The last one that this opening of the store has made. */
  readonly last: BackupResult | undefined;
  /** When the next one is due, in microseconds since 1970; undefined where none is planned. */
  readonly nextMicros: number | undefined;
}

export interface BackupsParts {
  readonly disk: Disk;
  readonly directory: string;
  readonly options: Options;
  readonly background: {
    runJob<J extends Job>(job: J, signal: AbortSignal): Promise<ResultOf<J>>;
    /** The process must not end meanwhile. */
    hold(): () => void;
    forkPoint(at: string | undefined): ForkPoint;
    snapshot(name: string | undefined, sequence: number): Promise<SnapshotInfo>;
    snapshots(): SnapshotInfo[];
    dropSnapshot(name: string): Promise<void>;
    /** Somebody has met this error: a damaged file of a run is made anew. */
    damaged(error: unknown): void;
  };
  /** Puts everything there is into the log; gives the last transaction. */
  readonly flushed: () => number;
}

export class Backups {
  readonly #parts: BackupsParts;
  readonly #closing = new AbortController();
  /** One after another. */
  #queue: Promise<unknown> = Promise.resolve();
  #running = false;
  #timer: Timer | undefined;
  #nextMicros: number | undefined;
  #retryMillis = RETRY_MILLIS;
  #done = 0;
  #failures = 0;
  #error: Error | undefined;
  #last: BackupResult | undefined;

  constructor(parts: BackupsParts) {
    this.#parts = parts;
  }

  get stats(): BackupStats {
    const error = this.#error;
    const code = error instanceof HoldfastError ? error.code : undefined;
    return {
      done: this.#done,
      failures: this.#failures,
      running: this.#running,
      error: error && { code, message: error.message },
      last: this.#last,
      nextMicros: this.#nextMicros,
    };
  }

  /** Forgets what a program that was killed has left, and plans the next one. */
  start(): void {
    const { background, options } = this.#parts;
    for (const { name } of background.snapshots()) {
      if (PIN_NAME.test(name)) background.dropSnapshot(name).catch(() => {});
    }
    if (options.backup === undefined) return;
    this.#queue = this.#queue.then(() => this.#plan(options.backup as BackupOptions));
  }

  /** One that somebody waits for. */
  async backup(to: string, { signal, ...options }: MakeBackupOptions): Promise<BackupResult> {
    const letGo = this.#parts.background.hold();
    try {
      return await this.#enqueue({ ...options, to }, signal);
    } finally {
      letGo();
    }
  }

  /** Cancels what is under way, and resolves when nothing is. */
  async stop(): Promise<void> {
    this.#closing.abort();
    this.#timer?.cancel();
    this.#nextMicros = undefined;
    await this.#queue;
  }

  #enqueue(options: BackupOptions, signal?: AbortSignal): Promise<BackupResult> {
    const making = this.#queue.then(() => this.#make(options, signal));
    this.#queue = making.catch(() => {});
    return making;
  }

  async #make(options: BackupOptions, asked?: AbortSignal): Promise<BackupResult> {
    const either = new AbortController();
    const stop = (): void => either.abort();
    const signals = [this.#closing.signal, ...(asked === undefined ? [] : [asked])];
    for (const signal of signals) {
      if (signal.aborted) stop();
      signal.addEventListener("abort", stop);
    }
    this.#running = true;
    try {
      const made = await this.#backUp(options, either.signal);
      if (made.notRemoved !== undefined) this.#warn(`old backups are left: ${made.notRemoved}`);
      this.#done++;
      this.#last = made;
      this.#error = undefined;
      this.#retryMillis = RETRY_MILLIS;
      return made;
    } catch (error) {
      if (asked?.aborted === true) throw asked.reason;
      this.#failed(error);
      throw error;
    } finally {
      this.#running = false;
      for (const signal of signals) signal.removeEventListener("abort", stop);
    }
  }

  /** A named snapshot keeps everything in place until it is done. */
  async #backUp(options: BackupOptions, signal: AbortSignal): Promise<BackupResult> {
    const { disk, directory, background, flushed, options: store } = this.#parts;
    const run = <J extends Job>(job: J) => {
      if (signal.aborted) throw new HoldfastError("CLOSED", "the backup was cancelled");
      return background.runJob(job, signal);
    };
    if (signal.aborted) throw new HoldfastError("CLOSED", "the store was closed");
    const place = placeOf(store, options.to);
    const pin = this.#unusedPin();
    await background.snapshot(pin, flushed());
    try {
      const { verify = true, keepForDays = 30 } = options;
      // It stays what it is: to ask again would give the same.
      const pinned = background.forkPoint(pin);
      const point = async () => pinned;
      const { writerId, bounds } = store;
      const work = { disk, run, place, writerId, bounds: boundsOf(bounds) };
      return await makeBackup(work, { directory, point, verify, keepForDays });
    } catch (error) {
      const isOurs = isHoldfastError(error) && error.data.file?.startsWith(`${directory}/`);
      if (isOurs) background.damaged(error);
      throw error;
    } finally {
      // Where that fails, the next opening does it.
      await background.dropSnapshot(pin).catch(() => {});
    }
  }

  /** One that a program has left may still be there. */
  #unusedPin(): string {
    const taken = new Set(this.#parts.background.snapshots().map(({ name }) => name));
    let number = 1;
    while (taken.has(`holdfast-backup-${number}`)) number++;
    return `holdfast-backup-${number}`;
  }

  #failed(error: unknown): void {
    if (this.#closing.signal.aborted) return;
    this.#failures++;
    this.#error = error instanceof Error ? error : new AssertionError(String(error));
    this.#warn(`a backup failed: ${this.#error.message}`);
  }

  #warn(message: string): void {
    this.#parts.options.onWarning({ code: "BACKUP", message });
  }

  // ---- by themselves ---------------------------------------------------------------------------

  /** Due when the newest there is has that age. */
  async #plan(options: BackupOptions): Promise<void> {
    if (this.#closing.signal.aborted) return;
    const { disk } = this.#parts;
    const now = disk.clock.nowMicros();
    try {
      const created = await this.#newestMicros(options);
      const { everyHours = 24 } = options;
      // Not later than one period from now: the clock may have been wrong.
      const periodMicros = everyHours * MICROS_PER_HOUR;
      const due = created === undefined ? 0 : Math.min(created, now) + periodMicros;
      this.#wait(Math.max(now + SOON_MICROS, due), options);
    } catch (error) {
      this.#failed(asStoreError(error, options.to, "reading"));
      this.#retry(options);
    }
  }

  async #newestMicros({ to }: BackupOptions): Promise<number | undefined> {
    const place = placeOf(this.#parts.options, to);
    try {
      const found = await findBackups(this.#parts.disk, place);
      const times = found.flatMap(({ record }) =>
        typeof record === "string" ? [] : [record.createdMicros],
      );
      return times.at(-1);
    } catch (error) {
      if (errnoCode(error) === "ENOENT") return undefined;
      throw error;
    }
  }

  #retry(options: BackupOptions): void {
    const { clock } = this.#parts.disk;
    this.#wait(clock.nowMicros() + this.#retryMillis * 1000, options);
    this.#retryMillis = Math.min(RETRY_MILLIS_MAX, 2 * this.#retryMillis);
  }

  #wait(dueMicros: number, options: BackupOptions): void {
    if (this.#closing.signal.aborted) return;
    const { clock, scheduler } = this.#parts.disk;
    this.#nextMicros = dueMicros;
    const millis = Math.ceil((dueMicros - clock.nowMicros()) / 1000);
    const wait = Math.min(Math.max(0, millis), WAIT_MILLIS_MAX);
    this.#timer = scheduler.after(wait, () => void this.#due(options), false);
  }

  async #due(options: BackupOptions): Promise<void> {
    const due = this.#nextMicros as number;
    if (this.#parts.disk.clock.nowMicros() < due) {
      this.#wait(due, options);
      return;
    }
    try {
      await this.#enqueue(options);
    } catch {
      // It was told.
      this.#retry(options);
      return;
    }
    await this.#plan(options);
  }
}

function placeOf({ disk }: Options, to: string): string {
  return disk === undefined ? resolve(to) : to;
}

function boundsOf({ fileBytes, arenaBytes }: Options["bounds"]) {
  return {
    ...(fileBytes !== undefined && { fileBytes }),
    ...(arenaBytes !== undefined && { arenaBytes }),
  };
}
