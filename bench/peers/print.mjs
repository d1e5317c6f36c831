// The result of `peers` as sections of tables, for a terminal and as Markdown.
import { markdownTable, number, textTable } from "../text.mjs";
import { labelOf } from "./labels.mjs";
import { targetsOf } from "./targets.mjs";
import { YCSB } from "./workloads/ycsb.mjs";

const PROMISE_TITLES = {
  power: "What survives power loss",
  kill: "What survives kill -9, but not power loss",
};

const show = (value, places = 0) => (value === undefined ? "–" : number(value, places));
const ratio = (value, base) => (value > 0 && base > 0 ? (value / base).toFixed(2) : "–");

/** Rows of contenders; one that failed or was not there says so in its line. */
function table(promise, header, names, line) {
  const rows = names.map((name) => {
    const cells = line(name);
    return [
      labelOf(promise, name),
      ...(Array.isArray(cells) ? cells : header.slice(1).map(() => cells)),
    ];
  });
  return [header, ...rows];
}

/** Calls `cells` with the summary of a workload, or says why there is none. */
function figures(workload, name, cells) {
  const found = workload?.results[name];
  if (found === undefined || found.unsupported) return "–";
  if (found.failed !== undefined) return "failed";
  return cells(found);
}

const namesIn = (promise, ...workloads) =>
  Object.keys(promise.contenders).filter((name) =>
    workloads.some((one) => one?.results[name] !== undefined),
  );

function latencyTable(promise, workload, first) {
  const floor = promise.workloads["put-sync"]?.results.floor?.micros;
  const header = [
    ...[first, "p50", "p99", "p99.9", "max", "p50 / floor"],
    ...["CPU, µs", "device bytes", "device / logical"],
  ];
  return table(promise, header, namesIn(promise, workload), (name) =>
    figures(workload, name, ({ micros, cpuMicros, deviceBytes, amplification }) => [
      ...[micros.p50, micros.p99, micros.p999, micros.max].map((value) => show(value, 1)),
      ratio(micros.p50, floor?.p50),
      show(cpuMicros, 1),
      show(deviceBytes),
      show(amplification, 1),
    ]),
  );
}

/** One figure of several workloads, side by side. */
function acrossTable(promise, first, columns, cell) {
  const workloads = columns.map(([, id]) => promise.workloads[id]);
  const header = [first, ...columns.map(([label]) => label)];
  return table(promise, header, namesIn(promise, ...workloads), (name) =>
    workloads.map((workload) => {
      const value = figures(workload, name, cell);
      return typeof value === "number" ? show(value, value < 10 ? 2 : 0) : value;
    }),
  );
}

const present = (promise, columns) => columns.filter(([, id]) => promise.workloads[id]);

function configurationTable(promise) {
  const header = ["", "version", "configuration", "promise verified"];
  const killed = promise.workloads.crash?.results ?? {};
  return table(promise, header, Object.keys(promise.contenders), (name) => {
    const { version, configuration, missing, syncs } = promise.contenders[name];
    if (missing !== undefined) return ["–", configuration, `not measured: ${missing}`];
    const verdicts = [];
    if (syncs !== undefined) verdicts.push(verdictOfSyncs(syncs));
    const kill = killed[name];
    if (kill?.failed !== undefined) verdicts.push("killed: could not be looked at");
    else if (kill !== undefined) {
      verdicts.push(
        kill.lost === 0
          ? `killed: all of ${kill.puts} writes there`
          : `killed: ${kill.lost} ROWS LOST, PROMISE NOT KEPT`,
      );
    }
    return [version ?? "–", configuration, verdicts.join("; ")];
  });
}

function verdictOfSyncs({ kept, by, puts }) {
  if (kept === undefined) return by;
  return kept ? `${puts} writes: ${by}` : `DOES NOT SYNC: ${by}`;
}

function sectionOf(promise, id) {
  const { workloads } = promise;
  const tables = [configurationTable(promise)];
  for (const [workload, text] of [
    ["put-sync", "one put, synchronous, µs"],
    ["put", "one put, awaited, µs"],
  ]) {
    if (workloads[workload] === undefined) continue;
    tables.push(latencyTable(promise, workloads[workload], text));
  }
  const writers = present(
    promise,
    [1, 4, 16, 64, 256].map((count) => [`${count} writers`, `writers-${count}`]),
  );
  if (writers.length > 0) {
    tables.push(acrossTable(promise, "puts/s", writers, ({ perSecond }) => perSecond));
    tables.push(acrossTable(promise, "p99, µs", writers, ({ micros }) => micros.p99));
  }
  const batches = present(
    promise,
    [10, 100, 1000, 10000].map((size) => [`batches of ${number(size)}`, `batch-${size}`]),
  );
  if (batches.length > 0) {
    tables.push(acrossTable(promise, "rows/s", batches, ({ perSecond }) => perSecond));
    tables.push(acrossTable(promise, "CPU of a row, µs", batches, ({ cpuMicros }) => cpuMicros));
    const amplification = (found) => found.amplification ?? "–";
    tables.push(acrossTable(promise, "device / logical bytes", batches, amplification));
  }
  if (workloads.fill !== undefined) {
    tables.push(latencyTable(promise, workloads.fill, "five rows of five tables, µs"));
  }
  if (workloads.replay !== undefined) {
    tables.push(latencyTable(promise, workloads.replay, "an event of a tape, µs"));
  }
  const reads = present(promise, [
    ["rows in use", "get-hot"],
    ["any row", "get-any"],
    ["absent keys", "get-absent"],
  ]);
  if (reads.length > 0) {
    tables.push(acrossTable(promise, "gets/s", reads, ({ perSecond }) => perSecond));
    const scans = [["full scan", "scan"]];
    tables.push(acrossTable(promise, "rows/s", scans, ({ perSecond }) => perSecond));
  }
  const ycsb = present(
    promise,
    Object.entries(YCSB).map(([letter, { name }]) => [`${letter}: ${name}`, `ycsb-${letter}`]),
  );
  if (ycsb.length > 0) {
    tables.push(acrossTable(promise, "YCSB, operations/s", ycsb, ({ perSecond }) => perSecond));
    tables.push(acrossTable(promise, "YCSB, p99, µs", ycsb, ({ micros }) => micros.p99));
  }
  tables.push(...otherTables(promise));
  return { title: PROMISE_TITLES[id], tables };
}

function otherTables(promise) {
  const { crash, backup, snapshot, history } = promise.workloads;
  const tables = [];
  if (crash !== undefined) {
    const header = ["opened after SIGKILL, ms", "open", "first read", "first durable write"];
    tables.push(
      table(promise, header, namesIn(promise, crash), (name) =>
        figures(crash, name, ({ openMillis, readMillis, writeMillis }) =>
          [openMillis, readMillis, writeMillis].map((value) => show(value, 1)),
        ),
      ),
    );
  }
  for (const [name, workload] of Object.entries({ backup, snapshot })) {
    if (workload === undefined) continue;
    const header = [
      `${name} under load, ms`,
      ...["took", "event loop stopped", "without", "longest put", "without it"],
    ];
    tables.push(
      table(promise, header, namesIn(promise, workload), (one) =>
        figures(workload, one, (found) => [
          show(found.millis, 1),
          show(found.with.gapMillis, 1),
          show(found.without.gapMillis, 1),
          show(found.with.putMillis, 1),
          show(found.without.putMillis, 1),
        ]),
      ),
    );
  }
  const failures = Object.entries(promise.failures);
  if (failures.length > 0) {
    const lines = failures.map(([name, failed]) => [name, failed.split("\n")[0]]);
    tables.push([["took no part", "why"], ...lines]);
  }
  if (history !== undefined) {
    const header = ["history of a key", "first change after, ms"];
    tables.push(
      table(promise, header, namesIn(promise, history), (name) =>
        figures(history, name, ({ millis }) => [show(millis, 1)]),
      ),
    );
  }
  return [...tables, ...memoryTables(promise)];
}

function memoryTables(promise) {
  const { contenders, memory } = promise;
  const parts = Object.keys(memory);
  if (parts.length === 0) return [];
  const names = Object.keys(contenders).filter((name) => parts.some((part) => memory[part][name]));
  const megabytes = (found) => (found === undefined ? "–" : number(found.anonymous / 1e6, 0));
  const rows = names.map((name) => [
    labelOf(promise, name),
    ...parts.map((part) => megabytes(memory[part][name])),
  ]);
  return [[["anonymous memory, MB, after", ...parts], ...rows]];
}

/** All there is to tell of a result, as `{ title, tables }`. */
export function peersSections(result) {
  const sections = Object.entries(result.promises).map(([id, one]) => sectionOf(one, id));
  const targets = targetsOf(result);
  if (targets.length === 0) return sections;
  const rows = targets.map(({ name, target, value, met, rival }) => [
    ...[name, target, `${value.toFixed(2)} (${rival})`, met ? "met" : "NOT MET"],
  ]);
  const table = [["holdfast beside the best peer", "target", "measured (peer)", ""], ...rows];
  return [{ title: "Targets", tables: [table] }, ...sections];
}

/** The few figures that a user asks for first, of one promise. */
export function shortTable(promise) {
  const of = (id, name, pick) => figures(promise.workloads[id], name, pick);
  const header = [
    ...["survives power loss", "one put, µs: p50", "p99", "device bytes"],
    ...["64 writers, puts/s", "batches of 1,000, rows/s"],
  ];
  const names = namesIn(promise, promise.workloads["put-sync"], promise.workloads.put).filter(
    (name) => promise.contenders[name].missing === undefined,
  );
  return table(promise, header, names, (name) => {
    const median = (id) => promise.workloads[id]?.results[name]?.micros?.p50 ?? Number.MAX_VALUE;
    const form = median("put-sync") <= median("put") ? "put-sync" : "put";
    return [
      of(form, name, ({ micros }) => show(micros.p50, 1)),
      of(form, name, ({ micros }) => show(micros.p99, 1)),
      of(form, name, ({ deviceBytes }) => show(deviceBytes)),
      of("writers-64", name, ({ perSecond }) => show(perSecond)),
      of("batch-1000", name, ({ perSecond }) => show(perSecond)),
    ];
  });
}

export function printPeers(result) {
  for (const { title, tables } of peersSections(result)) {
    console.log(`== ${title}\n\n${tables.map(textTable).join("\n\n")}\n`);
  }
}

export function peersAsMarkdown(result) {
  return peersSections(result)
    .map(({ title, tables }) => [`### ${title}`, ...tables.map(markdownTable)].join("\n\n"))
    .join("\n\n");
}
