/** The crash test at the level that matters to a trader: see crashes.ts. */
import { expect, test } from "vitest";
import { seedOfRun } from "../support/seed.js";
import { type CrashFigures, tradeAndCrash } from "./crashes.js";

/** Programs of one run, all but the last of which are killed. */
const LIVES = 12;
const RUNS = Number(process.env.HOLDFAST_TRADING_RUNS ?? 8);

test("killed at random instants, the books are the exchange's in the end", async () => {
  const first = seedOfRun(1);
  const all: CrashFigures[] = [];
  for (let seed = first; seed < first + RUNS; seed++) {
    all.push(
      await tradeAndCrash(seed, LIVES).catch((error) => {
        throw new Error(`HOLDFAST_SEED=${seed}: ${error.message}`, { cause: error });
      }),
    );
  }
  const sum = (of: (figures: CrashFigures) => number) => all.reduce((n, one) => n + of(one), 0);
  const figures = {
    kills: sum((one) => one.kills),
    insideRecovery: sum((one) => one.insideRecovery),
    orders: sum((one) => one.orders),
    fills: sum((one) => one.fills),
    unknowns: sum((one) => one.unknowns),
    resolved: sum((one) => one.kinds.get("unknown-intent resolved") ?? 0),
    missed: sum((one) => one.kinds.get("missed-fill applied") ?? 0),
  };
  console.log(JSON.stringify(figures));
  expect(figures.kills).toBe(RUNS * LIVES);
  // Each thing that the test is about has to have happened.
  for (const figure of Object.values(figures)) expect(figure).toBeGreaterThan(0);
  const troubles = new Set(all.flatMap((one) => [...one.troubles.keys()]));
  expect([...troubles].sort()).toEqual([
    "answer lost",
    "disconnect",
    "message late",
    "message twice",
    "order rejected",
    "request late",
    "request lost",
  ]);
});
