// Delay of the event loop and latency of `put` at a steady load: with nothing else going on, and with
// snapshots and merges; in turns of short slices on one store.
import { open } from "../../dist/index.js";
import { quantiles } from "../machine.mjs";
import { backgroundIdle } from "./build.mjs";
import { Load, pace, TRANSACTIONS_PER_SECOND } from "./load.mjs";
import { DEFINITIONS } from "./tables.mjs";

const WARM_UP_SECONDS = 1;
const SNAPSHOT_MILLIS = 1_000;
const SNAPSHOTS_KEPT = 5;
const SAMPLE_MILLIS = 50;

/**
 * Both kinds of slices find the same runs waiting to be merged. In the first the background has next
 * to no budget and a tail that never fills, so that it rests; in the second it has its ordinary
 * budget, and as much to merge as that lets it.
 */
const KINDS = {
  without: { recoveryBudgetMillis: 60_000, backgroundBytesPerSecond: 65_536 },
  with: { snapshotEveryMillis: SNAPSHOT_MILLIS },
};

/** Runs of a tier that are merged as soon as there are so many of them. */
const BACKLOG_RUNS = 8;
const ROWS_PER_TURN = 500;

/** Has everything merged that is to be merged, and then makes a tier of runs that is to be. */
async function makeBacklog({ directory, rowsPerTable, backlogRows }, seed) {
  const busy = { backgroundBytesPerSecond: Number.MAX_SAFE_INTEGER };
  const merging = await open(directory, { tables: DEFINITIONS, ...busy });
  await backgroundIdle(merging);
  await merging.close();
  const store = await open(directory, { tables: DEFINITIONS, ...KINDS.without });
  const load = new Load(store, { rowsPerTable, uniform: true, seed });
  const before = store.stats().background;
  for (let run = 0; run < BACKLOG_RUNS; run++) {
    for (let i = 0; i < backlogRows; i += ROWS_PER_TURN) {
      let last;
      for (let j = 0; j < ROWS_PER_TURN; j++) last = load.put();
      await last;
    }
    await store.flush();
  }
  const { runs, runBytes, flushes } = store.stats().background;
  await store.close();
  return { runs, made: flushes.done - before.flushes.done, madeBytes: runBytes - before.runBytes };
}

/** How much later than due a timer of 1 ms fires, again and again, in microseconds. */
function watchDelay() {
  const late = [];
  let last = performance.now();
  const timer = setInterval(() => {
    const now = performance.now();
    late.push((now - last - 1) * 1000);
    last = now;
  }, 1);
  return () => {
    clearInterval(timer);
    return late;
  };
}

/** One slice: opens the store, warms up, measures. */
async function slice(kind, { directory, rowsPerTable, seconds, group }, seed) {
  const store = await open(directory, {
    tables: DEFINITIONS,
    finalSnapshotMillis: 0,
    ...KINDS[kind],
  });
  const load = new Load(store, { rowsPerTable, seed });
  const puts = [];
  let measuring = false;
  let refused = 0;
  const turn = (count) => {
    const starts = measuring ? new Float64Array(count) : undefined;
    let last;
    for (let i = 0; i < count; i++) {
      if (starts !== undefined) starts[i] = performance.now();
      const promise = load.put();
      // Puts of one turn share their promise, unless one is refused.
      if (promise !== last) promise.catch(() => refused++);
      last = promise;
    }
    last.then(
      () => {
        const now = performance.now();
        if (starts !== undefined) for (const start of starts) puts.push((now - start) * 1000);
      },
      () => {},
    );
  };
  const rate = TRANSACTIONS_PER_SECOND;
  await pace({ rate, group, seconds: WARM_UP_SECONDS }, turn);
  await store.durable();

  let samples = 0;
  let merging = 0;
  let made = 0;
  const timers = [];
  const before = store.stats().background;
  timers.push(
    setInterval(() => {
      samples++;
      if (store.stats().background.merges.running) merging++;
    }, SAMPLE_MILLIS),
  );
  const names = [];
  const snapshotting = [];
  const keep = async () => {
    names.push((await store.snapshot(`slice-${seed}-${++made}`)).name);
    if (names.length > SNAPSHOTS_KEPT) await store.dropSnapshot(names.shift());
  };
  if (kind === "with") timers.push(setInterval(() => snapshotting.push(keep()), SNAPSHOT_MILLIS));
  measuring = true;
  const stopWatching = watchDelay();
  const start = performance.now();
  const transactions = await pace({ rate, group, seconds }, turn);
  const delays = stopWatching();
  const took = (performance.now() - start) / 1000;
  measuring = false;
  for (const timer of timers) clearInterval(timer);
  await Promise.all(snapshotting);
  await store.durable();
  const after = store.stats().background;
  for (const { name } of store.snapshots()) await store.dropSnapshot(name);
  // The next slice must not find a tail to be read back.
  await store.flush();
  await store.close();
  const since = (name) => after[name].done - before[name].done;
  return {
    kind,
    seconds: took,
    transactions,
    refused,
    puts,
    delays,
    snapshots: made,
    flushes: since("flushes"),
    merges: since("merges"),
    mergingPart: samples === 0 ? 0 : merging / samples,
    backgroundBytes:
      after.budget.bytesRead +
      after.budget.bytesWritten -
      before.budget.bytesRead -
      before.budget.bytesWritten,
  };
}

/** All slices of one kind as one. */
function joined(slices) {
  const sum = (name) => slices.reduce((total, one) => total + one[name], 0);
  return {
    slices: slices.length,
    seconds: sum("seconds"),
    transactions: sum("transactions"),
    refused: sum("refused"),
    snapshots: sum("snapshots"),
    flushes: sum("flushes"),
    merges: sum("merges"),
    mergingPart: sum("mergingPart") / slices.length,
    backgroundBytesPerSecond: sum("backgroundBytes") / sum("seconds"),
    putMicros: quantiles(slices.flatMap(({ puts }) => puts)),
    delayMicros: quantiles(slices.flatMap(({ delays }) => delays)),
  };
}

export async function delay(params, report) {
  const { slices } = params;
  let backlog;
  const done = { without: [], with: [] };
  for (let i = 0; i < slices; i++) {
    backlog = await makeBacklog(params, 1_001 + i);
    for (const kind of i % 2 === 0 ? ["without", "with"] : ["with", "without"]) {
      done[kind].push(await slice(kind, params, 31 + 2 * i + (kind === "with" ? 1 : 0)));
      report(`slice ${i + 1} of ${slices}, ${kind} snapshots and merges`);
    }
  }
  return {
    group: params.group,
    backlog,
    without: joined(done.without),
    with: joined(done.with),
    perSlice: [...done.without, ...done.with].map(({ puts, delays, ...rest }) => ({
      ...rest,
      putMicros: quantiles(puts),
      delayMicros: quantiles(delays),
    })),
  };
}
