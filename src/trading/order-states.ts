/**
 * The states of an order and the steps between them, as one table. What the table does not have is
 * impossible and refused: then we or the venue have lost track, and guessing would make it worse.
 */
import { HoldfastError } from "../index.js";

export const ORDER_STATUSES = [
  /** Written down; not known to have been sent. */
  "intent",
  /** It may be at the venue or not: a request that was cut off, or a crash. To be resolved. */
  "unknown",
  "open",
  "partial",
  "filled",
  "cancelled",
  "expired",
  "rejected",
  /** It never reached the venue. */
  "unsent",
] as const;

export type OrderStatus = (typeof ORDER_STATUSES)[number];

/** What can happen to an order. "complete" is the fill after which nothing is left to fill. */
export const ORDER_EVENTS = [
  "accept",
  "reject",
  "fill",
  "complete",
  "cancel",
  "expire",
  "doubt",
  "absent",
  "amend",
] as const;

export type OrderEvent = (typeof ORDER_EVENTS)[number];

/** What may follow an order of which nobody has heard yet. */
const UNHEARD = {
  accept: "open",
  reject: "rejected",
  fill: "partial",
  complete: "filled",
  cancel: "cancelled",
  expire: "expired",
  doubt: "unknown",
  absent: "unsent",
  amend: "open",
} as const;

/**
 * Messages come late, twice and out of order. So an acceptance after a fill changes nothing, and a
 * fill after a cancellation is booked: it was done before it.
 */
export const TRANSITIONS: Readonly<
  Record<OrderStatus, Readonly<Partial<Record<OrderEvent, OrderStatus>>>>
> = {
  intent: UNHEARD,
  unknown: UNHEARD,
  open: {
    accept: "open",
    reject: "rejected",
    fill: "partial",
    complete: "filled",
    cancel: "cancelled",
    expire: "expired",
    amend: "open",
  },
  partial: {
    accept: "partial",
    fill: "partial",
    complete: "filled",
    cancel: "cancelled",
    expire: "expired",
    amend: "partial",
  },
  filled: { accept: "filled", amend: "filled" },
  cancelled: {
    accept: "cancelled",
    fill: "cancelled",
    complete: "filled",
    cancel: "cancelled",
    amend: "cancelled",
  },
  expired: {
    accept: "expired",
    fill: "expired",
    complete: "filled",
    expire: "expired",
    amend: "expired",
  },
  rejected: { reject: "rejected" },
  // We concluded this from the venue's silence; what the venue says later counts more.
  unsent: { accept: "open", fill: "partial", complete: "filled", absent: "unsent", amend: "open" },
};

const WORKING: ReadonlySet<OrderStatus> = new Set(["intent", "unknown", "open", "partial"]);

/** True while an order may still be filled, as far as we know: it counts towards the limits. */
export function isWorking(status: OrderStatus): boolean {
  return WORKING.has(status);
}

/** The state after an event. Throws ORDER_TRANSITION where the table has none. */
export function nextStatus(clientId: string, status: OrderStatus, event: OrderEvent): OrderStatus {
  const next = TRANSITIONS[status][event];
  if (next !== undefined) return next;
  throw new HoldfastError(
    "ORDER_TRANSITION",
    `order ${clientId} is ${status}: "${event}" cannot happen to it`,
    { key: clientId },
  );
}
