/** Runs jobs on a thread of their own, which may crash without taking the store with it. */
import { Worker } from "node:worker_threads";
import { assert } from "../base/assert.js";
import { HoldfastError } from "../base/errors.js";
import type { Disk } from "../disk/disk.js";
import type { BudgetFigures, BudgetOptions } from "./budget.js";
import type { Job, JobResults, ResultOf } from "./jobs.js";
import { type FromWorker, fromPlainError, type ToWorker, type WorkerBackend } from "./messages.js";
import { transferOf } from "./port.js";
import { InlineRunner, type JobRunner } from "./runner.js";
import type { WorkerData } from "./worker.js";

/**
 * Of the young generation every collection stops the thread for as long as what survives takes;
 * small ones are what keeps the two cores of a small machine free for the store.
 */
const HEAP = { maxYoungGenerationSizeMb: 3, maxOldGenerationSizeMb: 512 };

/** After so many threads in a row that never came up, jobs run on this one. */
const FAILED_STARTS_MAX = 2;

const NO_FIGURES: BudgetFigures = { bytesRead: 0, bytesWritten: 0, waitedMicros: 0, short: false };

export interface WorkerRunnerOptions {
  readonly backend: WorkerBackend;
  readonly budget: BudgetOptions;
  /** Of this thread, for when there can be no other. */
  readonly disk: Disk;
  /** The thread has ended although nobody asked it to; its jobs have been rejected. */
  readonly onCrash: (error: HoldfastError) => void;
  /** For tests: another entry of the thread. */
  readonly entry?: URL;
}

interface Pending {
  readonly resolve: (result: JobResults[Job["kind"]]) => void;
  readonly reject: (error: Error) => void;
}

export class WorkerRunner implements JobRunner {
  readonly #o: WorkerRunnerOptions;
  readonly #pending = new Map<number, Pending>();
  readonly #running = new Set<Promise<unknown>>();
  #worker: Worker | undefined;
  #nextId = 1;
  #failedStarts = 0;
  #inline: InlineRunner | undefined;
  #hurried = false;
  #kept = false;
  #closed = false;
  /** Of threads that have ended, and of the one that runs. */
  #budgetBefore = NO_FIGURES;
  #budgetNow = NO_FIGURES;
  #ended = Promise.resolve();
  #resting: Rest | undefined;

  constructor(options: WorkerRunnerOptions) {
    this.#o = options;
  }

  get where(): "thread" | "inline" {
    return this.#inline === undefined ? "thread" : "inline";
  }

  get budget(): BudgetFigures {
    const inline = this.#inline?.budget ?? NO_FIGURES;
    return added(added(this.#budgetBefore, this.#budgetNow), inline);
  }

  async run<J extends Job>(job: J, signal: AbortSignal): Promise<ResultOf<J>> {
    while (this.#resting !== undefined && !signal.aborted) await this.#resting.over(signal);
    if (this.#closed) throw new HoldfastError("CLOSED", "the runner is closed");
    if (signal.aborted) throw new HoldfastError("CLOSED", "the job was cancelled");
    if (this.#inline !== undefined) return this.#inline.run(job, signal);
    const worker = this.#started();
    const id = this.#nextId++;
    const cancel = (): void => this.#send(worker, { type: "cancel", id });
    signal.addEventListener("abort", cancel);
    const running = new Promise<JobResults[Job["kind"]]>((resolve, reject) => {
      this.#pending.set(id, { resolve, reject });
      this.#send(worker, { type: "run", id, job });
    });
    this.#running.add(running);
    try {
      return (await running) as ResultOf<J>;
    } finally {
      this.#running.delete(running);
      signal.removeEventListener("abort", cancel);
      this.#pending.delete(id);
    }
  }

  hurry(on: boolean): void {
    if (this.#hurried === on) return;
    this.#hurried = on;
    this.#inline?.hurry(on);
    if (this.#worker !== undefined) this.#send(this.#worker, { type: "hurry", on });
  }

  keepAlive(on: boolean): void {
    this.#kept = on;
    if (on) this.#worker?.ref();
    else this.#worker?.unref();
  }

  async rest(): Promise<void> {
    this.#resting ??= new Rest();
    await Promise.allSettled(this.#running);
    const worker = this.#worker;
    // It was woken, or closed, while it waited for them.
    if (worker === undefined || this.#resting === undefined || this.#running.size > 0) return;
    this.#worker = undefined;
    this.#budgetBefore = added(this.#budgetBefore, this.#budgetNow);
    this.#budgetNow = NO_FIGURES;
    await worker.terminate();
  }

  goOn(): void {
    const resting = this.#resting;
    this.#resting = undefined;
    resting?.end();
  }

  async close(): Promise<void> {
    this.#closed = true;
    this.goOn();
    await this.#inline?.close();
    const worker = this.#worker;
    if (worker !== undefined) {
      worker.ref();
      for (const id of this.#pending.keys()) this.#send(worker, { type: "cancel", id });
      await Promise.allSettled(this.#running);
      this.#worker = undefined;
      await worker.terminate();
    }
    await this.#ended;
  }

  /** For tests: ends the thread in the middle of whatever it does. */
  async kill(): Promise<void> {
    await this.#worker?.terminate();
  }

  #started(): Worker {
    if (this.#worker !== undefined) return this.#worker;
    const { backend, budget } = this.#o;
    const data: WorkerData = { backend, budget };
    // No flags of this process: a debugger's or a loader's would be taken twice.
    const options = { workerData: data, resourceLimits: HEAP, execArgv: [], name: "holdfast" };
    const worker = new Worker(this.#o.entry ?? workerEntry(), options);
    this.#worker = worker;
    let ready = false;
    let failure: unknown;
    worker.on("message", (message: FromWorker) => {
      if (message.type === "ready") {
        ready = true;
        this.#failedStarts = 0;
      } else this.#take(message);
    });
    worker.on("error", (error) => {
      failure = error;
    });
    this.#ended = new Promise((resolve) => {
      worker.on("exit", () => {
        resolve();
        this.#exited(worker, ready, failure);
      });
    });
    if (this.#hurried) this.#send(worker, { type: "hurry", on: true });
    this.keepAlive(this.#kept);
    return worker;
  }

  #take(message: Exclude<FromWorker, { type: "ready" }>): void {
    this.#budgetNow = message.budget;
    const pending = this.#pending.get(message.id);
    if (message.type === "done") pending?.resolve(message.result);
    else pending?.reject(fromPlainError(message.error));
  }

  #exited(worker: Worker, ready: boolean, failure: unknown): void {
    if (this.#worker !== worker) return;
    this.#worker = undefined;
    this.#budgetBefore = added(this.#budgetBefore, this.#budgetNow);
    this.#budgetNow = NO_FIGURES;
    if (!ready && ++this.#failedStarts >= FAILED_STARTS_MAX) this.#goInline();
    const why = failure instanceof Error ? failure.message : "it was ended";
    const refusal = (): HoldfastError =>
      new HoldfastError("IO", `the background thread has ended: ${why}`, {}, failure);
    for (const pending of [...this.#pending.values()]) pending.reject(refusal());
    this.#o.onCrash(refusal());
  }

  #goInline(): void {
    assert(this.#inline === undefined, "it stays inline");
    this.#inline = new InlineRunner(this.#o.disk, this.#o.budget);
    this.#inline.hurry(this.#hurried);
  }

  #send(worker: Worker, message: ToWorker): void {
    if (this.#worker !== worker) return;
    worker.postMessage(message, message.type === "run" ? transferOf(message.job) : []);
  }
}

/** A time in which no job begins. */
class Rest {
  #end = (): void => {};
  readonly #over = new Promise<void>((resolve) => {
    this.#end = resolve;
  });

  end(): void {
    this.#end();
  }

  /** Resolves when it is over, or the signal is given. */
  async over(signal: AbortSignal): Promise<void> {
    let end = (): void => {};
    const aborted = new Promise<void>((resolve) => {
      end = resolve;
    });
    signal.addEventListener("abort", end);
    await Promise.race([this.#over, aborted]);
    signal.removeEventListener("abort", end);
  }
}

function added(a: BudgetFigures, b: BudgetFigures): BudgetFigures {
  return {
    bytesRead: a.bytesRead + b.bytesRead,
    bytesWritten: a.bytesWritten + b.bytesWritten,
    waitedMicros: a.waitedMicros + b.waitedMicros,
    short: a.short || b.short,
  };
}

/** In its own folder of dist; when this is the source, run by a test, the compiled one. */
function workerEntry(): URL {
  const here = import.meta.url;
  /* v8 ignore next -- @preserve: what is measured is the source, so the second never comes; every
     test that runs dist/ starts a thread by it */
  const compiled = here.endsWith(".ts") ? "../../dist/snapshot/worker.js" : "../snapshot/worker.js";
  return new URL(compiled, here);
}
