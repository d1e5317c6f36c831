// holdfast beside what a user of Node.js would take instead: `npm run bench -- peers`. Every contender in
// a process of its own, in turns; docs/benchmarks.md says how, and what each is configured to.
import { mkdirSync, rmSync } from "node:fs";
import { join, resolve } from "node:path";
import { parseArgs } from "node:util";
import { cleanUp, cleanUpOnSignals, removeAtEnd } from "./children.mjs";
import { describeMachine } from "./machine.mjs";
import { contendersOf, NAMES } from "./peers/contenders.mjs";
import { crashes, measurePromise } from "./peers/measure.mjs";
import { GROUPS, KILL_GROUPS, SIZES } from "./peers/plan.mjs";
import { printPeers } from "./peers/print.mjs";
import { verifyBySyncCalls } from "./peers/promise.mjs";
import { writeResult } from "./results.mjs";

const PROMISES = ["power", "kill"];

function listed(text, all, what) {
  const list = text?.split(",") ?? all;
  for (const one of list) {
    if (!all.includes(one)) throw new Error(`${what}: no "${one}" among ${all.join(", ")}`);
  }
  return list;
}

/** One promise: is it kept, and what does it cost? */
async function onePromise(promise, { names, groups, sizes, directory }) {
  const report = (text) => console.error(`  ${promise}: ${text} ...`);
  const all = await contendersOf(promise, names);
  const present = all.filter(({ missing }) => missing === undefined);
  const contenders = Object.fromEntries(
    all.map(({ name, title, version, configuration, missing, isFloor, isBaseline, isVariant }) => [
      name,
      { title, version, configuration, missing, isFloor, isBaseline, isVariant },
    ]),
  );
  // What takes part in some groups alone has its promise from who takes part in all.
  const whole = present.filter((spec) => spec.groups === undefined);
  if (promise === "power") {
    report("counting calls that sync");
    for (const spec of whole) {
      contenders[spec.name].syncs = verifyBySyncCalls(spec, join(directory, spec.name));
    }
  }
  const wanted = promise === "power" ? groups : groups.filter((one) => KILL_GROUPS.includes(one));
  // Where crashes are not asked for a small one still says whether the promise is kept.
  const crash = groups.includes("crash") ? sizes.crash : { repeats: 1, rows: 1_000 };
  const killed = await crashes(whole, directory, crash, report);
  const letters = promise === "kill" ? ["A"] : undefined;
  const measured = await measurePromise(
    present,
    directory,
    { groups: wanted, sizes, letters },
    report,
  );
  const workloads = {
    ...measured.workloads,
    crash: { workload: "crash", ...crash, results: killed },
  };
  return { contenders, ...measured, workloads };
}

export async function peers(argv) {
  const { values } = parseArgs({
    args: argv,
    options: {
      dir: { type: "string" },
      only: { type: "string" },
      with: { type: "string" },
      promise: { type: "string" },
      quick: { type: "boolean", default: false },
      json: { type: "string" },
    },
  });
  const groups = listed(values.only, GROUPS, "--only");
  const names = listed(values.with, NAMES, "--with");
  const promises = listed(values.promise, PROMISES, "--promise");
  const directory = resolve(values.dir ?? join(process.cwd(), ".tmp", "bench"), "peers");
  cleanUpOnSignals();
  removeAtEnd(directory);
  rmSync(directory, { recursive: true, force: true });
  mkdirSync(directory, { recursive: true });
  try {
    const machine = describeMachine();
    if (machine.loadAtStart > 0.5) {
      console.error(
        `warning: the load is ${machine.loadAtStart.toFixed(2)}: something else runs here`,
      );
    }
    const sizes = values.quick ? SIZES.quick : SIZES.full;
    const partial = [values.only, values.with, values.promise].some((one) => one !== undefined);
    const result = { machine, quick: values.quick, partial, sizes, promises: {} };
    for (const promise of promises) {
      console.error(
        `measuring what survives ${promise === "power" ? "power loss" : "kill -9"} ...`,
      );
      result.promises[promise] = await onePromise(promise, { names, groups, sizes, directory });
    }
    writeResult("peers", result, values.json);
    printPeers(result);
  } finally {
    cleanUp();
  }
}
