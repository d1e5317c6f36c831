/** What a harness counts, and the table it prints in the end. */
import type { RecoveryReport } from "../../src/index.js";
import { type Ending, tornWarnings } from "./victim.js";

/** Figures of one back end; counts unless the name says otherwise. */
export class KillFigures {
  readonly backend: string;
  kills = 0;
  killsWhileOpening = 0;
  /** Openings of a store that was there, by the next process or by the harness. */
  recoveries = 0;
  tornTails = 0;
  tornBytes = 0;
  transactions = 0;
  /** Runs that openings by the harness found, and the most there were at once. */
  runs = 0;
  runsMax = 0;
  /** Segments that were listed, at most. */
  segmentsMax = 0;
  /** Snapshots that were opened and compared. */
  snapshots = 0;
  recoveryMillisMax = 0;
  /** From the start of a process to its first acknowledgement. */
  restartMillisMax = 0;
  /** Openings by the harness that waited for the lock because of a dead process's last writes. */
  lockWaits = 0;
  lockMillisMax = 0;
  rounds = 0;
  /** Rounds that ended in the state they should have. */
  roundsRight = 0;
  readonly failures: string[] = [];

  constructor(backend: string) {
    this.backend = backend;
  }

  /** Counts a process that has ended, and tells no more of its opening than its warnings. */
  ended(ending: Ending): void {
    this.killed(ending, ending.whileOpening);
    for (const bytes of tornWarnings(ending.errors)) this.#torn(bytes);
    if (ending.openMillis !== undefined && ending.existed) this.recoveries++;
  }

  /** Counts a process that has ended. */
  killed({ signal, openMillis = 0 }: Ending, whileOpening: boolean): void {
    if (signal === "SIGKILL") this.kills++;
    if (whileOpening) this.killsWhileOpening++;
    this.restartMillisMax = Math.max(this.restartMillisMax, openMillis);
  }

  /** Counts an opening of which the report is known. */
  recovered({ created, micros, tornBytes, runs, segments }: RecoveryReport): void {
    this.runs += runs;
    this.runsMax = Math.max(this.runsMax, runs);
    this.segmentsMax = Math.max(this.segmentsMax, segments);
    if (!created) this.recoveries++;
    this.recoveryMillisMax = Math.max(this.recoveryMillisMax, micros / 1000);
    this.#torn(tornBytes);
  }

  #torn(bytes: number): void {
    if (bytes === 0) return;
    this.tornTails++;
    this.tornBytes += bytes;
  }
}

type Column = readonly [title: string, value: (figures: KillFigures) => string | number];

const COLUMNS: readonly Column[] = [
  ["back end", (f) => f.backend],
  ["kills", (f) => f.kills],
  ["while opening", (f) => f.killsWhileOpening],
  ["recoveries", (f) => f.recoveries],
  ["torn tails", (f) => f.tornTails],
  ["torn bytes", (f) => f.tornBytes],
  ["transactions", (f) => f.transactions],
  ["runs found", (f) => f.runs],
  ["at most", (f) => f.runsMax],
  ["segments at most", (f) => f.segmentsMax],
  ["snapshots right", (f) => f.snapshots],
  ["recovery max ms", (f) => f.recoveryMillisMax.toFixed(1)],
  ["restart max ms", (f) => f.restartMillisMax.toFixed(0)],
  ["lock waits", (f) => f.lockWaits],
  ["lock max ms", (f) => f.lockMillisMax.toFixed(1)],
  ["end state right", (f) => `${f.roundsRight} of ${f.rounds}`],
  ["failures", (f) => f.failures.length],
];

/** A table for people: a line of titles, then one line for each back end. */
export function formatFigures(all: readonly KillFigures[]): string {
  const rows = [
    COLUMNS.map(([title]) => title),
    ...all.map((figures) => COLUMNS.map(([, value]) => String(value(figures)))),
  ];
  const widths = COLUMNS.map((_, column) =>
    Math.max(...rows.map((row) => (row[column] as string).length)),
  );
  return rows
    .map((row) => row.map((text, column) => text.padStart(widths[column] as number)).join("  "))
    .join("\n");
}
