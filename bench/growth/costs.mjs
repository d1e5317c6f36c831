// What grows with what: each function takes one value of its driver, and gives the costs it has there.
// Each runs in a process of its own, on a new store.
import { boolean, defineTable, integer, open, string } from "../../dist/index.js";
import { memoryOf } from "../procfs.mjs";
import { makeRandom } from "../random.mjs";
import { median } from "../statistics.mjs";

/** Filling is faster than the background: that writers wait for it is known, and is not what is timed. */
const onWarning = ({ code, message }) => {
  if (code !== "BACK_PRESSURE" && code !== "LATE_RUN") console.error(`${code}: ${message}`);
};
const OPTIONS = { environment: "bench", backgroundBytesPerSecond: 1e9, onWarning };
const BATCH_BYTES = 500_000;
const PUT_BYTES = 8_000_000;

const define = (name) =>
  defineTable({
    name,
    version: 1,
    key: integer(),
    fields: { text: string(), count: integer(), open: boolean() },
  });
const items = define("items");

/** Texts that neither repeat nor pack well. */
function makeText(random, bytes) {
  let text = "";
  while (text.length < bytes) text += Math.floor(random() * 2 ** 32).toString(36);
  return text.slice(0, bytes);
}

async function filled(directory, { rows, rowBytes, ...options }) {
  const random = makeRandom(7);
  const store = await open(directory, { tables: [items], ...OPTIONS, ...options });
  const perBatch = Math.max(1, Math.min(1000, Math.floor(BATCH_BYTES / rowBytes)));
  for (let from = 0; from < rows; from += perBatch) {
    const end = Math.min(rows, from + perBatch);
    await store.transact((tx) => {
      for (let i = from; i < end; i++) {
        tx.put(items, i, { text: makeText(random, rowBytes - 12), count: i, open: true });
      }
    });
  }
  await store.flush();
  return store;
}

/** The middle of so many times that `work` takes, in milliseconds. */
function timed(times, work) {
  const samples = [];
  for (let i = 0; i < times; i++) {
    const start = performance.now();
    work(i);
    samples.push(performance.now() - start);
  }
  return median(samples);
}

async function timedAsync(times, work) {
  const samples = [];
  for (let i = 0; i < times; i++) {
    const start = performance.now();
    await work(i);
    samples.push(performance.now() - start);
  }
  return median(samples);
}

function getMicros(table, rows, count) {
  const random = makeRandom(13);
  const gets = 50;
  const millis = timed(count / gets, () => {
    for (let i = 0; i < gets; i++) table.get(Math.floor(random() * rows));
  });
  return (millis * 1000) / gets;
}

/** Driver: rows of 128 bytes. */
export async function rows({ directory, value }) {
  let store = await filled(directory, { rows: value, rowBytes: 128 });
  await store.close();
  const start = performance.now();
  store = await open(directory, { tables: [items], ...OPTIONS });
  const openMillis = performance.now() - start;
  const table = store.table(items);
  getMicros(table, value, 2_000);
  const costs = {
    "open, ms": openMillis,
    "get of any row, µs": getMicros(table, value, 10_000),
    "full scan, ms": timed(3, () => {
      for (const _ of table.entries());
    }),
    "change of a row and snapshot, ms": await timedAsync(5, async (i) => {
      await table.put(i, { text: `${i}`, count: i, open: false });
      await store.snapshot(`s-${i}`);
    }),
  };
  await store.close();
  return costs;
}

/** Driver: bytes of a row. */
export async function rowSize({ directory, value }) {
  const store = await filled(directory, { rows: 64, rowBytes: value });
  const table = store.table(items);
  const random = makeRandom(17);
  const texts = Array.from({ length: 64 }, () => makeText(random, value - 12));
  const put = (i) => table.putSync(i % 64, { text: texts[i % 64], count: i, open: true });
  // Synchronous puts give the background no turn: no more of them than the store takes at once.
  const puts = Math.max(20, Math.min(300, Math.floor(PUT_BYTES / value)));
  for (let i = 0; i < puts; i++) put(i);
  await store.flush();
  const costs = {
    "durable put, µs": 1000 * timed(puts, put),
    "get of a row in use, µs": getMicros(table, 64, 20_000),
  };
  const cpu = process.cpuUsage();
  const group = Math.max(4, Math.min(200, Math.floor(BATCH_BYTES / value)));
  let done = 0;
  for (let i = 0; i < 30; i++, done += group) {
    await store.transact((tx) => {
      for (let j = 0; j < group; j++) {
        tx.put(items, j, { text: texts[j % 64], count: i, open: true });
      }
    });
  }
  const { user, system } = process.cpuUsage(cpu);
  costs["CPU of a row in a batch, µs"] = (user + system) / done;
  await store.close();
  return costs;
}

/** Driver: bytes of state, in rows of 1,024; opened by a process that has written nothing. */
export async function stateSizeBuilt({ directory, value }) {
  const store = await filled(directory, { rows: Math.ceil(value / 1024), rowBytes: 1024 });
  await store.close();
}

export async function stateSize({ directory, value }) {
  const idle = memoryOf(process.pid).anonymous;
  const start = performance.now();
  const store = await open(directory, { tables: [items], ...OPTIONS });
  const table = store.table(items);
  table.get(Math.floor(value / 2048));
  await table.put(1, { text: "first", count: 1, open: true });
  const first = performance.now() - start;
  getMicros(table, Math.ceil(value / 1024), 20_000);
  const anonymous = memoryOf(process.pid).anonymous - idle;
  await store.close();
  return { "open to first durable write, ms": first, "anonymous memory, MB": anonymous / 1e6 };
}

/** Driver: transactions in the history of a thousand keys. */
export async function history({ directory, value }) {
  const options = { tables: [items], ...OPTIONS, history: "all" };
  const store = await open(directory, options);
  const table = store.table(items);
  for (let i = 0; i < value; i++) {
    const done = table.put(i % 1000, { text: `text of ${i}`, count: i, open: true });
    if (i % 200 === 199) await done;
  }
  await store.flush();
  const costs = {
    "first change of a key, ms": await timedAsync(5, async (i) => {
      for await (const _ of table.history(i)) return;
    }),
    "whole history of a key, ms": await timedAsync(3, async (i) => {
      for await (const _ of table.history(100 + i));
    }),
    "state at the middle, ms": await timedAsync(3, async (i) => {
      const past = await store.at(Math.floor(value / 2) + i);
      past.table(items).get(1);
      await past.close();
    }),
  };
  await store.close();
  return costs;
}

/** Driver: tables of a store, with a hundred rows each. */
export async function tables({ directory, value }) {
  const all = Array.from({ length: value }, (_, i) => define(`items_${i}`));
  let store = await open(directory, { tables: all, ...OPTIONS });
  for (const one of all) {
    await store.transact((tx) => {
      for (let i = 0; i < 100; i++) tx.put(one, i, { text: `text of ${i}`, count: i, open: true });
    });
  }
  await store.close();
  const start = performance.now();
  store = await open(directory, { tables: all, ...OPTIONS });
  const openMillis = performance.now() - start;
  const handles = all.map((one) => store.table(one));
  const put = (i) => handles[i % value].putSync(1, { text: `t ${i}`, count: i, open: true });
  for (let i = 0; i < 200; i++) put(i);
  const costs = { "open, ms": openMillis, "durable put, µs": 1000 * timed(300, put) };
  await store.close();
  return costs;
}

/** Driver: writers at once, each waiting for its put. */
export async function writers({ directory, value, millis }) {
  const store = await filled(directory, { rows: 1000, rowBytes: 128 });
  const table = store.table(items);
  const run = async (length) => {
    const end = performance.now() + length;
    const micros = [];
    const loop = async (writer) => {
      for (let i = 0; ; i++) {
        const start = performance.now();
        if (start >= end) return;
        await table.put(writer, { text: `text of ${i}`, count: i, open: true });
        micros.push((performance.now() - start) * 1000);
      }
    };
    const start = performance.now();
    await Promise.all(Array.from({ length: value }, (_, i) => loop(i)));
    return { micros, each: ((performance.now() - start) * 1000) / micros.length };
  };
  await run(millis);
  const { micros, each } = await run(millis);
  await store.close();
  return { "time of the store for a put, µs": each, "a writer waits, µs": median(micros) };
}
