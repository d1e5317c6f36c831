/** The simulator of the engine: replay of one seed, the seeds that once failed, determinism. */
import { expect, test } from "vitest";
import { CRASHES_MIN, OPERATIONS_MIN, runSeed } from "./engine.js";
import { REGRESSIONS } from "./regressions.js";

const only = process.env.HOLDFAST_SEED;

test.runIf(only !== undefined)(`seed ${only}`, { timeout: 600_000 }, async () => {
  const result = await runSeed(Number(only), true);
  console.log(result);
  expect(result.crashes).toBeGreaterThanOrEqual(CRASHES_MIN);
});

test.skipIf(only !== undefined).each(REGRESSIONS)("seed $seed: $found", async ({ seed }) => {
  const result = await runSeed(seed);
  expect(result.operations).toBeGreaterThanOrEqual(OPERATIONS_MIN);
  expect(result.crashes).toBeGreaterThanOrEqual(CRASHES_MIN);
});

test.skipIf(only !== undefined)("the same seed is the same run", async () => {
  for (let seed = 9001; seed <= 9020; seed++) {
    const first = await runSeed(seed);
    const second = await runSeed(seed);
    expect(second).toEqual(first);
    expect(first.traceHash).not.toBe(0);
  }
  const hashes = new Set<number>();
  for (let seed = 9001; seed <= 9005; seed++) hashes.add((await runSeed(seed)).traceHash);
  expect(hashes.size).toBe(5);
});
