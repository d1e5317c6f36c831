/** Every operation of every scenario fails, in every way: once, and from then on. */
import { rmSync } from "node:fs";
import { expect } from "vitest";
import type { ErrorCode } from "../../src/index.js";
import { recordFaults } from "../support/fault-matrix.js";
import { attempt, type Failing } from "./attempt.js";
import { beginning } from "./beginnings.js";
import { SALVAGED } from "./copy-scenarios.js";
import type { Scenario } from "./scenario.js";
import { SCENARIOS } from "./scenarios.js";

/** What a failing device may be told as; nothing else. */
const CODES: readonly ErrorCode[] = [
  "IO",
  "DISK_FULL",
  "OUTCOME_UNKNOWN",
  "POISONED",
  "CLOSED",
  "CORRUPT_LOG",
  "CORRUPT_MANIFEST",
];

/**
 * What others take the most of: left to `HOLDFAST_SWEEP=all`, as in `npm run test:nightly`, so that
 * the rest fits.
 */
const AT_NIGHT: ReadonlySet<string> = new Set([
  "create",
  "create and close",
  "open, close, open",
  "open with larger blocks",
  "open with larger blocks, fill a segment",
  "rotate twice",
  "flush twice",
  "merge twice",
  "archive twice",
  "archive behind archives",
  "fork with archives",
  "restore beside its store",
  "verify beside its store",
  "verify each file",
]);
const ALL = process.env.HOLDFAST_SWEEP === "all";

interface Row {
  readonly scenario: string;
  readonly operations: number;
  runs: number;
  refused: number;
  survived: number;
  waited: number;
  readonly codes: Record<string, number>;
}

/** Of one of `parts`. */
export async function sweep(part: number, parts: number, runsMin: number): Promise<void> {
  const rows: Row[] = [];
  const effects: Record<string, number> = {};
  const scenarios = SCENARIOS.filter(({ name }) => ALL || !AT_NIGHT.has(name));
  if (!ALL) console.log(`left to the nightly run: ${[...AT_NIGHT].join("; ")}`);
  expect(SCENARIOS.filter(({ name }) => AT_NIGHT.has(name)).length).toBe(AT_NIGHT.size);
  for (const [number, scenario] of scenarios.entries()) {
    if (number % parts !== part) continue;
    rows.push(await sweepScenario(scenario, effects));
  }
  rmSync(SALVAGED, { recursive: true, force: true });
  console.log(table(rows));
  const sum = (of: (row: Row) => number): number => rows.reduce((all, row) => all + of(row), 0);
  const runs = sum(({ runs }) => runs);
  expect(runs).toBeGreaterThanOrEqual(runsMin);
  expect(sum(({ refused }) => refused)).toBeGreaterThan(0);
  expect(sum(({ survived }) => survived)).toBeGreaterThan(0);
  recordFaults(
    `sweep-${part}`,
    Object.entries(effects).map(([how, fired]) => ({
      fault: FAULTS[how.split(" ")[0] as keyof typeof FAULTS],
      how: `${how}, at every operation of ${rows.length} scenarios`,
      fired,
      expected: "a typed error or success; then everything acknowledged is there",
      observed: "so in every run",
    })),
  );
}

const FAULTS = {
  EIO: "35 EIO on any operation",
  ENOSPC: "42 ENOSPC on any operation",
  short: "45 short write",
} as const;

async function sweepScenario(scenario: Scenario, effects: Record<string, number>): Promise<Row> {
  const from = await beginning(scenario.begin, scenario.options ?? {});
  const whole = await attempt(scenario, from, undefined);
  const { name, operations } = { name: scenario.name, operations: whole.operations };
  if (whole.outcome !== "survived") throw new Error(`${name}: ${whole.outcome} without a fault`);
  const codes = scenario.damaged ? [...CODES, "CORRUPT_RUN"] : CODES;
  const row: Row = {
    scenario: name,
    operations,
    runs: 0,
    refused: 0,
    survived: 0,
    waited: 0,
    codes: {},
  };
  for (const failing of failings(operations, whole.writes)) {
    const effect = "error" in failing.effect ? failing.effect.error : "short";
    const how = `${effect} ${failing.forEver ? "for ever" : "once"}`;
    try {
      const { outcome, code } = await attempt(scenario, from, failing);
      row.runs++;
      row[outcome]++;
      effects[how] = (effects[how] ?? 0) + 1;
      if (code !== undefined) row.codes[code] = (row.codes[code] ?? 0) + 1;
      if (code !== undefined && !codes.includes(code as ErrorCode)) throw new Error(code);
      if (outcome === "waited" && !failing.forEver) throw new Error("waits for ever");
      if (scenario.looks && effect === "EIO" && failing.forEver && code === undefined) {
        throw new Error("nothing can be read, and it is not told");
      }
      if (effect === "short" && outcome !== "survived") throw new Error(`${outcome} ${code}`);
    } catch (error) {
      throw new Error(`${name}: ${how} from operation ${failing.at}`, { cause: error });
    }
  }
  return row;
}

function* failings(operations: number, writes: number): Generator<Failing> {
  for (const forEver of [false, true]) {
    for (const error of ["EIO", "ENOSPC"] as const) {
      for (let at = 1; at <= operations; at++) yield { effect: { error }, at, forEver };
    }
    for (let at = 1; at <= writes; at++) yield { effect: { write: "short" }, at, forEver };
  }
}

function table(rows: readonly Row[]): string {
  const lines = rows.map(({ scenario, operations, runs, refused, survived, waited, codes }) => {
    const figures = [operations, runs, refused, survived, waited].map((n) => `${n}`.padStart(8));
    return `${scenario.padEnd(48)}${figures.join("")}  ${JSON.stringify(codes)}`;
  });
  const head = ["operations", "runs", "refused", "survived", "waited"].join("  ");
  return [`${"scenario".padEnd(46)}${head}`, ...lines].join("\n");
}
