// How near a durable put is to what the device allows. Contenders take turns in small blocks, so that
// whatever the machine does besides hits all of them alike.
import { mkdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { open } from "../dist/index.js";
import { openFloor } from "./floor.mjs";
import {
  describeMachine,
  deviceBytesWritten,
  median,
  processBytesWritten,
  quantiles,
} from "./machine.mjs";
import { printDurable } from "./print-durable.mjs";
import { KEYS, orders, row } from "./rows.mjs";

let rowNumber = 0;
const nextRow = () => row(rowNumber++);
const nextKey = () => KEYS[rowNumber % KEYS.length];

/** One store in a directory of its own. */
function openStore(directory, name, options = {}) {
  return open(join(directory, name), { tables: [orders], backend: "native", ...options });
}

/** An engine that runs is compiled: none of the contenders is measured before it is. */
async function warmUp(table, floor) {
  for (let i = 0; i < 300; i++) {
    floor.write();
    table.putSync(nextKey(), nextRow());
    await table.put(nextKey(), nextRow());
    for (let j = 0; j < 20; j++) table.put(nextKey(), nextRow());
  }
  await new Promise((resolve) => setTimeout(resolve, 100));
}

/** Floor, putSync and awaited put, in turns. */
async function latencies(directory, quick) {
  const floor = await openFloor(directory);
  const store = await openStore(directory, "latency");
  const table = store.table(orders);
  const samples = { floor: [], putSync: [], put: [] };
  const timed = (list, start) => list.push((performance.now() - start) * 1000);
  const blocks = quick ? 20 : 120;
  await warmUp(table, floor);
  for (let block = 0; block < blocks; block++) {
    const warm = block >= 2;
    for (let i = 0; i < 25; i++) {
      const start = performance.now();
      floor.write();
      if (warm) timed(samples.floor, start);
    }
    for (let i = 0; i < 25; i++) {
      const key = nextKey();
      const value = nextRow();
      const start = performance.now();
      table.putSync(key, value);
      if (warm) timed(samples.putSync, start);
    }
    for (let i = 0; i < 25; i++) {
      const key = nextKey();
      const value = nextRow();
      const start = performance.now();
      await table.put(key, value);
      if (warm) timed(samples.put, start);
    }
  }
  const bytes = await bytesPerPut(directory, store, quick ? 200 : 1000);
  const { method, backend, fileSystem } = store.stats().disk;
  await store.close();
  await floor.close();
  return {
    disk: { backend, method, fileSystem },
    floor: quantiles(samples.floor),
    putSync: quantiles(samples.putSync),
    put: quantiles(samples.put),
    bytes,
  };
}

/** What one awaited put sends to the device, by three counts. */
async function bytesPerPut(directory, store, count) {
  const table = store.table(orders);
  const before = [processBytesWritten(), deviceBytesWritten(directory), store.stats().log];
  for (let i = 0; i < count; i++) await table.put(nextKey(), nextRow());
  const after = [processBytesWritten(), deviceBytesWritten(directory), store.stats().log];
  const difference = (i) =>
    before[i] === undefined ? undefined : Math.round((after[i] - before[i]) / count);
  return {
    record: Math.round((after[2].logicalBytes - before[2].logicalBytes) / count),
    log: Math.round((after[2].writtenBytes - before[2].writtenBytes) / count),
    process: difference(0),
    device: difference(1),
  };
}

/** Puts and durable frames a second of `writers` loops, each started in a turn of its own. */
async function writersFor(store, writers, millis) {
  const table = store.table(orders);
  const before = store.stats().log;
  const start = performance.now();
  const end = start + millis;
  const loop = async () => {
    while (performance.now() < end) await table.put(nextKey(), nextRow());
  };
  const loops = [];
  for (let i = 0; i < writers; i++) {
    loops.push(loop());
    await new Promise((resolve) => setImmediate(resolve));
  }
  await Promise.all(loops);
  const seconds = (performance.now() - start) / 1000;
  const after = store.stats().log;
  return {
    puts: (after.transactions - before.transactions) / seconds,
    frames: (after.frames - before.frames) / seconds,
  };
}

async function concurrency(directory, quick) {
  const pipelined = await openStore(directory, "pipelined");
  const single = await openStore(directory, "single", { framesInFlight: 1 });
  const runs = { one: [], convoy: [], many: [] };
  for (let round = 0; round < (quick ? 3 : 9); round++) {
    const millis = quick ? 150 : 400;
    runs.one.push(await writersFor(single, 1, millis));
    runs.convoy.push(await writersFor(single, 64, millis));
    runs.many.push(await writersFor(pipelined, 64, millis));
  }
  const framesInFlight = pipelined.stats().framesInFlightMax;
  await pipelined.close();
  await single.close();
  const summary = (list) => ({
    puts: Math.round(median(list.slice(1).map((run) => run.puts))),
    frames: Math.round(median(list.slice(1).map((run) => run.frames))),
  });
  return {
    framesInFlight,
    oneWriterOneInFlight: summary(runs.one),
    writers64OneInFlight: summary(runs.convoy),
    writers64: summary(runs.many),
  };
}

/** Transactions of 1,000 puts, four of them under way at a time. */
async function batches(directory, quick) {
  const store = await openStore(directory, "batches");
  const batch = () =>
    store.transact((tx) => {
      for (let i = 0; i < 1000; i++) tx.put(orders, KEYS[i], nextRow());
    });
  const rates = [];
  let cpuMicros = 0;
  const rounds = quick ? 4 : 16;
  for (let round = 0; round < rounds; round++) {
    const cpu = process.cpuUsage();
    const start = performance.now();
    const pending = [];
    for (let i = 0; i < 100; i++) {
      pending.push(batch());
      if (pending.length >= 4) await pending.shift();
    }
    await Promise.all(pending);
    rates.push(100_000 / ((performance.now() - start) / 1000));
    const used = process.cpuUsage(cpu);
    if (round > 0) cpuMicros += used.user + used.system;
  }
  await store.close();
  return {
    rowsPerSecond: Math.round(median(rates.slice(1))),
    rowsPerSecondBest: Math.round(Math.max(...rates)),
    cpuNanosPerRow: Math.round((cpuMicros * 1000) / ((rounds - 1) * 100_000)),
  };
}

/** CPU of a put when 1,000 of them share a turn; making the row is measured apart. */
async function cpuOfPut(directory, quick) {
  const store = await openStore(directory, "cpu");
  const table = store.table(orders);
  const perRound = 100_000;
  const puts = [];
  const makes = [];
  const nanos = (before) => {
    const { user, system } = process.cpuUsage(before);
    return ((user + system) * 1000) / perRound;
  };
  let kept;
  for (let round = 0; round < (quick ? 4 : 12); round++) {
    let before = process.cpuUsage();
    for (let i = 0; i < perRound; i++) {
      const last = table.put(nextKey(), nextRow());
      if (i % 1000 === 999) await last;
    }
    puts.push(nanos(before));
    before = process.cpuUsage();
    for (let i = 0; i < perRound; i++) {
      nextKey();
      kept = nextRow();
      if (i % 1000 === 999) await Promise.resolve();
    }
    makes.push(nanos(before));
  }
  await store.close();
  const put = median(puts.slice(1));
  const make = median(makes.slice(1));
  return {
    withRowNanos: Math.round(put),
    rowNanos: Math.round(make),
    putNanos: Math.round(put - make),
    lastRow: kept.filled,
  };
}

export async function durable(argv) {
  const { values } = parseArgs({
    args: argv,
    options: {
      dir: { type: "string" },
      quick: { type: "boolean", default: false },
      json: { type: "boolean", default: false },
      check: { type: "boolean", default: false },
    },
  });
  const directory = join(values.dir ?? join(process.cwd(), ".tmp", "bench"), "durable");
  rmSync(directory, { recursive: true, force: true });
  mkdirSync(directory, { recursive: true });
  const machine = describeMachine();
  const quick = values.quick;
  const step = (text) => values.json || console.error(`measuring ${text} ...`);
  if (machine.loadAtStart > 0.5) {
    console.error(
      `warning: the load is ${machine.loadAtStart.toFixed(2)}: something else runs here`,
    );
  }
  try {
    step("the floor, putSync and put, in turns");
    const latency = await latencies(directory, quick);
    step("64 writers against one");
    const writers = await concurrency(directory, quick);
    step("batches of 1,000 rows");
    const batch = await batches(directory, quick);
    step("the CPU of a put");
    const cpu = await cpuOfPut(directory, quick);
    const result = { machine, ...latency, writers, batches: batch, cpu };
    mkdirSync("bench/results", { recursive: true });
    const stamp = machine.date.replace(/[:.]/g, "-");
    writeFileSync(`bench/results/durable-${stamp}.json`, JSON.stringify(result, null, 2));
    const missed = printDurable(result, values.json);
    if (values.check && missed > 0) process.exitCode = 1;
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}
