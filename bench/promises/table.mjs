// Every figure of the promise: target, what was measured, ratio to the floor, met or not. Made of the
// results of the benches that measure it; nothing is measured here.
import { megabytes, micros, millis, number } from "../text.mjs";

/** A device whose own durable write takes longer than this cannot give one in 100 µs with work around. */
const FLOOR_MICROS_MAX = 85;

/**
 * Each figure: `bound` that it must not pass (`atLeast`: must not stay below; `under`: must not reach),
 * `tolerance` in percent of the bound, and the ratio to the floor where there is one.
 */
export function figuresOf({ durable, state, columns, checks }) {
  return [
    ...durableFigures(durable),
    ...stateFigures(state?.parts ?? {}, durable?.floor.p50),
    ...columnFigures(columns),
    ...checkFigures(checks),
  ];
}

function durableFigures(durable) {
  if (durable === undefined) return [];
  const { floor, put } = durable;
  const ratio = put.p50 / floor.p50;
  const list = [
    {
      ...{ promise: "critical write", name: "awaited `put`, p50, to the floor", value: ratio },
      ...{ bound: 1.2, tolerance: 10, ratio, show: (value) => number(value, 2) },
    },
  ];
  const name = "awaited `put`, p50";
  const common = { promise: "critical write", name, value: put.p50, ratio, show: micros };
  if (floor.p50 < FLOOR_MICROS_MAX) {
    list.unshift({ ...common, bound: 100, under: true, tolerance: 10 });
  } else {
    const why = `the floor itself takes ${micros(floor.p50)} here`;
    list.unshift({ ...common, bound: 100, under: true, waived: why });
  }
  return list;
}

function stateFigures({ snapshot, load, recovery, memory, writes }, floorMicros) {
  const list = [];
  const toFloor = (value) => (floorMicros === undefined ? undefined : (value * 1000) / floorMicros);
  const inMillis = (promise, name, value, bound, ratio) => ({
    ...{ promise, name, value, bound, under: true, tolerance: 10, show: millis, ratio },
  });
  if (load !== undefined) {
    const { with: busy, without } = load;
    const delay = Math.max(0, busy.delayMicros.p999 - without.delayMicros.p999) / 1000;
    const name = "event loop's delay, p99.9, with snapshots and merges, above that without";
    list.push(inMillis("no blocking", name, delay, 2));
    list.push({
      ...{ promise: "no blocking", name: "`put`, p50, with them / without", tolerance: 10 },
      value: busy.putMicros.p50 / without.putMicros.p50,
      ...{ bound: 1.1, show: (value) => number(value, 2) },
    });
  }
  if (snapshot !== undefined) {
    const value = snapshot.durableMicros.p50 / 1000;
    const most = snapshot.durableMicros.max / 1000;
    list.push(inMillis("snapshot", "durable, median", value, 10, toFloor(value)));
    list.push(inMillis("snapshot", "durable, longest", most, 10, toFloor(most)));
  }
  if (recovery !== undefined) {
    const { gigabytes, warm, cold } = recovery.find(({ gigabytes: size }) => size >= 1) ?? {
      ...recovery.at(-1),
    };
    const size = `${number(gigabytes * 1000)} MB`;
    for (const [name, one] of [
      ["page cache warm", warm],
      ["page cache dropped", cold],
    ]) {
      if (one === undefined) continue;
      const value = one.firstWrite.median;
      const what = `first durable write after SIGKILL, median, ${size}, ${name}`;
      list.push(inMillis("recovery", what, value, 100, toFloor(value)));
    }
  }
  if (memory !== undefined) {
    list.push({
      ...{ promise: "memory", name: "anonymous memory above an empty Node.js, peak" },
      ...{ value: memory.anonymousAbove, bound: 100e6, under: true, tolerance: 10 },
      show: megabytes,
    });
  }
  return [...list, ...writeFigures(writes)];
}

function writeFigures(writes) {
  if (writes === undefined) return [];
  const { mixed } = writes;
  return [
    {
      ...{ promise: "I/O", name: "of the background, a second of the load, mean" },
      ...{ value: mixed.backgroundBytesPerSecond, bound: 10e6, tolerance: 10, show: megabytes },
    },
    {
      ...{ promise: "write amplification", name: `groups of ${number(mixed.group)}` },
      ...{ value: mixed.amplification, bound: 2, under: true, tolerance: 10 },
      // Of bytes the floor is the records themselves, once.
      ratio: mixed.amplification,
      show: (value) => number(value, 2),
    },
  ];
}

function columnFigures(columns) {
  if (columns === undefined) return [];
  const one = (name, value) => ({
    ...{ promise: "compression", name, value, bound: 3, atLeast: true, tolerance: 0 },
    show: (ratio) => `${number(ratio, 2)}:1`,
  });
  const list = [];
  if (columns.bookRatio !== undefined) list.push(one("all book tapes", columns.bookRatio));
  const worst = columns.results.reduce((least, file) => (file.ratio < least.ratio ? file : least));
  list.push(one(`the least of ${columns.results.length} files: ${worst.name}`, worst.ratio));
  return list;
}

const CHECKS = {
  loss: ["loss", "acknowledged rows that were gone after SIGKILL"],
  versions: ["versions", "rows of an older version that read wrong; an older version that opens"],
  audit: ["audit", "changes without their time, author, reason or difference"],
};

function checkFigures(checks = {}) {
  return Object.entries(CHECKS).flatMap(([key, [promise, what]]) => {
    const found = checks[key];
    if (found === undefined) return [];
    const name = `${what}, of ${number(found.looked)}`;
    return [{ promise, name, value: found.wrong, bound: 0, tolerance: 0, show: number0 }];
  });
}

const number0 = (value) => number(value);

/** Whether a figure is met, or missed by no more than its tolerance. */
export function verdictOf({ value, bound, atLeast = false, under = false, tolerance, waived }) {
  if (waived !== undefined) return { verdict: `no target: ${waived}`, missed: false };
  if (!Number.isFinite(value)) return { verdict: "NOT MEASURED", missed: true };
  const met = atLeast ? value >= bound : under ? value < bound : value <= bound;
  if (met) return { verdict: "met", missed: false };
  const allowed = (Math.abs(bound) * tolerance) / 100;
  const near = atLeast ? value >= bound - allowed : value <= bound + allowed;
  if (near && tolerance > 0) return { verdict: `NOT MET, within ${tolerance} %`, missed: false };
  return { verdict: "NOT MET", missed: true };
}

const HEADER = ["promise", "figure", "target", "measured", "to the floor", "tolerance", ""];

/** The table, and how many figures are missed by more than their tolerance. */
export function promiseTable(results) {
  let missed = 0;
  const rows = figuresOf(results).map((figure) => {
    const { promise, name, value, bound, atLeast, under, ratio, show, tolerance } = figure;
    const { verdict, missed: isMissed } = verdictOf(figure);
    if (isMissed) missed++;
    const words = atLeast ? "at least" : under ? "under" : "at most";
    return [
      ...[promise, name, `${words} ${show(bound)}`, Number.isFinite(value) ? show(value) : "?"],
      ratio === undefined ? "–" : number(ratio, 2),
      ...[tolerance === undefined ? "–" : `${tolerance} %`, verdict],
    ];
  });
  return { table: [HEADER, ...rows], missed };
}
