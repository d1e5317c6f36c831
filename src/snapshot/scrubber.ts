/**
 * Has one file of a run after another read through, all of them in a given time, when nothing else
 * goes on.
 */
import { HoldfastError } from "../base/errors.js";
import type { Timer } from "../disk/disk.js";
import type { ManifestFile } from "../manifest/format.js";
import { runFileName } from "../run/format.js";
import { Activity } from "./activity.js";
import type { BackgroundParts } from "./background.js";
import type { ScrubFigures } from "./host.js";

/** Between two files at least; and the time after which it looks again whether it may. */
const PAUSE_MILLIS_MIN = 100;

export interface ScrubberOptions {
  /** For all files; 0: not at all. */
  readonly periodMillis: number;
  /** Flushes and merges go first. */
  readonly isBusy: () => boolean;
  readonly onDamage: (error: HoldfastError) => void;
}

export class Scrubber {
  readonly activity: Activity;
  readonly #parts: BackgroundParts;
  readonly #o: ScrubberOptions;
  #timer: Timer | undefined;
  #bytes = 0;
  /** Of the file that was read last; undefined at first. */
  #lastId: number | undefined;
  #stopped = false;

  constructor(parts: BackgroundParts, options: ScrubberOptions) {
    this.#parts = parts;
    this.#o = options;
    this.activity = new Activity({
      scheduler: parts.host.scheduler,
      step: (signal) => this.#step(signal),
      onFailure: (failure) => parts.onFailure("reading runs through", failure),
    });
  }

  get figures(): ScrubFigures {
    return { ...this.activity.figures, bytes: this.#bytes };
  }

  start(): void {
    const { periodMillis } = this.#o;
    if (periodMillis === 0 || this.#timer !== undefined || this.#stopped) return;
    const files = Math.max(1, this.#parts.host.manifest.files.length);
    const millis = Math.max(PAUSE_MILLIS_MIN, periodMillis / files);
    const due = (): void => {
      this.#timer = undefined;
      if (!this.#o.isBusy()) this.activity.wake();
      this.start();
    };
    this.#timer = this.#parts.host.scheduler.after(millis, due, false);
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    this.#timer?.cancel();
    await this.activity.stop();
  }

  /** One file. */
  async #step(signal: AbortSignal): Promise<boolean> {
    const { host, runner } = this.#parts;
    const { directory, manifest } = host;
    const file = this.#next();
    if (file === undefined) return false;
    this.#lastId = file.id;
    const job = { kind: "scrub", directory, storeId: manifest.storeId, file } as const;
    const { problems, first, offset } = await runner.run(job, signal);
    if (signal.aborted) return false;
    this.#bytes += file.bytes;
    this.activity.succeeded();
    // Gone meanwhile, it is not missed.
    if (problems === 0 || !host.manifest.files.some(({ id }) => id === file.id)) return false;
    const path = `${directory}/${runFileName(file.id)}`;
    const message = `${path} is damaged at ${offset}: ${first}`;
    this.#o.onDamage(new HoldfastError("CORRUPT_RUN", message, { file: path, offset }));
    return false;
  }

  /**
   * By id, round and round. It begins where the time of day says: a store that is opened often
   * would have the same few files read again and again otherwise.
   */
  #next(): ManifestFile | undefined {
    const { host } = this.#parts;
    const files = [...host.manifest.files].sort((a, b) => a.id - b.id);
    const last = this.#lastId;
    if (last !== undefined) return files.find(({ id }) => id > last) ?? files[0];
    const { periodMillis } = this.#o;
    const part = ((host.clock.nowMicros() / 1000) % periodMillis) / periodMillis;
    return files[Math.floor(part * files.length)];
  }
}
