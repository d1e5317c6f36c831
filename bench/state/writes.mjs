// Bytes that an hour of the steady load sends to the device. The hour is made short: groups are
// committed as fast as they go, up to `factor` times their pace, and the background may read and write
// `factor` times its budget.
import { open } from "../../dist/index.js";
import { deviceBytesWritten, processBytesWritten } from "../machine.mjs";
import { backgroundIdle, countPressure } from "./build.mjs";
import { Load, TRANSACTIONS_PER_SECOND } from "./load.mjs";
import { DEFINITIONS, ROW_BYTES } from "./tables.mjs";

/** The default of the option, for one second of the load. */
export const BACKGROUND_BYTES_PER_SECOND = 10_000_000;
/** Groups that are not durable yet, at most: with more than the store's frames they would share one. */
const GROUPS_UNDER_WAY = 8;
/** Parts of the whole, each looked at by itself. */
const STRETCHES = 60;
/** Sizes of groups whose log alone is weighed, with so many transactions each. */
const GROUP_SIZES = [1, 10, 50, 100, 200, 500, 1_000];
const TRANSACTIONS_PER_GROUP_SIZE = 20_000;

/** What has been written and read so far, by everybody's count. */
function counts(store, directory) {
  const { log, background } = store.stats();
  return {
    records: log.logicalBytes,
    log: log.writtenBytes,
    frames: log.frames,
    backgroundRead: background.budget.bytesRead,
    backgroundWritten: background.budget.bytesWritten,
    process: processBytesWritten(),
    device: deviceBytesWritten(directory),
    flushes: background.flushes.done,
    merges: background.merges.done,
  };
}

function difference(after, before) {
  return Object.fromEntries(
    Object.entries(after).map(([name, value]) => [
      name,
      value === undefined ? undefined : value - before[name],
    ]),
  );
}

/** Puts groups, no faster than `rate`, and no more than the log can take. */
async function run(load, { transactions, group, rate }, onStretch) {
  const pending = [];
  const start = performance.now();
  const perStretch = Math.ceil(transactions / STRETCHES);
  let done = 0;
  let nextStretch = perStretch;
  while (done < transactions) {
    const ahead = (done / rate) * 1000 - (performance.now() - start);
    if (ahead >= 1) await new Promise((resolve) => setTimeout(resolve, ahead));
    let last;
    for (let i = 0; i < group; i++) last = load.put();
    done += group;
    pending.push(last);
    if (pending.length >= GROUPS_UNDER_WAY) await pending.shift();
    // A group that is put in the turn of another shares its frame, and that would cost less.
    await new Promise((resolve) => setImmediate(resolve));
    if (done < nextStretch) continue;
    nextStretch += perStretch;
    onStretch(done);
  }
  await Promise.all(pending);
  return (performance.now() - start) / 1000;
}

export async function writes(params, report) {
  const { directory, rowsPerTable, transactions, group, factor, uniform } = params;
  const warnings = countPressure();
  const store = await open(directory, {
    tables: DEFINITIONS,
    onWarning: warnings.onWarning,
    backgroundBytesPerSecond: BACKGROUND_BYTES_PER_SECOND * factor,
  });
  const load = new Load(store, { rowsPerTable, uniform, seed: uniform ? 62 : 61 });
  // What the last part has left to be merged is none of this one's.
  await store.flush();
  await backgroundIdle(store);
  const before = counts(store, directory);
  let stretch = { at: 0, read: before.backgroundRead, written: before.backgroundWritten };
  const perSecond = [];
  const seconds = await run(
    load,
    { transactions, group, rate: TRANSACTIONS_PER_SECOND * factor },
    (done) => {
      const { bytesRead, bytesWritten } = store.stats().background.budget;
      const paced = (done - stretch.at) / TRANSACTIONS_PER_SECOND;
      perSecond.push((bytesRead + bytesWritten - stretch.read - stretch.written) / paced);
      stretch = { at: done, read: bytesRead, written: bytesWritten };
      report(`${done.toLocaleString("en-US")} of ${transactions.toLocaleString("en-US")}`);
    },
  );
  const loaded = difference(counts(store, directory), before);
  // What is still to be done belongs to what was written.
  await store.flush();
  await backgroundIdle(store);
  const total = difference(counts(store, directory), before);
  const { runs, runBytes, budget } = store.stats().background;
  const groups = uniform ? undefined : await groupSizes(store, load);
  await store.close();
  const pacedSeconds = transactions / TRANSACTIONS_PER_SECOND;
  return {
    uniform,
    transactions,
    group,
    factor,
    seconds,
    effectiveFactor: pacedSeconds / seconds,
    pressureWarnings: warnings.pressure,
    recordBytesPerTransaction: total.records / transactions,
    rowBytes: transactions * ROW_BYTES,
    total,
    loaded,
    amplification: total.process / total.records,
    logAmplification: total.log / total.records,
    backgroundAmplification: total.backgroundWritten / total.records,
    amplificationOfRows: total.process / (transactions * ROW_BYTES),
    backgroundBytesPerSecond: (loaded.backgroundRead + loaded.backgroundWritten) / pacedSeconds,
    backgroundBytesPerSecondMax: Math.max(...perSecond),
    budgetBytesPerSecond: BACKGROUND_BYTES_PER_SECOND,
    budgetWaitedMicros: budget.waitedMicros,
    perSecond: perSecond.map(Math.round),
    runs,
    runBytes,
    groups,
  };
}

/** What groups of other sizes cost in the log: the device takes whole blocks. */
async function groupSizes(store, load) {
  const results = [];
  for (const group of GROUP_SIZES) {
    const before = store.stats().log;
    for (let done = 0; done < TRANSACTIONS_PER_GROUP_SIZE; done += group) {
      let last;
      for (let i = 0; i < group; i++) last = load.put();
      await last;
    }
    const after = store.stats().log;
    const bytes = (name) => after[name] - before[name];
    results.push({ group, logAmplification: bytes("writtenBytes") / bytes("logicalBytes") });
  }
  return results;
}
