/**
 * The thread of the background: takes jobs, runs them side by side, and tells what became of them.
 * It has a disk of its own, and nothing of the store but its files.
 */
import { setPriority } from "node:os";
import { isMainThread, parentPort, workerData } from "node:worker_threads";
import { assert } from "../base/assert.js";
import { chooseDisk } from "../disk/choose.js";
import { IoBudget } from "./budget.js";
import type { Job } from "./jobs.js";
import { type FromWorker, type ToWorker, toPlainError, type WorkerSettings } from "./messages.js";
import { runJob } from "./run-job.js";

/* v8 ignore file -- @preserve: it runs on a thread of its own, from dist/, where nothing measures;
   test/snapshot/worker.test.ts sends it every message */

/** What the thread is started with. */
export type WorkerData = WorkerSettings;

/** Of this thread only, on Linux: where there are few cores, the store's own goes first. */
const NICE = 10;

function yieldToTheStore(): void {
  try {
    if (process.platform === "linux") setPriority(NICE);
  } catch {
    // Not permitted: the two share as equals.
  }
}

function serve(settings: WorkerSettings): void {
  yieldToTheStore();
  const port = parentPort;
  assert(port !== null, "a worker has a port");
  // The store has warned already, when it chose its own.
  const disk = chooseDisk(settings.backend, () => {});
  const budget = new IoBudget(settings.budget, disk.clock, disk.scheduler);
  const running = new Map<number, AbortController>();
  const tell = (message: FromWorker): void => port.postMessage(message);
  const run = async (id: number, job: Job): Promise<void> => {
    const cancel = new AbortController();
    running.set(id, cancel);
    try {
      const result = await runJob(job, { disk, budget, signal: cancel.signal });
      tell({ type: "done", id, result, budget: budget.figures });
    } catch (error) {
      tell({ type: "failed", id, error: toPlainError(error), budget: budget.figures });
    } finally {
      running.delete(id);
    }
  };
  port.on("message", (message: ToWorker) => {
    if (message.type === "run") void run(message.id, message.job);
    else if (message.type === "cancel") running.get(message.id)?.abort();
    else budget.hurry(message.on);
  });
  tell({ type: "ready" });
}

if (!isMainThread) serve(workerData as WorkerSettings);
