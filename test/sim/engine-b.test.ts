/** The engine, simulated: the even half of the seeds. The other half has a file of its own. */
import { expect, test } from "vitest";
import { recordFaults } from "../support/fault-matrix.js";
import { CRASHES_MIN, OPERATIONS_MIN } from "./engine.js";
import { RARE, REQUIRED, runSeeds, seedsOf, showSummary } from "./engine-suite.js";
import { FIRED_MIN, faultRows, KINDS_MIN } from "./kinds.js";

const seeds = seedsOf(0);

test.skipIf(process.env.HOLDFAST_SEED !== undefined)(
  `${seeds.length} even seeds: what was acknowledged is there, and nothing else`,
  { timeout: Math.max(900_000, 1000 * seeds.length) },
  async () => {
    const summary = await runSeeds(seeds);
    console.log(showSummary(summary));
    expect(summary.seeds).toBe(seeds.length);
    expect(summary.least.operations).toBeGreaterThanOrEqual(OPERATIONS_MIN);
    expect(summary.least.crashes).toBeGreaterThanOrEqual(CRASHES_MIN);
    expect(summary.recoveries).toBeGreaterThanOrEqual(3 * seeds.length);
    const rows = faultRows(summary.counts, seeds.length);
    recordFaults("sim-0", rows);
    // Fewer seeds cannot meet everything.
    if (seeds.length < 500) return;
    expect(REQUIRED.filter((name) => !(name in summary.counts))).toEqual([]);
    if (seeds.length < 2000) return;
    expect(RARE.filter((name) => !(name in summary.counts))).toEqual([]);
    const often = rows.filter(({ fired }) => fired >= FIRED_MIN);
    expect(often.length, JSON.stringify(rows)).toBeGreaterThanOrEqual(KINDS_MIN);
  },
);
