/** Runs many seeds and counts what happened in them. */
import { type RunResult, runSeed } from "./engine.js";

/** What every batch of seeds has to have met; a knob that never turns proves nothing. */
export const REQUIRED = [
  "process kill",
  "power loss",
  "crash while opening",
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
  "disk full",
  "space returned",
  "short queueWrite",
  "short write",
  "stall",
  "clock jump",
  "write refused: OUTCOME_UNKNOWN",
  "write refused: POISONED",
  "write refused: DISK_FULL",
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
  "damage refused: CORRUPT_LOG",
  "damage refused: CORRUPT_MANIFEST",
  "damage refused: MISSING_FILE",
  "device: lost write",
  "lost write refused",
  "device: misdirected write",
  "misdirected write refused",
] as const;

export interface Summary {
  readonly seeds: number;
  readonly operations: number;
  readonly crashes: number;
  readonly recoveries: number;
  readonly counts: Record<string, number>;
  /** Least operations and crashes that a single seed had. */
  readonly least: { readonly operations: number; readonly crashes: number };
}

/** Seeds of one of two halves, so that two workers share the work. */
export function seedsOf(half: 0 | 1): number[] {
  const all = Number(process.env.HOLDFAST_SEEDS ?? 5000);
  return Array.from({ length: all }, (_, index) => index + 1).filter((seed) => seed % 2 === half);
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
  const { seeds, operations, crashes, recoveries, counts } = summary;
  const rows = Object.entries({ seeds, operations, crashes, recoveries, ...sorted(counts) });
  return rows.map(([name, count]) => `${String(count).padStart(10)}  ${name}`).join("\n");
}

function sorted(counts: Readonly<Record<string, number>>): Record<string, number> {
  return Object.fromEntries(Object.entries(counts).sort(([a], [b]) => (a < b ? -1 : 1)));
}
