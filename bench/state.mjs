// What a state larger than memory costs: `npm run bench -- state`. Builds it, then measures it, each
// part in a process of its own. docs/benchmarks.md says how, part by part.
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { parseArgs } from "node:util";
import { cleanUp, cleanUpOnSignals, removeAtEnd, runChild } from "./children.mjs";
import { describeMachine } from "./machine.mjs";
import { installLmdb } from "./peers/install.mjs";
import { printState } from "./print-state.mjs";
import { writeResult } from "./results.mjs";
import { rowsPerTableOf } from "./state/build.mjs";
import { HOT_PART, HOT_ROWS, TRANSACTIONS_PER_SECOND } from "./state/load.mjs";
import { memory } from "./state/memory.mjs";
import { recoverAgainAndAgain } from "./state/recovery.mjs";
import { DEFINITIONS, ROW_BYTES, SEED, TABLES } from "./state/tables.mjs";
import { number } from "./text.mjs";

const PARTS = ["snapshot", "load", "recovery", "reads", "memory", "writes"];

/** Of a full run, and of one that only shows that everything works. */
const DEFAULTS = {
  full: {
    gigabytes: 1,
    snapshots: 30,
    slices: 6,
    sliceSeconds: 5,
    backlogRows: 100_000,
    openings: 10,
    rounds: 5,
    getsPerBlock: 20_000,
    memorySeconds: 60,
    transactions: 36_000_000,
    factor: 20,
  },
  quick: {
    gigabytes: 0.01,
    snapshots: 6,
    slices: 2,
    sliceSeconds: 2,
    backlogRows: 5_000,
    openings: 2,
    rounds: 3,
    getsPerBlock: 5_000,
    memorySeconds: 5,
    transactions: 360_000,
    factor: 10,
  },
};

/** Sizes of the states that are recovered, as parts of the one that is measured. */
const RECOVERY_PARTS = [0.01, 0.1, 1];
const RECOVERY_PART_LARGE = 4;

const SIZES = Object.keys(DEFAULTS.full);

function parseOptions(argv) {
  const sizes = Object.fromEntries(SIZES.map((name) => [kebab(name), { type: "string" }]));
  const { values } = parseArgs({
    args: argv,
    options: {
      ...sizes,
      dir: { type: "string" },
      only: { type: "string" },
      json: { type: "string" },
      group: { type: "string", default: "100" },
      tolerance: { type: "string", default: "10" },
      quick: { type: "boolean", default: false },
      large: { type: "boolean", default: false },
      keep: { type: "boolean", default: false },
      "keep-page-cache": { type: "boolean", default: false },
    },
  });
  const numbers = { ...(values.quick ? DEFAULTS.quick : DEFAULTS.full) };
  for (const name of SIZES) {
    const given = values[kebab(name)];
    if (given !== undefined) numbers[name] = positive(kebab(name), given);
  }
  const only = values.only?.split(",") ?? PARTS;
  for (const part of only) {
    if (!PARTS.includes(part))
      throw new Error(`--only: no part "${part}" among ${PARTS.join(", ")}`);
  }
  return {
    ...numbers,
    only,
    group: positive("group", values.group),
    tolerance: Number(values.tolerance),
    directory: resolve(values.dir ?? join(process.cwd(), ".tmp", "bench"), "state"),
    json: values.json,
    large: values.large,
    keep: values.keep,
    keepPageCache: values["keep-page-cache"],
  };
}

const kebab = (name) => name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);

function positive(name, text) {
  const value = Number(text);
  if (value > 0) return value;
  throw new Error(`--${name} must be a number above zero, got "${text}"`);
}

/** Lines of progress, no more than one in two seconds. */
function makeReporter(part) {
  let told = 0;
  return (text) => {
    if (performance.now() - told < 2000) return;
    told = performance.now();
    console.error(`  ${part}: ${text}`);
  };
}

function describeProgress({ doing, done, rows, seconds, runs, runBytes, written }) {
  const perSecond = done / seconds;
  const left = doing === "rows" ? `, ${number((rows - done) / perSecond)} s to go` : "";
  return (
    `${doing === "rows" ? number((100 * done) / rows) : "100"} %, ${number(perSecond)} rows/s, ` +
    `${runs} runs of ${number(runBytes / 1e6)} MB, ${number(written / 1e6)} MB written, ` +
    `${doing === "rows" ? "putting rows" : "merging"}${left}`
  );
}

/** The store of so many gigabytes, built unless an earlier bench has left it; and how it was built. */
async function stateOf(options, gigabytes) {
  const rowsPerTable = rowsPerTableOf(gigabytes);
  const rows = rowsPerTable * TABLES.length;
  const directory = join(options.directory, `rows-${rows}`);
  const note = `${directory}.built.json`;
  const shape = { rows, rowBytes: ROW_BYTES, seed: SEED };
  if (existsSync(note)) {
    const { built, ...known } = JSON.parse(readFileSync(note, "utf8"));
    if (JSON.stringify(known) === JSON.stringify(shape) && existsSync(directory)) {
      console.error(`using the state of ${number(rows)} rows in ${directory}`);
      return { directory, rowsPerTable, built };
    }
  }
  console.error(`building a state of ${number(rows)} rows of ${ROW_BYTES} bytes ...`);
  rmSync(directory, { recursive: true, force: true });
  mkdirSync(directory, { recursive: true });
  const report = makeReporter("build");
  const { value: built } = await runChild(
    new URL("state/build.mjs", import.meta.url),
    "build",
    { directory, rowsPerTable },
    { onMessage: (progress) => report(describeProgress(progress)) },
  );
  writeFileSync(note, JSON.stringify({ ...shape, built }));
  return { directory, rowsPerTable, built };
}

/** Measures one part in a process of its own. */
async function inChild(file, name, params, part) {
  const url = new URL(`state/${file}.mjs`, import.meta.url);
  const { value } = await runChild(url, name, params, { onMessage: makeReporter(part) });
  return value;
}

const MEASURE = {
  async snapshot(state, { snapshots }) {
    return inChild("snapshots", "snapshots", { ...state, repetitions: snapshots }, "snapshot");
  },

  async load(state, { slices, sliceSeconds, backlogRows, group }) {
    const params = { ...state, slices, seconds: sliceSeconds, backlogRows, group };
    return inChild("delay", "delay", params, "load");
  },

  async recovery(state, options) {
    const { gigabytes, openings, group, keepPageCache, large } = options;
    const results = [];
    for (const part of large ? [...RECOVERY_PARTS, RECOVERY_PART_LARGE] : RECOVERY_PARTS) {
      const { directory, rowsPerTable, built } =
        part === 1 ? { ...state } : await stateOf(options, gigabytes * part);
      console.error(`measuring recovery of ${number(rowsPerTable * TABLES.length)} rows ...`);
      const params = { directory, rowsPerTable, repetitions: openings, group, keepPageCache };
      const measured = await recoverAgainAndAgain(params, makeReporter("recovery"));
      results.push({ gigabytes: gigabytes * part, built, ...measured });
      if (part !== 1 && !options.keep) {
        rmSync(directory, { recursive: true, force: true });
        rmSync(`${directory}.built.json`, { force: true });
      }
    }
    return results;
  },

  async reads(state, { rounds, getsPerBlock }) {
    const version = installLmdb();
    const params = { ...state, rounds, getsPerBlock };
    return { lmdbVersion: version, ...(await inChild("reads", "reads", params, "reads")) };
  },

  async memory(state, { memorySeconds, group }) {
    return memory({ ...state, seconds: memorySeconds, group }, makeReporter("memory"));
  },

  async writes(state, { transactions, group, factor }) {
    const params = { ...state, transactions, group, factor };
    const mixed = await inChild("writes", "writes", { ...params, uniform: false }, "writes");
    const uniform = await inChild(
      "writes",
      "writes",
      { ...params, uniform: true },
      "writes, uniform keys",
    );
    return { mixed, uniform };
  },
};

export async function state(argv) {
  const options = parseOptions(argv);
  cleanUpOnSignals();
  if (!options.keep) {
    removeAtEnd(options.directory);
    rmSync(options.directory, { recursive: true, force: true });
  }
  mkdirSync(options.directory, { recursive: true });
  const machine = describeMachine();
  if (machine.loadAtStart > 0.5) {
    console.error(
      `warning: the load is ${machine.loadAtStart.toFixed(2)}: something else runs here`,
    );
  }
  try {
    if (options.only.includes("reads")) installLmdb();
    const { built, ...where } = await stateOf(options, options.gigabytes);
    const { directory: _directory, json, ...settings } = options;
    const result = {
      machine,
      settings,
      load: {
        transactionsPerSecond: TRANSACTIONS_PER_SECOND,
        group: options.group,
        hotRows: Math.min(HOT_ROWS, Math.floor(where.rowsPerTable / 2) * TABLES.length),
        hotPart: HOT_PART,
      },
      tables: DEFINITIONS.map(({ name }) => name),
      built,
      parts: {},
    };
    for (const part of PARTS.filter((name) => options.only.includes(name))) {
      console.error(`measuring ${part} ...`);
      result.parts[part] = await MEASURE[part](where, options);
    }
    writeResult("state", result, json);
    if (printState(result) > 0) process.exitCode = 1;
  } finally {
    cleanUp();
  }
}
