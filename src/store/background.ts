/** Joins the store to the background that makes its runs: what it asks for, and what it brings. */
import { fromHex } from "../base/bytes.js";
import { HoldfastError } from "../base/errors.js";
import { BACK_PRESSURE_WAIT_MILLIS_MAX } from "../base/limits.js";
import type { Disk, Scheduler, Timer } from "../disk/disk.js";
import type { LogWriter } from "../log/writer.js";
import type { Manifest, ManifestSnapshot } from "../manifest/format.js";
import { setBadFileAside } from "../recovery/files.js";
import type { BlockCache } from "../run/block-cache.js";
import { RunSet } from "../run/run-set.js";
import type { BudgetOptions } from "../snapshot/budget.js";
import type { HeldFile, SnapshotHost, SnapshotterFigures } from "../snapshot/host.js";
import type { Job, ResultOf } from "../snapshot/jobs.js";
import { InlineRunner, type JobRunner } from "../snapshot/runner.js";
import { Snapshotter } from "../snapshot/snapshotter.js";
import type { Pressure } from "../snapshot/trigger.js";
import { WorkerRunner } from "../snapshot/worker-runner.js";
import { backgroundBounds } from "./bounds.js";
import type { Catalog } from "./catalog.js";
import { type ForkPoint, pointOfSnapshot } from "./fork.js";
import type { StoreLedger } from "./ledger.js";
import type { Options } from "./options.js";
import {
  infoOf,
  listSnapshots,
  type SnapshotInfo,
  unusedName,
  withoutSnapshot,
  withSnapshot,
} from "./snapshots.js";
import type { Tail } from "./tail.js";
import { WarmUp } from "./warm-up.js";

/** What the background has done since the opening, and what is before it. */
export interface BackgroundStats extends SnapshotterFigures {
  /** All transactions up to this one are in runs. */
  readonly runsThrough: number;
  readonly snapshots: number;
  readonly archiveFiles: number;
  readonly archiveBytes: number;
  /** Segments of the log that are listed. */
  readonly segments: number;
}

export interface BackgroundOptions {
  readonly disk: Disk;
  readonly directory: string;
  readonly catalog: Catalog;
  readonly writer: LogWriter;
  readonly ledger: StoreLedger;
  /** See SnapshotHost. */
  readonly assertOurs: () => Promise<void>;
  readonly tail: Tail;
  readonly cache: BlockCache;
  readonly options: Options;
}

/**
 * A thread for the background is started this long after an opening: what the application does
 * first, with code that is not compiled yet, does not share the processor with it.
 */
const START_DELAY_MILLIS = 100;

/** Entries looked at in one turn while rows leave memory. */
const SWEEP_STEPS = 500;

/** Whoever writes without pause is looked at again after so much. */
const WEIGH_OPERATIONS = 256;
const WEIGH_BYTES = 256 * 1024;

export class Background {
  readonly #o: BackgroundOptions;
  readonly #runner: JobRunner;
  readonly #snapshotter: Snapshotter;
  #pressure: Pressure = "none";
  /** Those who were acknowledged meanwhile wait for this. */
  #gate: Gate | undefined;
  /** What had been written when pressure was last looked at, and a little more. */
  #weighAt = { operations: 0, logicalBytes: 0 };
  #warmUp: WarmUp | undefined;
  /** Until the background begins. */
  #starting: Timer | undefined;
  #sweeping = false;
  #closing = false;
  #closed = false;

  constructor(options: BackgroundOptions) {
    this.#o = options;
    const { backgroundBytesPerSecond: bytesPerSecond } = options.options;
    this.#runner = this.#makeRunner({ bytesPerSecond, burstBytes: 4 * bytesPerSecond }, (error) =>
      this.#snapshotter.crashed(error),
    );
    const { recoveryBudgetMillis, snapshotEveryMillis, history, bounds, scrubEveryHours } =
      options.options;
    this.#snapshotter = new Snapshotter(
      this.#makeHost(),
      {
        recoveryBudgetMicros: recoveryBudgetMillis * 1000,
        snapshotEveryMillis,
        history,
        scrubEveryMillis: scrubEveryHours * 3_600_000,
        ...backgroundBounds(bounds),
      },
      this.#runner,
    );
    options.catalog.layers.onReadError = (error) => this.#snapshotter.damaged(error);
  }

  /** What an acknowledgement has to wait for besides its own frame; undefined: nothing. */
  get gate(): Promise<void> | undefined {
    if (this.#pressure === "none") return undefined;
    if (this.#gate === undefined) {
      const letGo = this.#snapshotter.hold();
      this.#gate = makeGate(this.#o.disk.scheduler, () => {
        this.#gate = undefined;
        letGo();
      });
    }
    return this.#gate.promise;
  }

  /** Throws OVERLOADED. */
  assertRoom(): void {
    const { operations, logicalBytes } = this.#o.writer.written;
    if (operations >= this.#weighAt.operations || logicalBytes >= this.#weighAt.logicalBytes) {
      this.#weigh();
    }
    if (this.#pressure !== "stop") return;
    throw new HoldfastError(
      "OVERLOADED",
      "more is being written than can be made into runs: wait for the writes before" +
        this.#snapshotter.hindrance,
    );
  }

  /** Whoever never lets the event loop turn is not seen by `check`. */
  #weigh(): void {
    const { operations, logicalBytes } = this.#o.writer.written;
    this.#weighAt = {
      operations: operations + WEIGH_OPERATIONS,
      logicalBytes: logicalBytes + WEIGH_BYTES,
    };
    this.#snapshotter.weigh();
  }

  readonly isShort = (): boolean => this.#runner.budget.short;

  /** Something has become durable. */
  readonly check = (): void => {
    this.#o.tail.sample();
    if (this.#starting === undefined) this.#snapshotter.check();
    else this.#snapshotter.weigh();
  };

  /** Soon begins: there may be work that the last opening left. */
  start(): void {
    if (this.#closing) return;
    const delayMillis = this.#o.options.bounds.startDelayMillis ?? START_DELAY_MILLIS;
    if (this.#runner.where === "inline" || delayMillis === 0) this.#work();
    else this.#starting = this.#o.disk.scheduler.after(delayMillis, this.#begin, false);
  }

  /** Not later than planned: writers are slowed already. */
  readonly #begin = (): void => {
    if (this.#starting === undefined) return;
    this.#starting.cancel();
    this.#starting = undefined;
    if (!this.#closing) this.#work();
  };

  #work(): void {
    this.#snapshotter.reconsider();
    this.#snapshotter.check();
    this.#sweepSoon();
    this.#warmUp = new WarmUp(this.#o.catalog, this.#o.disk.scheduler);
    this.#warmUp.start();
  }

  async flush(sequence: number): Promise<void> {
    await this.#snapshotter.flushNow(sequence);
  }

  /** Resolves when nothing is under way that closing would have to wait for: until `goOn`. */
  rest(): Promise<void> {
    return this.#snapshotter.rest();
  }

  goOn(): void {
    this.#snapshotter.goOn();
  }

  async snapshot(name: string | undefined, sequence: number): Promise<SnapshotInfo> {
    const { writer, ledger, disk } = this.#o;
    await writer.durable(sequence);
    const createdMicros = disk.clock.nowMicros();
    let made: Manifest | undefined;
    await ledger.change((before) => {
      // Only here it is known which names are taken: others may be made at the same time.
      const wanted = name ?? unusedName(before, sequence);
      made = withSnapshot(before, wanted, sequence, writer.durableEnd, createdMicros);
      return made;
    });
    // As it was made: it may have been dropped with the same publication.
    return infoOf(made?.snapshots.at(-1) as ManifestSnapshot);
  }

  /** What all is in that is durable at this moment; or what a named snapshot shows. */
  forkPoint(at: string | undefined): ForkPoint {
    const { writer, ledger } = this.#o;
    const manifest = ledger.current;
    if (at !== undefined) return pointOfSnapshot(manifest, at);
    const { durableSequence: sequence, durableEnd: end } = writer;
    return { manifest, state: manifest.state, sequence, end };
  }

  /** On the background's thread, and within its budget. */
  runJob<J extends Job>(job: J, signal: AbortSignal): Promise<ResultOf<J>> {
    return this.#runner.run(job, signal);
  }

  /** As it is published. */
  get manifest(): Manifest {
    return this.#o.ledger.current;
  }

  /** Publishes a change of the packs; those that are not named any more are removed then. */
  async changePacks(edit: (manifest: Manifest) => Manifest): Promise<Manifest> {
    const manifest = await this.#o.ledger.change(edit);
    await this.#o.ledger.settled();
    return manifest;
  }

  /** A thread beside that of the background, for what somebody waits for: without a budget. */
  makeRunner(onCrash: (error: HoldfastError) => void): JobRunner {
    return this.#makeRunner({ bytesPerSecond: Number.POSITIVE_INFINITY, burstBytes: 1 }, onCrash);
  }

  /** Somebody has met this error: if it tells of a damaged file of a run, that is made anew. */
  damaged(error: unknown): void {
    this.#snapshotter.damaged(error);
  }

  /** The process must not end before what was asked for: to be let go once. */
  hold(): () => void {
    return this.#snapshotter.hold();
  }

  snapshots(): SnapshotInfo[] {
    return listSnapshots(this.#o.ledger.current);
  }

  async dropSnapshot(name: string): Promise<void> {
    await this.#o.ledger.change((manifest) => withoutSnapshot(manifest, name));
    this.#snapshotter.reconsider();
  }

  stats(): BackgroundStats {
    const manifest = this.#o.ledger.now;
    return {
      ...this.#snapshotter.figures,
      runsThrough: manifest.state.runsThrough,
      snapshots: manifest.snapshots.length,
      archiveFiles: manifest.archives.length,
      archiveBytes: manifest.archives.reduce((sum, { bytes }) => sum + bytes, 0),
      segments: manifest.segments.length,
    };
  }

  blockStats(): { blockBytes: number; blockHits: number; blockMisses: number } {
    const { bytes, hits, misses } = this.#o.cache;
    return { blockBytes: bytes, blockHits: hits, blockMisses: misses };
  }

  /** Ends it, with a run of the rest of the log unless that takes longer than `millis`. */
  async close(millis: number): Promise<void> {
    this.#closing = true;
    this.#starting?.cancel();
    this.#warmUp?.stop();
    await this.#snapshotter.close(millis);
    this.#closed = true;
    this.#gate?.open();
  }

  // ---- for the snapshotter ---------------------------------------------------------------------

  #makeRunner(budget: BudgetOptions, onCrash: (error: HoldfastError) => void): JobRunner {
    const { disk, options } = this.#o;
    if (disk.info.kind === "simulated" || options.disk !== undefined) {
      return new InlineRunner(disk, budget);
    }
    const { kind, backend } = disk.info;
    const native = backend === "io_uring" ? "io_uring" : "threads";
    return new WorkerRunner({
      backend: kind === "portable" ? "portable" : native,
      budget,
      disk,
      onCrash,
    });
  }

  #makeHost(): SnapshotHost {
    const { disk, directory, ledger, tail, writer, options } = this.#o;
    return {
      clock: disk.clock,
      scheduler: disk.scheduler,
      directory,
      tail,
      get manifest() {
        return ledger.now;
      },
      durable: (sequence) => writer.durable(sequence),
      assertOurs: () => this.#o.assertOurs(),
      change: (edit) => ledger.change(edit),
      adopt: (manifest) => this.#adopt(manifest),
      holdFile: (fileId) => this.#holdFile(fileId),
      warn: (code, message) => options.onWarning({ code, message }),
      onPressure: (level) => this.#onPressure(level),
    };
  }

  /** From here on reads go to the new runs, and what they hold may leave memory. */
  async #adopt({ state, files, storeId }: Manifest): Promise<void> {
    const { disk, directory, catalog, cache, tail } = this.#o;
    const { runs: previous } = catalog.layers;
    const runs = await RunSet.open({
      disk,
      directory,
      storeId: fromHex(storeId) as Uint8Array,
      runs: state.runs,
      files,
      cache,
      ...(previous === undefined ? {} : { previous }),
    });
    catalog.useRuns(runs, state.runsThrough);
    tail.advance(state.runsThrough);
    this.#sweepSoon();
    await previous?.release();
  }

  #holdFile(fileId: number): HeldFile {
    const { disk, directory, ledger } = this.#o;
    ledger.pinFile(fileId);
    return {
      setAside: () => setBadFileAside(disk, directory, fileId).catch(() => {}),
      letGo: () => ledger.unpinFile(fileId),
    };
  }

  #onPressure(level: Pressure): void {
    this.#pressure = level;
    if (level === "none") this.#gate?.open();
    else this.#begin();
  }

  /** Rows leave memory a few at a time: nobody waits for it. */
  #sweepSoon(): void {
    if (this.#sweeping) return;
    this.#sweeping = true;
    this.#o.disk.scheduler.after(
      1,
      () => {
        this.#sweeping = false;
        const { memory, horizon } = this.#o.catalog.layers;
        if (!this.#closed && memory.sweep(SWEEP_STEPS, horizon.version)) this.#sweepSoon();
      },
      false,
    );
  }
}

interface Gate {
  readonly promise: Promise<void>;
  readonly open: () => void;
}

/** Opens by itself after a while. Whoever waits at it keeps the process alive. */
function makeGate(scheduler: Scheduler, onOpen: () => void): Gate {
  let open = (): void => {};
  const promise = new Promise<void>((resolve) => {
    const timer = scheduler.after(BACK_PRESSURE_WAIT_MILLIS_MAX, () => open(), true);
    open = () => {
      timer.cancel();
      onOpen();
      resolve();
    };
  });
  return { promise, open };
}
