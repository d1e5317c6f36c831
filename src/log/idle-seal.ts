/**
 * Notices that the log has become idle. The hot path pays nothing for it: a timer looks twice, and
 * if no frame was written in between, that is idle.
 */
import type { Scheduler, Timer } from "../disk/disk.js";

export class IdleSeal {
  readonly #scheduler: Scheduler;
  readonly #delayMillis: number;
  readonly #frames: () => number;
  readonly #onIdle: () => void;
  #timer: Timer | undefined;
  #framesBefore = -1;
  #stopped = false;

  /** `frames` counts frames written; `onIdle` is called once for each time the log becomes idle. */
  constructor(scheduler: Scheduler, delayMicros: number, frames: () => number, onIdle: () => void) {
    this.#scheduler = scheduler;
    this.#delayMillis = delayMicros / 1000;
    this.#frames = frames;
    this.#onIdle = onIdle;
  }

  /** A frame was written: watch for the next time nothing is. */
  arm(): void {
    if (this.#timer !== undefined || this.#stopped) return;
    this.#timer = this.#scheduler.after(this.#delayMillis, this.#look, false);
  }

  stop(): void {
    this.#stopped = true;
    this.#timer?.cancel();
    this.#timer = undefined;
  }

  readonly #look = (): void => {
    this.#timer = undefined;
    const frames = this.#frames();
    const idle = frames === this.#framesBefore;
    this.#framesBefore = frames;
    if (idle) this.#onIdle();
    else this.arm();
  };
}
