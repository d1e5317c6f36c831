/** A store that is no more than a log made by hand and a manifest. */
import { HoldfastError } from "../../src/base/errors.js";
import { portableChecksum } from "../../src/disk/checksum.js";
import type { Disk } from "../../src/disk/disk.js";
import { segmentFileName } from "../../src/log/format.js";
import { encodeManifest, type Manifest } from "../../src/manifest/format.js";
import { runFileName } from "../../src/run/format.js";
import { archiveFileName } from "../../src/snapshot/archive-format.js";
import type {
  HeldFile,
  HostTail,
  SnapshotHost,
  SnapshotterOptions,
} from "../../src/snapshot/host.js";
import type { Job } from "../../src/snapshot/jobs.js";
import { InlineRunner, type JobRunner } from "../../src/snapshot/runner.js";
import { Snapshotter } from "../../src/snapshot/snapshotter.js";
import type { Pressure } from "../../src/snapshot/trigger.js";
import { SimulatedMachine } from "../sim/disk.js";
import { DIRECTORY, LogMaker, STORE_ID, type Transaction } from "./log.js";
import { rowsOf, sorted, TABLES } from "./rows.js";

const EMPTY: Manifest = {
  generation: 1,
  storeId: STORE_ID,
  environment: "test",
  createdMicros: 1,
  epoch: 1,
  writer: { writerId: "tester", host: "here", pid: 1, openedMicros: 1 },
  framesInFlight: 8,
  frameBytesMax: 8192,
  methods: [],
  lastMicros: 0,
  closed: false,
  durableThrough: 0,
  segments: [],
  tables: TABLES,
  replay: { microsPerOperation: 1, microsPerKilobyte: 0 },
  state: {
    runs: [],
    runsThrough: 0,
    replayFrom: { segmentId: 0, offset: 0, sequence: 1, frameChecksum: 0 },
  },
  files: [],
  merge: null,
  snapshots: [],
  archives: [],
};

export const DEFAULTS: SnapshotterOptions = {
  // A microsecond an operation: a flush at 20 operations.
  recoveryBudgetMicros: 40,
  snapshotEveryMillis: 0,
  history: "none",
  slowBytes: 1e9,
  stopBytes: 1e9,
  fileBytes: 4096,
  runsPerTier: 4,
};

export class TestHost implements SnapshotHost {
  readonly directory = DIRECTORY;
  readonly machine: SimulatedMachine;
  readonly disk: Disk;
  readonly log: LogMaker;
  readonly clock: Disk["clock"];
  readonly scheduler: Disk["scheduler"];
  readonly warnings: string[] = [];
  readonly messages: string[] = [];
  readonly levels: Pressure[] = [];
  readonly released: number[] = [];
  /** Of manifests that were adopted. */
  readonly adopted: number[] = [];
  /** Called before a change is published; may fail it. */
  onChange: () => void = () => {};
  onAdopt: () => void = () => {};
  assertOurs = (): Promise<void> => Promise.resolve();
  #manifest: Manifest = EMPTY;

  constructor(machine: SimulatedMachine, segmentBytes: number) {
    this.machine = machine;
    this.disk = machine.boot();
    this.log = new LogMaker(this.disk, segmentBytes);
    this.clock = this.disk.clock;
    this.scheduler = this.disk.scheduler;
  }

  get manifest(): Manifest {
    return { ...this.#manifest, segments: this.log.segments };
  }

  get tail(): HostTail {
    const { lastSequence, end } = this.log;
    const { runsThrough } = this.#manifest.state;
    const tail = this.log.history.slice(runsThrough);
    const operations = tail.reduce((sum, one) => sum + (one === "declare" ? 1 : one.length), 0);
    return {
      lastSequence,
      durableSequence: lastSequence,
      durableEnd: end,
      operations,
      bytes: operations * 100,
      memoryBytes: 0,
    };
  }

  durable(): Promise<void> {
    return Promise.resolve();
  }

  async change(edit: (manifest: Manifest) => Manifest): Promise<Manifest> {
    await this.disk.list(DIRECTORY);
    this.onChange();
    const generation = this.#manifest.generation + 1;
    const manifest = { ...edit(this.manifest), generation };
    // Refuses what no opening would accept.
    encodeManifest(manifest, portableChecksum);
    const before = namesOf(this.#manifest);
    const { segments } = this.log;
    this.log.segments = [...manifest.segments];
    this.#manifest = manifest;
    const listed = new Set(manifest.segments.map(({ id }) => id));
    for (const { id } of segments) {
      if (listed.has(id)) continue;
      this.released.push(id);
      await this.disk.remove(`${DIRECTORY}/${segmentFileName(id)}`);
    }
    const named = new Set(namesOf(manifest));
    for (const name of before) {
      // A damaged one may be gone already.
      if (!named.has(name)) await this.disk.remove(`${DIRECTORY}/${name}`).catch(() => {});
    }
    return manifest;
  }

  async adopt(manifest: Manifest): Promise<void> {
    await this.disk.list(DIRECTORY);
    this.onAdopt();
    this.adopted.push(manifest.generation);
  }

  /** Nothing is set aside here. */
  holdFile(): HeldFile {
    return { setAside: async () => {}, letGo: () => {} };
  }

  warn(code: string, message: string): void {
    this.warnings.push(code);
    this.messages.push(message);
  }

  onPressure(level: Pressure): void {
    this.levels.push(level);
  }
}

/** A runner whose jobs go another way: `run` may pass them on to the one there is. */
export function withRun(runner: JobRunner, run: JobRunner["run"]): JobRunner {
  return {
    where: runner.where,
    budget: runner.budget,
    hurry: (on) => runner.hurry(on),
    keepAlive: (on) => runner.keepAlive(on),
    rest: () => runner.rest(),
    goOn: () => runner.goOn(),
    close: () => runner.close(),
    run,
  };
}

/** One whose jobs of one kind wait until they are cancelled, or for ever. */
export function stuck(kind: Job["kind"]): (runner: JobRunner) => JobRunner {
  return (runner) =>
    withRun(runner, (job, signal) => {
      if (job.kind !== kind) return runner.run(job, signal);
      return new Promise((_resolve, reject) => {
        const cancelled = new HoldfastError("CLOSED", "cancelled");
        if (signal.aborted) reject(cancelled);
        signal.addEventListener("abort", () => reject(cancelled));
      });
    });
}

function namesOf({ files, archives }: Manifest): string[] {
  const runs = files.map((file) => runFileName(file.id));
  return [...runs, ...archives.map((archive) => archiveFileName(archive.id))];
}

export interface Scene {
  readonly machine: SimulatedMachine;
  readonly host: TestHost;
  readonly snapshotter: Snapshotter;
  write(count: number, make: (number: number) => Transaction): Promise<void>;
  idle(millis?: number): Promise<void>;
  /** What a reopening would find in runs. */
  rows(): Promise<[string, string][]>;
  run<T>(promise: Promise<T>): Promise<T>;
}

export async function makeScene(
  options: Partial<SnapshotterOptions> = {},
  wrap: (runner: JobRunner) => JobRunner = (runner) => runner,
  segmentBytes = 32 * 1024,
): Promise<Scene> {
  const machine = new SimulatedMachine({ seed: 11 });
  const host = new TestHost(machine, segmentBytes);
  await machine.run(host.disk.createDirectory(DIRECTORY));
  machine.tree.commitAll();
  const budget = { bytesPerSecond: 1e9, burstBytes: 1e9 };
  const runner = wrap(new InlineRunner(host.disk, budget));
  const snapshotter = new Snapshotter(host, { ...DEFAULTS, ...options }, runner);
  const run = <T>(promise: Promise<T>): Promise<T> => machine.run(promise);
  return {
    machine,
    host,
    snapshotter,
    run,
    write: async (count, make) => {
      for (let i = 0; i < count; i++) {
        await run(host.log.append(make(host.log.lastSequence)));
        snapshotter.check();
      }
    },
    idle: (millis = 100) =>
      run(new Promise<void>((resolve) => void host.scheduler.after(millis, resolve, true))),
    rows: async () => {
      const { state, files } = host.manifest;
      return sorted(await run(rowsOf(host.disk, state.runs, files)));
    },
  };
}
