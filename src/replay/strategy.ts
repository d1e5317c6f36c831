/**
 * The strategy: a market maker, as a pure function from what it sees to what it does.
 *
 * It quotes LEVELS prices on each side, at odd multiples of the half spread from the middle of the
 * best prices, shifted against its position (one step an order's worth held); it moves a quote when
 * that has drifted, withdraws one that has rested for long, stops quoting a side whose orders could
 * lead past the largest position, and takes from the other side when it holds too much. When halted
 * it withdraws all quotes and closes the position.
 *
 * All arithmetic is on safe integers of 1e-8 units: the same on every machine and every run.
 */
import type { OrderSide, StrategyView } from "./strategy-view.js";

/** Quotes on each side. */
export const LEVELS = 2;
/** Events after which a quote is withdrawn, to be placed anew. */
const REST_EVENTS_MAX = 2_000;
/** Orders' worth of position from which the strategy takes, and how many it then takes. */
const TAKE_FROM_ORDERS = 4;
const TAKE_ORDERS = 2;
/** Events between two takes: the tape's book does not feel ours, so it must get time to move. */
const TAKE_PAUSE_EVENTS = 100;
/** Part of the half spread by which an order's worth of position shifts the quotes. */
const SKEW_DIVISOR = 4;

export type Action =
  | {
      readonly type: "place";
      readonly side: OrderSide;
      readonly level: number;
      readonly price: number;
      readonly quantity: number;
    }
  | { readonly type: "amend"; readonly id: number; readonly price: number }
  | { readonly type: "cancel"; readonly id: number }
  | {
      readonly type: "take";
      readonly side: OrderSide;
      readonly price: number;
      readonly quantity: number;
    };

/** What to do now, in the order in which it is to be done. */
export function decide(view: StrategyView): Action[] {
  if (view.halted) return [...view.quotes.map(({ id }) => cancel(id)), ...take(view, 0)];
  const actions: Action[] = [];
  for (let level = 0; level < LEVELS; level++) {
    for (const side of ["buy", "sell"] as const) {
      const action = quote(view, side, level);
      if (action !== undefined) actions.push(action);
    }
  }
  actions.push(...take(view, TAKE_FROM_ORDERS));
  return actions;
}

function quote(view: StrategyView, side: OrderSide, level: number): Action | undefined {
  const held = view.quotes.find((order) => order.side === side && order.level === level);
  const price = target(view, side, level);
  if (held !== undefined) {
    if (price === undefined || view.event - held.placedEvent >= REST_EVENTS_MAX) {
      return cancel(held.id);
    }
    const drift = Math.abs(price - held.price);
    return drift > view.amendDistance ? { type: "amend", id: held.id, price } : undefined;
  }
  if (price === undefined || !hasRoom(view, side)) return undefined;
  return { type: "place", side, level, price, quantity: view.orderQuantity };
}

/** Where a quote should stand, on the tick grid and never taking; undefined for nowhere. */
function target(view: StrategyView, side: OrderSide, level: number): number | undefined {
  const { bid, ask, tick, halfSpread } = view;
  const middle = bid + Math.floor((ask - bid) / 2);
  const held = Math.trunc(view.position / view.orderQuantity);
  const centre = middle - held * Math.floor(halfSpread / SKEW_DIVISOR);
  const distance = halfSpread * (2 * level + 1);
  const price =
    side === "buy"
      ? Math.floor(Math.min(centre - distance, ask - tick) / tick) * tick
      : Math.ceil(Math.max(centre + distance, bid + tick) / tick) * tick;
  return price > 0 ? price : undefined;
}

/** Whether one more order could fill, with all those open, within the largest position. */
function hasRoom(view: StrategyView, side: OrderSide): boolean {
  // Both levels of a side may be placed at one event, so room is always kept for all of them.
  const most = LEVELS * view.orderQuantity;
  const position = side === "buy" ? view.position : -view.position;
  return position + most <= view.maxPosition;
}

function take(view: StrategyView, fromOrders: number): Action[] {
  const size = Math.abs(view.position);
  if (size === 0 || size < fromOrders * view.orderQuantity) return [];
  if (view.event - view.lastTakeEvent < TAKE_PAUSE_EVENTS) return [];
  const side = view.position > 0 ? "sell" : "buy";
  const quantity = Math.min(size, TAKE_ORDERS * view.orderQuantity);
  return [{ type: "take", side, price: reaching(view, side), quantity }];
}

/** The price on the tick grid that reaches the best price of the other side: it may be off it. */
function reaching({ bid, ask, tick }: StrategyView, side: OrderSide): number {
  if (side === "buy") return Math.ceil(ask / tick) * tick;
  return Math.max(Math.floor(bid / tick), 1) * tick;
}

function cancel(id: number): Action {
  return { type: "cancel", id };
}
