/**
 * One seeded run of the whole engine on a simulated machine: sessions of random operations, each
 * ended by a crash, a failure or a clean close, and after each the state compared with the model.
 */

import type { Disk } from "../../src/disk/disk.js";
import { HoldfastError, open, type Store } from "../../src/index.js";
import { ail } from "./ailing.js";
import { damage } from "./corruption.js";
import { crashOnStep } from "./crash-steps.js";
import { type CrashKind, SimulatedCrash, SimulatedMachine } from "./disk.js";
import { type Activity, describe, isExcusable, SimulationFailure } from "./excuses.js";
import { finalChecks } from "./final-checks.js";
import { type Knobs, type Profile, turnKnobs } from "./knobs.js";
import { lie } from "./lying.js";
import { Model } from "./model.js";
import { Random } from "./random.js";
import { comparePoints, readState } from "./reading.js";
import { chooseSettings, FRAME_BYTES_MAXIMA, type Settings } from "./settings.js";
import { compareSnapshot, Snapshots } from "./snapshots.js";
import { DEFINITIONS, DIRECTORY, TABLE_NAMES, type TableName } from "./tables.js";
import { Session } from "./workload.js";

/**
 * Each run goes on until it has had so many operations and so many crashes. The operations are those
 * of the program that uses the store; its background, and what is read back after each crash, come on
 * top, about a dozen operations of the machine for each of them.
 */
export const OPERATIONS_MIN = 80;
export const CRASHES_MIN = 3;
const SESSIONS_MAX = 60;

export interface RunResult {
  readonly seed: number;
  readonly profile: Profile;
  readonly operations: number;
  readonly machineOperations: number;
  readonly crashes: number;
  readonly recoveries: number;
  readonly refusals: number;
  readonly counts: Readonly<Record<string, number>>;
  readonly traceHash: number;
}

export class EngineRun {
  readonly seed: number;
  readonly random: Random;
  readonly machine: SimulatedMachine;
  readonly model = new Model();
  readonly snapshots = new Snapshots();
  readonly knobs: Knobs;
  readonly settings: Settings;
  /** Those of the opening under way: whether a table is resident may change with every one. */
  definitions = DEFINITIONS.plain;
  readonly frameBytesMax: number;
  readonly counts: Record<string, number> = {};
  /** In the last session nothing fails any more. */
  isEnding = false;
  operations = 0;
  crashes = 0;
  recoveries = 0;
  refusals = 0;
  stamps = 0;
  /** Manifests that were in force some time ago, for the one who puts them back. */
  readonly olderManifests: Uint8Array[] = [];
  /** Run files as they were at some time, by path. */
  readonly olderRuns = new Map<string, Uint8Array>();
  readonly #verbose: boolean;
  readonly #framesInFlight: number;
  readonly #method: "critical first" | "all";
  #tables: readonly TableName[];
  #failure: string | undefined;

  constructor(seed: number, verbose = false) {
    this.seed = seed;
    this.#verbose = verbose;
    this.random = new Random(seed ^ 0x5eed);
    this.machine = new SimulatedMachine({
      seed,
      latencyMicros: this.random.pick([20, 100, 100, 1000]),
      garbage: 0.5,
    });
    this.knobs = turnKnobs(this);
    this.frameBytesMax = this.random.pick(FRAME_BYTES_MAXIMA);
    this.#framesInFlight = 1 + this.random.below(8);
    this.settings = chooseSettings(this.random.fork());
    this.#method = this.random.chance(0.3) ? "critical first" : "all";
    this.#tables = this.#method === "all" ? TABLE_NAMES : ["orders"];
  }

  /** False while what waits for room, or for the background, might wait for ever. */
  get mayWait(): boolean {
    if (this.machine.capacityBytes !== Number.POSITIVE_INFINITY) return false;
    return !this.knobs.failing || !this.mayOverload;
  }

  /** Writers are slowed, and stopped, when the background is behind. */
  get mayOverload(): boolean {
    return (this.settings.bounds.slowBytes ?? 0) < 1e6;
  }

  async run(): Promise<RunResult> {
    for (let sessions = 0; ; sessions++) {
      if (this.operations >= OPERATIONS_MIN && this.crashes >= CRASHES_MIN) break;
      this.check(sessions < SESSIONS_MAX, "the run never gets to its end");
      await this.#session();
      if (this.#method === "critical first" && this.operations > OPERATIONS_MIN / 3) {
        this.#tables = TABLE_NAMES;
      }
    }
    await this.#lastSession();
    return {
      seed: this.seed,
      profile: this.knobs.profile,
      operations: this.operations,
      machineOperations: this.machine.operations,
      crashes: this.crashes,
      recoveries: this.recoveries,
      refusals: this.refusals,
      counts: { ...this.machine.counters.counts, ...this.counts },
      traceHash: this.machine.traceHash,
    };
  }

  // ---- sessions --------------------------------------------------------------------------------

  async #session(): Promise<void> {
    const { machine, random } = this;
    const kind: CrashKind = random.chance(0.6) ? "power" : "kill";
    const early = random.chance(0.2);
    if (early) machine.crashAfter(1 + random.below(random.chance(0.5) ? 40 : 120), kind);
    this.knobs.beforeOpen();
    // What a crash has left: its names are given again.
    this.#keepOlderRuns();
    const disk = machine.boot();
    const store = await this.open(disk);
    if (store === undefined) return;
    if (!early) machine.crashAfter(1 + random.below(random.pick([40, 200, 800])), kind);
    if (random.chance(0.15)) machine.crashAfter(Number.POSITIVE_INFINITY, kind);
    if (random.chance(0.2)) crashOnStep(machine, random, kind);
    const alive = (): boolean => machine.isRunning(disk.self.pid - 1000);
    const sleep = (millis: number): Promise<void> =>
      new Promise((resolve) => void disk.scheduler.after(millis, resolve, true));
    const session = new Session(this, { store, disk, tables: this.#tables, alive, sleep });
    const planned = 20 + random.below(80);
    const work = async (): Promise<void> => {
      await session.operations(Math.floor(planned / 2));
      if (this.knobs.duringSession(store)) await session.getsOver();
      await session.operations(Math.ceil(planned / 2));
      this.#compareMemory(store, session);
    };
    const crashed = await this.#untilCrash(work);
    session.noteFlush();
    this.model.acknowledge(store.durableSequence);
    if (crashed) return;
    if (random.chance(0.3)) return this.#crashNow(kind);
    if (random.chance(0.2)) machine.crashAfter(1 + random.below(30), kind);
    await this.#close(session, store);
  }

  async #close(session: Session, store: Store): Promise<void> {
    const crashed = await this.#untilCrash(async () => {
      try {
        session.closing = true;
        const closing = store.close();
        session.noteFlush();
        const through = store.lastSequence;
        await closing;
        this.model.acknowledge(through);
      } catch (error) {
        this.refused("close", error);
      }
    });
    session.noteFlush();
    if (crashed) return;
    this.machine.crashAfter(Number.POSITIVE_INFINITY);
    // Whatever was promised has to be settled by now, one way or the other.
    await this.#untilCrash(() => session.settle());
  }

  /** Without faults any more: everything must be well; then what must not be is tried. */
  async #lastSession(): Promise<void> {
    const { machine } = this;
    this.isEnding = true;
    this.knobs.off();
    machine.crashAfter(Number.POSITIVE_INFINITY);
    const disk = machine.boot();
    this.#tables = TABLE_NAMES;
    const store = await this.open(disk);
    if (store === undefined) return this.fail("the last opening failed");
    const sleep = (millis: number): Promise<void> =>
      new Promise((resolve) => void disk.scheduler.after(millis, resolve, true));
    const session = new Session(this, {
      store,
      disk,
      tables: TABLE_NAMES,
      alive: () => true,
      sleep,
    });
    await this.#untilCrash(() => session.operations(20));
    this.#compareMemory(store, session);
    await this.#untilCrash(() => session.settle());
    if (this.random.chance(0.5)) await this.#close(session, store);
    else {
      await this.#untilCrash(() => store.durable());
      session.noteFlush();
      this.model.acknowledge(store.durableSequence);
      await this.#crashNow("kill");
    }
    if (this.random.chance(0.5)) await finalChecks(this);
    await damage(this);
    if (this.random.chance(0.7)) await ail(this);
    // Where the log cannot be read the background never catches up, and writers wait for it.
    if (this.random.chance(0.7) && !this.mayOverload) await lie(this);
  }

  #countCrash(): void {
    this.crashes++;
    if (this.snapshots.isBeing("wanted")) this.count("crash while making a snapshot");
    if (this.snapshots.isBeing("dropping")) this.count("crash while dropping a snapshot");
  }

  async #crashNow(kind: CrashKind): Promise<void> {
    this.#countCrash();
    this.log(`crash now (${kind})`);
    this.machine.crash(kind);
  }

  /** True if it ended in a crash. */
  async #untilCrash(work: () => Promise<unknown>): Promise<boolean> {
    try {
      // Begun only once the machine watches: a synchronous call of it may crash as well.
      await this.machine.run(Promise.resolve().then(work));
    } catch (error) {
      if (!(error instanceof SimulatedCrash)) return this.fail(describe(error));
      this.#countCrash();
      this.log(`crash: ${error.message}`);
      this.#throwFailure();
      return true;
    }
    this.#throwFailure();
    return false;
  }

  /** Opens, and compares what is found with the model; undefined after a crash or an excuse. */
  async open(disk: Disk): Promise<Store | undefined> {
    const { machine, model } = this;
    this.definitions = this.random.chance(0.3) ? DEFINITIONS.resident : DEFINITIONS.plain;
    let store: Store;
    try {
      store = await machine.run(this.openOn(disk));
    } catch (error) {
      model.mayHaveDeclared ||= this.#declaring;
      if (error instanceof SimulatedCrash) {
        this.crashes++;
        this.count("crash while opening");
        if (this.#declaring) this.count("crash while declaring tables");
        this.log(`crash while opening: ${error.message}`);
        return undefined;
      }
      this.refused("open", error);
      this.knobs.off();
      return undefined;
    }
    this.recoveries++;
    if (this.random.chance(0.5)) this.olderManifests.push(machine.read(`${DIRECTORY}/manifest.0`));
    this.#keepOlderRuns();
    this.count(`tail ${store.recovery.tail}`);
    this.log(
      `opened at ${store.recovery.lastSequence}, ${store.recovery.tail}: ${store.recovery.why}`,
    );
    if (!(await this.#verify(store))) {
      model.mayHaveDeclared ||= this.#declaring;
      return undefined;
    }
    return store;
  }

  /** Holds what was found against the model. False after a crash, or where it cannot be read. */
  async #verify(store: Store): Promise<boolean> {
    const { model, snapshots, definitions } = this;
    let whole = false;
    const crashed = await this.#untilCrash(async () => {
      const { lastSequence } = store.recovery;
      const declared = store.lastSequence > lastSequence;
      let wrong: string | undefined;
      try {
        const found = readState(store, definitions, this.#tables);
        wrong = comparePoints(store, definitions, this.#tables, found, this.random);
        wrong ??= snapshots.recovered(store.snapshots(), model);
        wrong ??= model.recover(lastSequence, found, declared);
      } catch (error) {
        if (!(error instanceof HoldfastError)) throw error;
        return this.refused("read", error);
      }
      if (wrong !== undefined) this.fail(wrong);
      this.#declaredTables = this.#tables.length;
      for (const name of snapshots.there) {
        const disk = this.machine.boot();
        await compareSnapshot(this, disk, name).catch((error: unknown) => {
          if (error instanceof SimulatedCrash) throw error;
          this.refused("snapshot", error);
        });
        this.machine.kill(disk);
      }
      whole = true;
    });
    if (crashed) this.count("crash while reading what was recovered");
    else if (!whole) {
      await this.#crashNow("kill");
      this.knobs.off();
    }
    return whole && !crashed;
  }

  #keepOlderRuns(): void {
    for (const path of this.machine.files()) {
      if (!path.endsWith(".run") || this.olderRuns.has(path)) continue;
      this.olderRuns.set(path, this.machine.read(path));
    }
  }

  #declaredTables = 0;

  get #declaring(): boolean {
    return this.#declaredTables < this.#tables.length;
  }

  openOn(disk: Disk): Promise<Store> {
    return open(DIRECTORY, {
      disk,
      tables: this.#tables.map((name) => this.definitions[name]),
      environment: "simulation",
      writerId: "simulator",
      segmentBytes: 64 * 1024,
      frameBytesMax: this.frameBytesMax,
      framesInFlight: this.#framesInFlight,
      ...this.settings,
      onWarning: ({ code, message }) => {
        this.count(`warning ${code}`);
        this.log(`warning ${code}: ${message}`);
        const alive = this.machine.isRunning(disk.self.pid - 1000);
        if (code === "BACKGROUND" && alive && !this.knobs.excused) {
          this.noteFailure(`the background failed without reason: ${message}`);
        }
      },
    });
  }

  #compareMemory(store: Store, session: Session): void {
    session.reading(() => {
      const found = readState(store, this.definitions, this.#tables);
      const wrong = this.model.compareMemory(found);
      return wrong === undefined ? undefined : `in memory: ${wrong}`;
    });
  }

  // ---- verdicts --------------------------------------------------------------------------------

  /** Something was refused: it must have a documented code, and a fault to explain it. */
  refused(what: Activity, error: unknown): void {
    this.log(`${what} refused: ${describe(error)}`);
    if (!(error instanceof HoldfastError)) this.fail(describe(error));
    const spared = this.knobs.sparesWrites && (what === "write" || what === "close");
    // Asked for while there was a fault, they fail of it, and may be told after it is gone.
    const late = (what === "flush" || what === "snapshot") && this.knobs.excused;
    const excused =
      ((this.knobs.failing || late) && !spared && isExcusable(what, error.code)) ||
      (error.code === "OVERLOADED" && this.mayOverload);
    if (!excused) this.fail(`${what} failed without reason: ${describe(error)}`);
    this.refusals++;
    this.count(`${what} refused: ${error.code}`);
  }

  count(name: string): void {
    this.counts[name] = (this.counts[name] ?? 0) + 1;
  }

  check(condition: boolean, message: string): void {
    if (!condition) this.fail(message);
  }

  fail(message: string): never {
    this.#failure ??= message;
    return this.#throwFailure() as never;
  }

  /** For failures where nobody would catch them: they come out with the next check. */
  noteFailure(error: unknown): void {
    this.#failure ??= typeof error === "string" ? error : describe(error);
  }

  log(text: string): void {
    if (this.#verbose) console.log(`[${this.machine.operations}] ${text}`);
  }

  #throwFailure(): void {
    if (this.#failure === undefined) return;
    throw new SimulationFailure(
      `seed ${this.seed} (${this.knobs.profile}): ${this.#failure}\n` +
        `  after ${this.operations} operations, ${this.crashes} crashes; ` +
        `trace ${this.machine.traceHash.toString(16)}\n` +
        `  replay: HOLDFAST_SEED=${this.seed} npx vitest run test/sim/engine.test.ts`,
    );
  }
}

export function runSeed(seed: number, verbose = false): Promise<RunResult> {
  return new EngineRun(seed, verbose).run();
}
