/** The crash test at the level that matters to a trader: see crashes.ts. */
import { expect, test } from "vitest";
import { seedOfRun } from "../support/seed.js";
import { type CrashFigures, tradeAndCrash } from "./crashes.js";
import { loadMarket, tapeFiles } from "./tapes.js";

/** Programs of one run, all but the last of which are killed. */
const LIVES = 12;
/** Runs of every market: the tapes, and prices that walk at random. */
const RUNS = Number(process.env.HOLDFAST_SEEDS ?? 2);

test("killed at random instants, over every tape, the books are the exchange's in the end", async () => {
  const first = seedOfRun(1);
  const markets = [undefined, ...(await Promise.all(tapeFiles().map(loadMarket)))];
  const all: CrashFigures[] = [];
  for (const market of markets) {
    for (let seed = first; seed < first + RUNS; seed++) {
      const run = tradeAndCrash(seed, LIVES, market);
      all.push(
        await run.catch((error) => {
          const where = `HOLDFAST_SEED=${seed}, ${market?.name ?? "a walk"}`;
          throw new Error(`${where}: ${error.message}`, { cause: error });
        }),
      );
    }
  }
  const sum = (of: (figures: CrashFigures) => number) => all.reduce((n, one) => n + of(one), 0);
  const figures = {
    kills: sum((one) => one.kills),
    insideRecovery: sum((one) => one.insideRecovery),
    orders: sum((one) => one.orders),
    fills: sum((one) => one.fills),
    partial: sum((one) => one.partial),
    unknowns: sum((one) => one.unknowns),
    amended: sum((one) => one.amended),
    resolved: sum((one) => one.kinds.get("unknown-intent resolved") ?? 0),
    missed: sum((one) => one.kinds.get("missed-fill applied") ?? 0),
  };
  console.log(JSON.stringify(figures));
  expect(figures.kills).toBe(markets.length * RUNS * LIVES);
  // Each thing that the test is about has to have happened, and fills over every tape.
  for (const figure of Object.values(figures)) expect(figure).toBeGreaterThan(0);
  for (const one of all) expect(one.fills).toBeGreaterThan(0);
  const troubles = new Set(all.flatMap((one) => [...one.troubles.keys()]));
  expect([...troubles].sort()).toEqual([
    "amendment rejected",
    "answer lost",
    "disconnect",
    "message late",
    "message twice",
    "order rejected",
    "request late",
    "request lost",
  ]);
});
