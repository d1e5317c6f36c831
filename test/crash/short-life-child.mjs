// A process that writes a history (history.mjs) until it is killed: by its parent, or by itself at a
// failpoint. It looks at what the one before it has left, and says what it found.
//
//   node short-life-child.mjs '{"directory", "backend", "options", "inFlight", "looks",
//     "snapshotMillis", "closeEvery", "point"?, "end"?}'
//
// Says on descriptor 3, each before it goes on:
//   found JSON    after each opening: the last transaction, quotes, snapshots, the recovery
//   looked NAME N with `looks`: the newest snapshot was opened and is the state after transaction N
//   a N           all up to transaction N is durable
//   q FROM N      so are the quotes of transactions FROM to N
//   point         it is at its failpoint, and ends
// and what becomes of its snapshots, see snapshots.mjs. With `end`, {"how": "exit" or "throw", "after"},
// it ends itself so after so many acknowledgements, with writes on their way.
import * as library from "../../dist/index.js";
import { failpointDisk } from "./failpoint-disk.mjs";
import {
  checkHistory,
  checkQuotes,
  historyTables,
  tellsWhenDurable,
  writeTransaction,
} from "./history.mjs";
import { say } from "./say.mjs";
import { keepTakingSnapshots } from "./snapshots.mjs";

const { directory, backend, inFlight, looks, snapshotMillis, closeEvery, point, end, ...rest } =
  JSON.parse(process.argv[2]);
const tables = historyTables(library);
const options = {
  ...rest.options,
  ...(point === undefined ? { backend } : { disk: await watchedDisk() }),
  tables: Object.values(tables),
};

async function watchedDisk() {
  const { loadNativeDisk } = await import("../../dist/disk/native.js");
  const { portableDisk } = await import("../../dist/disk/portable.js");
  const disk = backend === "portable" ? portableDisk() : loadNativeDisk({ backend });
  return failpointDisk(disk, point, () => {
    say("point");
    process.kill(process.pid, "SIGKILL");
  });
}

function endItself() {
  if (end.how === "exit") process.exit(7);
  setImmediate(() => {
    throw new Error("nobody catches this");
  });
}

async function look(store) {
  const last = checkHistory(store, tables);
  const there = store.snapshots();
  const snapshots = there.map(({ name, sequence }) => ({ name, sequence }));
  const { recovery } = store;
  say(`found ${JSON.stringify({ last, quotes: checkQuotes(store, tables), snapshots, recovery })}`);
  const newest = there.at(-1);
  if (looks && newest !== undefined) {
    const snapshot = await library.open(directory, { ...options, at: newest.name });
    say(`looked ${newest.name} ${checkHistory(snapshot, tables)}`);
    await snapshot.close();
  }
  return last;
}

/** Writes `count` transactions, so many of them at once; each is reported when it is durable. */
async function write(store, from, count) {
  let next = from;
  let durable = 0;
  let said = 0;
  const report = () => {
    if (durable > said) say(`a ${durable}`);
    said = durable;
    if (end !== undefined && durable >= from + end.after) endItself();
  };
  const run = async () => {
    while (next < from + count) {
      const n = next++;
      const written = writeTransaction(store, tables, n);
      if (n % 128 === 0) void store.durable().then(() => say(`q ${from} ${n}`));
      await written;
      if (!tellsWhenDurable(n)) continue;
      // Whatever came before it in the log is durable too.
      durable = Math.max(durable, n);
      queueMicrotask(report);
    }
  };
  await Promise.all(Array.from({ length: inFlight }, run));
}

for (;;) {
  const store = await library.open(directory, options);
  const last = await look(store);
  const stop = new AbortController();
  const life = `${process.pid}-${store.stats().epoch}`;
  const snapshots = keepTakingSnapshots(store, snapshotMillis, say, stop.signal, life);
  await write(store, last + 1, closeEvery);
  stop.abort();
  await snapshots;
  await store.close();
}
