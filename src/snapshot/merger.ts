/** Keeps the runs few: see policy.ts. */
import { RUN_FILE_BYTES, RUNS_HURRY } from "../base/limits.js";
import { Activity } from "./activity.js";
import type { BackgroundParts } from "./background.js";
import { filesFor } from "./file-ids.js";
import type { MergeJob } from "./jobs.js";
import { type MergePlan, planMerge } from "./policy.js";
import { withMerge } from "./publication.js";

export class Merger {
  readonly activity: Activity;
  /** Bytes that merges have written. */
  bytes = 0;
  readonly #parts: BackgroundParts;

  constructor(parts: BackgroundParts) {
    this.#parts = parts;
    this.activity = new Activity({
      scheduler: parts.host.scheduler,
      step: (signal) => this.#step(signal),
      onFailure: (failure) => parts.onFailure("merging runs", failure),
    });
  }

  /** Beyond so many runs merges go ahead of the budget. */
  hurryIfMany(): void {
    const { host, runner, options } = this.#parts;
    runner.hurry(host.manifest.state.runs.length >= (options.runsHurry ?? RUNS_HURRY));
  }

  async #step(signal: AbortSignal): Promise<boolean> {
    const { host, publisher, runner, options } = this.#parts;
    await publisher.settle();
    const { manifest } = host;
    this.hurryIfMany();
    const plan = planMerge(manifest, { ...options, avoid: this.#parts.damaged() });
    if (plan === undefined) return false;
    await host.assertOurs();
    const result = await runner.run(this.#job(plan), signal);
    if (signal.aborted) return false;
    await publisher.publish((current) => withMerge(current, plan, result));
    this.bytes += result.bytesWritten;
    this.activity.succeeded();
    this.#parts.onMerged();
    return true;
  }

  #job(plan: MergePlan): MergeJob {
    const { host, options, ids } = this.#parts;
    const { manifest, directory } = host;
    const fileBytes = options.fileBytes ?? RUN_FILE_BYTES;
    const wanted = new Set(plan.runs.flatMap((run) => run.files));
    return {
      kind: "merge",
      directory,
      storeId: manifest.storeId,
      runs: plan.runs,
      files: manifest.files.filter((file) => wanted.has(file.id)),
      afterKey: plan.afterKey,
      throughKey: plan.throughKey,
      dropTombstones: plan.dropTombstones,
      tables: manifest.tables,
      fileIds: ids.reserve(filesFor(plan.inputBytes, fileBytes)),
      fileBytes,
    };
  }
}
