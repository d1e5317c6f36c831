/** Makes every mutation of one file, one after the other, and counts what came of them. */
import { afterAll, beforeAll, expect } from "vitest";
import type { FaultRow } from "../support/fault-matrix.js";
import { type Mutation, mutatedValues } from "./mutations.js";
import { type Outcome, outcomeText, wrongWith } from "./outcome.js";
import type { Contents, Probe } from "./probes.js";
import type { Unit } from "./units.js";

/** Of one kind of unit: how many mutations came to what. */
export type Tally = Map<string, Map<string, number>>;

export interface SweepOptions {
  readonly paths?: readonly string[];
  readonly step?: number;
}

/** More than that of the same sort help nobody. */
const PROBLEMS_MAX = 20;

export class Sweep {
  readonly tally: Tally = new Map();
  readonly problems: string[] = [];
  mutations = 0;
  cuts = 0;
  readonly #contents: Contents;
  readonly #since = performance.now();

  constructor(contents: Contents) {
    this.#contents = contents;
  }

  /** Every byte of the unit, or one in `step`; in all these files at once, if there are more. */
  async bytes(unit: Unit, probe: Probe, options: SweepOptions = {}): Promise<void> {
    const { paths = [unit.path], step = 1 } = options;
    const wholes = paths.map((path) => this.#contents.get(path) as Uint8Array);
    const copies = wholes.map((whole) => whole.slice());
    paths.forEach((path, i) => void this.#contents.set(path, copies[i] as Uint8Array));
    for (let at = unit.from; at < unit.to; at += step) {
      const byte = wholes[0]?.[at] as number;
      for (const value of mutatedValues(byte)) {
        for (const copy of copies) copy[at] = value;
        const outcome = await probe(at);
        this.mutations++;
        this.#judge(outcome, unit, { path: unit.path, at, value });
      }
      for (const copy of copies) copy[at] = byte;
    }
    paths.forEach((path, i) => void this.#contents.set(path, wholes[i] as Uint8Array));
  }

  /** Every length that ends in the unit. */
  async lengths(
    unit: Unit,
    probe: Probe,
    { paths = [unit.path] }: SweepOptions = {},
  ): Promise<void> {
    const wholes = paths.map((path) => this.#contents.get(path) as Uint8Array);
    for (let length = unit.from; length < unit.to; length++) {
      for (const [i, path] of paths.entries()) {
        this.#contents.set(path, (wholes[i] as Uint8Array).subarray(0, length));
      }
      const outcome = await probe(length);
      this.mutations++;
      this.cuts++;
      this.#judge(outcome, unit, { path: unit.path, length });
    }
    paths.forEach((path, i) => void this.#contents.set(path, wholes[i] as Uint8Array));
  }

  #judge(outcome: Outcome, unit: Unit, mutation: Mutation): void {
    const wrong = wrongWith(outcome, unit, mutation);
    if (wrong !== undefined && this.problems.length < PROBLEMS_MAX) this.problems.push(wrong);
    const cut = "length" in mutation ? ", cut off" : "";
    const name = `${unit.what}${cut} (${unit.fate})`;
    const outcomes = this.tally.get(name) ?? new Map<string, number>();
    this.tally.set(name, outcomes);
    const text = outcomeText(outcome).replace(/ \/.*/, "");
    outcomes.set(text, (outcomes.get(text) ?? 0) + 1);
  }

  /** Prints what was counted; fails if anything was wrong. */
  finish(name: string): void {
    const seconds = (performance.now() - this.#since) / 1000;
    const lines = [...this.tally].map(([what, outcomes]) => {
      const counts = [...outcomes].map(([text, count]) => `${text} ${count}`);
      return `  ${what}: ${counts.join(", ")}`;
    });
    const rate = Math.round(this.mutations / seconds);
    console.log(
      `${name}: ${this.mutations} mutations in ${seconds.toFixed(1)} s (${rate}/s)\n${lines.join("\n")}`,
    );
    expect(this.problems).toEqual([]);
  }
}

/** A stack for each of a million errors is most of what they cost. */
export function withoutTraces(): void {
  const before = Error.stackTraceLimit;
  beforeAll(() => {
    Error.stackTraceLimit = 0;
  });
  afterAll(() => {
    Error.stackTraceLimit = before;
  });
}

/** What the sweeps have counted, for the table of faults. */
export function faultRow(
  fault: string,
  how: string,
  sweeps: readonly Sweep[],
  which: "bytes" | "cuts",
  expected: string,
): FaultRow {
  const counts = new Map<string, number>();
  for (const { tally } of sweeps) {
    for (const [what, outcomes] of tally) {
      if (what.includes(", cut off") !== (which === "cuts")) continue;
      for (const [text, count] of outcomes) counts.set(text, (counts.get(text) ?? 0) + count);
    }
  }
  const problems = sweeps.reduce((sum, sweep) => sum + sweep.problems.length, 0);
  const observed = [...counts].map(([text, count]) => `${text}: ${count}`);
  return {
    fault,
    how,
    fired: [...counts.values()].reduce((sum, count) => sum + count, 0),
    expected,
    observed: [...observed, `wrong: ${problems}`].join("; "),
  };
}
