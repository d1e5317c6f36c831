/** What becomes of one of our orders by what the venue says of it. */
import { amendRejected, orderAmended, sameTerms } from "./amendments.js";
import { amountOf, sameAmount } from "./amounts.js";
import type { BrokerOrder } from "./broker.js";
import type { Mismatch } from "./compare.js";
import { isWorking, type OrderEvent } from "./order-states.js";
import { advanceOrder } from "./orders.js";
import type { Discrepancy } from "./report.js";
import type { Step } from "./step.js";
import { type AmendmentRow, amendments, type OrderRow } from "./tables.js";

/** An order that the venue was asked about, and its answer; undefined: it does not know it. */
export interface AskedOrder {
  readonly clientId: string;
  readonly theirs: BrokerOrder | undefined;
  /** When it was asked about, and what it was then. */
  readonly time: number;
  readonly asked: OrderRow;
}

const EVENTS: Readonly<
  Record<BrokerOrder["status"], Exclude<OrderEvent, "fill" | "complete" | "amend"> | undefined>
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
  order: AskedOrder,
  unsentAfterMicros: number,
): Mismatch | { readonly discrepancy: Discrepancy } | undefined {
  const { clientId, theirs } = order;
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
  const amended =
    event === undefined || event === "accept"
      ? settleTerms(step, order, theirs, unsentAfterMicros)
      : undefined;
  if (event === undefined || !isWorking(step.order(clientId).status)) return amended;
  const unknown = ours.status === "unknown";
  const after = advanceOrder(step, clientId, event, newsOf(theirs));
  if (after.status === ours.status) return amended;
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

/** Takes price and quantity to what the venue has, and finds out what became of an amendment. */
function settleTerms(
  step: Step,
  { clientId, time, asked }: AskedOrder,
  theirs: BrokerOrder,
  afterMicros: number,
): { readonly discrepancy: Discrepancy } | undefined {
  const ours = step.order(clientId);
  const amendment = step.tx.get(amendments, clientId);
  // What was asked for or answered meanwhile is newer than what they say.
  if (!sameTerms(ours, asked) || (amendment !== undefined && amendment.asked >= time)) return;
  const quantity = amountOf(theirs.quantity);
  const told = theirs.price !== undefined && ours.price !== null;
  const price = told ? amountOf(theirs.price ?? 0) : ours.price;
  const same = quantity.equals(ours.quantity) && sameAmount(price, ours.price);
  if (same && amendment === undefined) return undefined;
  const found = {
    kind: "order-state",
    subject: clientId,
    ours: termsText(ours),
    theirs: termsText({ quantity, price }),
  } as const;
  if (same && !isSettled(step, amendment, theirs, afterMicros)) {
    const detail = "an amendment may still be on its way: ask again later";
    return { discrepancy: { ...found, action: "unresolved", detail, sequence: null } };
  }
  if (same) amendRejected(step, clientId, { reason: "the venue has not carried it out" });
  else {
    const terms = { quantity, price: price ?? undefined };
    orderAmended(step, clientId, { ...terms, stopPrice: ours.stopPrice ?? undefined });
    step.riskEvent(ours.symbol, "order", `${clientId} is ${found.theirs}, was ${found.ours}`);
  }
  const detail = same ? "not amended" : "amended";
  return { discrepancy: { ...found, action: "resolved", detail, sequence: step.sequence } };
}

/** True if an amendment that does not show at the venue will not show any more. */
function isSettled(
  step: Step,
  amendment: AmendmentRow | undefined,
  theirs: BrokerOrder,
  afterMicros: number,
): boolean {
  if (amendment === undefined || theirs.status !== "open") return true;
  const visible =
    theirs.price !== undefined || !amendment.quantity.equals(amountOf(theirs.quantity));
  return visible && step.time - amendment.asked >= afterMicros;
}

function termsText({ quantity, price }: Pick<OrderRow, "quantity" | "price">): string {
  return price === null ? `${quantity}` : `${quantity} at ${price}`;
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
