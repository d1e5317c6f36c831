// Memory of a process that opens the state, writes at the steady load and reads at random; beside one
// of Node.js that does nothing. The bench reads the kernel's figures from outside.
import { getHeapStatistics } from "node:v8";
import { open } from "../../dist/index.js";
import { runChild } from "../children.mjs";
import { memoryOf } from "../procfs.mjs";
import { Load, pace, TRANSACTIONS_PER_SECOND } from "./load.mjs";
import { DEFINITIONS } from "./tables.mjs";

const SAMPLE_MILLIS = 50;
const IDLE_SECONDS = 3;
/** Reads for each transaction: half of them of rows that are in use, half of any. */
const READS_PER_TRANSACTION = 0.5;
/** Rows of a range that is read in every tenth turn. */
const RANGE_ROWS = 100;

export async function readAndWrite({ directory, rowsPerTable, group, seconds }, report) {
  const store = await open(directory, { tables: DEFINITIONS });
  const load = new Load(store, { rowsPerTable, seed: 51 });
  const heap = { used: 0, total: 0, external: 0 };
  let turns = 0;
  let reads = 0;
  let rangeRows = 0;
  const watch = setInterval(() => {
    const { used_heap_size, total_heap_size } = getHeapStatistics();
    heap.used = Math.max(heap.used, used_heap_size);
    heap.total = Math.max(heap.total, total_heap_size);
    heap.external = Math.max(heap.external, process.memoryUsage().external);
  }, SAMPLE_MILLIS);
  const rate = TRANSACTIONS_PER_SECOND;
  const transactions = await pace({ rate, group, seconds }, (count) => {
    for (let i = 0; i < count; i++) load.put();
    for (let i = 0; i < count * READS_PER_TRANSACTION; i++) {
      if (load.get(i % 2 === 0) === undefined) throw new Error("a row is not there");
      reads++;
    }
    if (turns++ % 10 !== 0) return;
    const definition = DEFINITIONS[turns % DEFINITIONS.length];
    for (const _ of store.table(definition).entries({ limit: RANGE_ROWS })) rangeRows++;
    if (turns % 100 === 1) report(`${Math.round((turns * group) / rate)} s of ${seconds} s`);
  });
  await store.durable();
  clearInterval(watch);
  const { memory, background } = store.stats();
  const result = {
    transactions,
    reads,
    rangeRows,
    heap,
    memory,
    flushes: background.flushes.done,
    merges: background.merges.done,
    runs: background.runs,
  };
  await store.close();
  return result;
}

/** Runs a child and watches its memory; the peak of each kind, and the course of the anonymous part. */
async function watched(url, name, params, onMessage) {
  const course = [];
  const peak = { anonymous: 0, file: 0, shared: 0 };
  let timer;
  const start = performance.now();
  const { value } = await runChild(url, name, params, {
    onMessage,
    onStart: (child) => {
      timer = setInterval(() => {
        const memory = memoryOf(child.pid);
        if (memory === undefined) return;
        for (const kind of Object.keys(peak)) peak[kind] = Math.max(peak[kind], memory[kind]);
        course.push([(performance.now() - start) / 1000, memory.anonymous]);
      }, SAMPLE_MILLIS);
    },
  }).finally(() => clearInterval(timer));
  return { value, peak, course };
}

export async function memory(params, report) {
  const empty = await watched(new URL("idle.mjs", import.meta.url), "idle", {
    seconds: IDLE_SECONDS,
  });
  const loaded = await watched(import.meta.url, "readAndWrite", params, report);
  const thinned = loaded.course.filter((_, i) => i % Math.ceil(loaded.course.length / 60) === 0);
  return {
    seconds: params.seconds,
    emptyPeak: empty.peak,
    peak: loaded.peak,
    anonymousAbove: loaded.peak.anonymous - empty.peak.anonymous,
    course: thinned.map(([seconds, bytes]) => [Math.round(seconds * 10) / 10, bytes]),
    ...loaded.value,
    storeMemory: loaded.value.memory,
  };
}
