/** What becomes of one of our orders by what the venue says of it. */
import { amountOf } from "./amounts.js";
import type { BrokerOrder } from "./broker.js";
import type { Mismatch } from "./compare.js";
import { isWorking, type OrderEvent } from "./order-states.js";
import { advanceOrder } from "./orders.js";
import type { Discrepancy } from "./report.js";
import type { Step } from "./step.js";
import type { OrderRow } from "./tables.js";

/** An order that the venue was asked about, and its answer; undefined: it does not know it. */
export interface AskedOrder {
  readonly clientId: string;
  readonly theirs: BrokerOrder | undefined;
}

const EVENTS: Readonly<
  Record<BrokerOrder["status"], Exclude<OrderEvent, "fill" | "complete"> | undefined>
> = {
  open: "accept",
  // Only its fills make an order filled.
  filled: undefined,
  cancelled: "cancel",
  expired: "expire",
  rejected: "reject",
};

/**
 * Takes the order to where the venue has it, in a transaction that comes after its fills. Gives
 * what was done, or what differs still, or undefined if they agree.
 */
export function settleOrder(
  step: Step,
  { clientId, theirs }: AskedOrder,
  unsentAfterMicros: number,
): Mismatch | { readonly discrepancy: Discrepancy } | undefined {
  const ours = step.order(clientId);
  // It has come to its end since the venue was asked.
  if (!isWorking(ours.status)) return undefined;
  if (theirs === undefined) return settleAbsent(step, clientId, ours, unsentAfterMicros);
  const filled = amountOf(theirs.filled);
  if (filled.compare(ours.filled) > 0) {
    if (ours.status === "unknown") advanceOrder(step, clientId, "accept", newsOf(theirs));
    return {
      kind: "order-filled",
      subject: clientId,
      ours: `${ours.filled} of ${ours.quantity} filled`,
      theirs: `${theirs.status}, ${filled} filled, of which the fills are not listed`,
      status: theirs.status,
    };
  }
  const event = EVENTS[theirs.status];
  if (event === undefined) return undefined;
  const unknown = ours.status === "unknown";
  const after = advanceOrder(step, clientId, event, newsOf(theirs));
  if (after.status === ours.status) return undefined;
  step.riskEvent(ours.symbol, "order", `${clientId} was ${ours.status}, is ${after.status}`);
  return {
    discrepancy: {
      kind: unknown ? "unknown-intent" : "order-state",
      subject: clientId,
      ours: ours.status,
      theirs: theirs.status,
      action: "resolved",
      detail: theirs.reason ?? "",
      sequence: step.sequence,
    },
  };
}

function settleAbsent(
  step: Step,
  clientId: string,
  ours: OrderRow,
  unsentAfterMicros: number,
): Mismatch | { readonly discrepancy: Discrepancy } {
  const found = { subject: clientId, ours: ours.status, theirs: "not known" };
  if (ours.status !== "unknown") return { kind: "order-lost", ...found };
  if (step.time - ours.created < unsentAfterMicros) {
    const detail = "it may still be on its way: ask again later";
    const open = { action: "unresolved", detail, sequence: null } as const;
    return { discrepancy: { kind: "unknown-intent", ...found, ...open } };
  }
  advanceOrder(step, clientId, "absent", { reason: "the venue does not know it" });
  step.riskEvent(ours.symbol, "order", `${clientId} was unknown, is unsent`);
  const done = { action: "resolved", detail: "never sent", sequence: step.sequence } as const;
  return { discrepancy: { kind: "unknown-intent", ...found, ...done } };
}

function newsOf({ venueId, reason }: BrokerOrder) {
  return { venueId, reason };
}
