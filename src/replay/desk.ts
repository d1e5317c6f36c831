/** The engine's own orders: placed, amended, cancelled, taken and filled, in a transaction. */
import { assert } from "../base/assert.js";
import type { Decimal } from "../index.js";
import { bookFill, nextNonce, type Step, strategyOf } from "./account.js";
import type { Book } from "./book.js";
import type { TradeEvent } from "./events.js";
import { fromUnits, units, ZERO } from "./exact.js";
import { type Resting, takenOf, touchedBy } from "./fills.js";
import type { StorePort } from "./ports.js";
import type { Action } from "./strategy.js";
import type { OpenQuote } from "./strategy-view.js";
import { type MarketRow, type OrderRow, orders, queueAhead, strategies } from "./tables.js";

/** Open orders in memory, in the order of their ids; the same stand in `orders`, status "open". */
export class Desk {
  readonly #open = new Map<number, OrderRow>();
  readonly #ahead = new Map<number, Decimal>();

  /** Takes up the open orders of a store. */
  static load(store: StorePort): Desk {
    const desk = new Desk();
    for (const [id, order] of store.table(orders).entries()) {
      if (order.status === "open") desk.#open.set(id, order);
    }
    for (const [id, { quantity }] of store.table(queueAhead).entries()) {
      desk.#ahead.set(id, quantity);
    }
    return desk;
  }

  open(): Iterable<OrderRow> {
    return this.#open.values();
  }

  /** The open quotes as the strategy sees them. */
  quotes(): OpenQuote[] {
    const quotes: OpenQuote[] = [];
    for (const [id, { side, level, price, placedEvent }] of this.#open) {
      quotes.push({ id, side, level, price: units(price), placedEvent });
    }
    return quotes;
  }

  /** Fills what a trade of the tape fills. True if anything but the queue has changed. */
  onTrade(step: Step, trade: TradeEvent): boolean {
    if (this.#open.size === 0) return false;
    const resting: Resting[] = [];
    for (const [id, order] of this.#open) resting.push({ id, order, ahead: this.#aheadOf(id) });
    let filled = false;
    for (const { id, quantity, ahead } of touchedBy(trade, resting)) {
      this.#setAhead(step, id, ahead);
      if (quantity.isZero()) continue;
      this.#fill(step, id, quantity);
      filled = true;
    }
    return filled;
  }

  /** Rule 4 of the fill rule: nothing more can stand ahead than the tape shows. */
  onShown(step: Step, shown: (order: OrderRow) => Decimal | undefined): void {
    for (const [id, order] of this.#open) {
      const ahead = this.#aheadOf(id);
      if (ahead.isZero()) continue;
      const quantity = shown(order);
      if (quantity !== undefined && quantity.compare(ahead) < 0) this.#setAhead(step, id, quantity);
    }
  }

  /** Carries out what the strategy has decided. */
  act(step: Step, actions: readonly Action[], market: MarketRow, book: Book): void {
    const strategy = { ...strategyOf(step) };
    for (const action of actions) {
      switch (action.type) {
        case "place":
          this.#place(step, action, market, book);
          strategy.placed++;
          break;
        case "amend":
          this.#amend(step, action, market, book);
          strategy.amended++;
          break;
        case "cancel":
          this.#cancel(step, action.id);
          strategy.cancelled++;
          break;
        case "take":
          take(step, action, market);
          strategy.taken++;
          strategy.lastTakeEvent = step.event;
      }
    }
    step.tx.put(strategies, step.symbol, strategy);
  }

  #place(step: Step, action: Action & { type: "place" }, market: MarketRow, book: Book): void {
    const id = nextNonce(step, "order");
    const order: OrderRow = {
      ...newOrder(step, action),
      kind: "quote",
      level: action.level,
      status: "open",
      filled: ZERO,
    };
    this.#write(step, id, order);
    this.#setAhead(step, id, shownAt(order, market, book));
  }

  /** A new price loses the place in the queue. */
  #amend(step: Step, action: Action & { type: "amend" }, market: MarketRow, book: Book): void {
    const before = this.#orderOf(action.id);
    const order: OrderRow = {
      ...before,
      price: fromUnits(action.price),
      request: nextNonce(step, "request"),
      amends: before.amends + 1,
      changedEvent: step.event,
      changed: step.timeMicros,
    };
    this.#write(step, action.id, order);
    this.#setAhead(step, action.id, shownAt(order, market, book));
  }

  #cancel(step: Step, id: number): void {
    this.#write(step, id, {
      ...this.#orderOf(id),
      status: "cancelled",
      request: nextNonce(step, "request"),
      changedEvent: step.event,
      changed: step.timeMicros,
    });
  }

  #fill(step: Step, id: number, quantity: Decimal): void {
    const order = this.#orderOf(id);
    const filled = order.filled.add(quantity);
    bookFill(step, {
      order: id,
      side: order.side,
      liquidity: "maker",
      price: order.price,
      quantity,
    });
    this.#write(step, id, {
      ...order,
      filled,
      status: filled.equals(order.quantity) ? "filled" : "open",
      changedEvent: step.event,
      changed: step.timeMicros,
    });
  }

  /** Writes an order and keeps the index of open ones. */
  #write(step: Step, id: number, order: OrderRow): void {
    step.tx.put(orders, id, order);
    if (order.status === "open") {
      this.#open.set(id, order);
      return;
    }
    this.#open.delete(id);
    this.#ahead.delete(id);
    step.tx.delete(queueAhead, id);
  }

  #setAhead(step: Step, id: number, quantity: Decimal): void {
    if (this.#ahead.get(id)?.equals(quantity)) return;
    this.#ahead.set(id, quantity);
    step.tx.put(queueAhead, id, { quantity });
  }

  #aheadOf(id: number): Decimal {
    return this.#ahead.get(id) ?? ZERO;
  }

  #orderOf(id: number): OrderRow {
    const order = this.#open.get(id);
    assert(order !== undefined, `order ${id} is not open`);
    return order;
  }
}

/** A taking order: filled at once as far as the best price reaches, the rest cancelled. */
function take(step: Step, action: Action & { type: "take" }, market: MarketRow): void {
  const id = nextNonce(step, "order");
  const order = newOrder(step, action);
  const buy = action.side === "buy";
  const best = buy ? market.ask : market.bid;
  const shown = buy ? market.askQuantity : market.bidQuantity;
  const filled = takenOf(order.quantity, order.price, best, shown, buy);
  const status = filled.equals(order.quantity) ? "filled" : "cancelled";
  step.tx.put(orders, id, { ...order, kind: "take", level: 0, status, filled });
  if (filled.isZero()) return;
  bookFill(step, {
    order: id,
    side: action.side,
    liquidity: "taker",
    price: best,
    quantity: filled,
  });
}

function newOrder(step: Step, action: Action & { type: "place" | "take" }) {
  return {
    side: action.side,
    price: fromUnits(action.price),
    quantity: fromUnits(action.quantity),
    request: nextNonce(step, "request"),
    amends: 0,
    placedEvent: step.event,
    changedEvent: step.event,
    changed: step.timeMicros,
  };
}

/** Rule 2 of the fill rule: the quantity shown at an order's price, by the newest word on it. */
function shownAt(order: OrderRow, market: MarketRow, book: Book): Decimal {
  if (order.side === "buy" && order.price.equals(market.bid)) return market.bidQuantity;
  if (order.side === "sell" && order.price.equals(market.ask)) return market.askQuantity;
  return book.quantity(order.side === "buy" ? "bid" : "ask", units(order.price));
}
