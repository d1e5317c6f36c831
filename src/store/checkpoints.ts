/** Named snapshots that a store takes by itself, and lets go of again. */
import type { Disk, Timer } from "../disk/disk.js";
import type { Options } from "./options.js";
import type { SnapshotInfo } from "./snapshots.js";
import type { CheckpointOptions } from "./upkeep-options.js";

/** Those that were given such names by somebody count as such. */
const NAME = /^checkpoint-\d+$/;

const MILLIS_PER_MINUTE = 60_000;

export interface CheckpointsParts {
  readonly disk: Disk;
  readonly options: Options;
  readonly background: {
    snapshot(name: string | undefined, sequence: number): Promise<SnapshotInfo>;
    snapshots(): SnapshotInfo[];
    dropSnapshot(name: string): Promise<void>;
  };
  /** Puts everything there is into the log; gives the last transaction. */
  readonly flushed: () => number;
}

export class Checkpoints {
  readonly #parts: CheckpointsParts;
  readonly #options: Required<CheckpointOptions> | undefined;
  #timer: Timer | undefined;
  #taking: Promise<void> = Promise.resolve();
  #stopped = false;

  constructor(parts: CheckpointsParts) {
    this.#parts = parts;
    const { checkpoints } = parts.options;
    this.#options = checkpoints && { everyMinutes: 60, keep: 24, onClose: true, ...checkpoints };
  }

  start(): void {
    if (this.#options === undefined || this.#stopped) return;
    const millis = this.#options.everyMinutes * MILLIS_PER_MINUTE;
    const due = (): void => {
      this.#taking = this.#take(this.#parts.flushed());
      void this.#taking.then(() => this.start());
    };
    this.#timer = this.#parts.disk.scheduler.after(millis, due, false);
  }

  /** Resolves when none is being taken; none is from then on, but the last. */
  async stop(): Promise<void> {
    this.#stopped = true;
    this.#timer?.cancel();
    await this.#taking;
  }

  /** The last one, of all up to `sequence`, which is durable. */
  async takeLast(sequence: number): Promise<void> {
    if (this.#options?.onClose === true) await this.#take(sequence);
  }

  /** A failure is told, and harms nothing: the next one comes. */
  async #take(sequence: number): Promise<void> {
    const { background, options } = this.#parts;
    const { keep } = this.#options as Required<CheckpointOptions>;
    try {
      const newest = this.#all().at(-1);
      // Nothing has happened since.
      if (sequence === 0 || newest?.sequence === sequence) return;
      await background.snapshot(`checkpoint-${sequence}`, sequence);
      for (const { name } of this.#all().slice(0, -keep)) await background.dropSnapshot(name);
    } catch (error) {
      const message = `a checkpoint failed: ${(error as Error).message}`;
      options.onWarning({ code: "BACKGROUND", message });
    }
  }

  /** The oldest first. */
  #all(): SnapshotInfo[] {
    return this.#parts.background.snapshots().filter(({ name }) => NAME.test(name));
  }
}
