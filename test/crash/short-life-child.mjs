// A process that writes histories (history.mjs) to some stores until it is killed: by its parent, or by
// itself at a failpoint. It looks at what the one before it has left, and says what it found.
//
//   node short-life-child.mjs '{"backend", "stores": [{"directory", "options", "inFlight", "looks",
//     "snapshotMillis", "closeEvery", "point"?, "end"?}, ...]}'
//
// Says on descriptor 3, each before it goes on, behind the number of the store and a space:
//   found JSON    after each opening: the last transaction, quotes, snapshots, the recovery
//   looked NAME N with `looks`: the newest snapshot was opened and is the state after transaction N
//   a N           all up to transaction N is durable
//   q FROM N      so are the quotes of transactions FROM to N
// and what becomes of its snapshots, see snapshots.mjs. "point": it is at its failpoint, and ends. With
// `end`, {"how": "exit" or "throw", "after"}, it ends itself after so many acknowledgements, with writes
// on their way.
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

const { backend, stores } = JSON.parse(process.argv[2]);
const tables = historyTables(library);

async function watchedDisk(point) {
  const { loadNativeDisk } = await import("../../dist/disk/native.js");
  const { portableDisk } = await import("../../dist/disk/portable.js");
  const disk = backend === "portable" ? portableDisk() : loadNativeDisk({ backend });
  return failpointDisk(disk, point, () => {
    say("point");
    process.kill(process.pid, "SIGKILL");
  });
}

function endItself({ how }) {
  if (how === "exit") process.exit(7);
  setImmediate(() => {
    throw new Error("nobody catches this");
  });
}

class Life {
  #orders;
  #options;
  #say;

  constructor(orders, number) {
    this.#orders = orders;
    this.#say = (line) => say(`${number} ${line}`);
  }

  async live() {
    const { directory, point, options, snapshotMillis, closeEvery } = this.#orders;
    const disk = point === undefined ? { backend } : { disk: await watchedDisk(point) };
    this.#options = { ...options, ...disk, tables: Object.values(tables) };
    for (;;) {
      const store = await library.open(directory, this.#options);
      const last = await this.#look(store);
      const stop = new AbortController();
      const life = `${process.pid}-${store.stats().epoch}`;
      const taking = keepTakingSnapshots(store, snapshotMillis, this.#say, stop.signal, life);
      await this.#write(store, last + 1, closeEvery);
      stop.abort();
      await taking;
      await store.close();
    }
  }

  async #look(store) {
    const last = checkHistory(store, tables);
    const there = store.snapshots();
    const snapshots = there.map(({ name, sequence }) => ({ name, sequence }));
    const { recovery } = store;
    const quotes = checkQuotes(store, tables);
    this.#say(`found ${JSON.stringify({ last, quotes, snapshots, recovery })}`);
    const newest = there.at(-1);
    if (this.#orders.looks && newest !== undefined) {
      const { directory } = this.#orders;
      const snapshot = await library.open(directory, { ...this.#options, at: newest.name });
      this.#say(`looked ${newest.name} ${checkHistory(snapshot, tables)}`);
      await snapshot.close();
    }
    return last;
  }

  /** Writes `count` transactions, so many of them at once; each is reported when it is durable. */
  async #write(store, from, count) {
    const { inFlight, end } = this.#orders;
    let next = from;
    let durable = 0;
    let said = 0;
    const report = () => {
      if (durable > said) this.#say(`a ${durable}`);
      said = durable;
      if (end !== undefined && durable >= from + end.after) endItself(end);
    };
    const run = async () => {
      while (next < from + count) {
        const n = next++;
        const written = writeTransaction(store, tables, n);
        if (n % 128 === 0) void store.durable().then(() => this.#say(`q ${from} ${n}`));
        await written;
        if (!tellsWhenDurable(n)) continue;
        // Whatever came before it in the log is durable too.
        durable = Math.max(durable, n);
        queueMicrotask(report);
      }
    };
    await Promise.all(Array.from({ length: inFlight }, run));
  }
}

await Promise.all(stores.map((orders, number) => new Life(orders, number).live()));
