/**
 * What was made to go wrong, and what became of it: one file for each suite in `.tmp/fault-matrix`,
 * for whoever renders the table of faults.
 */
import { mkdirSync, renameSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll } from "vitest";

export interface FaultRow {
  /** Number and name in the catalogue of faults, such as "7 pipelined hole". */
  readonly fault: string;
  /** How it is injected. */
  readonly how: string;
  /** How often it did happen. */
  readonly fired: number;
  /** What has to come of it. */
  readonly expected: string;
  /** What did. */
  readonly observed: string;
}

const root = dirname(dirname(dirname(fileURLToPath(import.meta.url))));

/** Where the records are. Not kept under version control. */
export const FAULT_MATRIX = join(root, ".tmp", "fault-matrix");

/** Replaces the record of a suite, as a whole: a suite that is cut short leaves the old one. */
export function recordFaults(suite: string, rows: readonly FaultRow[]): void {
  mkdirSync(FAULT_MATRIX, { recursive: true });
  const path = join(FAULT_MATRIX, `${suite}.json`);
  writeFileSync(`${path}.new`, `${JSON.stringify(rows, null, 2)}\n`);
  renameSync(`${path}.new`, path);
}

/** Counts one kind of fault: call it where its outcome has been asserted. */
export type CountFault = (fault: string, how: string, expected: string, times?: number) => void;

/** The faults of a file of tests, recorded when all of it has run. */
export function faultsOf(suite: string): CountFault {
  const rows = new Map<string, FaultRow>();
  afterAll(() => {
    if (rows.size > 0) recordFaults(suite, [...rows.values()]);
  });
  return (fault, how, expected, times = 1) => {
    const id = `${fault} ${how}`;
    const fired = (rows.get(id)?.fired ?? 0) + times;
    rows.set(id, { fault, how, fired, expected, observed: "so each time" });
  };
}
