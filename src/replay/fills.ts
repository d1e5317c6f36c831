/**
 * The fill rule: when and how much of our resting orders a trade of the tape fills.
 *
 * The tape does not know of our orders, so the rule says what would have happened to them, and
 * where that cannot be known it decides against us:
 *
 * 1. An order placed or amended at event n can be filled from event n + 1 on.
 * 2. At placement, the whole quantity that the tape shows at its price stands before the order
 *    (`ahead`); a price at which nothing is shown has nothing before it.
 * 3. A trade at the order's price, taken from the order's side, first uses up what stands ahead;
 *    only the rest of the trade fills the order.
 * 4. When the tape shows less at the price than stands ahead, what stands ahead shrinks to it: the
 *    difference was cancelled. Cancels behind the order and ahead of it cannot be told apart
 *    otherwise, so nothing else shrinks it.
 * 5. A trade beyond the order's price (below a buy, above a sell) means that the price was used up:
 *    the order fills whatever stands ahead.
 * 6. No order ever fills by more than the trade's quantity; several of our orders share it, best
 *    price first, then the older one. Fills are at the order's price.
 * 7. Where the tape does not say who took liquidity, only rule 5 applies.
 * 8. A taking order fills at once at the opposite best price, by at most the quantity shown there;
 *    what is left of it is cancelled. It leaves the tape's book as it is.
 */
import type { Decimal } from "../index.js";
import type { TradeEvent } from "./events.js";
import { ZERO } from "./exact.js";

/** What the rule needs to know of an order. */
export interface RestingOrder {
  readonly side: "buy" | "sell";
  readonly price: Decimal;
  readonly quantity: Decimal;
  readonly filled: Decimal;
}

/** An open order and what stands before it. */
export interface Resting {
  readonly id: number;
  readonly order: RestingOrder;
  readonly ahead: Decimal;
}

/** What a trade does to one resting order. */
export interface Touch {
  readonly id: number;
  /** Quantity filled; zero where only the queue moved. */
  readonly quantity: Decimal;
  readonly ahead: Decimal;
}

/** Rules 3, 5, 6 and 7: what a trade does to the resting orders; those untouched are left out. */
export function touchedBy(trade: TradeEvent, resting: readonly Resting[]): Touch[] {
  const touches: Touch[] = [];
  let left = trade.quantity;
  for (const candidate of inPriority(resting)) {
    if (left.isZero()) break;
    const touch = touchOne(trade, candidate, left);
    if (touch === undefined) continue;
    touches.push(touch);
    left = left.sub(touch.quantity);
  }
  return touches;
}

function touchOne(trade: TradeEvent, { id, order, ahead }: Resting, left: Decimal) {
  const opposite = order.side === "buy" ? "sell" : "buy";
  if (trade.aggressor !== opposite && trade.aggressor !== "unknown") return undefined;
  const open = order.quantity.sub(order.filled);
  const distance = trade.price.compare(order.price) * (order.side === "buy" ? 1 : -1);
  if (distance > 0) return undefined;
  if (distance < 0) return { id, quantity: least(open, left), ahead: ZERO };
  if (trade.aggressor === "unknown") return undefined;
  const passed = least(ahead, left);
  return { id, quantity: least(open, left.sub(passed)), ahead: ahead.sub(passed) };
}

/** Rule 6: a trade hits one side only, so sorting each side by its own priority is enough. */
function inPriority(resting: readonly Resting[]): readonly Resting[] {
  if (resting.length < 2) return resting;
  return [...resting].sort((a, b) => {
    if (a.order.side !== b.order.side) return a.order.side === "buy" ? -1 : 1;
    const byPrice = a.order.price.compare(b.order.price) * (a.order.side === "buy" ? -1 : 1);
    return byPrice !== 0 ? byPrice : a.id - b.id;
  });
}

/** Rule 8: how much a taking order gets of what is shown at a price. */
export function takenOf(
  quantity: Decimal,
  limit: Decimal,
  best: Decimal,
  shown: Decimal,
  buy: boolean,
) {
  const reaches = buy ? best.compare(limit) <= 0 : best.compare(limit) >= 0;
  return reaches ? least(quantity, shown) : ZERO;
}

function least(a: Decimal, b: Decimal): Decimal {
  return a.compare(b) <= 0 ? a : b;
}
