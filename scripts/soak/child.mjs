// A program that writes without rest: see ../soak.mjs, which kills it.
//
//   node child.mjs '{"directory", "from", "version", "seed", "options"}'
//
// Says on descriptor 3: "found N" once it is open, "started N" before it takes steps up to N, "a N"
// when N is durable, "snapshot N" when one that has N at least is kept, "closed N" at its end, "m
// BYTES" for its memory, "full" when the disk is. SIGTERM lets it close its store.
import { setTimeout as sleep } from "node:timers/promises";
import { open } from "../../dist/index.js";
import { say } from "../../test/crash/say.mjs";
import {
  bulkOf,
  bulkRow,
  digestOf,
  lastStepFrom,
  lastStepOf,
  rowsOf,
  stepOf,
  tables,
  tablesFrom,
} from "./steps.mjs";

const { directory, from, version, seed, options } = JSON.parse(process.argv[2]);
const list = tablesFrom(from, version);
const bulk = bulkOf(version);
const STARTED = 256;
const IN_FLIGHT = 64;
const KEPT_SNAPSHOTS = 3;

const isFull = (error) => error.code === "DISK_FULL" || error.code === "OVERLOADED";

/** Repeats what was refused for want of room before it had changed anything. */
async function patiently(write) {
  for (;;) {
    try {
      return await write();
    } catch (error) {
      if (!isFull(error)) throw error;
      say("full");
      await sleep(20);
    }
  }
}

const store = await patiently(() =>
  open(directory, { ...options, tables: list, onWarning: () => {} }),
);
let n = lastStepOf(store);
say(`found ${n}`);

let ending = false;
process.on("SIGTERM", () => {
  ending = true;
});

let flying = 0;
let failure;
const failed = (error) => {
  failure ??= error;
};
const acknowledge = (step, promise) => {
  flying++;
  promise.then(() => {
    flying--;
    say(`a ${step}`);
  }, failed);
};

async function take(step) {
  const { kind, changes } = stepOf(seed, step);
  let promise;
  await patiently(async () => {
    const before = store.lastSequence;
    promise = kind === "cached" ? putCached(changes) : transact(changes);
    // The next step must not come before this one: what was refused is known at once.
    if (kind === "cached" || store.lastSequence === before) await promise;
  });
  if (kind === "critical") acknowledge(step, promise);
  else promise.catch(failed);
}

function putCached([[table, key, row]]) {
  return store.table(table).put(key, row);
}

function transact(changes) {
  return store.transact((tx) => {
    for (const [table, key, row] of changes) {
      if (row === undefined) tx.delete(table, key);
      else if (table === tables.bulk) tx.put(bulk, key, bulkRow(row, version));
      else tx.put(table, key, row);
    }
  });
}

/** A view shows what it showed at first, whatever is written since; by ranges and by keys. */
let view;
function lookAtView() {
  if (view === undefined) {
    const taken = store.view();
    view = { taken, until: n + 500, digest: digestOf(rowsOf(taken, [tables.orders])) };
    return;
  }
  if (n < view.until) return;
  const rows = rowsOf(view.taken, [tables.orders]);
  if (digestOf(rows) !== view.digest) throw new Error(`a view of step ${view.until - 500} changed`);
  for (const name of [...rows.keys()].slice(0, 20)) {
    const key = Number(name.split(" ")[1]);
    const row = JSON.stringify(view.taken.table(tables.orders).get(key));
    if (row !== rows.get(name)) throw new Error(`a view shows two rows of ${name}`);
  }
  view.taken.release();
  view = undefined;
}

async function keepSnapshot() {
  const step = n;
  const name = `step-${step}`;
  await patiently(() => store.snapshot(name)).catch((error) => {
    if (error.code !== "SNAPSHOT_EXISTS") throw error;
  });
  say(`snapshot ${name}`);
  for (const { name: old } of store.snapshots().slice(0, -KEPT_SNAPSHOTS)) {
    say(`dropping ${old}`);
    await patiently(() => store.dropSnapshot(old));
  }
}

let snapping = false;
let nextSnapshot = n + 200;
for (let started = n; !ending; ) {
  if (n === started) {
    started += STARTED;
    say(`started ${started}`);
    say(`m ${process.memoryUsage().rss}`);
    await sleep(0);
  }
  // With the next step the program would know one table more.
  if (n === lastStepFrom(from)) break;
  await take(++n);
  if (failure !== undefined) throw failure;
  if (n % 50 === 0) lookAtView();
  if (n >= nextSnapshot && !snapping) {
    snapping = true;
    nextSnapshot = n + 1500;
    keepSnapshot().then(() => {
      snapping = false;
    }, failed);
  }
  while (flying >= IN_FLIGHT && failure === undefined) await sleep(1);
}
while (snapping && failure === undefined) await sleep(5);
await store.durable();
view?.taken.release();
await store.close();
say(`closed ${n}`);
process.exit(0);
