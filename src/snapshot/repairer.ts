/** Has damaged files of runs made anew, and tells what became of them. */
import { type HoldfastError, isHoldfastError } from "../base/errors.js";
import { FLUSH_ARENA_BYTES, FLUSH_ARENA_INLINE_BYTES, RUN_FILE_BYTES } from "../base/limits.js";
import { parseRunFileName } from "../run/format.js";
import { Activity } from "./activity.js";
import type { BackgroundParts } from "./background.js";
import type { RepairFigures } from "./host.js";
import type { RepairJob, RepairResult } from "./jobs.js";
import { withRepair } from "./publication.js";
import { planRepair, type RepairPlan, type RepairSource } from "./repair-plan.js";

/** More than any repair makes: ids are only numbers. */
const FILE_IDS = 10_000;

/**
 * What a source is made of may be archived or merged while it is read: then it is planned again.
 */
const PLANS_MAX = 3;

/** For a job that takes the rows from the damaged file itself. */
const NO_SOURCE: RepairSource = {
  name: "itself",
  base: { runs: [], files: [] },
  after: 0,
  through: 0,
  log: [],
  below: { runs: [], files: [] },
  under: { runs: [], files: [] },
};

export class Repairer {
  readonly activity: Activity;
  readonly #parts: BackgroundParts;
  readonly #onRepaired: () => void;
  /** Damaged files that are yet to be made anew, with what was found. */
  readonly #waiting = new Map<number, Error>();
  /** Those that cannot be; whoever asks again is not heard. */
  readonly #lost = new Set<number>();
  /** Files that others have taken the place of. */
  readonly #replaced = new Set<number>();
  /** Made here: damaged again, it is not the file's fault, and there is no end to it. */
  readonly #made = new Set<number>();
  #repaired = 0;

  constructor(parts: BackgroundParts, onRepaired: () => void) {
    this.#parts = parts;
    this.#onRepaired = onRepaired;
    this.activity = new Activity({
      scheduler: parts.host.scheduler,
      step: (signal) => this.#step(signal),
      onFailure: (failure) => parts.onFailure("repairing a run", failure),
    });
  }

  get figures(): RepairFigures {
    const unrepaired = this.damaged.size;
    return { ...this.activity.figures, repaired: this.#repaired, unrepaired };
  }

  /** Files that nothing should be made of. */
  get damaged(): ReadonlySet<number> {
    const named = new Set(this.#parts.host.manifest.files.map(({ id }) => id));
    return new Set([...this.#waiting.keys(), ...this.#lost].filter((id) => named.has(id)));
  }

  /** Whether this is about a damaged file of a run, and whether that is news. */
  report(error: unknown): "new" | "known" | undefined {
    const fileId = damagedFile(error);
    if (fileId === undefined) return undefined;
    const known = [this.#waiting, this.#lost, this.#replaced].some((some) => some.has(fileId));
    if (known) return "known";
    const { files } = this.#parts.host.manifest;
    if (!files.some(({ id }) => id === fileId)) return undefined;
    this.#waiting.set(fileId, error as Error);
    this.activity.force();
    return "new";
  }

  async #step(signal: AbortSignal): Promise<boolean> {
    await this.#parts.publisher.settle();
    const [next] = this.#waiting;
    if (next === undefined) return false;
    const [fileId, error] = next;
    const done = await this.#repair(fileId, error, signal);
    if (!done || signal.aborted) return false;
    this.#waiting.delete(fileId);
    this.activity.succeeded();
    this.#onRepaired();
    return true;
  }

  /** False if it was cancelled. */
  async #repair(fileId: number, error: Error, signal: AbortSignal): Promise<boolean> {
    const { host } = this.#parts;
    if (this.#made.has(fileId)) {
      this.#giveUp(fileId, error, ["it was repaired before, and is damaged again"]);
      return true;
    }
    const failures: string[] = [];
    for (let attempt = 1; ; attempt++) {
      const { generation } = host.manifest;
      const plan = planRepair(host.manifest, fileId, this.damaged);
      // Nothing needs it any more.
      if (plan === undefined) return true;
      failures.length = 0;
      for (const source of [NO_SOURCE, ...plan.sources]) {
        const result = await this.#try(plan, source, signal, failures);
        if (signal.aborted) return false;
        if (result !== undefined) {
          await this.#publish(plan, source, result, error);
          return true;
        }
      }
      if (attempt < PLANS_MAX && host.manifest.generation !== generation) continue;
      if (plan.sources.length === 0) failures.push("neither log nor snapshots cover it any more");
      this.#giveUp(fileId, error, failures);
      return true;
    }
  }

  /** Undefined if that source does not have it; throws what has nothing to do with the source. */
  async #try(
    plan: RepairPlan,
    source: RepairSource,
    signal: AbortSignal,
    failures: string[],
  ): Promise<RepairResult | undefined> {
    const job = this.#job(plan, source);
    await this.#parts.host.assertOurs();
    try {
      return await this.#parts.runner.run(job, signal);
    } catch (error) {
      if (signal.aborted) return undefined;
      if (!isOfSource(error, job)) throw error;
      failures.push(`${source.name}: ${error.message}`);
      return undefined;
    }
  }

  #job(plan: RepairPlan, source: RepairSource): RepairJob {
    const { host, options, ids, runner } = this.#parts;
    const { directory, manifest } = host;
    const inline = runner.where === "inline" ? FLUSH_ARENA_INLINE_BYTES : FLUSH_ARENA_BYTES;
    const { file, firstSequence, lastSequence, dropTombstones } = plan;
    return {
      kind: "repair",
      directory,
      storeId: manifest.storeId,
      file,
      fromItself: source === NO_SOURCE,
      source,
      firstSequence,
      lastSequence: Math.max(lastSequence, source.through),
      dropTombstones,
      tables: manifest.tables,
      fileIds: ids.reserve(FILE_IDS),
      fileBytes: options.fileBytes ?? RUN_FILE_BYTES,
      arenaBytes: options.arenaBytes ?? inline,
    };
  }

  async #publish(
    { file }: RepairPlan,
    source: RepairSource,
    { files }: RepairResult,
    error: Error,
  ): Promise<void> {
    const { host, publisher } = this.#parts;
    const held = host.holdFile(file.id);
    try {
      await publisher.publish((manifest) => withRepair(manifest, file.id, files));
      await held.setAside();
    } finally {
      held.letGo();
    }
    for (const { id } of files) this.#made.add(id);
    this.#replaced.add(file.id);
    this.#repaired++;
    host.warn("REPAIRED", `${error.message}. It was made anew from ${source.name}`);
  }

  #giveUp(fileId: number, error: Error, why: readonly string[]): void {
    this.#waiting.delete(fileId);
    this.#lost.add(fileId);
    const message = `${error.message}. It cannot be made anew (${why.join("; ")})`;
    this.#parts.host.warn("BACKGROUND", `${message}; all else stays readable`);
  }
}

/** Id of the file of a run that an error says is damaged, or gone. */
function damagedFile(error: unknown): number | undefined {
  if (!isHoldfastError(error)) return undefined;
  const { code, data } = error;
  // What the medium refuses to give is as good as damaged.
  const isUnreadable = code === "IO" && data.offset !== undefined;
  return code === "CORRUPT_RUN" || code === "MISSING_FILE" || isUnreadable
    ? fileIdOf(error)
    : undefined;
}

function fileIdOf({ data }: HoldfastError): number | undefined {
  return parseRunFileName(data.file?.split(/[/\\]/).at(-1) ?? "");
}

/** A thread that has ended, or a disk that takes nothing more, say nothing of the source. */
function isOfSource(error: unknown, { fileIds }: RepairJob): error is HoldfastError {
  if (!isHoldfastError(error)) return false;
  if (error.code === "IO") {
    return error.data.file !== undefined && (fileIdOf(error) ?? 0) < fileIds.first;
  }
  return ["CORRUPT_RUN", "CORRUPT_LOG", "MISSING_FILE", "FORMAT_VERSION"].includes(error.code);
}
