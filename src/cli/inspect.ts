/** `holdfast inspect`: what a store consists of, and whether it is whole. */
import type { Command } from "commander";
import { readManifestSlots } from "../manifest/manifest.js";
import { examineStore, type StoreReport } from "./examine-store.js";
import {
  EXIT_DAMAGED,
  EXIT_SOUND,
  formatBytes,
  formatNumber,
  formatPairs,
  formatTable,
  write,
  writeLine,
} from "./output.js";
import { ProgressLine } from "./progress.js";
import { readStore } from "./read-store.js";
import { formatSnapshots } from "./snapshot.js";
import type { Problem, SegmentReport, TableReport } from "./tally.js";

/** Adds the command to a program. */
export function registerInspect(program: Command): void {
  program
    .command("inspect")
    .summary("show what a store consists of")
    .description(
      "Shows what a store consists of: whose it is, its manifest, tables with their fields and " +
        "rows, log segments, where the log ends, and whether anything is damaged. Reads only; " +
        "needs neither the application nor the lock. Exit codes: 0 sound, 1 damaged, 2 could not " +
        "look.",
    )
    .argument("<dir>", "directory of the store")
    .option("--json", "one JSON object")
    .action(async (directory: string, flags: { readonly json?: boolean }) => {
      const progress = new ProgressLine();
      const report = await examine(directory, progress).finally(() => progress.clear());
      if (flags.json) await writeLine(JSON.stringify(report));
      else await write(formatReport(report));
      process.exitCode = report.verdict === "sound" ? EXIT_SOUND : EXIT_DAMAGED;
    });
}

const ATTEMPTS = 5;

/** What changes while it is looked at can seem damaged: real damage is found every time. */
async function examine(directory: string, progress: ProgressLine): Promise<StoreReport> {
  const onRows = (rows: number) => progress.show(() => `${formatNumber(rows)} rows counted`);
  let problems: readonly Problem[] | undefined;
  for (let attempt = 1; ; attempt++) {
    const store = await readStore(directory);
    const report = await examineStore(store, onRows);
    const before = problems;
    problems = report.problems.filter((one) => before?.some((two) => isSame(one, two)) ?? true);
    if (problems.length === 0) return { ...report, verdict: "sound", problems };
    const { newest } = await readManifestSlots(store.disk, store.directory);
    const isAtRest = newest?.generation === store.manifest?.generation;
    if (isAtRest || attempt === ATTEMPTS) return { ...report, problems };
  }
}

function isSame(a: Problem, b: Problem): boolean {
  return a.file === b.file && a.offset === b.offset;
}

function formatReport(report: StoreReport): string {
  const parts = [
    headPart(report),
    manifestPart(report),
    writingPart(report),
    tablesPart(report),
    fieldsPart(report),
    segmentsPart(report),
    runsPart(report),
    snapshotsPart(report),
    filesPart(report),
    verdictPart(report),
  ];
  return parts.filter((part) => part !== "").join("\n");
}

/** A line of fields; with the table's name it is about as wide as the table of segments. */
const FIELDS_WIDTH = 90;

const UNKNOWN = "unknown: no manifest can be read";

function headPart(report: StoreReport): string {
  const { writer, lock, formatVersions } = report;
  const where = writer?.pid == null ? "" : ` (process ${writer.pid} on ${writer.host})`;
  return formatPairs([
    ["store", report.directory],
    ["environment", report.environment ?? UNKNOWN],
    ["store id", report.storeId ?? UNKNOWN],
    ...report.lineage.map(
      ({ storeId, sequence, forked }, i) =>
        [
          i === 0 ? "forked from" : "and that from",
          `${storeId}, through transaction ${sequence}, at ${forked}`,
        ] as const,
    ),
    ["formats", `log ${formatVersions.log}, manifest ${formatVersions.manifest}`],
    ["created", report.created ?? UNKNOWN],
    ["epoch", report.epoch === null ? UNKNOWN : `${report.epoch} (openings for writing so far)`],
    ["last writer", writer === null ? UNKNOWN : `${writer.id}${where}, since ${writer.since}`],
    ["in use", lockText(lock)],
  ]);
}

function lockText({ holder, certain }: StoreReport["lock"]): string {
  if (holder === null) return "no";
  const { pid, host, writer, since } = holder;
  const who = `process ${pid} on ${host} (writer ${writer}), since ${since}`;
  return certain ? `by ${who}` : `perhaps, by ${who}; from here it cannot be told`;
}

function manifestPart({ manifest }: StoreReport): string {
  const slots = manifest.slots.map(({ file, state, generation, detail }): [string, string] => {
    const name = file.slice(file.lastIndexOf("/") + 1);
    const text = state === "valid" ? `good, generation ${generation}` : (detail ?? state);
    return [name, state === "valid" || state === "missing" ? text : `damaged: ${text}`];
  });
  return formatPairs(slots);
}

function writingPart({ writeMethods }: StoreReport): string {
  const rows = writeMethods.flatMap(({ disk, method, measured }) =>
    measured.map((one) => [
      disk,
      one.method,
      `${formatNumber(one.p50Micros)} µs`,
      `${formatNumber(one.p99Micros)} µs`,
      one.method === method ? "chosen" : "",
    ]),
  );
  if (rows.length === 0) return "";
  const columns = [
    { title: "disk" },
    { title: "durable write by" },
    { title: "p50", right: true },
    { title: "p99", right: true },
    { title: "when first opened" },
  ];
  return formatTable(columns, rows);
}

function tablesPart({ tables, rowsComplete }: StoreReport): string {
  if (tables.length === 0) return "no tables\n";
  const columns = [
    { title: "table" },
    { title: "id", right: true },
    { title: "version", right: true },
    { title: "tier" },
    { title: "key" },
    { title: rowsComplete ? "rows" : "rows that can be read", right: true },
  ];
  return formatTable(
    columns,
    tables.map((table) => [
      table.name,
      String(table.id),
      table.versions.join(", "),
      table.tier,
      table.key,
      formatNumber(table.rows),
    ]),
  );
}

function fieldsPart({ tables }: StoreReport): string {
  if (tables.length === 0) return "";
  return formatPairs([["table", "fields"], ...tables.flatMap(fieldLines)]);
}

/** Fields of a table: as many to a line as fit. */
function fieldLines({ name, fields }: TableReport): [string, string][] {
  const lines: string[] = [];
  let line = "";
  for (const [index, field] of fields.entries()) {
    const otherwise = field.default === undefined ? "" : ` = ${JSON.stringify(field.default)}`;
    const end = index === fields.length - 1 ? "" : ",";
    const text = `${field.name}: ${field.type}${otherwise}${end}`;
    const joined = line === "" ? text : `${line} ${text}`;
    if (line === "" || joined.length <= FIELDS_WIDTH) line = joined;
    else {
      lines.push(line);
      line = text;
    }
  }
  return [...lines, line].map((each, i) => [i === 0 ? name : "", each]);
}

function segmentsPart({ segments }: StoreReport): string {
  const columns = [
    { title: "segment" },
    { title: "state" },
    { title: "epoch", right: true },
    { title: "size", right: true },
    { title: "used", right: true },
    { title: "frames", right: true },
    { title: "transactions", right: true },
    { title: "sequences", right: true },
    { title: "first written" },
    { title: "last written" },
  ];
  return formatTable(columns, segments.map(segmentRow));
}

function segmentRow(segment: SegmentReport): string[] {
  const { firstSequence: first, lastSequence: last } = segment;
  return [
    segment.file,
    segment.state,
    segment.epoch === null ? "?" : String(segment.epoch),
    segment.bytes === null ? "" : formatBytes(segment.bytes),
    formatBytes(segment.usedBytes),
    formatNumber(segment.frames),
    formatNumber(segment.transactions),
    first === null || last === null ? "" : `${first} to ${last}`,
    toSecond(segment.firstTime),
    toSecond(segment.lastTime),
  ];
}

/** Microseconds are for `log` and --json; here they would only make the table too wide. */
function toSecond(time: string | null): string {
  return time === null ? "" : time.replace(/\.\d+Z$/, "Z");
}

function runsPart({ runs }: StoreReport): string {
  if (runs.length === 0) return "";
  const columns = [
    { title: "run" },
    { title: "tier", right: true },
    { title: "files", right: true },
    { title: "rows", right: true },
    { title: "tombstones", right: true },
    { title: "size", right: true },
    { title: "sequences", right: true },
  ];
  const rows = runs.map((run) => [
    String(run.id),
    String(run.tier),
    formatNumber(run.files),
    formatNumber(run.rows),
    formatNumber(run.tombstones),
    formatBytes(run.bytes),
    `${run.firstSequence} to ${run.lastSequence}`,
  ]);
  return formatTable(columns, rows);
}

function snapshotsPart({ snapshots }: StoreReport): string {
  return snapshots.length === 0 ? "" : formatSnapshots(snapshots);
}

function filesPart({ sizes, history, replay, tornFiles, otherFiles }: StoreReport): string {
  const parts = [
    `log ${formatBytes(sizes.segments)} (${formatBytes(sizes.used)} used)`,
    `runs ${formatBytes(sizes.runs)}`,
    ...(sizes.archives > 0 ? [`archives ${formatBytes(sizes.archives)}`] : []),
    ...(sizes.packs > 0 ? [`packs ${formatBytes(sizes.packs)}`] : []),
    `manifests ${formatBytes(sizes.manifests)}`,
  ];
  const load =
    `${formatNumber(replay.transactions)} transactions, ` +
    `${formatNumber(replay.operations)} operations, ${formatBytes(replay.bytes)}`;
  const pairs: [string, string][] = [
    ["to replay", `${load}: about ${replay.millis} ms when it is opened`],
    ["size", `${formatBytes(sizes.total)} in all: ${parts.join(", ")}`],
  ];
  if (history.firstSequence !== null) {
    const range = `${history.firstSequence} to ${history.lastSequence}`;
    const what = `transactions ${range} in ${formatNumber(history.archives)} archives`;
    pairs.push(["history", `${what}, ${formatBytes(history.bytes)}`]);
    const { hash } = history;
    if (hash !== null) pairs.push(["", `hash through transaction ${hash.to}: ${hash.head}`]);
  }
  if (tornFiles.length > 0) {
    const list = tornFiles.map(({ file, bytes }) => `${file} (${formatBytes(bytes)})`).join(", ");
    pairs.push(["set aside", `${list}: unfinished writes, cut off when the store was opened`]);
  }
  if (otherFiles.length > 0) pairs.push(["not ours", otherFiles.join(", ")]);
  return formatPairs(pairs);
}

function verdictPart(report: StoreReport): string {
  const { problems, notes, end, transactions } = report;
  const lines = problems.map(({ file, offset, message }) => {
    const at = offset === undefined ? "" : ` at offset ${offset}`;
    return `damaged   ${file}${at}: ${message}`;
  });
  for (const note of notes) lines.push(`note      ${note}`);
  const count = `${formatNumber(transactions)} transaction${transactions === 1 ? "" : "s"}`;
  if (problems.length > 0) {
    lines.push(
      `DAMAGED   ${count} of the log can be read; "holdfast log" prints them, and the gaps`,
    );
  } else {
    const through = end.lastSequence === 0 ? "" : `, through sequence ${end.lastSequence}`;
    const file =
      end.file === undefined ? "" : ` of ${end.file.slice(end.file.lastIndexOf("/") + 1)}`;
    const where = end.file === undefined ? "" : `; the log ends at offset ${end.offset}${file}`;
    lines.push(`sound     ${count} in the log${through}${where} (${end.why})`);
  }
  return `${lines.join("\n")}\n`;
}
