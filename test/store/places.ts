/** Places for stores, on every disk there is here: three real ones and the simulated machine. */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { afterAll, afterEach, beforeAll, beforeEach, describe } from "vitest";
import type { Disk } from "../../src/disk/disk.js";
import { type OpenOptions, open, type Store } from "../../src/index.js";
import { readFileOf } from "../contract/fixture.js";
import { SimulatedMachine } from "../sim/disk.js";
import { realDisks } from "../support/disks.js";

/** Small, so that stores are made in no time. */
export const SEGMENT_BYTES = 256 * 1024;

/** A directory on one disk, and whatever stores are opened in it. */
export interface Place {
  readonly disk: Disk;
  readonly directory: string;
  /** The background makes runs of everything at once, and little stays in memory. */
  readonly inRuns: boolean;
  /** Opens the store; what is still open at the end of a test is closed. */
  open(options?: OpenOptions): Promise<Store>;
  dispose(): Promise<void>;
}

/** What the log holds stays there, so that a test sees it; or nothing of it stays. */
const LOG_ONLY: OpenOptions = { finalSnapshotMillis: 0 };
const IN_RUNS: OpenOptions = {
  recoveryBudgetMillis: 1,
  snapshotEveryMillis: 1,
  finalSnapshotMillis: 60_000,
  cacheBytes: 1024 * 1024,
};

class DiskPlace implements Place {
  readonly inRuns: boolean;
  readonly disk: Disk;
  readonly directory: string;
  readonly #stores: Store[] = [];
  readonly #dispose: () => Promise<void>;

  constructor(disk: Disk, directory: string, inRuns: boolean, dispose: () => Promise<void>) {
    this.inRuns = inRuns;
    this.disk = disk;
    this.directory = directory;
    this.#dispose = dispose;
  }

  async open(options: OpenOptions = {}): Promise<Store> {
    const store = await open(this.directory, {
      disk: this.disk,
      segmentBytes: SEGMENT_BYTES,
      onWarning: () => {},
      ...(this.inRuns ? IN_RUNS : LOG_ONLY),
      ...options,
    });
    this.#stores.push(store);
    return store;
  }

  async dispose(): Promise<void> {
    for (const store of this.#stores) await store.close().catch(() => {});
    await this.#dispose();
  }
}

export async function makeRealPlace(disk: Disk): Promise<Place> {
  const directory = await mkdtemp(`${tmpdir()}/holdfast-store-`);
  return new DiskPlace(disk, directory, false, () => rm(directory, { recursive: true }));
}

let seed = 0;

/** On a simulated machine that runs by itself, as a real one does. */
async function makeSimulatedPlace(inRuns = false): Promise<Place> {
  const machine = new SimulatedMachine({ seed: ++seed });
  const disk = machine.boot();
  let running = true;
  const run = async (): Promise<void> => {
    for (let steps = 1; running; steps++) {
      // A store has timers for ever, and the time of this machine costs none: let the real one go on.
      const stepped = await machine.step();
      if (!stepped || steps % 50 === 0) await new Promise((resolve) => setImmediate(resolve));
    }
  };
  const ended = run();
  return new DiskPlace(disk, "/store", inRuns, async () => {
    running = false;
    await ended;
  });
}

const MAKERS = new Map<string, () => Promise<Place>>([
  ["simulated", makeSimulatedPlace],
  ["simulated, in runs", () => makeSimulatedPlace(true)],
]);
for (const [name, disk] of realDisks()) MAKERS.set(name, () => makeRealPlace(disk));
console.log(`the tests of the store run on: ${[...MAKERS.keys()].join(", ")}`);

/** Defines the same tests for every disk; each test has a place of its own. */
export function onEveryDisk(define: (place: () => Place, disk: string) => void): void {
  describe.each([...MAKERS])("on %s", (name, make) => {
    let place: Place;
    beforeEach(async () => {
      place = await make();
    });
    afterEach(() => place.dispose());
    define(() => place, name);
  });
}

/** The same, for tests that share one store. */
export function onEveryDiskWithStore(
  options: OpenOptions,
  define: (store: () => Store, disk: string) => void,
): void {
  describe.each([...MAKERS])("on %s", (name, make) => {
    let place: Place;
    let store: Store;
    beforeAll(async () => {
      place = await make();
      store = await place.open(options);
    });
    afterAll(() => place.dispose());
    define(() => store, name);
  });
}

/** Every file of a store but the lock, by name. */
export async function filesOf({ disk, directory }: Place): Promise<Map<string, string>> {
  const files = new Map<string, string>();
  for (const name of await disk.list(directory)) {
    if (name === "LOCK") continue;
    files.set(name, Buffer.from(await readFileOf(disk, `${directory}/${name}`)).toString("latin1"));
  }
  return files;
}
