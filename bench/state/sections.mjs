// Each part of the state bench as a section: what it is about, notes, tables, and figures that have a
// target. `bench/print-state.mjs` renders them.
import { megabytes, micros, millis, number, times } from "../text.mjs";

/** Recovery must not grow with the state: of the largest one, at most so many times the smallest's. */
const GROWTH_MAX = 1.25;

/** Of each part, given what it measured and the description of the load. */
export const SECTIONS = {
  snapshot(part) {
    const { durableMicros, callMicros, gapWithMicros, gapWithoutMicros } = part;
    const show = (value) => millis(value / 1000);
    const line = (name, q) => [name, show(q.p50), show(q.max)];
    return {
      title: "Snapshots",
      notes: [
        `${part.repetitions} snapshots, each after ${number(part.rowsChanged)} rows were changed; ` +
          `${part.flushesMeanwhile} runs were made of the log meanwhile.`,
      ],
      tables: [
        [
          ["`store.snapshot()`", "median", "max"],
          line("until it is durable", durableMicros),
          line("of which the call itself", callMicros),
          line("longest gap between two turns of the event loop, with it", gapWithMicros),
          line("the same without it", gapWithoutMicros),
        ],
      ],
      targets: [
        { name: "snapshot, median", value: durableMicros.p50, bound: 10_000, under: true, show },
        { name: "snapshot, max", value: durableMicros.max, bound: 10_000, under: true, show },
        {
          name: "event loop blocked by it, median",
          value: Math.max(0, gapWithMicros.p50 - gapWithoutMicros.p50),
          bound: 1_000,
          under: true,
          show,
        },
        {
          name: "event loop blocked by it, max",
          value: Math.max(0, gapWithMicros.max - gapWithoutMicros.max),
          bound: 1_000,
          under: true,
          show,
        },
      ],
    };
  },

  load(part, load) {
    const { without, with: busy } = part;
    const line = (name, one, q) => [
      name,
      micros(one[q].p50),
      micros(one[q].p99),
      micros(one[q].p999),
      micros(one[q].max),
    ];
    const show = (value) => millis(value / 1000);
    const work = (name, one) => [
      name,
      number(one.seconds, 1),
      number(one.transactions),
      number(one.snapshots),
      number(one.flushes),
      number(one.merges),
      `${number(100 * one.mergingPart)} %`,
      megabytes(one.backgroundBytesPerSecond),
      number(one.refused),
    ];
    return {
      title: "A steady load, with and without snapshots and merges",
      notes: [
        `${number(load.transactionsPerSecond)} transactions a second, ${number(part.group)} in a turn ` +
          `of the event loop every ${number((1000 * part.group) / load.transactionsPerSecond, 1)} ms; ` +
          `slices of ${number(without.seconds / without.slices, 1)} s in turns.`,
        `Both begin with ${part.backlog.made} runs to be merged; without, a merge that has begun waits for a ` +
          "budget that it is not given.",
      ],
      tables: [
        [
          ["", "p50", "p99", "p99.9", "max"],
          line("event loop delay, without", without, "delayMicros"),
          line("event loop delay, with", busy, "delayMicros"),
          line("`put` until durable, without", without, "putMicros"),
          line("`put` until durable, with", busy, "putMicros"),
        ],
        [
          [
            "meanwhile",
            "seconds",
            "transactions",
            "snapshots",
            "runs made",
            "merges done",
            "time with a merge begun",
            "background I/O a second",
            "puts refused",
          ],
          work("without", without),
          work("with", busy),
        ],
      ],
      targets: [
        {
          name: "event loop delay, p99.9, above that without",
          value: Math.max(0, busy.delayMicros.p999 - without.delayMicros.p999),
          bound: 2_000,
          show,
        },
        {
          name: "`put` p50, with / without",
          value: busy.putMicros.p50 / without.putMicros.p50,
          bound: 1.1,
          show: times,
        },
      ],
    };
  },

  recovery(sizes) {
    const sizeName = ({ gigabytes }) => number(gigabytes * 1000, gigabytes < 0.01 ? 1 : 0);
    const of = (size, cache) => `${sizeName(size)} MB, ${cache}`;
    const all = sizes.flatMap((size) =>
      [
        { name: of(size, "page cache warm"), size, one: size.warm },
        { name: of(size, "page cache dropped"), size, one: size.cold },
      ].filter(({ one }) => one !== undefined),
    );
    const both = ({ median, max }, places = 1) =>
      `${number(median, places)} (${number(max, places)})`;
    const parts = Object.keys(all[0].one.parts);
    const targets = all.flatMap(({ name, one }) => [
      {
        name: `first durable write, median: ${name}`,
        value: one.firstWrite.median,
        bound: 100,
        under: true,
        show: millis,
      },
      {
        name: `first durable write, max: ${name}`,
        value: one.firstWrite.max,
        bound: 100,
        under: true,
        show: millis,
      },
    ]);
    for (const cache of ["warm", "cold"]) {
      const measured = sizes.filter((size) => size[cache] !== undefined);
      if (measured.length < 2) continue;
      const [first, last] = [measured[0], measured.at(-1)];
      targets.push({
        name:
          `open, median: ${sizeName(last)} MB / ${sizeName(first)} MB, ` +
          `page cache ${cache === "warm" ? "warm" : "dropped"}`,
        value: last[cache].open.median / first[cache].open.median,
        bound: GROWTH_MAX,
        show: times,
      });
    }
    const refused = sizes.find((size) => size.refused !== undefined)?.refused;
    return {
      title: "Recovery after SIGKILL at full load",
      notes: [
        "Milliseconds since before `open`, median (max); killed when the tail of the log was as long as it gets.",
        ...(refused === undefined
          ? []
          : [`The page cache could not be dropped (${refused}): all openings are warm.`]),
      ],
      tables: [
        [
          [
            "state",
            "openings",
            "open",
            "first read",
            "first durable write",
            "since the process began",
          ],
          ...all.map(({ name, one }) => [
            name,
            number(one.count),
            both(one.open),
            both(one.firstRead),
            both(one.firstWrite),
            both(one.process),
          ]),
        ],
        [
          ["parts of `open`, as `store.recovery` has them", ...parts],
          ...all.map(({ name, one }) => [name, ...parts.map((part) => both(one.parts[part]))]),
        ],
        [
          [
            "what was read back",
            "part of the budget when killed",
            "operations",
            "kB of log",
            "runs",
          ],
          ...all.map(({ name, one }) => [
            name,
            both(one.urgency, 2),
            both(one.operations, 0),
            both({ median: one.bytesRead.median / 1000, max: one.bytesRead.max / 1000 }, 0),
            both(one.runs, 0),
          ]),
        ],
      ],
      targets,
    };
  },

  reads(part) {
    const rate = ({ perSecond, megabytesPerSecond }) =>
      `${number(perSecond)} (${number(megabytesPerSecond)})`;
    const each = ({ perSecond, micros: time }) => `${number(perSecond)} (${number(time, 2)})`;
    const kinds = { hit: "recently read", miss: "in a run, not in memory", absent: "absent key" };
    const fields = Object.keys(part.examples.store);
    return {
      title: `Reads, beside lmdb-js ${part.lmdbVersion}`,
      notes: [
        `lmdb: ${part.configuration}. Values of ${number(part.lmdbValueBytes, 1)} bytes; files ` +
          `${megabytes(part.lmdbBytes)} against ${megabytes(part.storeBytes)}. Median of ` +
          `${part.rounds} scans, and of blocks of ${number(part.getsPerBlock)} gets, in turns; the page cache is warm.`,
        "The store returns frozen rows, with exact `Decimal`s and the names of enumerations, and proves the " +
          "checksum of each block that it reads. lmdb returns plain objects of numbers and strings: the decimal's " +
          "coefficient, the enumeration's place; it has no checksums.",
      ],
      tables: [
        [
          ["full scan, rows/s (MB/s)", "rows", "holdfast", "lmdb", "holdfast / lmdb"],
          ...part.scans.map((scan) => [
            scan.name,
            number(scan.rows),
            rate(scan.store),
            rate(scan.lmdb),
            number(scan.ratio, 2),
          ]),
        ],
        [
          [
            "random get, gets/s (µs)",
            "holdfast",
            "lmdb",
            "lmdb, `cache: true`",
            "holdfast / lmdb",
            "holdfast / lmdb, `cache: true`",
            "blocks from memory / from a run",
          ],
          ...part.gets.map((get) => [
            kinds[get.kind],
            each(get.store),
            each(get.lmdb),
            each(get.lmdbCached),
            number(get.ratio, 2),
            number(get.ratioCached, 2),
            `${number(get.blockHits)} / ${number(get.blockMisses)}`,
          ]),
        ],
        [
          [`the same row of \`${part.examples.table}\``, "holdfast", "lmdb"],
          ...fields.map((name) => [name, part.examples.store[name], part.examples.lmdb[name]]),
        ],
      ],
      targets: [],
    };
  },

  memory(part) {
    const line = (name, { anonymous, file, shared }) => [
      name,
      megabytes(anonymous),
      megabytes(file),
      megabytes(shared),
    ];
    return {
      title: "Memory",
      notes: [
        `${number(part.seconds)} s of the load with ${number(part.reads)} gets and ` +
          `${number(part.rangeRows)} rows of ranges; ${part.flushes} runs made, ${part.merges} merges.`,
      ],
      tables: [
        [
          ["peak of the process, all threads", "anonymous", "file", "shared"],
          line("Node.js that does nothing", part.emptyPeak),
          line("with the store", part.peak),
        ],
        [
          ["of the main thread's V8, peak", "bytes"],
          ["heap used", megabytes(part.heap.used)],
          ["heap taken from the system", megabytes(part.heap.total)],
          ["outside of the heap", megabytes(part.heap.external)],
        ],
        [
          ["as `store.stats()` has it, at the end", "bytes"],
          ["rows", megabytes(part.storeMemory.rowBytes)],
          ["blocks of runs", megabytes(part.storeMemory.blockBytes)],
        ],
      ],
      targets: [
        {
          name: "anonymous memory above that of an empty Node.js, peak",
          value: part.anonymousAbove,
          bound: 100e6,
          under: true,
          show: megabytes,
        },
      ],
    };
  },

  writes({ mixed, uniform }, load) {
    const both = (name, pick) => [name, pick(mixed), pick(uniform)];
    const hot = `${number(100 * load.hotPart)} % on ${number(load.hotRows)} rows`;
    return {
      title: "Bytes to the device",
      notes: [
        `${number(mixed.transactions)} transactions in groups of ${number(mixed.group)}: ` +
          `${number(mixed.transactions / load.transactionsPerSecond)} s of the load, as fast as they go up to ` +
          `${number(mixed.factor)} times its pace, with ${number(mixed.factor)} times its budget for the background. ` +
          "What the background had left to do at the end is included.",
      ],
      tables: [
        [
          ["keys", hot, "uniform"],
          both("transactions", (one) => number(one.transactions)),
          both("times the pace of the load, reached", (one) => number(one.effectiveFactor, 1)),
          both("bytes of a record, its row 128", (one) => number(one.recordBytesPerTransaction, 1)),
          both("records", (one) => megabytes(one.total.records)),
          both("log, by the store's count", (one) => megabytes(one.total.log)),
          both("frames of the log", (one) => number(one.total.frames)),
          both("runs, by the store's count", (one) => megabytes(one.total.backgroundWritten)),
          both("written by the process, by the kernel's count", (one) =>
            megabytes(one.total.process),
          ),
          both("written to the device meanwhile, by anybody", (one) =>
            one.total.device === undefined ? "?" : megabytes(one.total.device),
          ),
          both(
            "runs made / merges",
            (one) => `${number(one.total.flushes)} / ${number(one.total.merges)}`,
          ),
          both("write amplification: process / records", (one) => number(one.amplification, 2)),
          both("of which the log", (one) => number(one.logAmplification, 2)),
          both("of which runs", (one) => number(one.backgroundAmplification, 2)),
          both("process / rows of 128 bytes", (one) => number(one.amplificationOfRows, 2)),
          both("background I/O a second of the load, mean", (one) =>
            megabytes(one.backgroundBytesPerSecond),
          ),
          both("the same, the most in a sixtieth of it", (one) =>
            megabytes(one.backgroundBytesPerSecondMax),
          ),
        ],
        [
          ["transactions in a group", ...mixed.groups.map(({ group }) => number(group))],
          ["log / records", ...mixed.groups.map((one) => number(one.logAmplification, 2))],
        ],
      ],
      targets: [
        {
          name: `write amplification in groups of ${number(mixed.group)}`,
          value: mixed.amplification,
          bound: 2,
          under: true,
          show: times,
        },
        {
          name: "background I/O a second of the load, mean",
          value: mixed.backgroundBytesPerSecond,
          bound: mixed.budgetBytesPerSecond,
          show: megabytes,
        },
        {
          name: "the same with uniform keys",
          value: uniform.backgroundBytesPerSecond,
          bound: uniform.budgetBytesPerSecond,
          show: megabytes,
        },
      ],
    };
  },
};

/** What was measured, and on what. */
export function describeRun({ machine, built, load }) {
  return {
    title: "The state",
    notes: [
      `${machine.cpu}, ${machine.cores} cores, kernel ${machine.kernel}, Node.js ${machine.node}; ` +
        `load at the start ${number(machine.loadAtStart, 2)}; ${machine.date}.`,
      `${number(built.rows)} rows of ${built.rowBytes} bytes in four tables, put in ` +
        `${number(built.insertSeconds, 1)} s (${number(built.rows / built.insertSeconds)} rows/s), ` +
        `${number(built.seconds, 1)} s with all merges: ${built.runs} runs of ${megabytes(built.runBytes)}, ` +
        `${number((100 * built.runBytes) / (built.rows * built.rowBytes))} % of the rows' bytes.`,
      `The load: transactions of one put each, ${number(100 * load.hotPart)} % of them on ` +
        `${number(load.hotRows)} hot rows, spread over all keys, the rest on any row.`,
    ],
    tables: [],
    targets: [],
  };
}
