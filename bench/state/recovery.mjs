// How long an opening takes after the process was killed in the middle of the full load, with as much
// of the log to be read back as there ever is. Three processes: one writes and is killed, one opens,
// and the bench starts both.
import { readFileSync, rmSync, writeFileSync } from "node:fs";
import { open } from "../../dist/index.js";
import { runChild } from "../children.mjs";
import { median } from "../machine.mjs";
import { dropPageCache } from "../procfs.mjs";
import { makeRandom } from "../random.mjs";
import { Load, pace, TRANSACTIONS_PER_SECOND } from "./load.mjs";
import { DEFINITIONS, keyOf, rowOf, TABLES } from "./tables.mjs";

/** The tail is longest just before it is taken over by a run; so many such moments are seen first. */
const PEAKS_SEEN = 2;
/** Killed once the tail is at this part of the smaller of them. */
const PEAK_PART = 0.97;

/** Writes at full load until the tail is as long as it gets, says so in `file`, and kills itself. */
export async function loadUntilKilled({ directory, rowsPerTable, group, seed, seconds, file }) {
  const store = await open(directory, { tables: DEFINITIONS });
  const load = new Load(store, { rowsPerTable, seed });
  const peaks = [];
  let urgencyBefore = 0;
  const start = performance.now();
  const turn = (count) => {
    for (let i = 0; i < count; i++) load.put();
    const { urgency, tail, flushes } = store.stats().background;
    if (urgency < urgencyBefore * 0.7) peaks.push(urgencyBefore);
    urgencyBefore = urgency;
    const enough = peaks.length >= PEAKS_SEEN;
    if (!enough || urgency < PEAK_PART * Math.min(...peaks.slice(-PEAKS_SEEN))) return;
    const ran = (performance.now() - start) / 1000;
    writeFileSync(
      file,
      JSON.stringify({ urgency, tail, peaks, flushes: flushes.done, seconds: ran }),
    );
    process.kill(process.pid, "SIGKILL");
  };
  await pace({ rate: TRANSACTIONS_PER_SECOND, group, seconds }, turn);
  throw new Error(`no run was made of the tail twice within ${seconds} s: ${peaks.length} peaks`);
}

/** Opens, reads a row, writes a row durably; what each has taken since before `open`. */
export async function timeOpening({ directory, rowsPerTable, seed }) {
  const random = makeRandom(seed);
  random();
  const table = Math.floor(random() * TABLES.length);
  const index = Math.floor(random() * rowsPerTable);
  const key = keyOf(table, index);
  const row = rowOf(table, index, seed);
  const start = performance.now();
  const store = await open(directory, { tables: DEFINITIONS });
  const opened = performance.now();
  const handle = store.table(DEFINITIONS[table]);
  const found = handle.get(key);
  const read = performance.now();
  await handle.put(key, row);
  const written = performance.now();
  const { recovery } = store;
  await store.close();
  if (found === undefined) throw new Error(`row ${index} of table ${table} is not there`);
  return {
    openMillis: opened - start,
    firstReadMillis: read - start,
    firstWriteMillis: written - start,
    /** From the start of the process, which loads the package first. */
    processMillis: written,
    recovery,
  };
}

/** The parts of an opening that the store tells of, in milliseconds, and what is left. */
function partsOf({ openMillis, recovery }) {
  const parts = {};
  for (const [name, value] of Object.entries(recovery)) {
    if (/Micros$/.test(name)) parts[name.replace(/Micros$/, "")] = value / 1000;
  }
  parts.rest = openMillis - recovery.micros / 1000;
  return parts;
}

/** Repetitions with and without a page cache that knows the files, in turns. */
export async function recoverAgainAndAgain(params, report) {
  const { directory, rowsPerTable, repetitions, keepPageCache } = params;
  const file = `${directory}.killed.json`;
  const samples = [];
  for (let i = 0; i < repetitions; i++) {
    const seed = 101 + i;
    await runChild(
      import.meta.url,
      "loadUntilKilled",
      { ...params, seed, seconds: 120, file },
      { mayBeKilled: true },
    );
    const killed = JSON.parse(readFileSync(file, "utf8"));
    rmSync(file);
    const cache = i % 2 === 0 || keepPageCache ? { dropped: false } : dropPageCache();
    const { value } = await runChild(import.meta.url, "timeOpening", {
      directory,
      rowsPerTable,
      seed,
    });
    samples.push({ ...value, parts: partsOf(value), cache, killed });
    report(`opening ${i + 1} of ${repetitions}: ${value.firstWriteMillis.toFixed(1)} ms`);
  }
  return {
    rows: rowsPerTable * TABLES.length,
    repetitions,
    refused: samples.find(({ cache }) => cache.why !== undefined)?.cache.why,
    warm: summaryOf(samples.filter(({ cache }) => !cache.dropped)),
    cold: summaryOf(samples.filter(({ cache }) => cache.dropped)),
    samples,
  };
}

function summaryOf(samples) {
  if (samples.length === 0) return undefined;
  const both = (pick) => {
    const values = samples.map(pick);
    return { median: median(values), max: Math.max(...values) };
  };
  const names = Object.keys(samples[0].parts);
  return {
    count: samples.length,
    open: both((one) => one.openMillis),
    firstRead: both((one) => one.firstReadMillis),
    firstWrite: both((one) => one.firstWriteMillis),
    process: both((one) => one.processMillis),
    operations: both((one) => one.recovery.operationsReplayed),
    bytesRead: both((one) => one.recovery.bytesRead),
    urgency: both((one) => one.killed.urgency),
    runs: both((one) => one.recovery.runs),
    parts: Object.fromEntries(names.map((name) => [name, both((one) => one.parts[name])])),
  };
}
