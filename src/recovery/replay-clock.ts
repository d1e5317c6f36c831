import type { Disk } from "../disk/disk.js";

/**
 * Time spent on the records of frames. What a replay costs is that alone: files are waited for
 * beside it, and a device that was cold or busy once must not make every later tail a short one.
 */
export class ReplayClock {
  readonly #clock: Disk["clock"];
  /** When the first record of the frame at hand was visited; 0 before that. */
  #sinceMicros = 0;
  micros = 0;

  constructor(clock: Disk["clock"]) {
    this.#clock = clock;
  }

  /** At each record. */
  record(): void {
    if (this.#sinceMicros === 0) this.#sinceMicros = this.#clock.monotonicMicros();
  }

  /** Once all records of a frame were visited. */
  frame(): void {
    if (this.#sinceMicros === 0) return;
    this.micros += this.#clock.monotonicMicros() - this.#sinceMicros;
    this.#sinceMicros = 0;
  }
}
