/** A test for each target: the kept inputs, then new ones from a seed that is told. */

import { appendFileSync } from "node:fs";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { recordFaults } from "../support/fault-matrix.js";
import { seedOfRun } from "../support/seed.js";
import { corpusOf } from "./corpus.js";
import { type Fuzzed, fuzz, outcomeOf, type Target } from "./fuzzer.js";

/** So long at most for each decoder, whatever it has done by then; the nightly form takes longer. */
const SECONDS = Number(process.env.HOLDFAST_FUZZ_SECONDS ?? 120);
const isNightly = process.env.HOLDFAST_FUZZ_SECONDS !== undefined;

/** Appends what was new to this file, for whoever adds to the corpus. */
const KEEP = process.env.HOLDFAST_FUZZ_KEEP;

export interface Planned {
  readonly target: Target;
  /** So many inputs in `npm test`. */
  readonly inputs: number;
  /** Outcomes that are known to be reached: fewer mean that the inputs have become harmless. */
  readonly outcomesMin: number;
}

export function fuzzSuite(
  name: string,
  make: () => Promise<Planned[]> | Planned[],
  names: readonly string[],
): void {
  const results: Fuzzed[] = [];
  let planned: Planned[];
  const traces = Error.stackTraceLimit;
  beforeAll(async () => {
    planned = await make();
    Error.stackTraceLimit = 0;
  });
  const planOf = (target: string): Planned => {
    const found = planned.find((one) => one.target.name === target);
    if (found === undefined) throw new Error(`there is no target ${target}`);
    return found;
  };
  describe.each(names)("%s", (targetName) => {
    test("its seeds, and what was kept", async () => {
      const { target } = planOf(targetName);
      for (const seed of target.seeds) {
        expect(await outcomeOf(target, Buffer.from(seed))).toMatch(/^good/);
      }
      const kept = corpusOf(targetName);
      expect(kept.length).toBeGreaterThan(0);
      for (const input of kept) expect(await outcomeOf(target, input)).not.toBe("");
    });

    test("hostile inputs", { timeout: 2 * SECONDS * 1000 + 600_000 }, async () => {
      const { target, inputs, outcomesMin } = planOf(targetName);
      const seed = seedOfRun(1);
      const withKept = { ...target, seeds: [...target.seeds, ...corpusOf(targetName)] };
      const budget = { inputs: isNightly ? Number.POSITIVE_INFINITY : inputs, seconds: SECONDS };
      console.log(`${targetName}: seed ${seed}`);
      const fuzzed = await fuzz(withKept, seed, budget);
      results.push(fuzzed);
      const { seconds, outcomes, largestAllocation } = fuzzed;
      console.log(
        `${targetName}: ${fuzzed.inputs} inputs in ${seconds.toFixed(1)} s ` +
          `(${Math.round(fuzzed.inputs / seconds)}/s), ${outcomes.size} outcomes, ` +
          `largest buffer ${largestAllocation}`,
      );
      if (KEEP !== undefined) keep(KEEP, fuzzed);
      expect(outcomes.size).toBeGreaterThanOrEqual(outcomesMin);
    });
  });
  afterAll(() => {
    Error.stackTraceLimit = traces;
    recordFaults(name, results.map(faultOf));
  });
}

function faultOf({ name, inputs, outcomes, largestAllocation }: Fuzzed) {
  return {
    fault: `13, 31, 66 hostile input: ${name}`,
    how: "mutations of valid inputs, most with their checksums put right",
    fired: inputs,
    expected: "a value or a typed error, in bounded time and memory",
    observed: `${outcomes.size} different outcomes, all of them such; largest buffer ${largestAllocation}`,
  };
}

/** Short ones only: the corpus is read every time. */
function keep(path: string, { name, kept }: Fuzzed): void {
  for (const [outcome, input] of kept) {
    if (input.length > 10_000) continue;
    appendFileSync(path, `# ${outcome}\n${name} ${Buffer.from(input).toString("hex")}\n`);
  }
}
