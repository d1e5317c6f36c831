/** The named snapshots of a run: which there must be, which there may be, and what they must show. */

import type { Disk } from "../../src/disk/disk.js";
import { HoldfastError, open } from "../../src/index.js";
import type { SnapshotInfo } from "../../src/store/snapshots.js";
import type { EngineRun } from "./engine.js";
import { compareExpected, type Expected, type Model } from "./model.js";
import { comparePoints, readState } from "./reading.js";
import { DIRECTORY, TABLE_NAMES } from "./tables.js";

/** - "wanted": asked for, and the answer is not known; - "dropping": the same, for its end. */
interface Tracked {
  stage: "wanted" | "there" | "dropping";
  expected: Expected | undefined;
}

/** Of those there are at once: each is opened and read after every crash. */
export const SNAPSHOTS_AT_ONCE = 2;

export class Snapshots {
  readonly #all = new Map<string, Tracked>();
  /** Names that are made up by the store are not known before it has told them. */
  #unnamed = 0;
  #names = 0;

  /** Those that must be there. */
  get there(): string[] {
    return this.#inStage("there");
  }

  get size(): number {
    return this.#all.size;
  }

  /** True while one is being made, or dropped. */
  isBeing(stage: "wanted" | "dropping"): boolean {
    return this.#inStage(stage).length > 0 || (stage === "wanted" && this.#unnamed > 0);
  }

  newName(): string {
    return `s${++this.#names}`;
  }

  /** Without a name: the store gives it one. */
  wanted(name: string | undefined): void {
    if (name === undefined) this.#unnamed++;
    else this.#all.set(name, { stage: "wanted", expected: undefined });
  }

  made({ name, sequence }: SnapshotInfo, model: Model, named: boolean): void {
    if (!named) this.#unnamed--;
    this.#all.set(name, { stage: "there", expected: model.expectedAt(sequence) });
  }

  dropping(name: string): void {
    const tracked = this.#all.get(name);
    if (tracked !== undefined) tracked.stage = "dropping";
  }

  dropped(name: string): void {
    this.#all.delete(name);
  }

  stageOf(name: string): Tracked["stage"] | undefined {
    return this.#all.get(name)?.stage;
  }

  expectedOf(name: string): Expected {
    return this.#all.get(name)?.expected as Expected;
  }

  /** What an opening found counts from now on; says what is wrong with it. */
  recovered(found: readonly SnapshotInfo[], model: Model): string | undefined {
    const names = new Set(found.map(({ name }) => name));
    for (const name of this.there) {
      if (!names.has(name)) return `snapshot ${name} is gone`;
    }
    for (const { name, sequence } of found) {
      const before = this.#all.get(name);
      const unnamed = before === undefined && this.#unnamed > 0 && name.startsWith("snapshot-");
      if (before === undefined && !unnamed) return `snapshot ${name} was dropped, or never made`;
      const expected = before?.expected ?? model.expectedAt(sequence);
      if (expected.sequence !== sequence) return `snapshot ${name} is of another sequence`;
      this.#all.set(name, { stage: "there", expected });
    }
    for (const name of this.#all.keys()) if (!names.has(name)) this.#all.delete(name);
    this.#unnamed = 0;
    return undefined;
  }

  #inStage(stage: Tracked["stage"]): string[] {
    return [...this.#all].filter(([, tracked]) => tracked.stage === stage).map(([name]) => name);
  }
}

/** Opens a snapshot, beside whoever has the store open, and compares all of it. */
export async function compareSnapshot(run: EngineRun, disk: Disk, name: string): Promise<void> {
  const expected = run.snapshots.expectedOf(name);
  const { definitions } = run;
  const snapshot = await open(DIRECTORY, {
    disk,
    at: name,
    tables: TABLE_NAMES.map((table) => definitions[table]),
    environment: "simulation",
    onWarning: () => {},
  });
  const found = readState(snapshot, definitions, TABLE_NAMES);
  const wrong =
    compareExpected(expected, found) ??
    comparePoints(snapshot, definitions, TABLE_NAMES, found, run.random);
  run.check(wrong === undefined, `snapshot ${name}: ${wrong}`);
  run.check(snapshot.sequence === expected.sequence, `snapshot ${name} is of another sequence`);
  await snapshot.close();
  run.count("snapshot compared");
}

/** One that is being dropped may be gone by now, and its files with it. */
export function mayBeGone(run: EngineRun, name: string, error: unknown): boolean {
  if (run.snapshots.stageOf(name) === "there") return false;
  return error instanceof HoldfastError && error.code === "SNAPSHOT_NOT_FOUND";
}
