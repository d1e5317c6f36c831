/**
 * Random schemas, random evolutions, rows put at each version, crashes anywhere in between: what is
 * read at the newest version is what a plain model has.
 */
import { isDeepStrictEqual } from "node:util";
import { expect, test } from "vitest";
import type { Store } from "../../src/index.js";
import { Random, SimulatedCrash, SimulatedMachine } from "../sim/disk.js";
import { openOn } from "../support/simulated-store.js";
import { type AnyTable, type PlainRow, randomVersions, type Version } from "./random-schemas.js";

const [FIRST = 1, LAST = FIRST] = (process.env.HOLDFAST_EVOLUTIONS ?? "1-80")
  .split("-")
  .map(Number);

type Rows = ReadonlyMap<number, PlainRow>;

const SMALL = {
  recoveryBudgetMillis: 1,
  snapshotEveryMillis: 3,
  finalSnapshotMillis: 50,
  bounds: { runsPerTier: 2, fileBytes: 2_000, rowBytes: 20_000, blockBytes: 20_000 },
} as const;

class Life {
  readonly machine: SimulatedMachine;
  readonly random: Random;
  readonly versions: Version[];
  /** What is read, and what is read as well where the last write's outcome is unknown. */
  rows: Rows = new Map();
  or: Rows | undefined;
  at = 0;
  store!: Store;
  readonly counts = { crashes: 0, evolved: 0, migrated: 0, merges: 0, reopened: 0 };

  constructor(seed: number) {
    this.machine = new SimulatedMachine({ seed });
    this.random = new Random(seed);
    this.versions = randomVersions(this.random, 2 + this.random.below(5));
  }

  get version(): Version {
    return this.versions[this.at] as Version;
  }

  get table(): AnyTable {
    const { table, alone } = this.version;
    return this.open ?? (alone !== undefined && this.mayBeAlone ? alone : table);
  }

  /** The definition that the store was opened with, or evolved to. */
  open: AnyTable | undefined;
  mayBeAlone = false;
  /** The last one that is known to be declared. */
  inForce = 0;

  async opened(): Promise<void> {
    this.open = undefined;
    // Without the versions between, the rules would have to lead from one to the other at once.
    this.mayBeAlone = this.random.chance(0.5) && this.at <= this.inForce + 1;
    const { table } = this;
    this.store = await openOn(this.machine, { ...SMALL, tables: [table] });
    this.open = table;
    this.inForce = this.at;
  }

  #advance(to: number): void {
    for (let next = this.at + 1; next <= to; next++) {
      const { upgrade } = this.versions[next] as Version;
      const all = (rows: Rows) => new Map([...rows].map(([key, row]) => [key, upgrade(row, key)]));
      this.rows = all(this.rows);
      this.or = this.or && all(this.or);
    }
    this.at = to;
  }

  async step(): Promise<void> {
    const { random, store, machine, table } = this;
    const choice = random.below(20);
    const key = random.below(40);
    const run = <T>(work: () => Promise<T>) => machine.run(Promise.resolve().then(work));
    if (choice < 11) {
      const row = this.version.row(random);
      await this.write(new Map([...this.rows, [key, row]]), () => store.table(table).put(key, row));
    } else if (choice < 13) {
      const without = new Map(this.rows);
      without.delete(key);
      await this.write(without, () => store.table(table).delete(key));
    } else if (choice < 14) await run(() => store.flush());
    else if (choice < 16) this.check();
    else if (choice < 17) {
      const [report] = await run(() => store.migrate());
      if (report !== undefined) this.counts.migrated++;
      expect(report?.failed ?? 0).toBe(0);
    } else if (this.at + 1 < this.versions.length) {
      if (choice < 18) {
        const next = this.versions[this.at + 1] as Version;
        const evolving = run(() => store.table(table).evolve(next.table));
        // Whether it was declared or not, the code is that of the next version from now on.
        this.#advance(this.at + 1);
        await evolving;
        this.open = next.table;
        this.inForce = this.at;
        this.counts.evolved++;
      } else {
        await run(() => store.close());
        machine.crash("kill");
        this.#advance(this.at + 1 + random.below(this.versions.length - this.at - 1));
        await this.opened();
        this.counts.reopened++;
      }
      this.check();
    }
  }

  async write(after: Rows, work: () => Promise<unknown>): Promise<void> {
    this.or = after;
    await this.machine.run(Promise.resolve().then(work));
    this.rows = after;
    this.or = undefined;
  }

  check(): void {
    this.counts.merges += this.store.stats().background.merges.done;
    const { store, table } = this;
    const shown = new Map(store.table(table).entries());
    const sorted = (rows: Rows) => new Map([...rows].sort(([a], [b]) => a - b));
    if (this.or !== undefined && isDeepStrictEqual(shown, sorted(this.or))) this.rows = this.or;
    this.or = undefined;
    expect(shown).toEqual(sorted(this.rows));
    for (const [key, row] of shown) expect(store.table(table).get(key)).toEqual(row);
  }
}

async function live(seed: number): Promise<Life["counts"]> {
  const life = new Life(seed);
  const { machine, random } = life;
  await life.opened();
  for (let round = 0; round < 4; round++) {
    if (round > 0) machine.crashAfter(random.below(400), random.pick(["power", "kill"] as const));
    try {
      for (let step = 0; step < 40; step++) await life.step();
    } catch (error) {
      if (!(error instanceof SimulatedCrash)) throw error;
      life.counts.crashes++;
    }
    machine.crash(random.pick(["power", "kill"] as const));
    await life.opened();
    life.check();
  }
  await machine.run(life.store.close());
  return life.counts;
}

test(`random evolutions ${FIRST} to ${LAST}: HOLDFAST_EVOLUTIONS=FROM-TO runs others`, async () => {
  const total: Record<string, number> = {};
  for (let seed = FIRST; seed <= LAST; seed++) {
    try {
      const counts = await live(seed);
      for (const [name, count] of Object.entries(counts)) total[name] = (total[name] ?? 0) + count;
    } catch (error) {
      console.error(`HOLDFAST_EVOLUTIONS=${seed}-${seed} shows it again`);
      throw error;
    }
  }
  console.log(`evolutions: ${JSON.stringify(total)}`);
  if (LAST - FIRST < 79) return;
  for (const name of ["crashes", "evolved", "migrated", "merges", "reopened"]) {
    expect(total[name], name).toBeGreaterThan(10);
  }
}, 300_000);
