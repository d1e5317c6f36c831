/**
 * Looks from time to time whether the directory is still that of the store. What is written to the
 * log goes to files that are open, and would go there, acknowledged, long after they were removed.
 */
import { isHoldfastError } from "../base/errors.js";
import type { Scheduler, Timer } from "../disk/disk.js";

const LOOK_MILLIS = 1000;

export interface DirectoryWatchOptions {
  readonly scheduler: Scheduler;
  /** Throws MISSING_FILE or FENCED where it is not. */
  readonly assertOurs: () => Promise<void>;
  /** Called once, with that error. */
  readonly onLost: (error: Error) => void;
}

export class DirectoryWatch {
  readonly #o: DirectoryWatchOptions;
  #timer: Timer | undefined;
  #looking: Promise<void> = Promise.resolve();
  #stopped = false;

  constructor(options: DirectoryWatchOptions) {
    this.#o = options;
  }

  start(): void {
    if (this.#stopped) return;
    const look = (): void => {
      this.#looking = this.#look();
    };
    this.#timer = this.#o.scheduler.after(LOOK_MILLIS, look, false);
  }

  /** Resolves when it does not look any more. */
  async stop(): Promise<void> {
    this.#stopped = true;
    this.#timer?.cancel();
    await this.#looking;
  }

  async #look(): Promise<void> {
    try {
      await this.#o.assertOurs();
    } catch (error) {
      if (isHoldfastError(error, "MISSING_FILE") || isHoldfastError(error, "FENCED")) {
        this.#o.onLost(error);
        return;
      }
    }
    this.start();
  }
}
