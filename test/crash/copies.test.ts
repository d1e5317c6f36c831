/**
 * Copies that are taken of a store with `cp` while it is written, merged, kept in snapshots and
 * closed: each opens with everything that was acknowledged before it was begun, or is refused with a
 * typed error; never with anything else in it.
 */
import { execFile } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from "vitest";
import * as library from "../../src/index.js";
import { HoldfastError, type OpenOptions, open, type Store } from "../../src/index.js";
import { Random } from "../sim/random.js";
import { ensureBuilt } from "../support/built.js";
import { recordFaults } from "../support/fault-matrix.js";
import { eagerBackground } from "./background.js";
import { diskOf, KILL_BACKENDS, type KillBackend } from "./disks.js";
import { checkHistory, checkQuotes, historyTables, writeTransaction } from "./history.mjs";
import { keepTakingSnapshots } from "./snapshots.mjs";

const { HOLDFAST_COPIES: copiesText = "6", HOLDFAST_KILL_SEED: seedText } = process.env;
const COPIES = Number(copiesText);
const seed = seedText === undefined ? Math.floor(Math.random() * 2 ** 31) : Number(seedText);
const SNAPSHOT_MILLIS = 10;
const TABLES = historyTables(library);
/** What a copy may be refused with: its parts are of different moments. */
const REFUSALS = /^(CORRUPT_(LOG|RUN|MANIFEST)|MISSING_FILE)$/;

const outcomes = new Map<string, number>();
let parent: string;
beforeAll(ensureBuilt);
beforeEach(() => {
  parent = mkdtempSync(join(tmpdir(), "holdfast-copies-"));
});
afterEach(() => rmSync(parent, { recursive: true }));
afterAll(() => {
  if (outcomes.size === 0) return;
  const observed = [...outcomes].map(([what, times]) => `${what} ${times}`).join(", ");
  console.log(`copies of open stores, seed ${seed}: ${observed}`);
  recordFaults("copies", [
    {
      fault: "65 copy taken while open",
      how: "cp -r beside writes, runs, merges and snapshots",
      fired: [...outcomes.values()].reduce((sum, times) => sum + times, 0),
      expected: "opens with what was acknowledged before, or refuses with a typed error",
      observed,
    },
  ]);
});

/** Writes until it is stopped; `acknowledged` goes up. */
class Writer {
  acknowledged = 0;
  readonly #stop = new AbortController();
  readonly #working: Promise<unknown>;

  constructor(store: Store) {
    const snapshots = keepTakingSnapshots(store, SNAPSHOT_MILLIS, () => {}, this.#stop.signal);
    this.#working = Promise.all([this.#write(store), snapshots]);
    this.#working.catch(() => {});
  }

  async stop(): Promise<void> {
    this.#stop.abort();
    await this.#working;
  }

  async #write(store: Store): Promise<void> {
    for (let n = 1; !this.#stop.signal.aborted; n += 4) {
      await Promise.all(
        [n, n + 1, n + 2, n + 3].map((one) => writeTransaction(store, TABLES, one)),
      );
      await store.durable();
      this.acknowledged = n + 3;
    }
  }
}

/** Opens a copy, and looks at all of it; gives what came of that. */
async function outcomeOf(copy: string, options: OpenOptions, least: number): Promise<string> {
  // Without kernel locks the claim of this process, which lives, counts in the copy as well.
  rmSync(join(copy, "LOCK"), { force: true });
  let store: Store;
  try {
    store = await open(copy, options);
  } catch (error) {
    expect(error).toBeInstanceOf(HoldfastError);
    const { code } = error as HoldfastError;
    expect(code).toMatch(REFUSALS);
    return code;
  }
  try {
    const last = checkHistory(store, TABLES);
    checkQuotes(store, TABLES);
    expect(last, "what was acknowledged before the copy was begun").toBeGreaterThanOrEqual(least);
    for (const { name } of store.snapshots()) {
      const snapshot = await open(copy, { ...options, at: name });
      checkHistory(snapshot, TABLES);
      await snapshot.close();
    }
    await writeTransaction(store, TABLES, last + 1);
    await store.flush();
    return "opened";
  } finally {
    await store.close();
  }
}

function optionsOf(backend: KillBackend, random: Random): OpenOptions {
  return {
    backend,
    tables: Object.values(TABLES),
    segmentBytes: 128 * 1024,
    cachedDelayMicros: 1000,
    ...eagerBackground(random),
    onWarning: () => {},
  };
}

test.each(KILL_BACKENDS)("copies of an open store on %s", { timeout: 180_000 }, async (backend) => {
  if (diskOf(backend) === undefined) return;
  const options = optionsOf(backend, new Random(seed));
  const store = await open(join(parent, "store"), options);
  const writer = new Writer(store);
  const before = outcomes.get("opened") ?? 0;
  for (let n = 0; n < COPIES; n++) {
    const [copy, least] = [join(parent, `copy-${n}`), writer.acknowledged];
    await promisify(execFile)("cp", ["-r", join(parent, "store"), copy]).catch((error: Error) => {
      // A file may be gone before its turn comes: it is missing in the copy, then.
      expect(error.message).toMatch(/No such file or directory/);
    });
    const outcome = await outcomeOf(copy, options, least).catch((error: Error) => {
      throw new Error(`seed ${seed}, copy ${n} on ${backend}: ${error.message}`, { cause: error });
    });
    outcomes.set(outcome, (outcomes.get(outcome) ?? 0) + 1);
    rmSync(copy, { recursive: true });
  }
  await writer.stop();
  await store.close();
  expect(writer.acknowledged).toBeGreaterThan(0);
  expect((outcomes.get("opened") ?? 0) - before).toBeGreaterThan(0);
});
