/**
 * How much the background may read and write: a bucket of tokens, one for each byte, that fills at
 * a steady rate up to a burst. Who must not wait takes tokens that are not there yet; the others
 * then wait until the debt is paid, so that the sum of both keeps to the rate.
 */
import type { Clock, Scheduler } from "../disk/disk.js";

/** How long a waiter sleeps before it looks again whether it still has to. */
const SLEEP_MICROS_MAX = 50_000;

/**
 * The debt is forgotten beyond this many bursts: after a long time of flushing more than the rate
 * allows, merges, which are what makes reads cheaper, must not rest for as long again.
 */
const DEBT_BURSTS_MAX = 8;

export interface BudgetOptions {
  /** Average of all reading and writing; `Infinity` for no limit. */
  readonly bytesPerSecond: number;
  /** Most that is saved up while nothing happens. */
  readonly burstBytes: number;
}

export interface BudgetFigures {
  readonly bytesRead: number;
  readonly bytesWritten: number;
  readonly waitedMicros: number;
  /** Somebody who may wait would have to. */
  readonly short: boolean;
}

export class IoBudget {
  readonly #options: BudgetOptions;
  readonly #clock: Clock;
  readonly #scheduler: Scheduler;
  /** Below zero: a debt. */
  #tokens: number;
  #filledMicros: number;
  #hurried = false;
  #bytesRead = 0;
  #bytesWritten = 0;
  #waitedMicros = 0;

  constructor(options: BudgetOptions, clock: Clock, scheduler: Scheduler) {
    this.#options = options;
    this.#clock = clock;
    this.#scheduler = scheduler;
    this.#tokens = options.burstBytes;
    this.#filledMicros = clock.monotonicMicros();
  }

  /** While this is on, nobody waits: there are more runs than reads should have to look into. */
  hurry(on: boolean): void {
    this.#hurried = on;
  }

  /** Counts what was read and written, without waiting. */
  count(bytesRead: number, bytesWritten: number): void {
    this.#fill();
    this.#bytesRead += bytesRead;
    this.#bytesWritten += bytesWritten;
    const floor = -DEBT_BURSTS_MAX * this.#options.burstBytes;
    this.#tokens = Math.max(floor, this.#tokens - bytesRead - bytesWritten);
  }

  /** Waits until all that was counted is paid for, or `signal` says that it is no longer wanted. */
  async wait(signal: AbortSignal): Promise<void> {
    const since = this.#clock.monotonicMicros();
    while (this.#short && !signal.aborted) await this.#sleep(-this.#tokens);
    this.#waitedMicros += this.#clock.monotonicMicros() - since;
  }

  get figures(): BudgetFigures {
    return {
      bytesRead: this.#bytesRead,
      bytesWritten: this.#bytesWritten,
      waitedMicros: Math.round(this.#waitedMicros),
      short: this.#short,
    };
  }

  get #short(): boolean {
    this.#fill();
    return !this.#hurried && this.#tokens < 0;
  }

  #fill(): void {
    const now = this.#clock.monotonicMicros();
    const { bytesPerSecond, burstBytes } = this.#options;
    const earned = ((now - this.#filledMicros) / 1e6) * bytesPerSecond;
    this.#filledMicros = now;
    // No time has passed: an unlimited rate gives NaN.
    if (earned > 0) this.#tokens = Math.min(burstBytes, this.#tokens + earned);
    else if (bytesPerSecond === Number.POSITIVE_INFINITY) this.#tokens = burstBytes;
  }

  #sleep(bytes: number): Promise<void> {
    const due = (bytes / this.#options.bytesPerSecond) * 1e6;
    const millis = Math.min(due, SLEEP_MICROS_MAX) / 1000;
    return new Promise((resolve) => {
      this.#scheduler.after(Math.max(1, millis), resolve, true);
    });
  }
}
