/** Makes a run of the tail whenever replaying it would take too long, or somebody asks. */
import { HoldfastError, isHoldfastError } from "../base/errors.js";
import { FLUSH_ARENA_BYTES, FLUSH_ARENA_INLINE_BYTES, RUN_FILE_BYTES } from "../base/limits.js";
import type { SchemaHistory } from "../codec/schema-history.js";
import type { Manifest } from "../manifest/format.js";
import { Activity } from "./activity.js";
import type { BackgroundParts } from "./background.js";
import { filesFor } from "./file-ids.js";
import type { FlushJob, FlushResult } from "./jobs.js";
import { withFlush } from "./publication.js";
import type { RunsInRange } from "./repair-plan.js";
import { nextFlush } from "./trigger.js";

interface Waiter {
  readonly sequence: number;
  readonly resolve: () => void;
  readonly reject: (error: Error) => void;
}

export class Flusher {
  readonly activity: Activity;
  /** Operations that went from the log into runs, and the time that took. */
  operations = 0;
  micros = 0;
  readonly #parts: BackgroundParts;
  #waiters: Waiter[] = [];
  /** It is time: a run is made of whatever there is. */
  #due = false;
  #stopped = false;

  constructor(parts: BackgroundParts) {
    this.#parts = parts;
    this.activity = new Activity({
      scheduler: parts.host.scheduler,
      step: (signal) => this.#step(signal),
      onFailure: (failure) => {
        this.#refuse(failure.error);
        parts.onFailure("making a run of the log", failure);
      },
    });
  }

  /** A run is made of what there is now, however little. */
  now(): void {
    this.#due = true;
    this.activity.wake();
  }

  /** Resolves when everything up to that sequence, which must be durable, is in runs. */
  through(sequence: number): Promise<void> {
    if (sequence <= this.#parts.host.manifest.state.runsThrough) return Promise.resolve();
    if (this.#stopped) return Promise.reject(closed());
    return new Promise((resolve, reject) => {
      this.#waiters.push({ sequence, resolve, reject });
      this.activity.force();
    });
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    await this.activity.stop();
    this.#refuse(closed());
  }

  get #wanted(): boolean {
    const { host, options } = this.#parts;
    const { manifest, tail } = host;
    if (tail.durableSequence <= manifest.state.runsThrough) return false;
    return this.#due || this.#waiters.length > 0 || nextFlush(tail, manifest.replay, options).flush;
  }

  async #step(signal: AbortSignal): Promise<boolean> {
    const { host, publisher, runner } = this.#parts;
    await publisher.settle();
    this.#satisfy();
    if (!this.#wanted) {
      this.#due = false;
      return false;
    }
    const job = this.#job();
    const manifestRuns = host.manifest.state.runs;
    await host.assertOurs();
    const result = await runner.run(job, signal).catch((error: unknown) => {
      // The runs that it was to look into may have become others meanwhile.
      const isPast = host.manifest.state.runs !== manifestRuns;
      if (isPast && job.base.runs.length > 0 && isHoldfastError(error, "MISSING_FILE")) return;
      throw error;
    });
    if (signal.aborted) return false;
    if (result === undefined) return true;
    await publisher.publish((manifest) => withFlush(manifest, result));
    this.#note(job, result);
    if (host.manifest.state.runsThrough >= job.through) this.#due = false;
    this.#satisfy();
    this.#parts.onRun();
    return true;
  }

  #job(): FlushJob {
    const { host, options, ids, runner } = this.#parts;
    const { manifest, tail, directory } = host;
    const { state, segments, tables, storeId } = manifest;
    const inline = runner.where === "inline" ? FLUSH_ARENA_INLINE_BYTES : FLUSH_ARENA_BYTES;
    const arenaBytes = options.arenaBytes ?? inline;
    const fileBytes = options.fileBytes ?? RUN_FILE_BYTES;
    return {
      kind: "flush",
      directory,
      storeId,
      segments,
      from: state.replayFrom,
      runsThrough: state.runsThrough,
      through: tail.durableSequence,
      end: tail.durableEnd,
      tables,
      // Nothing is below that they could hide.
      dropTombstones: state.runs.length === 0,
      // A frame more than fits may be in it.
      fileIds: ids.reserve(filesFor(2 * arenaBytes, fileBytes)),
      fileBytes,
      arenaBytes,
      base: baseOf(manifest),
    };
  }

  #note(job: FlushJob, result: FlushResult): void {
    this.operations += result.operations;
    this.micros += result.totalMicros;
    this.activity.succeeded();
    this.#parts.onFlushed(job, result);
  }

  #satisfy(): void {
    const { runsThrough } = this.#parts.host.manifest.state;
    const satisfied = this.#waiters.filter((waiter) => waiter.sequence <= runsThrough);
    this.#waiters = this.#waiters.filter((waiter) => waiter.sequence > runsThrough);
    for (const waiter of satisfied) waiter.resolve();
  }

  #refuse(error: Error): void {
    for (const waiter of this.#waiters.splice(0)) waiter.reject(error);
  }
}

/** All runs and their files, if the log can have patches. */
function baseOf({ tables, state, files }: Manifest): RunsInRange {
  const schemas = tables.flatMap((table) => table.schemas as SchemaHistory);
  if (!schemas.some(({ patches }) => patches === true)) return { runs: [], files: [] };
  const named = new Set(state.runs.flatMap((run) => run.files));
  return { runs: state.runs, files: files.filter(({ id }) => named.has(id)) };
}

function closed(): HoldfastError {
  return new HoldfastError("CLOSED", "the store was closed");
}
