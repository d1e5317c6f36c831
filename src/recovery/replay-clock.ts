import type { Disk } from "../disk/disk.js";

/**
 * Time spent on frames that are in memory. What a replay costs is that alone: files are waited for
 * beside it, and a device that was cold or busy once must not make every later tail a short one.
 */
export class ReplayClock {
  readonly #clock: Disk["clock"];
  #sinceMicros = 0;
  micros = 0;

  constructor(clock: Disk["clock"]) {
    this.#clock = clock;
  }

  /** Before a frame is checked. */
  begin(): void {
    this.#sinceMicros = this.#clock.monotonicMicros();
  }

  /** Once all its records were visited. */
  end(): void {
    this.micros += this.#clock.monotonicMicros() - this.#sinceMicros;
  }
}
