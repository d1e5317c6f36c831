/** All small worlds, in two halves: one for each worker. */
import { expect } from "vitest";
import { recordFaults } from "../support/fault-matrix.js";
import { workloads } from "./alphabet.js";
import { Worlds } from "./world.js";

/** Letters of a workload: most bugs of crash consistency need no more than three (OSDI '18). */
const LETTERS_MAX = 3;
/** Of one half. */
const STATES_MIN = 250_000;

const only = process.env.HOLDFAST_WORLD;

export async function runWorlds(half: 0 | 1): Promise<void> {
  const worlds = await Worlds.begin({});
  let number = 0;
  for (const letters of workloads(LETTERS_MAX)) {
    const wanted = only === undefined ? number % 2 === half : Number(only) === number;
    if (wanted) await runOne(worlds, letters, number);
    number++;
  }
  const { recoveries, counts } = worlds;
  const { workloads: count, points, states, crowded, most } = counts;
  console.log(
    `${count} of ${number} workloads of up to ${LETTERS_MAX} operations, ${points} crash points, ` +
      `${states} crash states, ${recoveries.count} different images opened, ` +
      `${recoveries.states} different states found; tails ${JSON.stringify(recoveries.tails)}; ` +
      `at most ${most} writes unsynced, ${crowded} points with more than all subsets were tried of`,
  );
  if (only !== undefined) return;
  expect(states).toBeGreaterThanOrEqual(STATES_MIN);
  expect(recoveries.tails.torn).toBeGreaterThan(0);
  recordFaults(`worlds-${half}`, [
    {
      fault: "4 power loss, unsynced subset",
      how: `every subset of up to six unsynced writes or parts of them, at ${points} crash points`,
      fired: states,
      expected: "what was acknowledged is there, and nothing of a later transaction without it",
      observed: `so in all of them, by ${recoveries.count} recoveries`,
    },
    {
      fault: "5 torn multi-sector frame",
      how: "the same, where the log ended in a torn frame",
      fired: recoveries.tails.torn ?? 0,
      expected: "the frame is cut off, and the store opens",
      observed: "so in all of them",
    },
  ]);
}

async function runOne(worlds: Worlds, letters: readonly string[], number: number): Promise<void> {
  try {
    await worlds.run(letters);
  } catch (error) {
    const replay = `HOLDFAST_WORLD=${number} npx vitest run test/worlds/worlds-a.test.ts`;
    const message = `world ${number} (${letters.join(", ")})\n  replay: ${replay}`;
    throw new Error(message, { cause: error });
  }
}
