/**
 * One seeded run of the whole engine on a simulated machine: sessions of random operations, each
 * ended by a crash, a failure or a clean close, and after each the state compared with the model.
 */

import type { Disk } from "../../src/disk/disk.js";
import { type ErrorCode, HoldfastError, open, type Store } from "../../src/index.js";
import { damage } from "./corruption.js";
import { type CrashKind, SimulatedCrash, SimulatedMachine } from "./disk.js";
import { type Knobs, type Profile, turnKnobs } from "./knobs.js";
import { lie } from "./lying.js";
import { Model } from "./model.js";
import { Random } from "./random.js";
import { DIRECTORY, TABLE_NAMES, type TableName } from "./tables.js";
import { DEFINITIONS, readState, Session } from "./workload.js";

/** Each run goes on until it has had so many operations and so many crashes. */
const OPERATIONS_MIN = 200;
const CRASHES_MIN = 3;
const SESSIONS_MAX = 60;

/** Codes that a write, a wait for durability, an opening or a close may fail with after a fault. */
const EXCUSABLE: Record<"write" | "open" | "close", readonly ErrorCode[]> = {
  // IO: there is no file descriptor for the next segment.
  write: ["IO", "OUTCOME_UNKNOWN", "POISONED", "DISK_FULL", "CLOSED"],
  open: ["IO", "DISK_FULL", "CORRUPT_MANIFEST", "CORRUPT_LOG"],
  close: ["OUTCOME_UNKNOWN", "POISONED", "DISK_FULL", "IO"],
};

export interface RunResult {
  readonly seed: number;
  readonly profile: Profile;
  readonly operations: number;
  readonly crashes: number;
  readonly recoveries: number;
  readonly refusals: number;
  readonly counts: Readonly<Record<string, number>>;
  readonly traceHash: number;
}

/** What was expected and did not happen; with all that is needed to see it again. */
export class SimulationFailure extends Error {
  override readonly name = "SimulationFailure";
}

export class EngineRun {
  readonly seed: number;
  readonly random: Random;
  readonly machine: SimulatedMachine;
  readonly model = new Model();
  readonly knobs: Knobs;
  readonly frameBytesMax: number;
  readonly counts: Record<string, number> = {};
  operations = 0;
  crashes = 0;
  recoveries = 0;
  refusals = 0;
  stamps = 0;
  /** Manifests that were in force some time ago, for the one who puts them back. */
  readonly olderManifests: Uint8Array[] = [];
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
    });
    this.knobs = turnKnobs(this);
    this.frameBytesMax = this.random.pick([8192, 8192, 12288, 16384]);
    this.#framesInFlight = 1 + this.random.below(8);
    this.#method = this.random.chance(0.3) ? "critical first" : "all";
    this.#tables = this.#method === "all" ? TABLE_NAMES : ["orders"];
  }

  /** False while the disk is full: what waits for room would wait for ever. */
  get mayWait(): boolean {
    return this.machine.capacityBytes === Number.POSITIVE_INFINITY;
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
    const disk = machine.boot();
    const store = await this.open(disk);
    if (store === undefined) return;
    if (!early) machine.crashAfter(1 + random.below(random.pick([30, 200, 500])), kind);
    if (random.chance(0.15)) machine.crashAfter(Number.POSITIVE_INFINITY, kind);
    const alive = (): boolean => machine.isRunning(disk.self.pid - 1000);
    const sleep = (millis: number): Promise<void> =>
      new Promise((resolve) => void disk.scheduler.after(millis, resolve, true));
    const session = new Session(this, store, this.#tables, alive, sleep);
    const planned = 20 + random.below(80);
    const work = async (): Promise<void> => {
      await session.operations(Math.floor(planned / 2));
      this.knobs.duringSession(store);
      await session.operations(Math.ceil(planned / 2));
      this.#compareMemory(store);
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
    this.knobs.off();
    machine.crashAfter(Number.POSITIVE_INFINITY);
    const disk = machine.boot();
    this.#tables = TABLE_NAMES;
    const store = await this.open(disk);
    if (store === undefined) return this.fail("the last opening failed");
    const sleep = (millis: number): Promise<void> =>
      new Promise((resolve) => void disk.scheduler.after(millis, resolve, true));
    const session = new Session(this, store, this.#tables, () => true, sleep);
    await this.#untilCrash(() => session.operations(20));
    this.#compareMemory(store);
    if (this.random.chance(0.5)) await this.#close(session, store);
    else {
      await this.#untilCrash(() => store.durable());
      session.noteFlush();
      this.model.acknowledge(store.durableSequence);
      await this.#crashNow("kill");
    }
    await damage(this);
    if (this.random.chance(0.3)) await lie(this);
  }

  async #crashNow(kind: CrashKind): Promise<void> {
    this.crashes++;
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
      this.crashes++;
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
    let store: Store;
    try {
      store = await machine.run(this.openOn(disk));
    } catch (error) {
      model.mayHaveDeclared ||= this.#declaring;
      if (error instanceof SimulatedCrash) {
        this.crashes++;
        this.count("crash while opening");
        this.log(`crash while opening: ${error.message}`);
        return undefined;
      }
      this.refused("open", error);
      this.knobs.off();
      return undefined;
    }
    this.recoveries++;
    if (this.random.chance(0.2)) this.olderManifests.push(machine.read(`${DIRECTORY}/manifest.0`));
    const { lastSequence } = store.recovery;
    const declared = store.lastSequence > lastSequence;
    this.log(`opened at ${lastSequence}, ${store.recovery.tail}: ${store.recovery.why}`);
    const wrong = model.recover(lastSequence, readState(store, this.#tables), declared);
    if (wrong !== undefined) this.fail(wrong);
    this.#declaredTables = this.#tables.length;
    this.count(`tail ${store.recovery.tail}`);
    return store;
  }

  #declaredTables = 0;

  get #declaring(): boolean {
    return this.#declaredTables < this.#tables.length;
  }

  openOn(disk: Disk): Promise<Store> {
    return open(DIRECTORY, {
      disk,
      tables: this.#tables.map((name) => DEFINITIONS[name]),
      environment: "simulation",
      writerId: "simulator",
      segmentBytes: 64 * 1024,
      frameBytesMax: this.frameBytesMax,
      framesInFlight: this.#framesInFlight,
      onWarning: (warning) => {
        this.count(`warning ${warning.code}`);
        this.log(`warning ${warning.code}: ${warning.message}`);
      },
    });
  }

  #compareMemory(store: Store): void {
    const wrong = this.model.compareMemory(readState(store, this.#tables));
    if (wrong !== undefined) this.fail(`in memory: ${wrong}`);
  }

  // ---- verdicts --------------------------------------------------------------------------------

  /** Something was refused: it must have a documented code, and a fault to explain it. */
  refused(what: "write" | "open" | "close", error: unknown): void {
    this.log(`${what} refused: ${describe(error)}`);
    if (!(error instanceof HoldfastError)) this.fail(describe(error));
    const excused = this.knobs.failing && EXCUSABLE[what].includes(error.code);
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
    this.#failure ??= describe(error);
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

function describe(error: unknown): string {
  if (error instanceof HoldfastError) return `${error.code}: ${error.message}`;
  return error instanceof Error ? (error.stack ?? error.message) : String(error);
}

export function runSeed(seed: number, verbose = false): Promise<RunResult> {
  return new EngineRun(seed, verbose).run();
}
