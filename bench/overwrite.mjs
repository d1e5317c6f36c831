// Does the directory stay small when the same keys are written for ever? `npm run bench -- overwrite`
import { mkdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { open } from "../dist/index.js";
import { cleanUp, cleanUpOnSignals, removeAtEnd } from "./children.mjs";
import { describeMachine } from "./machine.mjs";
import { printOverwrite } from "./print-overwrite.mjs";
import { sizeOf } from "./procfs.mjs";
import { writeResult } from "./results.mjs";
import { backgroundIdle } from "./state/build.mjs";
import { DEFINITIONS, keyOf, rowOf, TABLES } from "./state/tables.mjs";

const GROUPS_UNDER_WAY = 16;
const SAMPLES = 200;

/** Overwrites `keys` keys, `count` times in all, in groups; looks at the directory now and then. */
async function overwriteAgain(directory, { count, keys, group }, report) {
  const store = await open(directory, { tables: DEFINITIONS });
  const tables = DEFINITIONS.map((definition) => store.table(definition));
  const course = [];
  const perSample = Math.max(group, Math.floor(count / SAMPLES));
  const pending = [];
  const start = performance.now();
  let nextSample = 0;
  for (let done = 0; done < count; done += group) {
    if (done >= nextSample) {
      nextSample += perSample;
      const { bytes, files } = sizeOf(directory);
      const { runs } = store.stats().background;
      course.push({ done, bytes, files, runs, seconds: (performance.now() - start) / 1000 });
      report(`${done.toLocaleString("en-US")} of ${count.toLocaleString("en-US")}`);
    }
    let last;
    for (let i = done; i < Math.min(count, done + group); i++) {
      const table = i % TABLES.length;
      const index = Math.floor(i / TABLES.length) % Math.ceil(keys / TABLES.length);
      last = tables[table].put(keyOf(table, index), rowOf(table, index, i));
    }
    pending.push(last);
    if (pending.length >= GROUPS_UNDER_WAY) await pending.shift();
  }
  await Promise.all(pending);
  const seconds = (performance.now() - start) / 1000;
  const ending = sizeOf(directory).bytes;
  await store.flush();
  await backgroundIdle(store);
  const idle = sizeOf(directory).bytes;
  const { log, background } = store.stats();
  await store.close();
  course.push({ done: count, bytes: ending, seconds });
  return {
    seconds,
    recordBytes: log.logicalBytes,
    logBytes: log.writtenBytes,
    flushes: background.flushes.done,
    merges: background.merges.done,
    runs: background.runs,
    course,
    largestBytes: course.reduce((most, { bytes }) => Math.max(most, bytes), 0),
    idleBytes: idle,
    closedBytes: sizeOf(directory).bytes,
  };
}

export async function overwrite(argv) {
  const { values } = parseArgs({
    args: argv,
    options: {
      dir: { type: "string" },
      count: { type: "string" },
      keys: { type: "string", default: "1000" },
      group: { type: "string", default: "100" },
      quick: { type: "boolean", default: false },
      json: { type: "string" },
      tolerance: { type: "string", default: "10" },
    },
  });
  const count = Number(values.count ?? (values.quick ? 100_000 : 1_000_000));
  const params = { count, keys: Number(values.keys), group: Number(values.group) };
  const directory = join(values.dir ?? join(process.cwd(), ".tmp", "bench"), "overwrite");
  cleanUpOnSignals();
  removeAtEnd(directory);
  rmSync(directory, { recursive: true, force: true });
  mkdirSync(directory, { recursive: true });
  try {
    const machine = describeMachine();
    let told = performance.now();
    const report = (text) => {
      if (performance.now() - told < 2000) return;
      told = performance.now();
      console.error(text);
    };
    const measured = await overwriteAgain(directory, params, report);
    const result = { machine, ...params, tolerance: Number(values.tolerance), ...measured };
    writeResult("overwrite", result, values.json);
    if (printOverwrite(result) > 0) process.exitCode = 1;
  } finally {
    cleanUp();
  }
}
