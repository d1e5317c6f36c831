/**
 * Amendments: a working order gets another price or quantity. Written down as an intent before the
 * venue is asked, as orders are; until it has answered, the order has its old terms, and the limits
 * count whichever quantity is larger.
 */
import { type Decimal, HoldfastError } from "../index.js";
import { type Amount, invalid, positiveOf, sameAmount } from "./amounts.js";
import { isWorking, nextStatus } from "./order-states.js";
import {
  addExposure,
  changedOrder,
  dropAmendment,
  type Order,
  type OrderNews,
  orderOf,
  stepped,
  surplusOf,
  venueIdOf,
  writeOrder,
} from "./orders.js";
import { checkOrder } from "./risk.js";
import type { Step } from "./step.js";
import { amendments, type OrderRow } from "./tables.js";

/** What is to be changed of an order; what is left out stays as it is. */
export interface OrderChange {
  /** The whole quantity, with what is filled of it: above that, a multiple of the lot. */
  readonly quantity?: Amount | undefined;
  /** For "limit" and "stop-limit": above zero, a multiple of the tick. */
  readonly price?: Amount | undefined;
  /** For "stop" and "stop-limit", likewise. */
  readonly stopPrice?: Amount | undefined;
}

/** What a venue says of an order that it has changed. Left out: as it was asked for. */
export interface AmendNews extends OrderNews, OrderChange {}

type Terms = Pick<OrderRow, "price" | "stopPrice" | "quantity">;

const CHANGE = new Set(["quantity", "price", "stopPrice"]);

export interface AmendOptions {
  /**
   * The venue has said yes already, as one in the same process may (a simulation, a backtest): the
   * order is changed at once. Default: false.
   */
  readonly answered?: boolean | undefined;
}

/**
 * Writes down what is asked for, if no limit refuses it; gives the order as it is to be, changed
 * now.
 */
export function amendOrder(
  step: Step,
  clientId: string,
  change: OrderChange,
  { answered = false }: AmendOptions = {},
): Order {
  for (const name of Object.keys(change)) {
    if (!CHANGE.has(name)) throw invalid(`of an order no "${name}" can be changed`);
  }
  const before = step.order(clientId);
  const asked = step.tx.has(amendments, clientId);
  if (asked || (before.status !== "open" && before.status !== "partial")) {
    const why = asked ? "waits for the answer to an amendment" : `is ${before.status}`;
    const message = `order ${clientId} ${why}: it cannot be amended`;
    throw new HoldfastError("ORDER_TRANSITION", message, { key: clientId });
  }
  const terms = wantedTerms(step, before, change);
  if (sameTerms(terms, before)) throw invalid(`order ${clientId} is like that already`);
  if (terms.quantity.compare(before.filled) <= 0) {
    throw invalid(`of order ${clientId} ${before.filled} are filled: ${terms.quantity} is too few`);
  }
  const { status, venueId, filled, filledValue, reason } = before;
  const changes = { status, venueId, filled, filledValue, reason, changed: step.time };
  const after = changedOrder(before, changes, terms);
  checkOrder(step, after, before);
  if (answered) {
    writeOrder(step, clientId, before, after);
    return orderOf(clientId, after);
  }
  const { price, stopPrice, quantity } = terms;
  step.put(amendments, clientId, { price, stopPrice, quantity, asked: step.time });
  const surplus = surplusOf(terms, before);
  if (!surplus.isZero()) addExposure(step, before, surplus);
  return orderOf(clientId, after);
}

function wantedTerms(step: Step, before: OrderRow, change: OrderChange): Terms {
  const { tick, lot } = step.instrument(before.symbol);
  const priced = (what: "price" | "stopPrice"): Decimal | null => {
    if (change[what] === undefined) return before[what];
    return stepped(change[what], tick, what, before[what] === null ? undefined : before.type);
  };
  const { quantity } = change;
  return {
    price: priced("price"),
    stopPrice: priced("stopPrice"),
    quantity:
      quantity === undefined
        ? before.quantity
        : (stepped(quantity, lot, "quantity", before.type) as Decimal),
  };
}

/** The venue has changed the order. A fact: no limit refuses it. */
export function orderAmended(step: Step, clientId: string, news: AmendNews = {}): Order {
  const before = step.order(clientId);
  const status = nextStatus(clientId, before.status, "amend");
  // It has ended, or this was said before.
  if (!isWorking(status)) return orderOf(clientId, before);
  const amendment = step.tx.get(amendments, clientId);
  const terms = toldTerms(amendment ?? before, news);
  const left = terms.quantity.compare(before.filled);
  if (left < 0) {
    const message = `order ${clientId} has ${before.filled} filled, and cannot be for less`;
    throw new HoldfastError("ORDER_TRANSITION", `${message}: ${terms.quantity}`, { key: clientId });
  }
  dropAmendment(step, clientId, before);
  const venueId = venueIdOf(step, clientId, before, news.venueId, true);
  const next = left === 0 ? nextStatus(clientId, status, "complete") : status;
  if (sameTerms(terms, before) && venueId === before.venueId && next === before.status) {
    return orderOf(clientId, before);
  }
  const { filled, filledValue } = before;
  const { reason = before.reason } = news;
  const changes = { status: next, venueId, filled, filledValue, reason, changed: step.time };
  const after = changedOrder(before, changes, terms);
  writeOrder(step, clientId, before, after);
  return orderOf(clientId, after);
}

function toldTerms(asked: Terms, news: AmendNews): Terms {
  const told = (value: Amount | undefined, what: string, otherwise: Decimal | null) =>
    value === undefined ? otherwise : positiveOf(value, what);
  return {
    price: told(news.price, "price", asked.price),
    stopPrice: told(news.stopPrice, "stopPrice", asked.stopPrice),
    quantity: told(news.quantity, "quantity", asked.quantity) as Decimal,
  };
}

/** The venue has not changed the order, and will not. */
export function amendRejected(step: Step, clientId: string, news: OrderNews = {}): Order {
  const before = step.order(clientId);
  if (!step.tx.has(amendments, clientId)) return orderOf(clientId, before);
  dropAmendment(step, clientId, before);
  step.riskEvent(before.symbol, "order", `${clientId} was not amended: ${news.reason ?? ""}`);
  // All of the old quantity had been filled meanwhile.
  if (!before.filled.equals(before.quantity)) return orderOf(clientId, before);
  const status = nextStatus(clientId, before.status, "complete");
  const { venueId, filled, filledValue, reason } = before;
  const changes = { status, venueId, filled, filledValue, reason, changed: step.time };
  const after = changedOrder(before, changes);
  writeOrder(step, clientId, before, after);
  return orderOf(clientId, after);
}

/** True while a larger quantity is asked for than the order has. */
export function mayGrow(step: Step, clientId: string, order: OrderRow): boolean {
  const amendment = step.tx.get(amendments, clientId);
  return amendment !== undefined && !surplusOf(amendment, order).isZero();
}

/** The order that a fill belongs to. More than it had: the venue has carried the amendment out. */
export function orderFor(step: Step, clientId: string, quantity: Decimal): OrderRow {
  const order = step.order(clientId);
  const filled = order.filled.add(quantity);
  if (filled.compare(order.quantity) <= 0) return order;
  const amendment = step.tx.get(amendments, clientId);
  if (amendment === undefined || filled.compare(amendment.quantity) > 0) return order;
  orderAmended(step, clientId);
  return step.order(clientId);
}

export function sameTerms(a: Terms, b: Terms): boolean {
  return (
    sameAmount(a.price, b.price) &&
    sameAmount(a.stopPrice, b.stopPrice) &&
    a.quantity.equals(b.quantity)
  );
}
