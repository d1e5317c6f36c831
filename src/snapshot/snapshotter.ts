/**
 * Decides when the background works: flushes, merges, and what becomes of old segments. It lives on
 * the store's thread, reads and writes no files itself, and nothing it does holds up a writer.
 */
import { HoldfastError } from "../base/errors.js";
import type { Timer } from "../disk/disk.js";
import type { Failure } from "./activity.js";
import { Archivist } from "./archivist.js";
import type { BackgroundParts } from "./background.js";
import { FileIdSource } from "./file-ids.js";
import { Flusher } from "./flusher.js";
import type { SnapshotHost, SnapshotterFigures, SnapshotterOptions } from "./host.js";
import { Merger } from "./merger.js";
import { bytesOf } from "./policy.js";
import { Publisher } from "./publisher.js";
import { Repairer } from "./repairer.js";
import type { JobRunner } from "./runner.js";
import { Scrubber } from "./scrubber.js";
import { nextFlush, nextPressure, type Pressure } from "./trigger.js";

export class Snapshotter {
  readonly #host: SnapshotHost;
  readonly #options: SnapshotterOptions;
  readonly #runner: JobRunner;
  readonly #publisher: Publisher;
  readonly #flusher: Flusher;
  readonly #merger: Merger;
  readonly #archivist: Archivist;
  readonly #repairer: Repairer;
  readonly #scrubber: Scrubber;
  #pressure: Pressure = "none";
  /** Runs from the first write behind the runs on, and fires once. */
  #timer: Timer | undefined;
  /** Those who wait for a flush: until then the process must not end. */
  #waiting = 0;
  #crashes = 0;
  #closing: Promise<void> | undefined;

  constructor(host: SnapshotHost, options: SnapshotterOptions, runner: JobRunner) {
    this.#host = host;
    this.#options = options;
    this.#runner = runner;
    this.#publisher = new Publisher(host);
    const parts: BackgroundParts = {
      host,
      options,
      runner,
      publisher: this.#publisher,
      ids: new FileIdSource(host.manifest),
      onRun: () => this.reconsider(),
      onMerged: () => this.weigh(),
      damaged: () => this.#repairer.damaged,
      onFlushed: () => this.check(),
      onFailure: (doing, failure) => this.#warn(doing, failure),
    };
    this.#flusher = new Flusher(parts);
    this.#merger = new Merger(parts);
    this.#archivist = new Archivist(parts);
    this.#repairer = new Repairer(parts, () => this.#goOn());
    this.#scrubber = new Scrubber(parts, {
      periodMillis: options.scrubEveryMillis ?? 0,
      isBusy: () => this.#isBusy,
      onDamage: (error) => this.damaged(error),
    });
  }

  get pressure(): Pressure {
    return this.#pressure;
  }

  get figures(): SnapshotterFigures {
    const { manifest, tail } = this.#host;
    const files = new Map(manifest.files.map((file) => [file.id, file]));
    const { operations, bytes, memoryBytes } = tail;
    return {
      flushes: this.#flusher.activity.figures,
      merges: this.#merger.activity.figures,
      archives: this.#archivist.activity.figures,
      repairs: this.#repairer.figures,
      scrubs: this.#scrubber.figures,
      flushedOperations: this.#flusher.operations,
      flushMicros: this.#flusher.micros,
      mergedBytes: this.#merger.bytes,
      archivedBytes: this.#archivist.bytes,
      crashes: this.#crashes,
      budget: this.#runner.budget,
      tail: { operations, bytes, memoryBytes },
      urgency: nextFlush(tail, manifest.replay, this.#options).urgency,
      pressure: this.#pressure,
      runs: manifest.state.runs.length,
      runBytes: bytesOf(manifest.state.runs, files),
      where: this.#runner.where,
    };
  }

  /** The tail has changed: something was written, or has become durable. Costs next to nothing. */
  check(): void {
    if (this.#closing !== undefined) return;
    const { tail, manifest } = this.#host;
    this.weigh();
    if (tail.durableSequence <= manifest.state.runsThrough) return;
    if (nextFlush(tail, manifest.replay, this.#options).flush) this.#flusher.activity.wake();
    else this.#arm();
  }

  /** Whether writers are to be slowed, as things are now. */
  weigh(): void {
    const { tail, manifest } = this.#host;
    const runs = manifest.state.runs.length;
    this.#setPressure(nextPressure(this.#pressure, tail, runs, this.#options));
  }

  /** Somebody has met this error. If it tells of a damaged file of a run, that is made anew. */
  damaged(error: unknown): void {
    if (this.#closing === undefined && this.#repairer.report(error) === "new") this.#goOn();
  }

  /** There may be something to merge or to give back: at the opening, or a snapshot was dropped. */
  reconsider(): void {
    if (this.#closing !== undefined) return;
    this.#merger.hurryIfMany();
    this.#merger.activity.wake();
    this.#archivist.activity.wake();
    this.#scrubber.start();
  }

  /**
   * Resolves when every transaction up to that sequence, by default all there are, is in runs.
   * Rejects with what stood in the way; the background goes on trying by itself.
   */
  async flushNow(sequence = this.#host.tail.lastSequence): Promise<void> {
    if (this.#closing !== undefined) throw new HoldfastError("CLOSED", "the store was closed");
    await this.#kept(async () => {
      await this.#host.durable(sequence);
      await this.#flusher.through(sequence);
    });
  }

  /** Resolves when no background work is under way; none begins until `goOn`. */
  rest(): Promise<void> {
    return this.#runner.rest();
  }

  goOn(): void {
    this.#runner.goOn();
  }

  /** Somebody waits for the background: the process must not end before. To be let go once. */
  hold(): () => void {
    if (this.#waiting++ === 0) this.#runner.keepAlive(true);
    return () => {
      if (--this.#waiting === 0) this.#runner.keepAlive(false);
    };
  }

  /** The thread of the background has ended by itself; what it did is tried again. */
  crashed(error: HoldfastError): void {
    this.#crashes++;
    if (this.#closing === undefined) this.#host.warn("BACKGROUND", error.message);
  }

  /**
   * Ends all background work. First it makes a run of the rest of the log, unless that takes longer
   * than `finalFlushMillis`; what it fails with is told as a warning. Idempotent.
   */
  close(finalFlushMillis: number): Promise<void> {
    this.#closing ??= this.#close(finalFlushMillis);
    return this.#closing;
  }

  async #close(finalFlushMillis: number): Promise<void> {
    this.#timer?.cancel();
    await this.#kept(async () => {
      await Promise.all([
        this.#merger.activity.stop(),
        this.#archivist.activity.stop(),
        this.#repairer.activity.stop(),
        this.#scrubber.stop(),
      ]);
      if (finalFlushMillis > 0) await this.#finalFlush(finalFlushMillis);
      await this.#flusher.stop();
    });
    await this.#runner.close();
  }

  async #finalFlush(millis: number): Promise<void> {
    const { scheduler, tail } = this.#host;
    if (this.#flusher.activity.figures.halted) return;
    let isLate = false;
    const giveUp = (): void => {
      isLate = true;
      void this.#flusher.stop();
    };
    const late = scheduler.after(millis, giveUp, true);
    // What fails was warned of; what is late is replayed by the next opening.
    await this.#flusher.through(tail.durableSequence).catch(() => {});
    late.cancel();
    const { runsThrough } = this.#host.manifest.state;
    if (!isLate || runsThrough >= tail.durableSequence) return;
    const message =
      `the last run was not done within ${millis} ms: nothing is lost, and the next opening ` +
      `reads back what came after transaction ${runsThrough}`;
    this.#host.warn("LATE_RUN", message);
  }

  async #kept(work: () => Promise<void>): Promise<void> {
    const letGo = this.hold();
    try {
      await work();
    } finally {
      letGo();
    }
  }

  #arm(): void {
    const { snapshotEveryMillis } = this.#options;
    if (snapshotEveryMillis === 0 || this.#timer !== undefined) return;
    const due = (): void => {
      this.#timer = undefined;
      this.#flusher.now();
    };
    this.#timer = this.#host.scheduler.after(snapshotEveryMillis, due, false);
  }

  #setPressure(level: Pressure): void {
    if (level === this.#pressure) return;
    const before = this.#pressure;
    this.#pressure = level;
    this.#host.onPressure(level);
    if (level === "none" || before === "stop") return;
    const message = `the background falls behind the writers: ${level}${this.hindrance}`;
    this.#host.warn("BACK_PRESSURE", message);
  }

  /** What stands in the way of the background, in words that follow a sentence; often nothing. */
  get hindrance(): string {
    const works = [
      ["making runs of the log", this.#flusher.activity.figures],
      ["merging runs", this.#merger.activity.figures],
    ] as const;
    return works
      .filter(([, { error }]) => error !== undefined)
      .map(([doing, { error, halted }]) => {
        return `; ${doing} has ${halted ? "ended" : "failed"}: ${error?.message}`;
      })
      .join("");
  }

  /** Files or runs are others now: what was given up may be possible. */
  #goOn(): void {
    if (this.#merger.activity.figures.halted) this.#merger.activity.force();
    this.reconsider();
  }

  get #isBusy(): boolean {
    const works = [this.#flusher, this.#merger, this.#archivist, this.#repairer];
    return works.some(({ activity }) => activity.figures.running);
  }

  #warn(doing: string, { error, first, halted }: Failure): void {
    if (this.#closing === undefined && this.#repairer.report(error) !== undefined) {
      // What becomes of the file is told when it is known; the rest can be done without it.
      this.#goOn();
      return;
    }
    if (!first && !halted) return;
    const then = halted ? "it is not tried again by itself" : "it is tried again";
    this.#host.warn("BACKGROUND", `${doing} failed: ${error.message}; ${then}`);
  }
}
