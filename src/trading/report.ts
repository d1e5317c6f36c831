/** What a recovery or reconciliation found, and what was done about it. */
import type { DiscrepancyRow, ReportRow } from "./tables.js";

/** One difference between what we knew and what the venue says. */
export type Discrepancy = DiscrepancyRow;

/** Saved in the table `recoveryReports` under its number; printed by its `toString`. */
export class RecoveryReport {
  readonly number: number;
  readonly venue: string;
  readonly kind: ReportRow["kind"];
  readonly policy: ReportRow["policy"];
  /** Microseconds since 1970. */
  readonly started: number;
  readonly finished: number;
  /** Microseconds since the last event before it. */
  readonly idleMicros: number;
  readonly discrepancies: readonly Discrepancy[];

  /** From a row of `recoveryReports`. */
  constructor(number: number, row: ReportRow) {
    this.number = number;
    this.venue = row.venue;
    this.kind = row.kind;
    this.policy = row.policy;
    this.started = row.started;
    this.finished = row.finished;
    this.idleMicros = row.idleMicros;
    this.discrepancies = row.discrepancies;
  }

  /** Nothing differed. */
  get clean(): boolean {
    return this.discrepancies.length === 0;
  }

  /** Differences that are still there: reported only, halted for, or not to be resolved yet. */
  get open(): readonly Discrepancy[] {
    const still = new Set(["reported", "halted", "unresolved"]);
    return this.discrepancies.filter(({ kind, action }) => kind !== "stale" && still.has(action));
  }

  toString(): string {
    const { kind, number, venue, policy, idleMicros } = this;
    const millis = ((this.finished - this.started) / 1000).toFixed(1);
    const head =
      `${kind} ${number} of ${venue}, ${policy}: ${this.discrepancies.length} differences, ` +
      `${this.open.length} open; ${(idleMicros / 1e6).toFixed(1)} s idle, took ${millis} ms`;
    return [head, ...this.discrepancies.map(lineOf)].join("\n");
  }
}

function lineOf({ kind, subject, ours, theirs, action, detail, sequence }: Discrepancy): string {
  const by = sequence === null ? "" : ` by transaction ${sequence}`;
  const why = detail === "" ? "" : ` (${detail})`;
  return `  ${kind} ${subject}: ours ${ours}, theirs ${theirs}: ${action}${by}${why}`;
}
