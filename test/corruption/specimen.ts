/**
 * The store whose every byte is changed: one run, archives, a snapshot, a sealed segment and an
 * active one behind the run. It was killed after its log had been sealed, so that all that was
 * acknowledged is proven. Made on a simulated machine: the same bytes each time.
 */
import { defineTable, integer, open, type Store, string } from "../../src/index.js";
import type { Manifest } from "../../src/manifest/format.js";
import { SimulatedMachine } from "../sim/disk.js";
import { newestManifest } from "../sim/frames.js";
import { Random } from "../sim/random.js";
import { idle } from "../support/simulated-store.js";
import { type Files, ImageDisk } from "./image-disk.js";

export const DIRECTORY = "/data/specimen";
export const SNAPSHOT = "noon";

export const trades = defineTable({
  name: "trades",
  version: 1,
  key: integer(),
  fields: { price: integer(), text: string() },
});

export const notes = defineTable({
  name: "notes",
  version: 1,
  key: string(),
  fields: { text: string() },
});

/** Rows by key, as text. */
export type State = ReadonlyMap<string, string>;

export interface Specimen {
  readonly files: Files;
  readonly manifest: Manifest;
  /** What the store held last, and at the snapshot; everything was acknowledged. */
  readonly state: State;
  readonly atSnapshot: State;
  readonly lastSequence: number;
}

export const OPEN_OPTIONS = {
  tables: [trades, notes],
  environment: "test",
  writerId: "tester",
  segmentBytes: 64 * 1024,
  frameBytesMax: 16384,
  framesInFlight: 4,
  recoveryBudgetMillis: 60_000,
  finalSnapshotMillis: 0,
  history: "all",
  onWarning: () => {},
} as const;

export async function makeSpecimen(): Promise<Specimen> {
  const machine = new SimulatedMachine({ seed: 7, place: { physicalBlockBytes: 512 } });
  const disk = machine.boot();
  const store = await machine.run(open(DIRECTORY, { ...OPEN_OPTIONS, disk }));
  const work = new Workload(machine, store);
  // What goes into the run, and with its log into archives.
  await work.rows(0, 530);
  await machine.run(store.flush());
  await idle(machine);
  // What is replayed: part of it before the snapshot.
  await work.rows(430, 450);
  await machine.run(store.snapshot(SNAPSHOT));
  const atSnapshot = new Map(work.state);
  await work.rows(450, 680);
  await idle(machine);
  machine.crash("kill");
  const manifest = await newestManifest(machine, machine.boot(), DIRECTORY);
  const paths = machine.files().filter((path) => path.startsWith(`${DIRECTORY}/`));
  const files = new Map(paths.map((path) => [path, machine.read(path)]));
  const { lastSequence } = store;
  return { files, manifest, state: work.state, atSnapshot, lastSequence };
}

/** Transactions of several rows, each acknowledged before the next one. */
class Workload {
  readonly state = new Map<string, string>();
  readonly #machine: SimulatedMachine;
  readonly #store: Store;
  readonly #random = new Random(11);

  constructor(machine: SimulatedMachine, store: Store) {
    this.#machine = machine;
    this.#store = store;
  }

  async rows(from: number, to: number): Promise<void> {
    for (let first = from; first < to; ) {
      const last = Math.min(to, first + 1 + this.#random.below(9));
      await this.#machine.run(this.#transaction(first, last));
      first = last;
    }
  }

  async #transaction(from: number, to: number): Promise<void> {
    await this.#store.transact((transaction) => {
      for (let key = from; key < to; key++) {
        const row = { price: this.#random.below(2 ** 31), text: this.#text() };
        transaction.put(trades, key, row);
        this.state.set(`trades ${key}`, JSON.stringify(row));
        if (key % 7 === 0 && key > from) {
          transaction.delete(trades, key - 1);
          this.state.delete(`trades ${key - 1}`);
        }
        if (key % 5 !== 0) continue;
        const note = { text: this.#text() };
        transaction.put(notes, `n${key % 100}`, note);
        this.state.set(`notes n${key % 100}`, JSON.stringify(note));
      }
    });
  }

  /** Of a text in three LZ4 makes something smaller. */
  #text(): string {
    const bytes = Buffer.alloc(75);
    this.#random.fill(bytes);
    const text = bytes.toString("hex");
    return this.#random.below(3) === 0 ? text.slice(0, 30).repeat(5) : text;
  }
}

/** The specimen with other contents in place of some. */
export function imageOf({ files }: Specimen, changed: Files): ImageDisk {
  return new ImageDisk(new Map([...files, ...changed]));
}
