/** Where jobs run: one interface for this thread and another one. */
import { HoldfastError } from "../base/errors.js";
import type { Disk } from "../disk/disk.js";
import { type BudgetFigures, type BudgetOptions, IoBudget } from "./budget.js";
import type { Job, ResultOf } from "./jobs.js";
import { runJob } from "./run-job.js";

export interface JobRunner {
  /** "thread": jobs do not hold up this thread; "inline": they share it. */
  readonly where: "thread" | "inline";
  /**
   * Runs a job beside those that are running. `signal` cancels it: it then rejects with CLOSED,
   * once what it had begun is removed.
   */
  run<J extends Job>(job: J, signal: AbortSignal): Promise<ResultOf<J>>;
  /** While this is on, no job waits for the budget. */
  hurry(on: boolean): void;
  /** While this is on, the process does not end before the jobs have. Off at first. */
  keepAlive(on: boolean): void;
  readonly budget: BudgetFigures;
  /**
   * Resolves when no job runs, and no thread is there for any. Those that come wait until `goOn`.
   * So closing has nothing to wait for.
   */
  rest(): Promise<void>;
  goOn(): void;
  /** Cancels all jobs and resolves when none runs; none is taken after that. Idempotent. */
  close(): Promise<void>;
}

/** Runs jobs on this thread: on a simulated disk, and where there can be no other thread. */
export class InlineRunner implements JobRunner {
  readonly where = "inline";
  readonly #disk: Disk;
  readonly #budget: IoBudget;
  readonly #running = new Set<Promise<unknown>>();
  readonly #closing = new AbortController();

  constructor(disk: Disk, budget: BudgetOptions) {
    this.#disk = disk;
    this.#budget = new IoBudget(budget, disk.clock, disk.scheduler);
  }

  get budget(): BudgetFigures {
    return this.#budget.figures;
  }

  /** There is no thread to be ended, and what runs here keeps this one from closing anyway. */
  async rest(): Promise<void> {}

  goOn(): void {}

  async run<J extends Job>(job: J, signal: AbortSignal): Promise<ResultOf<J>> {
    if (this.#closing.signal.aborted) throw new HoldfastError("CLOSED", "the runner is closed");
    const both = new AbortController();
    const abort = (): void => both.abort();
    for (const one of [signal, this.#closing.signal]) {
      if (one.aborted) abort();
      one.addEventListener("abort", abort);
    }
    const context = { disk: this.#disk, budget: this.#budget, signal: both.signal };
    const running = runJob(job, context);
    this.#running.add(running);
    try {
      return await running;
    } finally {
      this.#running.delete(running);
      for (const one of [signal, this.#closing.signal]) one.removeEventListener("abort", abort);
    }
  }

  hurry(on: boolean): void {
    this.#budget.hurry(on);
  }

  /** Timers of a job on this thread keep the process alive anyway. */
  keepAlive(_on: boolean): void {}

  async close(): Promise<void> {
    this.#closing.abort();
    await Promise.allSettled(this.#running);
  }
}
