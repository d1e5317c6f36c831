// What holdfast is to reach beside the best of the peers: ratios within one run, so that the machine
// does not matter. Of the contenders that keep the promise alone.
import { keepsPromise } from "./labels.mjs";

/** Peers that keep the promise as far as was seen; one that does not is in the tables, and no rival. */
function rivalsOf(promise) {
  return Object.keys(promise.contenders).filter((name) => {
    const { missing, isFloor, isBaseline, isVariant } = promise.contenders[name];
    if (name === "holdfast" || isVariant || isFloor || isBaseline) return false;
    return missing === undefined && keepsPromise(promise, name);
  });
}

/** The best value of a figure among `names`, and whose it is; `better(a, b)`: a is better. */
function bestOf(promise, names, ids, pick, better) {
  let best;
  for (const name of names) {
    for (const id of ids) {
      const value = figureOf(promise, id, name, pick);
      if (value === undefined) continue;
      if (best === undefined || better(value, best.value)) best = { name, value };
    }
  }
  return best;
}

function figureOf(promise, id, name, pick) {
  const found = promise.workloads[id]?.results[name];
  if (found === undefined || found.failed !== undefined || found.unsupported) return undefined;
  return pick(found);
}

const less = (a, b) => a < b;
const more = (a, b) => a > b;
const SINGLE = ["put-sync", "put"];

/** Ratios are such that a larger one is better, but for "at most". */
const TARGETS = [
  {
    ...{ name: "one durable put, p50, best peer / holdfast", ids: SINGLE, better: less },
    ...{ pick: ({ micros }) => micros.p50, atLeast: 2.2, inverse: true },
  },
  {
    ...{ name: "one durable put, p99, best peer / holdfast", ids: SINGLE, better: less },
    ...{ pick: ({ micros }) => micros.p99, atLeast: 2.2, inverse: true },
  },
  {
    ...{ name: "64 writers, durable rows/s, holdfast / best peer", ids: ["writers-64"] },
    ...{ better: more, pick: ({ perSecond }) => perSecond, atLeast: 4 },
  },
  {
    ...{ name: "batches of 1,000, durable rows/s, holdfast / best peer", ids: ["batch-1000"] },
    ...{ better: more, pick: ({ perSecond }) => perSecond, atLeast: 4 },
  },
  {
    ...{ name: "bytes to the device of one put, holdfast / best peer", ids: SINGLE, better: less },
    ...{ pick: ({ deviceBytes }) => deviceBytes, atMost: 0.5 },
  },
  {
    ...{ name: "gets of rows in use, lmdb-js / holdfast", ids: ["get-hot"], only: "lmdb" },
    ...{ better: more, pick: ({ perSecond }) => perSecond, atMost: 2, inverse: true },
  },
  {
    ...{ name: "gets of any row, lmdb-js / holdfast", ids: ["get-any"], only: "lmdb" },
    ...{ better: more, pick: ({ perSecond }) => perSecond, atMost: 2, inverse: true },
  },
  {
    ...{ name: "full scan, lmdb-js / holdfast", ids: ["scan"], only: "lmdb" },
    ...{ better: more, pick: ({ perSecond }) => perSecond, atMost: 1.5, inverse: true },
  },
];

/** How much later than lmdb-js, which replays nothing, a store may be open after a crash. */
const OPENING_MILLIS = 50;

function openingTarget(promise) {
  const own = figureOf(promise, "crash", "holdfast", ({ writeMillis }) => writeMillis);
  const peer = figureOf(promise, "crash", "lmdb", ({ writeMillis }) => writeMillis);
  if (own === undefined || peer === undefined) return [];
  const value = own - peer;
  return [
    {
      name: "first durable write after SIGKILL, ms later than lmdb-js",
      target: `at most ${OPENING_MILLIS}`,
      value,
      met: value <= OPENING_MILLIS,
      rival: "lmdb-js",
    },
  ];
}

/** Each target that the result has figures for: `{ name, target, value, met, rival }`. */
export function targetsOf(result) {
  const promise = result.promises.power;
  if (promise === undefined) return [];
  const rivals = rivalsOf(promise);
  const found = TARGETS.flatMap(({ name, ids, better, pick, only, atLeast, atMost, inverse }) => {
    const own = bestOf(promise, ["holdfast"], ids, pick, better);
    const among = only === undefined ? rivals : rivals.filter((one) => one === only);
    const rival = bestOf(promise, among, ids, pick, better);
    if (own === undefined || rival === undefined) return [];
    const value = inverse ? rival.value / own.value : own.value / rival.value;
    return [
      {
        name,
        target: atLeast === undefined ? `at most ${atMost}` : `at least ${atLeast}`,
        value,
        met: atLeast === undefined ? value <= atMost : value >= atLeast,
        rival: promise.contenders[rival.name].title,
      },
    ];
  });
  return [...found, ...openingTarget(promise)];
}
