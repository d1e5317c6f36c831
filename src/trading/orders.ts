/** Orders: written down as intents before they are sent, and what becomes of them. */
import type { Decimal } from "../index.js";
import { type Amount, invalid, isMultiple, positiveOf, ZERO } from "./amounts.js";
import { isWorking, nextStatus, type OrderEvent } from "./order-states.js";
import { checkOrder } from "./risk.js";
import type { Step } from "./step.js";
import {
  amendments,
  exposures,
  type InstrumentRow,
  type OrderRow,
  orderIds,
  orders,
  workingOrders,
} from "./tables.js";

/** An order to be placed. */
export interface OrderRequest {
  readonly symbol: string;
  readonly side: "buy" | "sell";
  /** Default: "limit" with a price, "market" without. */
  readonly type?: OrderRow["type"] | undefined;
  /** Above zero, a multiple of the instrument's lot. */
  readonly quantity: Amount;
  /** For "limit" and "stop-limit": above zero, a multiple of the tick. */
  readonly price?: Amount | undefined;
  /** For "stop" and "stop-limit", likewise. */
  readonly stopPrice?: Amount | undefined;
  /** Has to make the position smaller, whatever else is filled before it. Default: false. */
  readonly reduceOnly?: boolean | undefined;
  /** One's own id, never used before. Default: one is made. */
  readonly clientId?: string | undefined;
}

/** An order as it is kept, with its id. Frozen. */
export interface Order extends OrderRow {
  readonly clientId: string;
}

const REQUEST = new Set("symbol side type quantity price stopPrice reduceOnly clientId".split(" "));
const NEEDS: Readonly<Record<OrderRow["type"], readonly [price: boolean, stop: boolean]>> = {
  market: [false, false],
  limit: [true, false],
  stop: [false, true],
  "stop-limit": [true, true],
};

/** Writes an order down as an intent, if no limit refuses it. */
export function placeOrder(step: Step, request: OrderRequest, idPrefix: string): Order {
  for (const name of Object.keys(request)) {
    if (!REQUEST.has(name)) throw invalid(`an order has no "${name}"`);
  }
  const row = newOrder(step, request, step.instrument(request.symbol));
  checkOrder(step, row);
  const clientId = request.clientId ?? `${idPrefix}${step.nextNumber("order")}`;
  if (typeof clientId !== "string" || clientId === "" || step.tx.has(orders, clientId)) {
    throw invalid(`${JSON.stringify(clientId)} is no client id, or was used before`);
  }
  writeOrder(step, clientId, undefined, row);
  return orderOf(clientId, row);
}

function newOrder(step: Step, request: OrderRequest, instrument: InstrumentRow): OrderRow {
  const { symbol, side } = request;
  const type = request.type ?? (request.price === undefined ? "market" : "limit");
  const needs = NEEDS[type];
  if (needs === undefined) throw invalid(`an order is not of type "${type}"`);
  if (side !== "buy" && side !== "sell") throw invalid(`a side is "buy" or "sell", got "${side}"`);
  const [needsPrice, needsStop] = needs;
  return {
    symbol,
    venue: instrument.venue,
    venueId: null,
    type,
    side,
    price: stepped(request.price, instrument.tick, "price", needsPrice ? type : undefined),
    stopPrice: stepped(
      request.stopPrice,
      instrument.tick,
      "stopPrice",
      needsStop ? type : undefined,
    ),
    quantity: stepped(request.quantity, instrument.lot, "quantity", type) as Decimal,
    filled: ZERO,
    filledValue: ZERO,
    reduceOnly: request.reduceOnly ?? false,
    status: "intent",
    reason: "",
    created: step.time,
    changed: step.time,
  };
}

/** The amount, which an order of that type has to have, or must not have if that is undefined. */
export function stepped(
  value: Amount | undefined,
  size: Decimal,
  what: string,
  type: string | undefined,
): Decimal | null {
  if (type === undefined) {
    if (value === undefined) return null;
    throw invalid(`an order of this type has no ${what}`);
  }
  if (value === undefined) throw invalid(`an order of type "${type}" needs a ${what}`);
  const amount = positiveOf(value, what);
  if (isMultiple(amount, size)) return amount;
  throw invalid(`${what} ${amount} is not a multiple of ${size}`);
}

/** What can be said of an order besides its fills. */
export interface OrderNews {
  /** The venue's id of it. */
  readonly venueId?: string | undefined;
  readonly reason?: string | undefined;
}

/** Takes an order one step on. Throws UNKNOWN_ORDER, ORDER_TRANSITION. */
export function advanceOrder(
  step: Step,
  clientId: string,
  event: Exclude<OrderEvent, "fill" | "complete" | "amend">,
  news: OrderNews = {},
): Order {
  const before = step.order(clientId);
  const status = nextStatus(clientId, before.status, event);
  const venueId = venueIdOf(step, clientId, before, news.venueId);
  const { reason = before.reason } = news;
  const { filled, filledValue } = before;
  // Said before: nothing is written.
  if (status === before.status && venueId === before.venueId && reason === before.reason) {
    return orderOf(clientId, before);
  }
  const changes = { status, venueId, filled, filledValue, reason, changed: step.time };
  const row = changedOrder(before, changes);
  writeOrder(step, clientId, before, row);
  return orderOf(clientId, row);
}

/** The venue's id, remembered. It never changes, unless the venue has replaced the order. */
export function venueIdOf(
  step: Step,
  clientId: string,
  before: OrderRow,
  venueId: string | undefined,
  replaces = false,
): string | null {
  if (venueId === undefined || venueId === before.venueId) return before.venueId;
  const known = step.tx.get(orderIds, [before.venue, venueId])?.clientId;
  // One that it had before it was replaced.
  if (known === clientId && !replaces) return before.venueId;
  if ((before.venueId !== null && !replaces) || (known !== undefined && known !== clientId)) {
    throw invalid(
      `order ${clientId} has the id ${before.venueId} at ${before.venue}, and ` +
        `${venueId} is that of ${known}`,
    );
  }
  step.put(orderIds, [before.venue, venueId], { clientId });
  return venueId;
}

/** Writes an order, and what is open of it. */
export function writeOrder(
  step: Step,
  clientId: string,
  before: OrderRow | undefined,
  after: OrderRow,
): void {
  step.put(orders, clientId, after);
  const { symbol, venue } = after;
  const [was, is] = [before !== undefined && isWorking(before.status), isWorking(after.status)];
  if (is && !was) step.put(workingOrders, [venue, clientId], { symbol });
  if (was && !is) {
    step.tx.delete(workingOrders, [venue, clientId]);
    dropAmendment(step, clientId, after);
  }
  const change = openOf(after).sub(before === undefined ? ZERO : openOf(before));
  if (change.isZero() && was === is) return;
  addExposure(step, after, change, Number(is) - Number(was));
}

/** Counts so much more as open, on the order's side. */
export function addExposure(
  step: Step,
  { symbol, side }: OrderRow,
  change: Decimal,
  orderCount = 0,
): void {
  step.update(exposures, symbol, (row) => {
    const { openBuys = ZERO, openSells = ZERO, openOrders = 0 } = row ?? {};
    return {
      openBuys: side === "buy" ? openBuys.add(change) : openBuys,
      openSells: side === "sell" ? openSells.add(change) : openSells,
      openOrders: openOrders + orderCount,
    };
  });
}

/**
 * How much more than the order's quantity its amendment wants: it counts as open from the moment
 * that it is asked for.
 */
export function surplusOf(amendment: { readonly quantity: Decimal }, order: OrderRow): Decimal {
  const surplus = amendment.quantity.sub(order.quantity);
  return surplus.sign() > 0 ? surplus : ZERO;
}

/** Forgets an amendment that was asked for. `order`: with the quantity that it had then. */
export function dropAmendment(step: Step, clientId: string, order: OrderRow): void {
  const amendment = step.tx.get(amendments, clientId);
  if (amendment === undefined) return;
  step.tx.delete(amendments, clientId);
  const surplus = surplusOf(amendment, order);
  if (!surplus.isZero()) addExposure(step, order, surplus.negate());
}

/** The quantity that may still be filled. */
function openOf(order: OrderRow): Decimal {
  return isWorking(order.status) ? order.quantity.sub(order.filled) : ZERO;
}

/** An order with some of its members changed: written out, since to spread a frozen row is slow. */
export function changedOrder(
  before: OrderRow,
  changes: Pick<OrderRow, "status" | "venueId" | "filled" | "filledValue" | "reason" | "changed">,
  terms: Pick<OrderRow, "price" | "stopPrice" | "quantity"> = before,
): OrderRow {
  return {
    symbol: before.symbol,
    venue: before.venue,
    venueId: changes.venueId,
    type: before.type,
    side: before.side,
    price: terms.price,
    stopPrice: terms.stopPrice,
    quantity: terms.quantity,
    filled: changes.filled,
    filledValue: changes.filledValue,
    reduceOnly: before.reduceOnly,
    status: changes.status,
    reason: changes.reason,
    created: before.created,
    changed: changes.changed,
  };
}

export function orderOf(clientId: string, row: OrderRow): Order {
  const order = changedOrder(row, row) as OrderRow & { clientId: string };
  order.clientId = clientId;
  return Object.freeze(order);
}
