// Every figure that is promised, in one table: `npm run bench -- promises`. Runs the benches that
// measure them, each in a process of its own, and what only can be right or wrong.
import { spawnSync } from "node:child_process";
import { mkdirSync, readFileSync, rmSync } from "node:fs";
import { join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { cleanUp, cleanUpOnSignals, removeAtEnd, runChild } from "./children.mjs";
import { describeMachine } from "./machine.mjs";
import { loss } from "./promises/checks.mjs";
import { promiseTable } from "./promises/table.mjs";
import { writeResult } from "./results.mjs";
import { textTable } from "./text.mjs";

const MAIN = fileURLToPath(new URL("main.mjs", import.meta.url));
const PARTS = ["durable", "state", "columns", "loss", "versions", "audit"];
const STATE_PARTS = "snapshot,load,recovery,memory,writes";

/** Of "writes": ten minutes of the load. The hour of it is `state` by itself. */
const TRANSACTIONS = 6_000_000;

/** Runs another bench to its end; its result. Missed targets of its own are no matter here. */
function runBench(name, args, file) {
  rmSync(file, { force: true });
  const { status, signal } = spawnSync(process.execPath, [MAIN, name, ...args, "--json", file], {
    stdio: ["ignore", 2, 2],
  });
  if (status !== 0 && status !== 1) {
    throw new Error(`the bench ${name} ended with ${signal ?? `code ${status}`}`);
  }
  return JSON.parse(readFileSync(file, "utf8"));
}

/** Of a bench that prints its result. */
function runPrinting(name, args) {
  const { status, stdout } = spawnSync(process.execPath, [MAIN, name, ...args, "--json"], {
    stdio: ["ignore", "pipe", 2],
    encoding: "utf8",
    maxBuffer: 1 << 28,
  });
  if (status !== 0) throw new Error(`the bench ${name} ended with code ${status}`);
  return JSON.parse(stdout);
}

export async function promises(argv) {
  const { values } = parseArgs({
    args: argv,
    options: {
      dir: { type: "string" },
      data: { type: "string" },
      only: { type: "string" },
      quick: { type: "boolean", default: false },
      large: { type: "boolean", default: false },
      keep: { type: "boolean", default: false },
      transactions: { type: "string" },
      json: { type: "string" },
    },
  });
  const only = values.only?.split(",") ?? PARTS;
  const unknown = only.find((part) => !PARTS.includes(part));
  if (unknown !== undefined) throw new Error(`--only: no part "${unknown}" among ${PARTS}`);
  const parent = resolve(values.dir ?? join(process.cwd(), ".tmp", "bench"));
  const directory = join(parent, "promises");
  cleanUpOnSignals();
  removeAtEnd(directory);
  rmSync(directory, { recursive: true, force: true });
  mkdirSync(directory, { recursive: true });
  const machine = describeMachine();
  const quick = values.quick ? ["--quick"] : [];
  const at = ["--dir", parent, ...quick];
  const child = async (name, params) => {
    const url = new URL("promises/checks.mjs", import.meta.url);
    const place = join(directory, name);
    return (await runChild(url, name, { directory: place, ...params })).value;
  };
  const measure = {
    durable: () => runPrinting("durable", at),
    state: () => {
      const transactions = values.transactions ?? (values.quick ? undefined : String(TRANSACTIONS));
      const args = [
        ...[...at, "--only", STATE_PARTS],
        ...(transactions === undefined ? [] : ["--transactions", transactions]),
        ...(values.large ? ["--large"] : []),
        ...(values.keep ? ["--keep"] : []),
      ];
      return runBench("state", args, join(directory, "state.json"));
    },
    columns: () => {
      const data = values.data === undefined ? [] : ["--data", values.data];
      return runBench("columns", [...data, ...quick], join(directory, "columns.json"));
    },
    loss: () => loss(directory, values.quick ? 3 : 25),
    versions: () => child("versions", { rows: values.quick ? 1_000 : 20_000 }),
    audit: () => child("audit", { changes: values.quick ? 1_000 : 10_000 }),
  };
  try {
    const results = { checks: {} };
    for (const part of PARTS.filter((one) => only.includes(one))) {
      console.error(`== ${part}`);
      const found = await measure[part]();
      if (["loss", "versions", "audit"].includes(part)) results.checks[part] = found;
      else results[part] = found;
    }
    const { table, missed } = promiseTable(results);
    const partial = values.only !== undefined;
    writeResult("promises", { machine, quick: values.quick, partial, ...results }, values.json);
    console.log(`${textTable(table)}\n`);
    console.log(`${table.length - 1} figures, ${missed} missed by more than their tolerance`);
    if (missed > 0) process.exitCode = 1;
  } finally {
    cleanUp();
  }
}
