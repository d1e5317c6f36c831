// What it takes to look back, and to branch: `npm run bench -- history`. A state of --gigabytes is put
// row by row, then the load goes on it, up to --transactions; a snapshot is taken after each tenth.
import { execFileSync } from "node:child_process";
import { mkdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { encode } from "@msgpack/msgpack";
import { open } from "../dist/index.js";
import { cleanUp, cleanUpOnSignals, removeAtEnd, runChild } from "./children.mjs";
import { describeMachine } from "./machine.mjs";
import { sizeOf } from "./procfs.mjs";
import { writeResult } from "./results.mjs";
import { backgroundIdle } from "./state/build.mjs";
import { Load } from "./state/load.mjs";
import { DEFINITIONS, keyOf, ROW_BYTES, rowOf, TABLES } from "./state/tables.mjs";
import { median } from "./statistics.mjs";
import { megabytes, millis, number, textTable } from "./text.mjs";

const SNAPSHOTS = 10;
const GROUP = 1000;
const UNDER_WAY = 4;
/** Background work may take what it needs: the tail of the log is none of what is measured. */
const OPTIONS = { tables: DEFINITIONS, history: "all", backgroundBytesPerSecond: 1e12 };
const REPORT_MILLIS = 2000;

export async function build({ directory, rowsPerTable, transactions }, report) {
  const store = await open(directory, { ...OPTIONS, environment: "bench" });
  const load = new Load(store, { rowsPerTable });
  const tables = DEFINITIONS.map((definition) => store.table(definition));
  const rows = rowsPerTable * TABLES.length;
  const put = (n) => {
    if (n >= rows) return load.put();
    const [table, index] = [n % TABLES.length, Math.floor(n / TABLES.length)];
    return tables[table].put(keyOf(table, index), rowOf(table, index, 0));
  };
  const pending = [];
  const snapshots = [];
  const start = performance.now();
  let reported = start;
  for (let n = 0; n < transactions; ) {
    let last;
    for (const to = Math.min(transactions, n + GROUP); n < to; n++) last = put(n);
    pending.push(last);
    if (pending.length >= UNDER_WAY) await pending.shift();
    if (n >= (transactions * (snapshots.length + 1)) / SNAPSHOTS) {
      // As in a store that is written no faster than its background follows.
      await store.flush();
      snapshots.push((await store.snapshot()).sequence);
    }
    if (performance.now() - reported < REPORT_MILLIS) continue;
    reported = performance.now();
    report(`${number(n)} of ${number(transactions)} transactions`);
  }
  await Promise.all(pending);
  await store.flush();
  const seconds = (performance.now() - start) / 1000;
  await store.close();
  return { rows, transactions, snapshots, seconds };
}

/** Without snapshots, which keep segments as they are: what history takes in archives. */
export async function archive({ directory }) {
  const store = await open(directory, { ...OPTIONS, environment: "bench" });
  for (const { name } of store.snapshots()) await store.dropSnapshot(name);
  await store.flush();
  await backgroundIdle(store);
  await store.close();
  const cli = new URL("../dist/cli/main.js", import.meta.url).pathname;
  const report = execFileSync(process.execPath, [cli, "inspect", directory, "--json"], {
    encoding: "utf8",
    maxBuffer: 2 ** 28,
  });
  const { history } = JSON.parse(report);
  return { ...history, transactions: history.lastSequence - history.firstSequence + 1 };
}

async function timed(rounds, work) {
  const samples = [];
  let found;
  for (let round = 0; round < rounds; round++) {
    const start = performance.now();
    found = await work(round);
    samples.push(performance.now() - start);
  }
  return { median: median(samples), max: Math.max(...samples), found };
}

async function count(iterator) {
  let found = 0;
  for await (const _ of iterator) found++;
  return found;
}

export async function measure(
  { directory, rowsPerTable, transactions, snapshots, rounds },
  report,
) {
  const store = await open(directory, { ...OPTIONS, environment: "bench" });
  const results = {};
  const add = async (name, repeated, work) => {
    report(name);
    results[name] = await timed(repeated, work);
  };
  const hot = Math.floor(rowsPerTable / 2);
  const at = (moment) => async () => {
    const past = await store.at(moment);
    const row = past.table(DEFINITIONS[0]).get(keyOf(0, 0));
    await past.close();
    return row === undefined ? "no row" : `sequence ${number(past.sequence)}`;
  };
  const tenth = transactions / SNAPSHOTS;
  const [middle, next] = snapshots.slice(SNAPSHOTS / 2 - 1);
  await add("at, now", rounds, at(store.lastSequence));
  await add("at, a snapshot by its number", rounds, at(middle));
  await add("at, 1,000 transactions behind a snapshot", rounds, at(middle + 1000));
  await add("at, half way to the next", Math.min(3, rounds), at(middle + Math.floor(tenth / 2)));
  await add("at, right before the next", Math.min(3, rounds), at(next - 1));
  const table = store.table(DEFINITIONS[0]);
  const lately = { gt: store.lastSequence - 100_000 };
  await add("history of a key, 100,000 transactions", rounds, async () => {
    return `${await count(table.history(keyOf(0, hot), lately))} changes`;
  });
  await add("history of a key, all of them", 1, async () => {
    return `${await count(table.history(keyOf(0, hot)))} changes`;
  });
  await add("transactions, 100,000 of them", rounds, async () => {
    return number(await count(store.transactions(lately)));
  });
  await add("diff of a snapshot and the next", 1, async () => {
    return `${number(await count(store.diff(middle, next)))} rows`;
  });
  await add("hash of 100,000 transactions", rounds, async () => {
    return (await store.historyHead(lately)).head.slice(0, 8);
  });
  await add("fork", rounds, async (round) => {
    const to = `${directory}-fork-${round}`;
    const { copied, files } = await store.fork(to);
    rmSync(to, { recursive: true });
    return `${files} files, ${copied} of them copied`;
  });
  await store.close();
  return { results, directory: sizeOf(directory) };
}

/** What rows take as msgpack, each with its table, its key, and the names of its fields. */
function msgpackBytes(rowsPerTable) {
  const samples = 10_000;
  let bytes = 0;
  for (let i = 0; i < samples; i++) {
    const [table, index] = [i % TABLES.length, (i * 7919) % rowsPerTable];
    const { name } = DEFINITIONS[table];
    const row = plain(rowOf(table, index, i));
    bytes += encode({ table: name, key: keyOf(table, index), row }, { useBigInt64: true }).length;
  }
  return bytes / samples;
}

/** msgpack knows no decimals: they are texts there. */
function plain(row) {
  const values = Object.entries(row).map(([name, value]) => {
    const isPlain = typeof value !== "object" || value === null || value instanceof Uint8Array;
    return [name, isPlain ? value : String(value)];
  });
  return Object.fromEntries(values);
}

function print({ built, measured, archived, msgpackRowBytes }) {
  const rows = Object.entries(measured.results).map(([name, { median, max, found }]) => [
    ...[name, millis(median), millis(max), found],
  ]);
  const perRow = archived.bytes / archived.transactions;
  console.log(
    `${number(built.rows)} rows of ${ROW_BYTES} bytes (${megabytes(built.rows * ROW_BYTES)}), ` +
      `${number(built.transactions)} transactions, ${SNAPSHOTS} snapshots; put in ` +
      `${number(built.seconds, 1)} s; ${megabytes(measured.directory.bytes)} on disk\n`,
  );
  console.log(textTable([["looking back", "median", "max", ""], ...rows]));
  console.log(
    `\na transaction takes ${number(perRow, 1)} bytes in archives, of ${number(msgpackRowBytes, 1)} ` +
      `as msgpack with names: ${number(msgpackRowBytes / perRow, 2)}:1 ` +
      `(${megabytes(perRow * 1e6)} for a million)`,
  );
}

export async function history(args) {
  const { values } = parseArgs({
    args,
    options: {
      dir: { type: "string", default: ".tmp/bench" },
      gigabytes: { type: "string" },
      transactions: { type: "string" },
      rounds: { type: "string", default: "5" },
      quick: { type: "boolean", default: false },
      json: { type: "string" },
    },
  });
  const gigabytes = Number(values.gigabytes ?? (values.quick ? 0.01 : 1));
  const rowsPerTable = Math.floor((gigabytes * 2 ** 30) / ROW_BYTES / TABLES.length);
  const rows = rowsPerTable * TABLES.length;
  const least = Number(values.transactions ?? (values.quick ? 200_000 : 10_000_000));
  const transactions = Math.max(rows, least);
  const directory = join(values.dir, "history");
  const rounds = Number(values.rounds);
  cleanUpOnSignals();
  removeAtEnd(directory);
  for (let round = 0; round < rounds; round++) removeAtEnd(`${directory}-fork-${round}`);
  rmSync(directory, { recursive: true, force: true });
  mkdirSync(values.dir, { recursive: true });
  const child = async (name, params) => {
    const onMessage = (text) => console.error(`  ${name}: ${text}`);
    return (await runChild(import.meta.url, name, params, { onMessage })).value;
  };
  try {
    const built = await child("build", { directory, rowsPerTable, transactions });
    const { snapshots } = built;
    const params = { directory, rowsPerTable, transactions, snapshots, rounds };
    const measured = await child("measure", params);
    const archived = await child("archive", { directory });
    const msgpackRowBytes = msgpackBytes(rowsPerTable);
    const result = { machine: describeMachine(), built, measured, archived, msgpackRowBytes };
    print(result);
    writeResult("history", result, values.json);
  } finally {
    cleanUp();
  }
}
