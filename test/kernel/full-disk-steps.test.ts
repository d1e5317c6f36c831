/**
 * A disk that is full but for so many blocks, for every number of blocks from none to more than
 * everything needs: a store is opened, written to, flushed, merged, kept in a snapshot and closed
 * there. Each of these succeeds or says DISK_FULL; nothing acknowledged is lost, and with room again
 * all of it works.
 */
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import * as library from "../../src/index.js";
import { isHoldfastError, type OpenOptions, open, type Store } from "../../src/index.js";
import { diskOf, KILL_BACKENDS, type KillBackend } from "../crash/disks.js";
import {
  checkHistory,
  historyTables,
  tellsWhenDurable,
  writeTransaction,
} from "../crash/history.mjs";
import { SmallDisk } from "../crash/small-disk.js";
import { ensureBuilt } from "../support/built.js";
import { recordFaults } from "../support/fault-matrix.js";
import { within, withinLimit } from "./within.js";

const { HOLDFAST_FULL_LEVELS: levelsText = "80" } = process.env;
const LEVELS = Number(levelsText);
const LEVEL_BYTES = 4096;
const MEGABYTES = 32;
/** Written at each level, a few hundred bytes each, some of them more; in two segments, many. */
const WRITES = 30;
const TWO_SEGMENTS_WRITES = 600;
/** With more room there is always one for the next segment. */
const SEGMENT_LEVELS = 40;
/** What was accepted may wait for room: it is taken for waiting when it has taken so long. */
const WAITING_MILLIS = 800;
const CLOSE_MILLIS = 30_000;
/**
 * At every so many levels, what waits is given its room, and must go on. There the background has its
 * thread, which costs more than all the rest of a level.
 */
const RESUMED_EVERY = 10;

const TABLES = historyTables(library);
const NOTHING = new Uint8Array(0);
const LARGE_QUOTE = { n: 0, content: new Uint8Array(60_000), constant: NOTHING };
const STEPS = ["open", "write", "flush", "snapshot", "close"] as const;
type Step = (typeof STEPS)[number];
type Outcome = "done" | "refused" | "waiting";

let disk: SmallDisk | undefined;
const counts = new Map<string, number>();
let resumed = 0;
beforeAll(() => {
  ensureBuilt();
  disk = SmallDisk.make(MEGABYTES);
});
afterAll(() => {
  disk?.remove();
  if (counts.size === 0) return;
  const lines = STEPS.map((step) => {
    const outcomes = [...counts].filter(([name]) => name.startsWith(`${step} `));
    return outcomes.map(([name, count]) => `${name} ${count}`).join(", ");
  });
  console.log(`a full disk, ${LEVELS} levels of ${LEVEL_BYTES} bytes:\n  ${lines.join("\n  ")}`);
  const refused = (step: Step) => counts.get(`${step} refused`) ?? 0;
  const how = `${MEGABYTES} MB image, filled in steps of 4 KiB`;
  recordFaults("full-disk-steps", [
    {
      fault: "42 no space for the next segment",
      how,
      fired: refused("write") + (counts.get("write waiting") ?? 0) + refused("open"),
      expected: "DISK_FULL, acknowledged kept, goes on by itself",
      observed: `so it was; ${resumed} times it went on without being opened again`,
    },
    {
      fault: "44 no space for a snapshot or the manifest",
      how,
      fired: refused("flush") + refused("snapshot") + refused("close"),
      expected: "abandoned with DISK_FULL, writes go on",
      observed: "so it was, every time",
    },
  ]);
});

function count(step: Step, outcome: Outcome): void {
  const name = `${step} ${outcome}`;
  counts.set(name, (counts.get(name) ?? 0) + 1);
}

/** "refused" only with DISK_FULL, or with what follows from it; anything else is thrown. */
async function outcomeOf(
  work: Promise<unknown>,
  millis: number,
  codes = ["DISK_FULL"],
): Promise<Outcome> {
  const settled = work.then(
    () => "done" as const,
    (error: unknown) => {
      if (!codes.some((code) => isHoldfastError(error, code as never))) throw error;
      return "refused" as const;
    },
  );
  return within(settled, millis, () => "waiting" as const);
}

class Level {
  readonly #directory: string;
  readonly #backend: KillBackend;
  #acknowledged: number;
  #threaded = false;

  constructor(directory: string, backend: KillBackend, acknowledged: number) {
    this.#directory = directory;
    this.#backend = backend;
    this.#acknowledged = acknowledged;
  }

  /** With so much room, and afterwards with as much as it likes; gives what was acknowledged. */
  async run(on: SmallDisk, level: number): Promise<number> {
    this.#threaded = level % RESUMED_EVERY === 0;
    on.fill(level * LEVEL_BYTES);
    const store = await this.#opened();
    if (store !== undefined) {
      const writes = this.#write(store, level < SEGMENT_LEVELS ? TWO_SEGMENTS_WRITES : WRITES);
      const written = await outcomeOf(writes, WAITING_MILLIS);
      count("write", written);
      // Cached, so that it is accepted, and what logs it later finds no place for it.
      if (written === "refused") await store.table(TABLES.quotes).put(0, LARGE_QUOTE);
      count("flush", await outcomeOf(store.flush(), WAITING_MILLIS));
      count("snapshot", await outcomeOf(store.snapshot(`level-${level}`), WAITING_MILLIS));
      if (this.#threaded) {
        on.empty();
        await withinLimit(writes.catch(expectFull), "a write that waited for room");
        // Room is looked for every second.
        await expect
          .poll(() => this.#write(store).then(() => true, expectFull), {
            timeout: 20_000,
          })
          .toBe(true);
        resumed++;
      }
      const codes = ["DISK_FULL", "POISONED", "OUTCOME_UNKNOWN"];
      const closed = store.close();
      count("close", await outcomeOf(closed, CLOSE_MILLIS, codes));
      await withinLimit(
        closed.catch(() => {}),
        "close",
      );
      await writes.catch(() => {});
    }
    on.empty();
    await this.#check(level);
    return this.#acknowledged;
  }

  async #opened(): Promise<Store | undefined> {
    try {
      const store = await withinLimit(this.#open(), "open");
      count("open", "done");
      return store;
    } catch (error) {
      if (!isHoldfastError(error, "DISK_FULL")) throw error;
      count("open", "refused");
      return undefined;
    }
  }

  #open(): Promise<Store> {
    const disk = this.#threaded ? undefined : diskOf(this.#backend);
    const options: OpenOptions = {
      ...(disk === undefined ? { backend: this.#backend } : { disk }),
      tables: Object.values(TABLES),
      // Larger than any frame, so that none reaches beyond the room that was prepared for it.
      segmentBytes: 128 * 1024,
      recoveryBudgetMillis: 60_000,
      cachedDelayMicros: 1000,
      finalSnapshotMillis: 0,
      bounds: { runsPerTier: 2, fileBytes: 64 * 1024 },
      onWarning: () => {},
    };
    return open(this.#directory, options);
  }

  /** One after the other, up to the first that is refused: which then is not in the history. */
  async #write(store: Store, writes = WRITES): Promise<void> {
    const from = checkHistory(store, TABLES) + 1;
    for (let n = from; n < from + writes; n++) {
      await writeTransaction(store, TABLES, n);
      if (tellsWhenDurable(n)) this.#acknowledged = n;
    }
  }

  /** Everything that was acknowledged is there, and everything works. */
  async #check(level: number): Promise<void> {
    const store = await withinLimit(this.#open(), "open with room again");
    const last = checkHistory(store, TABLES);
    expect(last, `level ${level}`).toBeGreaterThanOrEqual(this.#acknowledged);
    this.#acknowledged = last;
    await this.#write(store);
    await withinLimit(store.flush(), "flush with room again");
    for (const { name } of store.snapshots()) await store.dropSnapshot(name);
    await store.close();
  }
}

function expectFull(error: unknown): void {
  if (!isHoldfastError(error, "DISK_FULL")) throw error;
}

test(`with 0 to ${LEVELS - 1} blocks left, all is kept and all goes on`, {
  timeout: 60_000 + LEVELS * 2000,
}, async () => {
  if (disk === undefined) return;
  const backends = KILL_BACKENDS.filter((backend) => diskOf(backend) !== undefined);
  const acknowledged = new Map<KillBackend, number>();
  for (let level = 0; level < LEVELS; level++) {
    const backend = backends[level % backends.length] as KillBackend;
    const directory = join(disk.directory, backend);
    const before = acknowledged.get(backend) ?? 0;
    try {
      acknowledged.set(backend, await new Level(directory, backend, before).run(disk, level));
    } catch (error) {
      throw new Error(`level ${level} on ${backend}: ${(error as Error).message}`, {
        cause: error,
      });
    }
  }
  for (const step of STEPS) {
    expect(counts.get(`${step} done`), `${step} with room`).toBeGreaterThan(0);
    expect(counts.get(`${step} refused`), `${step} without room`).toBeGreaterThan(0);
  }
  expect(resumed).toBeGreaterThan(0);
});
