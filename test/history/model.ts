/** A store with a history on a simulated machine, and the model of it: its state after each sequence. */
import {
  defineTable,
  integer,
  type OpenOptions,
  open,
  type PastState,
  type Store,
  string,
} from "../../src/index.js";
import type { SimulatedMachine } from "../sim/disk.js";
import { Random } from "../sim/random.js";

export const DIRECTORY = "/data/store";

export const numbers = defineTable({
  name: "numbers",
  version: 1,
  key: integer(),
  fields: { value: integer(), text: string() },
  patches: true,
});

export const names = defineTable({
  name: "names",
  version: 1,
  tier: "important",
  key: [string(), integer()],
  fields: { text: string() },
});

/** Rows as JSON, by table and key. */
export type State = ReadonlyMap<string, string>;

type Readable = Pick<Store | PastState, "table">;

export function stateOf(store: Readable): State {
  const state = new Map<string, string>();
  for (const table of [numbers, names]) {
    for (const [key, row] of store.table(table as typeof numbers).entries()) {
      state.set(`${table.name} ${JSON.stringify(key)}`, JSON.stringify(row));
    }
  }
  return state;
}

export const SMALL: OpenOptions = {
  tables: [numbers, names],
  environment: "test",
  writerId: "tester",
  segmentBytes: 64 * 1024,
  frameBytesMax: 8192,
  framesInFlight: 4,
  history: "all",
  recoveryBudgetMillis: 60_000,
  finalSnapshotMillis: 0,
  scrubEveryHours: 0,
  backgroundBytesPerSecond: Number.MAX_SAFE_INTEGER,
  bounds: { runsPerTier: 2, fileBytes: 4_000 },
  onWarning: () => {},
};

export class ModelledStore {
  readonly machine: SimulatedMachine;
  readonly random: Random;
  readonly options: OpenOptions;
  /** By sequence. */
  states: State[] = [new Map()];
  store!: Store;
  /** For rows that no other row is like. */
  #stamp = 0;

  constructor(machine: SimulatedMachine, seed: number, options: OpenOptions = {}) {
    this.machine = machine;
    this.random = new Random(seed);
    this.options = { ...SMALL, ...options };
  }

  /** What a crash has cost is forgotten; the opening itself may have written declarations. */
  async open(): Promise<void> {
    const disk = this.machine.boot();
    this.store = await this.machine.run(open(DIRECTORY, { ...this.options, disk }));
    const { lastSequence } = this.store;
    this.states.length = Math.min(this.states.length, lastSequence + 1);
    while (this.states.length <= lastSequence) this.states.push(stateOf(this.store));
  }

  /** A transaction of a few puts, patches and deletions over both tables. */
  transact(): Promise<unknown> {
    const { store, random } = this;
    const done = store.transact((t) => {
      const count = 1 + random.below(5);
      for (let i = 0; i < count; i++) {
        const key = random.below(40);
        const text = "x".repeat(random.below(300));
        this.#stamp++;
        const choice = random.below(11);
        if (choice > 7) t.patch(numbers, key, { value: this.#stamp });
        else if (choice < 2) t.delete(numbers, key);
        else if (choice < 5) t.put(numbers, key, { value: this.#stamp, text });
        else if (choice === 5) t.delete(names, ["a", key]);
        else t.put(names, ["a", key], { text: `${this.#stamp}` });
      }
    });
    // A transaction of deletions of what is not there is none.
    if (store.lastSequence === this.states.length) this.states.push(stateOf(store));
    return done;
  }

  /** What there is to be done now and then: runs, snapshots made and dropped. */
  async upkeep(): Promise<void> {
    const { store, random } = this;
    const names = store.snapshots().map(({ name }) => name);
    const choice = random.below(4);
    if (choice < 2) return store.flush();
    if (choice === 2 && names.length > 2) return store.dropSnapshot(random.pick(names));
    await store.snapshot();
  }
}
