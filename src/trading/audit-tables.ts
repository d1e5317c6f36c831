/** The tables of what happened: reports of recoveries, and the audit trail by symbol and time. */
import {
  decimal,
  defineTable,
  enumeration,
  float64,
  integer,
  list,
  nullable,
  type RowOf,
  record,
  string,
  timestamp,
} from "../index.js";
import { SCALE } from "./amounts.js";

const amount = () => decimal(SCALE);

/** By venue: up to when its fills are known to be complete. */
export const reconciled = defineTable({
  name: "trading.reconciled",
  version: 1,
  key: string(),
  resident: true,
  fields: { fillsThrough: timestamp(), time: timestamp(), report: integer() },
});

export const DISCREPANCIES = [
  "stale",
  "unknown-intent",
  "order-state",
  "order-lost",
  "order-filled",
  "foreign-order",
  "missed-fill",
  "foreign-fill",
  "position",
  "balance",
] as const;

export const ACTIONS = [
  "reported",
  "resolved",
  "applied",
  "cancelled",
  "corrected",
  "halted",
  "unresolved",
] as const;

/** Reports of recoveries and reconciliations, by number from 1. */
export const recoveryReports = defineTable({
  name: "trading.recoveryReports",
  version: 1,
  key: integer(),
  fields: {
    venue: string(),
    kind: enumeration(["recover", "reconcile"]),
    policy: enumeration(["WARN_ONLY", "SYNC_TO_BROKER", "HALT_AND_ALERT"]),
    started: timestamp(),
    finished: timestamp(),
    /** Microseconds since the last event before it. */
    idleMicros: integer(),
    discrepancies: list(
      record({
        kind: enumeration(DISCREPANCIES),
        subject: string(),
        ours: string(),
        theirs: string(),
        action: enumeration(ACTIONS),
        detail: string(),
        /** Sequence of the transaction that acted on it; null where none did. */
        sequence: nullable(integer()),
      }),
    ),
  },
});

// Audit: by symbol ("" for the whole), time, sequence, and place within that transaction.
const auditKey = () => [string(), timestamp(), integer(), integer()] as const;

/** The fills by symbol and time. */
export const tradeHistory = defineTable({
  name: "trading.tradeHistory",
  version: 1,
  key: auditKey(),
  fields: { tradeId: string() },
});

/** What happened to limits, halts and corrections. */
export const riskEvents = defineTable({
  name: "trading.riskEvents",
  version: 1,
  key: auditKey(),
  fields: {
    kind: enumeration(["limits", "halt", "resume", "correction", "order"]),
    detail: string(),
  },
});

/** What a strategy wanted, and why. */
export const signalLog = defineTable({
  name: "trading.signalLog",
  version: 1,
  tier: "important",
  key: auditKey(),
  fields: {
    signal: string(),
    confidence: float64(),
    targetWeight: amount(),
    actualWeight: nullable(amount()),
    reason: string(),
  },
});

export type ReportRow = RowOf<typeof recoveryReports>;
export type DiscrepancyRow = ReportRow["discrepancies"][number];
