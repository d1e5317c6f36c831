/** One workload, and every state that a power cut in its last operation could leave. */
import type { OpenOptions } from "../../src/index.js";
import { SimulatedMachine } from "../sim/disk.js";
import { compareExpected, Model } from "../sim/model.js";
import { DIRECTORY } from "../sim/tables.js";
import { type KnownSnapshot, missingSnapshot, Program } from "../support/program.js";
import { ALPHABET } from "./alphabet.js";
import { Contents } from "./content.js";
import { Device, type Image, type SubsetCounts } from "./device.js";
import { type Recovered, Recoveries } from "./recoveries.js";

/** What a store must hold that is opened after a crash at some moment. */
interface Promised {
  readonly model: Model;
  readonly acknowledged: number;
  readonly snapshots: ReadonlyMap<string, KnownSnapshot>;
}

/** Time in which everything has come to rest, cached rows included. */
const REST_MILLIS = 1100;

export interface WorldCounts extends SubsetCounts {
  workloads: number;
}

export class Worlds {
  readonly counts: WorldCounts = { workloads: 0, points: 0, states: 0, crowded: 0, most: 0 };
  readonly recoveries: Recoveries;
  readonly #contents = new Contents();
  readonly #options: OpenOptions;
  readonly #beginning: SimulatedMachine;
  readonly #model: Model;
  readonly #snapshots: Program["snapshots"];
  readonly #stamps: number;

  private constructor(options: OpenOptions, machine: SimulatedMachine, program: Program) {
    this.#options = options;
    this.#beginning = machine;
    this.#model = program.model;
    this.#snapshots = program.snapshots;
    this.#stamps = program.stamps;
    this.recoveries = new Recoveries(this.#contents, options);
    new Device(machine, DIRECTORY, this.#contents);
    machine.tree.watch(undefined);
    this.#contents.keep();
  }

  /** From a store with one run, one snapshot and something behind them. */
  static async begin(options: OpenOptions): Promise<Worlds> {
    const machine = new SimulatedMachine({ seed: 1, latencyMicros: 20 });
    const program = new Program(machine, options);
    const work = async (): Promise<void> => {
      await program.open();
      for (let n = 0; n < 3; n++) await program.transact(n);
      await program.put("quotes", 1);
      await program.flush();
      await program.snapshot("base");
      await program.put("orders", 9);
      await program.close();
      await program.open();
    };
    await machine.run(Promise.resolve().then(work));
    machine.crash("kill");
    return new Worlds(options, machine, program);
  }

  /** Runs the letters; at every change of the disk during the last one, judges every image. */
  async run(letters: readonly string[]): Promise<void> {
    const machine = this.#beginning.fork(1);
    const device = new Device(machine, DIRECTORY, this.#contents);
    const first = Model.startingAt(this.#model.committed, this.#model.memory);
    const program = new Program(machine, this.#options, first, this.#stamps);
    program.snapshots = this.#snapshots;
    const seen = new Map<Image["key"], { image: Image; promises: Set<Promised> }>();
    let promise: Promised | undefined;
    const point = (): void => {
      const { model, snapshots } = program;
      const { acknowledged } = model;
      const same =
        promise?.model === model &&
        promise.acknowledged === acknowledged &&
        promise.snapshots === snapshots;
      if (promise === undefined || !same) promise = { model, acknowledged, snapshots };
      const now = promise;
      device.images((image) => {
        const known = seen.get(image.key);
        if (known === undefined) seen.set(image.key, { image, promises: new Set([now]) });
        else known.promises.add(now);
      });
    };
    const work = async (): Promise<void> => {
      await program.open();
      for (const [n, letter] of letters.entries()) {
        if (n === letters.length - 1) {
          point();
          device.changed = point;
        }
        await ALPHABET[letter]?.(program, n);
      }
      point();
      await program.rest();
      await program.sleep(REST_MILLIS);
      await program.rest();
      point();
    };
    program.ended = () => device.processEnded();
    await machine.run(Promise.resolve().then(work));
    for (const { image, promises } of seen.values()) await this.#judge(image, promises);
    this.#contents.forget();
    this.#count(device.counts);
  }

  async #judge(image: Image, promises: ReadonlySet<Promised>): Promise<void> {
    const recovered = await this.recoveries.of(image);
    for (const promise of promises) {
      const wrong = verdict(promise, recovered);
      if (wrong !== undefined) throw new Error(`${wrong}\n  image: ${image.key}`);
    }
  }

  #count({ points, states, crowded, most }: SubsetCounts): void {
    const { counts } = this;
    counts.workloads++;
    counts.points += points;
    counts.states += states;
    counts.crowded += crowded;
    counts.most = Math.max(counts.most, most);
  }
}

function verdict(promise: Promised, recovered: Recovered): string | undefined {
  const { model, acknowledged, snapshots } = promise;
  const { sequence, state } = recovered;
  if (sequence < acknowledged) {
    return `transactions ${sequence + 1} to ${acknowledged} were acknowledged and are lost`;
  }
  if (sequence > model.committed) return `transaction ${sequence} was never made`;
  return (
    compareExpected(model.expectedAt(sequence), state) ??
    missingSnapshot(snapshots, recovered.snapshots)
  );
}
