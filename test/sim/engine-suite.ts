/** Runs many seeds and counts what happened in them. */
import { type RunResult, runSeed } from "./engine.js";

/** What every batch of seeds has to have met; a knob that never turns proves nothing. */
export const REQUIRED = [
  "process kill",
  "power loss",
  "crash while opening",
  "crash while reading what was recovered",
  "crash while making a snapshot",
  "crash while dropping a snapshot",
  "crash at open .run",
  "crash at write .run",
  "crash at sync .run",
  "crash at read .run",
  "crash at map .run",
  "crash at copy .run",
  "crash at remove .run",
  "crash at open .archive",
  "crash at write .archive",
  "crash at sync .archive",
  "crash at read .archive",
  "crash at remove .archive",
  "crash at write manifest",
  "crash at remove .log",
  "crash at zeroFill .log",
  "segment recycled",
  "flush asked for",
  "flush after a fault",
  "snapshot made",
  "snapshot dropped",
  "snapshot compared",
  "view compared",
  "patch",
  "checked at rest",
  "several runs at rest",
  "runs of several files at rest",
  "history read back",
  "tail torn",
  "zombie write",
  "sector lost",
  "sector torn",
  "sector garbage",
  "name lost",
  "EIO queueWrite",
  "EIO write",
  "EIO sync",
  "EIO read",
  "EIO open",
  "ENOSPC queueWrite",
  "EROFS queueWrite",
  "EMFILE open",
  "EIO map",
  "EIO copy",
  "ENOSPC write",
  "ENOSPC sync",
  "disk full",
  "space returned",
  "short queueWrite",
  "short write",
  "stall",
  "clock jump",
  "write refused: OUTCOME_UNKNOWN",
  "write refused: POISONED",
  "write refused: DISK_FULL",
  "write refused: OVERLOADED",
  "flush refused: IO",
  "flush refused: DISK_FULL",
  "snapshot refused: IO",
  "warning BACKGROUND",
  "warning BACK_PRESSURE",
  "open refused: IO",
  "open refused: DISK_FULL",
  "damage: bit flip in a frame",
  "damage: zeroed sector",
  "damage: garbage length",
  "damage: segment header",
  "damage: missing segment",
  "damage: truncated segment",
  "damage: one manifest damaged",
  "damage: both manifests damaged",
  "damage: both manifests missing",
  "damage: older manifest",
  "damage: bit flip anywhere",
  "damage: bit flip in a run",
  "damage: zeros in a run",
  "damage: truncated run",
  "damage: missing run",
  "damage: other run in its place",
  "damage: older file of the same name",
  "damage: missing archive",
  "damage: bit flip in an archive",
  "damage: truncated archive",
  "damaged archive refused",
  "damage refused by a read",
  "damage refused: CORRUPT_RUN",
  "snapshot of a damaged store refused",
  "damage refused: CORRUPT_LOG",
  "damage refused: CORRUPT_MANIFEST",
  "damage refused: MISSING_FILE",
  "device: lost write",
  "lost write refused",
  "device: misdirected write",
  "misdirected write refused",
] as const;

/** What a batch of thousands has to have met besides: in five hundred it happens once, or not. */
export const RARE = ["crash at rename .log", "read refused: IO"] as const;

export interface Summary {
  readonly seeds: number;
  readonly operations: number;
  readonly machineOperations: number;
  readonly crashes: number;
  readonly recoveries: number;
  readonly counts: Record<string, number>;
  /** Least operations and crashes that a single seed had. */
  readonly least: { readonly operations: number; readonly crashes: number };
}

/** Seeds of one of two halves, so that two workers share the work: "2000", or "1501-3000". */
export function seedsOf(half: 0 | 1): number[] {
  const [first = 1, last = first] = (process.env.HOLDFAST_SEEDS ?? "2000").split("-").map(Number);
  const from = first === last ? 1 : first;
  const all = Array.from({ length: last - from + 1 }, (_, index) => from + index);
  return all.filter((seed) => seed % 2 === half);
}

/** Throws at the first seed that fails, with all that is needed to see it again. */
export async function runSeeds(seeds: readonly number[]): Promise<Summary> {
  const results: RunResult[] = [];
  const counts: Record<string, number> = {};
  for (const seed of seeds) {
    const result = await runSeed(seed);
    results.push({ ...result, counts: {} });
    for (const [name, count] of Object.entries(result.counts)) {
      counts[name] = (counts[name] ?? 0) + count;
    }
  }
  const sum = (of: (result: RunResult) => number): number =>
    results.reduce((total, result) => total + of(result), 0);
  const operations = (result: RunResult): number => result.operations;
  const crashes = (result: RunResult): number => result.crashes;
  return {
    seeds: results.length,
    operations: sum(operations),
    machineOperations: sum((result) => result.machineOperations),
    crashes: sum(crashes),
    recoveries: sum((result) => result.recoveries),
    counts,
    least: {
      operations: Math.min(...results.map(operations)),
      crashes: Math.min(...results.map(crashes)),
    },
  };
}

export function showSummary(summary: Summary): string {
  const { seeds, operations, machineOperations, crashes, recoveries, least, counts } = summary;
  const rows = Object.entries({
    seeds,
    operations,
    "operations of the machine": machineOperations,
    "operations of a seed, at least": least.operations,
    crashes,
    "crashes of a seed, at least": least.crashes,
    recoveries,
    ...sorted(counts),
  });
  return rows.map(([name, count]) => `${String(count).padStart(10)}  ${name}`).join("\n");
}

function sorted(counts: Readonly<Record<string, number>>): Record<string, number> {
  return Object.fromEntries(Object.entries(counts).sort(([a], [b]) => (a < b ? -1 : 1)));
}
