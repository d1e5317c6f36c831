// What `store.snapshot()` takes, and how long it keeps the event loop from turning.
import { open } from "../../dist/index.js";
import { median, quantiles } from "../machine.mjs";
import { Load } from "./load.mjs";
import { DEFINITIONS } from "./tables.mjs";

/** Rows changed before each snapshot; put in turns of so many. */
const ROWS_CHANGED = 10_000;
const ROWS_PER_TURN = 500;
const WARM_UP = 3;

const pause = (millis) => new Promise((resolve) => setTimeout(resolve, millis));

/** The longest time between two turns of the event loop until `done` resolves, in milliseconds. */
async function longestGap(done) {
  let running = true;
  let longest = 0;
  let last = performance.now();
  const turn = () => {
    const now = performance.now();
    longest = Math.max(longest, now - last);
    last = now;
    if (running) setImmediate(turn);
  };
  setImmediate(turn);
  await done();
  // Whatever held up the loop last is seen in the next turn only.
  await new Promise((resolve) => setImmediate(resolve));
  running = false;
  return longest;
}

async function changeRows(load) {
  for (let i = 0; i < ROWS_CHANGED; i += ROWS_PER_TURN) {
    let last;
    for (let j = 0; j < ROWS_PER_TURN; j++) last = load.put();
    await last;
  }
}

export async function snapshots({ directory, rowsPerTable, repetitions }) {
  const store = await open(directory, { tables: DEFINITIONS });
  const load = new Load(store, { rowsPerTable, uniform: true, seed: 11 });
  const durable = [];
  const call = [];
  const gapWith = [];
  const gapWithout = [];
  const before = store.stats().background;
  const snapshot = async (name) => {
    const start = performance.now();
    const promise = store.snapshot(name);
    const returned = performance.now();
    await promise;
    return { durable: performance.now() - start, call: returned - start };
  };
  for (let i = -WARM_UP; i < repetitions; i++) {
    await changeRows(load);
    await store.durable();
    // The same stretch of time, with the same work behind it, without a snapshot.
    const stretch = durable.length === 0 ? 5 : median(durable);
    const quiet = async () => {
      await pause(20);
      return longestGap(() => pause(stretch));
    };
    let figures;
    const busy = async () => {
      await pause(20);
      return longestGap(async () => {
        figures = await snapshot(`bench-${i + WARM_UP}`);
      });
    };
    // In turns, so that what comes first is not always the same.
    const gaps =
      i % 2 === 0 ? [await quiet(), await busy()] : [await busy(), await quiet()].reverse();
    if (i < 0) continue;
    durable.push(figures.durable);
    call.push(figures.call);
    gapWithout.push(gaps[0]);
    gapWith.push(gaps[1]);
  }
  const after = store.stats().background;
  const kept = store.snapshots().length;
  for (const { name } of store.snapshots()) await store.dropSnapshot(name);
  await store.close();
  const micros = (list) => quantiles(list.map((millis) => millis * 1000));
  return {
    rowsChanged: ROWS_CHANGED,
    repetitions,
    snapshotsKept: kept,
    flushesMeanwhile: after.flushes.done - before.flushes.done,
    durableMicros: micros(durable),
    callMicros: micros(call),
    gapWithMicros: micros(gapWith),
    gapWithoutMicros: micros(gapWithout),
    samples: { durable, call, gapWith, gapWithout },
  };
}
