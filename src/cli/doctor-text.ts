/** The findings of `holdfast doctor` as a person reads them. */
import type { DiskInfo, WriteMethod } from "../disk/disk.js";
import type { Diagnosis } from "./doctor.js";
import type { ProcessLimits } from "./limits.js";
import { IN_FLIGHT } from "./measure-place.js";
import { formatBytes, formatNumber, formatPairs, formatTable } from "./output.js";

const METHOD_TEXTS: Readonly<Record<WriteMethod, string>> = {
  "direct-dsync": "past the page cache, O_DIRECT and RWF_DSYNC",
  "buffered-dsync": "through the page cache, RWF_DSYNC or O_DSYNC",
  "buffered-fdatasync": "through the page cache, then fdatasync",
};

const CACHE_TEXTS: Readonly<Record<string, string>> = {
  "write back": "write back (every durable write has it flushed)",
  "write through": "write through, or none",
  unknown: "the system does not say",
};

/** Text with a line end after the last line. */
export function formatDiagnosis(diagnosis: Diagnosis): string {
  const parts = [
    placePart(diagnosis),
    machinePart(diagnosis),
    storePart(diagnosis),
    methodsPart(diagnosis),
    speedPart(diagnosis),
    `${expectation(diagnosis)}\n`,
  ];
  return parts.filter((part) => part !== "").join("\n");
}

function placePart({ directory, place, weakness, logRoomSeconds }: Diagnosis): string {
  const { fileSystem, writeCache, directProven, directAlignment, physicalBlockBytes } = place;
  return formatPairs([
    ["directory", directory],
    ["file system", weakness === null ? fileSystem : `${fileSystem}: WEAK, ${weakness}`],
    ["write cache", CACHE_TEXTS[writeCache] ?? writeCache],
    [
      "O_DIRECT",
      directProven
        ? `proven, aligned to ${directAlignment} bytes`
        : "not proven: it is missing, or the file system takes any alignment and may not mean it",
    ],
    ["physical block", `${physicalBlockBytes} bytes`],
    ["free", `${formatBytes(place.freeBytes)}: ${duration(logRoomSeconds)} ${ROOM}`],
  ]);
}

const ROOM = "of log at full speed, one by one, if the background had to stop";

/** As a person says it. */
function duration(seconds: number): string {
  if (seconds >= 2 * 86_400) return `${formatNumber(Math.floor(seconds / 86_400))} days`;
  if (seconds >= 2 * 3600) return `${Math.floor(seconds / 3600)} hours`;
  return seconds >= 120 ? `${Math.floor(seconds / 60)} minutes` : `${seconds} seconds`;
}

function machinePart({ disk, lock, limits, limitProblems, kernel, node }: Diagnosis): string {
  return formatPairs([
    ["disk", diskText(disk)],
    ["io_uring", ringText(disk)],
    [
      "lock",
      lock === "flock"
        ? "flock: the kernel lets no second writer in"
        : "claims in a file, without the kernel's help: it keeps out programs of this machine only",
    ],
    ["limits", limitsText(limits)],
    ...limitProblems.map((problem): [string, string] => ["TOO LOW", problem]),
    ["runs on", `${kernel}, Node.js ${node}`],
  ]);
}

function limitsText(limits: ProcessLimits): string {
  const { openFilesMax, fileBytesMax, lockedBytesMax, addressBytesMax } = limits;
  const parts = [
    openFilesMax !== null && `${formatNumber(openFilesMax)} open files`,
    fileBytesMax !== null && `files of ${formatBytes(fileBytesMax)}`,
    lockedBytesMax !== null && `${formatBytes(lockedBytesMax)} of locked memory`,
    addressBytesMax !== null && `${formatBytes(addressBytesMax)} of address space`,
  ].filter((part) => part !== false);
  return parts.length === 0 ? "none is known" : `at most ${parts.join(", ")}`;
}

function diskText({ kind, backend }: DiskInfo): string {
  if (backend === "io_uring") return "native, by io_uring: the best there is";
  if (kind === "native")
    return "native, by a pool of threads: the same guarantees, a little slower";
  return `${kind}, by ${backend}: the same files, slower`;
}

function ringText({ kind, backend, reason }: DiskInfo): string {
  if (backend === "io_uring") return "is to be had";
  if (kind === "native") return reason ?? "is not to be had";
  return `is not to be had: the native addon cannot be loaded (${reason ?? "no reason is known"})`;
}

function storePart({ store, storeProblem }: Diagnosis): string {
  const pairs: [string, string][] = [];
  if (storeProblem !== null) pairs.push(["store", `cannot be read: ${storeProblem}`]);
  if (store !== null && storeProblem === null) {
    pairs.push(["store", `there is one, of environment "${store.environment}"`]);
  }
  for (const { disk, method, measured } of store?.methods ?? []) {
    const p50 = measured.find((one) => one.method === method)?.p50Micros;
    const then = p50 === undefined ? "" : `, then ${formatNumber(p50)} µs`;
    pairs.push(["recorded", `${method} for the ${disk} disk${then}`]);
  }
  const holder = store?.heldBy;
  if (holder) {
    const who = `process ${holder.pid} on ${holder.host}`;
    pairs.push(["in use", `by ${who}: its writes and the measurement slowed one another down`]);
  }
  return pairs.length === 0 ? "" : formatPairs(pairs);
}

function methodsPart(diagnosis: Diagnosis): string {
  const rows = (Object.keys(METHOD_TEXTS) as WriteMethod[]).map((method) => {
    const one = diagnosis.measured.find((candidate) => candidate.method === method);
    const text = METHOD_TEXTS[method];
    if (one === undefined) return [method, "-", "-", "not to be had", text];
    const micros = (value: number) => `${formatNumber(value)} µs`;
    return [method, micros(one.p50Micros), micros(one.p99Micros), markOf(method, diagnosis), text];
  });
  return formatTable(
    [
      { title: `a durable write of ${diagnosis.blockBytes} bytes` },
      { title: "p50", right: true },
      { title: "p99", right: true },
      { title: "" },
      { title: "how" },
    ],
    rows,
  );
}

/** A store keeps to what it has recorded, even where something else would be chosen today. */
function markOf(method: WriteMethod, { chosen, used, store, disk }: Diagnosis): string {
  const isRecorded = store?.methods.some((choice) => choice.disk === disk.kind) ?? false;
  if (method === used) return isRecorded ? "used by this store" : "chosen";
  return method === chosen ? "chosen if it were new" : "";
}

/** More than this many times the median is not how a quiet disk behaves. */
const UNSTEADY = 8;

function speedPart(diagnosis: Diagnosis): string {
  const { oneByOnePerSecond, inFlightPerSecond, measured, used } = diagnosis;
  const pairs: [string, string][] = [
    ["one by one", `${rounded(oneByOnePerSecond)} durable writes a second`],
    [`${IN_FLIGHT} in flight`, `${rounded(inFlightPerSecond)} durable writes a second, measured`],
  ];
  const one = measured.find(({ method }) => method === used);
  if (one !== undefined && one.p99Micros > UNSTEADY * one.p50Micros) {
    const text = `one write in a hundred took ${formatNumber(one.p99Micros)} µs or more: `;
    pairs.push(["unsteady", `${text}is something else using the disk? A second look may differ`]);
  }
  return formatPairs(pairs);
}

/** One sentence for those who read no other. */
function expectation(diagnosis: Diagnosis): string {
  const { measured, used, oneByOnePerSecond, inFlightPerSecond, weakness, place } = diagnosis;
  if (weakness !== null) {
    return (
      `Do not keep a store here (${place.fileSystem}: ${weakness}): it would lose what it ` +
      "acknowledged, and opening with `strict` refuses."
    );
  }
  const p50 = measured.find(({ method }) => method === used)?.p50Micros ?? 0;
  const most = Math.max(oneByOnePerSecond, inFlightPerSecond);
  return (
    `Expect an awaited put to be durable in about ${formatNumber(p50)} µs: ` +
    `${rounded(oneByOnePerSecond)} a second one after the other, ${rounded(most)} commits a ` +
    "second from many at once, each of thousands of rows if need be; what was acknowledged " +
    "survives a crash and a power cut."
  );
}

/** Two digits: a measurement of a second is worth no more. */
function rounded(value: number): string {
  if (value < 100) return formatNumber(value);
  const unit = 10 ** (Math.floor(Math.log10(value)) - 1);
  return formatNumber(Math.round(value / unit) * unit);
}
