/** One kind of background work: a step after another, and what happens when one fails. */
import { AssertionError } from "../base/assert.js";
import { type ErrorCode, HoldfastError } from "../base/errors.js";
import type { Scheduler, Timer } from "../disk/disk.js";
import type { ActivityFigures } from "./host.js";

/** A failed step is tried again after this, then after twice as long, and so on. */
const RETRY_MILLIS = 1000;
const RETRY_MILLIS_MAX = 60_000;

/** Trying again mends none of these. */
const FINAL: ReadonlySet<ErrorCode> = new Set([
  "CORRUPT_LOG",
  "CORRUPT_RUN",
  "FORMAT_VERSION",
  "FENCED",
  "MISSING_FILE",
  "POISONED",
]);

export interface Failure {
  readonly error: Error;
  /** The first after all was well: the others say the same again. */
  readonly first: boolean;
  /** There is no trying again. */
  readonly halted: boolean;
}

export interface ActivityOptions {
  readonly scheduler: Scheduler;
  /** Does one piece of work; true if there may be more to do. */
  readonly step: (signal: AbortSignal) => Promise<boolean>;
  readonly onFailure: (failure: Failure) => void;
}

export class Activity {
  readonly #o: ActivityOptions;
  readonly #abort = new AbortController();
  #running: Promise<void> | undefined;
  /** Asked for while a step was running: what that one saw may be out of date. */
  #again = false;
  #retry: Timer | undefined;
  #retryMillis = RETRY_MILLIS;
  #error: Error | undefined;
  #halted = false;
  #done = 0;
  #failures = 0;

  constructor(options: ActivityOptions) {
    this.#o = options;
  }

  get figures(): ActivityFigures {
    const error = this.#error;
    const code = error instanceof HoldfastError ? error.code : undefined;
    return {
      done: this.#done,
      failures: this.#failures,
      running: this.#running !== undefined,
      error: error && { code, message: error.message },
      halted: this.#halted,
    };
  }

  /** Works until there is nothing to do; not while a failure is being waited out. */
  wake(): void {
    if (this.#halted || this.#retry !== undefined) return;
    this.#start();
  }

  /** Works now, whatever was before: somebody asks for it. */
  force(): void {
    if (this.#abort.signal.aborted) return;
    this.#retry?.cancel();
    this.#retry = undefined;
    this.#halted = false;
    this.#start();
  }

  /** A piece of work is done. */
  succeeded(): void {
    this.#done++;
    this.#error = undefined;
    this.#retryMillis = RETRY_MILLIS;
  }

  /** Cancels what is under way and resolves when it has ended. */
  async stop(): Promise<void> {
    this.#abort.abort();
    this.#retry?.cancel();
    this.#retry = undefined;
    await this.#running;
  }

  /** Resolves when nothing is under way. */
  async idle(): Promise<void> {
    await this.#running;
  }

  #start(): void {
    this.#again = true;
    if (this.#abort.signal.aborted) return;
    // In a turn of its own: a step may ask for another one.
    this.#running ??= Promise.resolve().then(() => this.#work());
  }

  async #work(): Promise<void> {
    try {
      while (this.#again && !this.#abort.signal.aborted) {
        this.#again = false;
        if (await this.#o.step(this.#abort.signal)) this.#again = true;
      }
    } catch (error) {
      this.#failed(error);
    } finally {
      this.#running = undefined;
    }
  }

  #failed(thrown: unknown): void {
    if (this.#abort.signal.aborted) return;
    const error = thrown instanceof Error ? thrown : new AssertionError(String(thrown));
    const first = this.#error === undefined;
    this.#error = error;
    this.#failures++;
    this.#halted = !(error instanceof HoldfastError) || FINAL.has(error.code);
    this.#o.onFailure({ error, first, halted: this.#halted });
    if (this.#halted) return;
    const retry = (): void => {
      this.#retry = undefined;
      this.#start();
    };
    this.#retry = this.#o.scheduler.after(this.#retryMillis, retry, false);
    this.#retryMillis = Math.min(RETRY_MILLIS_MAX, this.#retryMillis * 2);
  }
}
