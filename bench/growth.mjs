// What grows with what, and how fast: `npm run bench -- growth`. Each driver takes values that are so many
// times one another; a cost is fitted by a power of its driver.
import { mkdirSync, rmSync } from "node:fs";
import { join, resolve } from "node:path";
import { parseArgs } from "node:util";
import { cleanUp, cleanUpOnSignals, removeAtEnd, runChild } from "./children.mjs";
import { growthTables } from "./growth/table.mjs";
import { describeMachine } from "./machine.mjs";
import { writeResult } from "./results.mjs";
import { fitExponent, median } from "./statistics.mjs";
import { textTable } from "./text.mjs";

const COSTS = new URL("growth/costs.mjs", import.meta.url);

/** By driver: what it is, and its values; `built` is a part that another process does beforehand. */
const DRIVERS = {
  rows: { title: "rows of 128 bytes", quick: [500, 2_000, 8_000], full: [1e3, 1e4, 1e5, 1e6] },
  rowSize: {
    title: "bytes of a row",
    quick: [64, 1_024, 16_384],
    full: [64, 256, 1_024, 4_096, 16_384, 65_536, 262_144],
  },
  stateSize: {
    title: "bytes of state",
    built: "stateSizeBuilt",
    quick: [5e5, 2e6, 8e6],
    full: [1e6, 1e7, 1e8, 4e8],
  },
  history: {
    title: "transactions of history",
    quick: [500, 2_000, 8_000],
    full: [1e3, 1e4, 1e5, 4e5],
  },
  tables: { title: "tables", quick: [1, 8, 64], full: [1, 4, 16, 64, 256] },
  writers: { title: "writers", quick: [1, 16, 256], full: [1, 4, 16, 64, 256, 1_024] },
};

/** Points of every cost of a driver: `{ cost: [{ x, y }] }`, each the middle of the repetitions. */
async function pointsOf(name, { built }, values, { directory, repetitions, millis }) {
  const points = {};
  for (const value of values) {
    const found = [];
    for (let i = 0; i < repetitions; i++) {
      rmSync(directory, { recursive: true, force: true });
      mkdirSync(directory, { recursive: true });
      const params = { directory, value, millis };
      if (built !== undefined) await runChild(COSTS, built, params);
      found.push((await runChild(COSTS, name, params)).value);
    }
    for (const cost of Object.keys(found[0])) {
      points[cost] ??= [];
      points[cost].push({ x: value, y: median(found.map((one) => one[cost])) });
    }
  }
  return points;
}

export async function growth(argv) {
  const { values } = parseArgs({
    args: argv,
    options: {
      dir: { type: "string" },
      only: { type: "string" },
      quick: { type: "boolean", default: false },
      json: { type: "string" },
    },
  });
  const names = values.only?.split(",") ?? Object.keys(DRIVERS);
  const unknown = names.find((name) => DRIVERS[name] === undefined);
  if (unknown !== undefined) {
    throw new Error(`--only: no driver "${unknown}" among ${Object.keys(DRIVERS).join(", ")}`);
  }
  const directory = resolve(values.dir ?? join(process.cwd(), ".tmp", "bench"), "growth");
  cleanUpOnSignals();
  removeAtEnd(directory);
  try {
    const machine = describeMachine();
    const sizes = values.quick
      ? { directory, repetitions: 1, millis: 100 }
      : { directory, repetitions: 3, millis: 500 };
    const drivers = {};
    for (const name of names) {
      const driver = DRIVERS[name];
      console.error(`measuring what grows with ${driver.title} ...`);
      const steps = values.quick ? driver.quick : driver.full;
      const points = await pointsOf(name, driver, steps, sizes);
      const costs = Object.fromEntries(
        Object.entries(points).map(([cost, list]) => {
          // A cost that is nothing has no logarithm: as little as can be told instead.
          const positive = list.map(({ x, y }) => ({ x, y: Math.max(y, 1e-6) }));
          return [cost, { points: list, fit: fitExponent(positive) }];
        }),
      );
      drivers[name] = { title: driver.title, values: steps, costs };
    }
    const partial = values.only !== undefined;
    writeResult("growth", { machine, quick: values.quick, partial, drivers }, values.json);
    for (const table of Object.values(growthTables({ drivers })))
      console.log(`${textTable(table)}\n`);
  } finally {
    cleanUp();
  }
}
