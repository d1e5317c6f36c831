// A store under mixed load for as long as is asked for, killed, filled up and opened again without
// rest, and compared with a model.
//
//   npm run soak -- --minutes N [--seed S] [--directory D]
//
// A child (soak/child.mjs) writes numbered steps: transactions, rows of all tiers, deletions, with
// views held and snapshots taken; every 20,000 steps the program knows one table more, and every 4,000
// a newer version of a schema. After SIGKILL
// at any moment, or SIGTERM, each round checks: every step that was acknowledged is there, none is
// missing before the last one, the state is the model's, cached rows are none that are older than
// those known before, snapshots whose promise resolved are there and hold what they held, and
// verify is content. Back ends take turns. Full disks need root, for a loop-mounted image.
import { spawn, spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readdirSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { open } from "../dist/index.js";
import { LoopDisk } from "./soak/loop-disk.mjs";
import {
  digestOf,
  lastStepOf,
  Model,
  otherTables,
  rowsOf,
  stepOf,
  tables,
  tablesFrom,
  versionFrom,
} from "./soak/steps.mjs";

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const { values } = parseArgs({
  options: {
    minutes: { type: "string", default: "2" },
    seed: { type: "string", default: String(Date.now() % 1_000_000) },
    directory: { type: "string", default: tmpdir() },
  },
});
const seed = Number(values.seed);
const minutes = Number(values.minutes);
if (!(minutes > 0) || !Number.isSafeInteger(seed)) {
  process.stderr.write("usage: npm run soak -- --minutes N [--seed S] [--directory D]\n");
  process.exit(2);
}

let randomState = seed >>> 0;
function below(bound) {
  randomState = (Math.imul(randomState, 1664525) + 1013904223) >>> 0;
  return Math.floor((randomState / 0x1_0000_0000) * bound);
}

const BACKENDS = ["io_uring", "threads", "portable"];
const parent = mkdtempSync(join(values.directory, "holdfast-soak-"));
let loop;
try {
  loop = new LoopDisk(parent, 160);
} catch (error) {
  process.stdout.write(`SKIPPED: full disks: ${error.message.split("\n")[0]}\n`);
}
const directory = join(loop?.directory ?? parent, "store");
mkdirSync(directory);

const begun = performance.now();
const counts = {
  rounds: 0,
  kills: 0,
  terms: 0,
  full: 0,
  refused: 0,
  snapshots: 0,
  mismatches: 0,
  verified: 0,
};
const recoveries = [];
const model = new Model(seed);
/** Of cached keys: the step of the row that was found last. */
const cachedFloor = new Map();
/** Snapshots that are there by their names, with the digest of their state once it is known. */
const snapshots = new Map();
const maybeDropped = new Set();
let acknowledged = 0;
let started = 0;
let bytesMax = 0;
let rss = 0;
let rssMax = 0;
let backend = BACKENDS[0];
let child;
/** Of the schema that the newest program has declared: older ones are refused from then on. */
let version = 1;

function elapsed() {
  const seconds = Math.floor((performance.now() - begun) / 1000);
  return `${Math.floor(seconds / 60)}:${String(seconds % 60).padStart(2, "0")}`;
}

function sizeOf(path) {
  let bytes = 0;
  for (const name of readdirSync(path)) {
    bytes += statSync(join(path, name), { throwIfNoEntry: false })?.blocks * 512 || 0;
  }
  return bytes;
}

function at(list, share) {
  const sorted = [...list].sort((a, b) => a - b);
  return (sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))] ?? 0).toFixed(1);
}

function line() {
  const bytes = sizeOf(directory);
  bytesMax = Math.max(bytesMax, bytes);
  const mega = (value) => `${(value / 1024 / 1024).toFixed(0)} MiB`;
  return (
    `${elapsed()} ${backend}: ${acknowledged} steps, ${counts.kills} kills, ` +
    `${recoveries.length} recoveries p50 ${at(recoveries, 0.5)} max ${at(recoveries, 1)} ms, ` +
    `${counts.full} times full, ${mega(bytes)} on disk, ${mega(rss)} in memory`
  );
}

let shownAt = performance.now();
function show() {
  // One line for people; where nobody looks on, one now and then.
  const every = process.stdout.isTTY ? 500 : 15_000;
  if (performance.now() - shownAt < every) return;
  shownAt = performance.now();
  process.stdout.write(process.stdout.isTTY ? `\r\x1b[K${line()}` : `${line()}\n`);
}

function fail(what) {
  throw new Error(what);
}

/** How the next program opens the store. */
function optionsOf() {
  return {
    environment: "soak",
    writerId: "soak",
    backend,
    segmentBytes: 1024 * 1024,
    // Runs all the time, and much less memory for rows than there are.
    recoveryBudgetMillis: 2,
    finalSnapshotMillis: below(2) * 200,
    cacheBytes: 1024 * 1024,
    backgroundBytesPerSecond: 20_000_000,
    history: counts.rounds % 3 === 0 ? { keepBytes: 8 * 1024 * 1024 } : "none",
    bounds: { fileBytes: 256 * 1024, scrubEveryMillis: 500 },
  };
}

/** Starts the child and resolves with how it ended. */
function run(endAfterMillis, signal) {
  const from = model.step;
  version = versionFrom(from);
  const given = { directory, from, version, seed, options: optionsOf() };
  child = spawn(process.execPath, [join(root, "scripts/soak/child.mjs"), JSON.stringify(given)], {
    stdio: ["ignore", "ignore", "pipe", "pipe"],
  });
  let errors = "";
  let rest = "";
  let closedAt;
  let timer;
  child.stderr.on("data", (chunk) => {
    errors += chunk;
  });
  const hear = (text) => {
    const [word, value] = text.split(" ");
    if (word === "a") acknowledged = Math.max(acknowledged, Number(value));
    else if (word === "started") started = Math.max(started, Number(value));
    else if (word === "m") {
      rss = Number(value);
      rssMax = Math.max(rssMax, rss);
    } else if (word === "snapshot") snapshots.set(value, undefined);
    else if (word === "dropping") maybeDropped.add(value);
    else if (word === "closed") closedAt = Number(value);
    else if (word === "full") counts.refused++;
    else if (word === "found") {
      if (Number(value) < acknowledged) errors += `found ${value}, and ${acknowledged} was durable`;
      // Some are killed while they open.
      timer ??= setTimeout(() => child.kill(signal), endAfterMillis);
    }
  };
  if (endAfterMillis < 300) timer = setTimeout(() => child.kill(signal), endAfterMillis);
  child.stdio[3].on("data", (chunk) => {
    const lines = (rest + chunk).split("\n");
    rest = lines.pop();
    for (const text of lines) hear(text);
    show();
  });
  return new Promise((resolve) => {
    child.once("close", (code, killedBy) => {
      clearTimeout(timer);
      child = undefined;
      resolve({ code, killedBy, errors, closedAt });
    });
  });
}

/** The disk is full for a while, or for the rest of the round. */
async function fillUp() {
  await sleep(200 + below(400));
  loop.fill();
  counts.full++;
  await sleep(300 + below(1200));
  loop.empty();
}

async function round() {
  counts.rounds++;
  backend = BACKENDS[counts.rounds % BACKENDS.length];
  const clean = below(5) === 0;
  const filled = loop !== undefined && below(4) === 0;
  const soon = below(6) === 0;
  const millis = soon ? below(300) : 500 + below(filled ? 4000 : 2500);
  const filling = filled ? fillUp() : undefined;
  const ended = await run(millis, clean ? "SIGTERM" : "SIGKILL");
  await filling;
  const { code, killedBy, errors, closedAt } = ended;
  if (errors === "" && killedBy !== null && (!clean || killedBy === "SIGTERM")) counts.kills++;
  else if (errors === "" && code === 0 && closedAt !== undefined) counts.terms++;
  else fail(`the program ended with ${killedBy ?? code}: ${errors}`);
  await check(closedAt);
}

async function check(closedAt) {
  if (below(10) === 0) await refusesOtherSchema();
  const since = performance.now();
  const list = tablesFrom(started, version);
  const options = { ...optionsOf(), tables: list, onWarning: () => {} };
  const store = await open(directory, options);
  recoveries.push(performance.now() - since);
  const step = lastStepOf(store);
  if (step < acknowledged) fail(`step ${acknowledged} was durable, and ${step} is the last`);
  if (step > started) fail(`step ${step} is there, and only ${started} were begun`);
  if (step < model.step) fail(`step ${model.step} was seen before, and ${step} is the last`);
  const begunBehind = model.step;
  const digests = new Map();
  const wanted = await stepsOfSnapshots(store, step);
  model.advance(step, (now) => {
    if (wanted.has(now)) digests.set(now, model.digest);
  });
  if (digestOf(rowsOf(store, list)) !== model.digest) fail(`the state at step ${step} is wrong`);
  if (closedAt !== undefined && lastLogged(closedAt) !== step) {
    fail(`it was closed at step ${closedAt}, and ${step} is the last`);
  }
  checkCached(store, begunBehind, closedAt);
  await checkSnapshots(digests);
  await store.close();
  acknowledged = step;
  started = step;
  line();
  if (below(3) > 0) return;
  const { status, stdout } = spawnSync(
    process.execPath,
    [join(root, "dist/cli/main.js"), "verify", directory],
    { encoding: "utf8" },
  );
  if (status !== 0) fail(`verify: ${stdout}`);
  counts.verified++;
}

/** Steps of cached tables leave no number. */
function lastLogged(n) {
  while (n > 0 && stepOf(seed, n).kind === "cached") n--;
  return n;
}

async function refusesOtherSchema() {
  const options = { ...optionsOf(), tables: otherTables(), onWarning: () => {} };
  const refused = await open(directory, options).catch((error) => error);
  if (model.step === 0) {
    await refused.close?.();
    return;
  }
  if (refused.code !== "SCHEMA_MISMATCH") fail(`another schema was not refused: ${refused}`);
  counts.mismatches++;
}

/**
 * Each row is of a step that wrote that key, and none older than the one found before; where the
 * program closed its store, the newest that it wrote. What those before it wrote may be lost.
 */
function checkCached(store, begunBehind, closedAt) {
  const newest = new Map();
  for (let n = begunBehind + 1; closedAt !== undefined && n <= closedAt; n++) {
    const { kind, changes } = stepOf(seed, n);
    if (kind === "cached") newest.set(changes[0][1], n);
  }
  for (const [key, { step }] of store.table(tables.quotes).entries()) {
    const { kind, changes } = stepOf(seed, step);
    const [[, written]] = changes;
    if (kind !== "cached" || written !== key) fail(`cached key ${key} has a row of step ${step}`);
    if (step > started) fail(`cached key ${key} has a row of step ${step}, which was not begun`);
    if (step < (cachedFloor.get(key) ?? 0)) fail(`cached key ${key} has gone back to step ${step}`);
    if (closedAt !== undefined && newest.get(key) !== undefined && newest.get(key) !== step) {
      fail(`cached key ${key} has step ${step}, and ${newest.get(key)} was written before closing`);
    }
    cachedFloor.set(key, step);
  }
}

/** Opens those that are new, and gives the steps that they have. */
async function stepsOfSnapshots(store, step) {
  const there = new Set(store.snapshots().map(({ name }) => name));
  for (const name of snapshots.keys()) {
    if (there.has(name)) continue;
    if (!maybeDropped.has(name)) fail(`snapshot ${name} is gone`);
    snapshots.delete(name);
  }
  const wanted = new Set();
  for (const name of there) {
    if (snapshots.get(name) !== undefined) continue;
    const snapshot = await open(directory, {
      ...optionsOf(),
      tables: tablesFrom(step, version),
      at: name,
    });
    const found = lastStepOf(snapshot);
    const digest = digestOf(rowsOf(snapshot, tablesFrom(step, version)));
    await snapshot.close();
    if (found > step) fail(`snapshot ${name} has step ${found}, and the store only ${step}`);
    snapshots.set(name, { step: found, digest });
    if (found > model.step) wanted.add(found);
    else if (found === model.step && digest !== model.digest) {
      fail(`snapshot ${name} holds other rows`);
    }
  }
  return wanted;
}

async function checkSnapshots(digests) {
  for (const [name, known] of snapshots) {
    const digest = digests.get(known.step);
    if (digest !== undefined && digest !== known.digest) fail(`snapshot ${name} holds other rows`);
    counts.snapshots++;
  }
  // One of those that are known already, again.
  const names = [...snapshots.keys()];
  const name = names[below(Math.max(1, names.length))];
  if (name === undefined) return;
  const list = tablesFrom(started, version);
  const snapshot = await open(directory, { ...optionsOf(), tables: list, at: name });
  const same = digestOf(rowsOf(snapshot, list)) === snapshots.get(name).digest;
  await snapshot.close();
  if (!same) fail(`snapshot ${name} holds other rows than before`);
}

function cleanUp(keep) {
  child?.kill("SIGKILL");
  loop?.empty();
  if (keep) return;
  if (loop !== undefined) loop.unmount();
  rmSync(parent, { recursive: true, force: true });
}

for (const signal of ["SIGINT", "SIGTERM"]) {
  process.on(signal, () => {
    cleanUp(false);
    process.exit(130);
  });
}

function summary() {
  const rows = [
    ["seed", seed],
    ["time", elapsed()],
    ["rounds", counts.rounds],
    ["steps durable", acknowledged],
    ["schema versions", version],
    ["kill -9", counts.kills],
    ["SIGTERM, closed", counts.terms],
    ["disk filled", `${counts.full}: ${counts.refused} writes refused, and taken again`],
    ["recoveries", `${recoveries.length}: p50 ${at(recoveries, 0.5)}, max ${at(recoveries, 1)} ms`],
    ["snapshots compared", counts.snapshots],
    ["other schema refused", counts.mismatches],
    ["verified sound", counts.verified],
    ["directory at most", `${(bytesMax / 1024 / 1024).toFixed(0)} MiB`],
    ["memory at most", `${(rssMax / 1024 / 1024).toFixed(0)} MiB`],
  ];
  return rows.map(([name, value]) => `${name.padEnd(22)}${value}\n`).join("");
}

process.stdout.write(`soak: ${minutes} minutes, seed ${seed}, in ${directory}\n`);
try {
  while (performance.now() - begun < minutes * 60_000) await round();
  if (process.stdout.isTTY) process.stdout.write("\r\x1b[K");
  process.stdout.write(`${line()}\n${summary()}all of it as the model has it\n`);
  cleanUp(false);
} catch (error) {
  process.stdout.write(`\nFAILED, seed ${seed}: ${error.stack}\n${summary()}`);
  process.stdout.write(`the store is kept: ${directory}\n`);
  cleanUp(true);
  process.exitCode = 1;
}
