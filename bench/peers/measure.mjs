// Measures the contenders of one promise: who takes part in what, and what comes of it.
import { join } from "node:path";
import { memoryOf } from "../procfs.mjs";
import { median } from "../statistics.mjs";
import { BATCHES, WRITERS } from "./plan.mjs";
import { historyOf, killAndOpen } from "./promise.mjs";
import { summariesOf } from "./summary.mjs";
import { meanFillBytes, meanOrderBytes } from "./tables.mjs";
import { Contender, inTurns } from "./turns.mjs";
import { YCSB } from "./workloads/ycsb.mjs";

const ENGINE_TABLES = ["orders", "positions", "balances", "risk", "nonces", "quotes"];

/**
 * Runs `body` with a process for each contender, its tables open; those that do not open are left out,
 * with why in `failures`.
 */
async function withContenders(specs, directory, tables, body) {
  const contenders = [];
  const failures = {};
  try {
    for (const spec of specs) {
      const contender = new Contender(spec, join(directory, spec.name));
      try {
        const { hasSync } = await contender.open(tables);
        contender.hasSync = hasSync;
        contenders.push(contender);
      } catch (error) {
        failures[spec.name] = { failed: error.message };
        await contender.end();
      }
    }
    for (const [name, { failed }] of Object.entries(failures)) {
      console.error(`  ${name} takes no part: ${failed}`);
    }
    const workloads = await body(contenders);
    const memory = Object.fromEntries(contenders.map(({ name, pid }) => [name, memoryOf(pid)]));
    return { workloads, memory, failures };
  } finally {
    for (const contender of contenders) await contender.end();
  }
}

const stores = (contenders) => contenders.filter(({ spec }) => !spec.isFloor);

/** Blocks of one workload in turns, as figures, under its name. */
async function measure(workloads, name, contenders, rounds, [workload, params], options) {
  const results = await inTurns(contenders, rounds, (one) => one.run(workload, params));
  workloads[name] = { workload, params, results: summariesOf(results, options) };
  return results;
}

/**
 * One put after the other. Both forms in the same turn: they are held against one another, and against
 * the floor, which has one of them.
 */
async function sequences(contenders, { rounds, count }, logicalBytes) {
  const forms = { "put-sync": "putSync", put: "put" };
  const results = await inTurns(contenders, { rounds, warmUp: 4 }, async (one) => {
    const blocks = {};
    if (one.hasSync) blocks["put-sync"] = await one.run("putSync", { count });
    if (!one.spec.isFloor) blocks.put = await one.run("put", { count });
    return blocks;
  });
  return Object.fromEntries(
    Object.entries(forms).map(([id, workload]) => {
      const own = [...results].flatMap(([name, blocks]) => {
        if (!Array.isArray(blocks)) return [[name, blocks]];
        const list = blocks.map((block) => block[id]).filter(Boolean);
        return list.length === 0 ? [] : [[name, list]];
      });
      const summaries = summariesOf(new Map(own), { logicalBytes });
      return [id, { workload, params: { count }, results: summaries }];
    }),
  );
}

/** Writes: by one, by many, in batches, over five tables. */
async function writes(contenders, groups, sizes, report) {
  const workloads = {};
  const logicalBytes = meanOrderBytes();
  report("warming up");
  const warm = { rounds: 1, warmUp: 0 };
  const { millis: warmMillis } = sizes.warm;
  for (const writers of [1, 64]) {
    const run = (one) => one.run("writers", { writers, millis: warmMillis });
    await inTurns(stores(contenders), warm, run);
  }
  if (groups.includes("sequence")) {
    report("one durable put after the other");
    Object.assign(workloads, await sequences(contenders, sizes.sequential, logicalBytes));
  }
  if (groups.includes("writers")) {
    const { rounds, millis } = sizes.timed;
    for (const writers of WRITERS) {
      report(`${writers} writers`);
      const run = ["writers", { writers, millis }];
      await measure(workloads, `writers-${writers}`, stores(contenders), { rounds }, run, {
        logicalBytes,
      });
    }
  }
  if (groups.includes("batches")) {
    const { rounds, millis } = sizes.timed;
    for (const size of BATCHES) {
      report(`batches of ${size}`);
      const run = ["batches", { size, millis }];
      await measure(workloads, `batch-${size}`, contenders, { rounds }, run, { logicalBytes });
    }
  }
  if (groups.includes("fill")) {
    report("transactions over five tables");
    const { rounds, count } = sizes.fill;
    const options = { logicalBytes: meanFillBytes() };
    await measure(workloads, "fill", stores(contenders), { rounds }, ["fill", { count }], options);
  }
  return workloads;
}

/** The engine over each store; all must come to the same state. */
async function replay(contenders, { rounds, count }) {
  const workloads = {};
  const params = { count, total: (rounds + 1) * count };
  const run = ["replay", params];
  const results = await measure(workloads, "replay", stores(contenders), { rounds }, run);
  const lists = [...results].filter(([, blocks]) => Array.isArray(blocks));
  const digests = new Set(lists.map(([, blocks]) => blocks.at(-1)?.digest));
  if (digests.size > 1) {
    const all = lists.map(([name, blocks]) => `${name} ${blocks.at(-1)?.digest}`).join(", ");
    throw new Error(`the engine came to different states: ${all}`);
  }
  workloads.replay.digest = [...digests][0];
  return workloads;
}

async function reads(contenders, sizes, report) {
  const workloads = {};
  const { stateRows: rows, gets, scans } = sizes;
  report(`a state of ${rows} rows`);
  const once = { rounds: 1, warmUp: 0 };
  const loaded = await inTurns(stores(contenders), once, (one) => one.run("load", { rows }));
  const able = stores(contenders).filter(({ name }) => Array.isArray(loaded.get(name)));
  for (const kind of ["hot", "any", "absent"]) {
    report(`gets, ${kind}`);
    const run = ["gets", { kind, count: gets.count, rows }];
    await measure(workloads, `get-${kind}`, able, { rounds: gets.rounds }, run);
  }
  report("scans");
  await measure(workloads, "scan", able, { rounds: scans.rounds }, ["scan", { rows }]);
  return workloads;
}

async function ycsb(contenders, sizes, letters, report) {
  const workloads = {};
  const { records } = sizes;
  report(`YCSB: ${records} records`);
  const once = { rounds: 1, warmUp: 0 };
  const load = (one) => one.run("loadRecords", { records });
  const loaded = await inTurns(stores(contenders), once, load);
  const able = stores(contenders).filter(({ name }) => Array.isArray(loaded.get(name)));
  for (const workload of letters) {
    report(`YCSB ${workload}`);
    const run = ["ycsb", { workload, records, millis: sizes.ycsb.millis }];
    await measure(workloads, `ycsb-${workload}`, able, { rounds: sizes.ycsb.rounds }, run);
  }
  return workloads;
}

/** Once for each: it says how long it took, and what the others had to wait. */
async function backups(contenders, millis, report) {
  const workloads = {};
  for (const kind of ["backup", "snapshot"]) {
    report(`${kind} under load`);
    const once = { rounds: 1, warmUp: 0 };
    const run = (one) => one.run("underLoad", { kind, millis });
    const results = await inTurns(stores(contenders), once, run);
    workloads[kind] = {
      workload: "underLoad",
      results: Object.fromEntries(
        [...results].map(([name, found]) => [name, Array.isArray(found) ? found[0] : found]),
      ),
    };
  }
  return workloads;
}

/** The middle of each time, and the most of what was lost. */
function openings(samples) {
  const of = (name) => median(samples.map((one) => one[name]));
  return {
    openings: samples.length,
    openMillis: of("openMillis"),
    readMillis: of("readMillis"),
    writeMillis: of("writeMillis"),
    lost: Math.max(...samples.map(({ lost }) => lost)),
    puts: samples[0].puts,
  };
}

/** Every contender killed and opened, `repeats` times, in turns. */
export async function crashes(specs, directory, { repeats, rows }, report) {
  report("killed, and opened again");
  const results = await inTurns(
    specs.filter(({ isFloor }) => !isFloor),
    { rounds: repeats, warmUp: 0 },
    (spec) => killAndOpen(spec, join(directory, `${spec.name}-killed`), rows),
  );
  return Object.fromEntries(
    [...results].map(([name, found]) => [name, Array.isArray(found) ? openings(found) : found]),
  );
}

async function histories(specs, directory, changes, report) {
  report("time to the first change of a history");
  const results = await inTurns(
    specs.filter(({ isFloor }) => !isFloor),
    { rounds: 1, warmUp: 0 },
    (spec) => historyOf(spec, join(directory, `${spec.name}-history`), changes),
  );
  return Object.fromEntries(
    [...results].map(([name, found]) => [name, Array.isArray(found) ? found[0] : found]),
  );
}

/** All workloads of `groups` for the contenders that are there. */
export async function measurePromise(specs, directory, { groups, sizes, letters }, report) {
  const has = (group) => groups.includes(group);
  const workloads = {};
  const memory = {};
  const failures = {};
  const part = async (name, tables, body) => {
    const taking = specs.filter((spec) => spec.groups?.includes(name) ?? true);
    const found = await withContenders(taking, join(directory, name), tables, body);
    Object.assign(workloads, found.workloads);
    for (const [one, { failed }] of Object.entries(found.failures)) {
      failures[`${one}, ${name}`] = failed;
    }
    memory[name] = found.memory;
  };
  if (["sequence", "writers", "batches", "fill"].some(has)) {
    await part("writes", ENGINE_TABLES, (all) => writes(all, groups, sizes, report));
  }
  if (has("replay")) {
    report("an engine over a tape");
    await part("replay", ENGINE_TABLES, (all) => replay(all, sizes.replay));
  }
  if (has("reads") || has("backup")) {
    await part("reads", ENGINE_TABLES, async (all) => ({
      ...(await reads(all, sizes, report)),
      ...(has("backup") && (await backups(all, sizes.backupMillis, report))),
    }));
  }
  if (has("ycsb")) {
    const names = letters ?? Object.keys(YCSB);
    await part("ycsb", ["usertable"], (all) => ycsb(all, sizes, names, report));
  }
  if (has("history")) {
    const whole = specs.filter((spec) => spec.groups === undefined);
    const results = await histories(whole, directory, sizes.historyChanges, report);
    workloads.history = { workload: "history", changes: sizes.historyChanges, results };
  }
  return { workloads, memory, failures };
}
