/** The engine's own orders: placed, amended, cancelled, taken and filled, in a transaction. */
import { assert } from "../base/assert.js";
import type { Decimal, Store } from "../index.js";
import { type Order, orders } from "../trading/index.js";
import { bookFill, type Step } from "./account.js";
import type { Book } from "./book.js";
import type { TradeEvent } from "./events.js";
import { fromUnits, units, ZERO } from "./exact.js";
import { type Resting, type RestingOrder, takenOf, touchedBy } from "./fills.js";
import { VENUE } from "./instrument.js";
import type { Action } from "./strategy.js";
import type { OpenQuote } from "./strategy-view.js";
import { type MarketRow, queueAhead, quotes, type StrategyRow, strategies } from "./tables.js";

const ID_DIGITS = 8;

/** An open quote, as the rows of its order and of `quotes` say. */
interface Quote extends RestingOrder {
  readonly level: number;
  readonly placedEvent: number;
}

/** Open quotes in memory, in the order of their numbers; the same stand in the tables. */
export class Desk {
  readonly #open = new Map<number, Quote>();
  readonly #ahead = new Map<number, Decimal>();
  #strategy: StrategyRow | undefined;

  /** Takes up the open quotes of a store. */
  static load(store: Store, symbol: string): Desk {
    const desk = new Desk();
    for (const [number, row] of store.table(quotes).entries()) {
      const order = store.table(orders).get(clientIdOf(number));
      assert(order !== undefined, `quote ${number} has no order`);
      desk.#open.set(number, quoteOf(order, row));
    }
    for (const [number, { quantity }] of store.table(queueAhead).entries()) {
      desk.#ahead.set(number, quantity);
    }
    desk.#strategy = store.table(strategies).get(symbol);
    return desk;
  }

  /** The strategy's row. It exists from the event on that made the instrument known. */
  strategyOf({ tx, symbol }: Step): StrategyRow {
    this.#strategy ??= tx.get(strategies, symbol);
    assert(this.#strategy !== undefined, "the strategy is missing from the store");
    return this.#strategy;
  }

  /** The open quotes as the strategy sees them. */
  quotes(): OpenQuote[] {
    const seen: OpenQuote[] = [];
    for (const [id, { side, level, price, placedEvent }] of this.#open) {
      seen.push({ id, side, level, price: units(price), placedEvent });
    }
    return seen;
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
  onShown(step: Step, shown: (order: RestingOrder) => Decimal | undefined): void {
    for (const [id, order] of this.#open) {
      const ahead = this.#aheadOf(id);
      if (ahead.isZero()) continue;
      const quantity = shown(order);
      if (quantity !== undefined && quantity.compare(ahead) < 0) this.#setAhead(step, id, quantity);
    }
  }

  /** Carries out what the strategy has decided. Every request to the venue has its nonce. */
  act(step: Step, actions: readonly Action[], market: MarketRow, book: Book): void {
    const strategy = { ...this.strategyOf(step) };
    for (const action of actions) {
      step.trading.nextNonce(VENUE);
      // Orders are numbered as they are placed.
      const next = strategy.placed + strategy.taken + 1;
      switch (action.type) {
        case "place":
          this.#place(step, next, action, market, book);
          strategy.placed++;
          break;
        case "amend":
          this.#amend(step, action, market, book);
          strategy.amended++;
          break;
        case "cancel":
          step.trading.orderCancelled(clientIdOf(action.id));
          this.#end(step, action.id);
          strategy.cancelled++;
          break;
        case "take":
          take(step, next, action, market);
          strategy.taken++;
          strategy.lastTakeEvent = step.event;
      }
    }
    step.tx.put(strategies, step.symbol, strategy);
    this.#strategy = strategy;
  }

  #place(
    step: Step,
    id: number,
    action: Action & { type: "place" },
    market: MarketRow,
    book: Book,
  ): void {
    const row = { level: action.level, placedEvent: step.event };
    const quote = quoteOf(send(step, id, action), row);
    this.#open.set(id, quote);
    step.tx.put(quotes, id, row);
    this.#setAhead(step, id, shownAt(quote, market, book));
  }

  /** A new price loses the place in the queue. */
  #amend(step: Step, action: Action & { type: "amend" }, market: MarketRow, book: Book): void {
    const { id } = action;
    const clientId = clientIdOf(id);
    const change = { price: fromUnits(action.price) };
    // The venue is in this process: its answer is part of the event.
    const order = step.trading.amendOrder(clientId, change, { answered: true });
    const quote = quoteOf(order, this.#quoteOf(id));
    this.#open.set(id, quote);
    this.#setAhead(step, id, shownAt(quote, market, book));
  }

  #fill(step: Step, id: number, quantity: Decimal): void {
    const quote = this.#quoteOf(id);
    const { side, price } = quote;
    const fill = { clientId: clientIdOf(id), side, liquidity: "maker", price, quantity } as const;
    const filled = quote.filled.add(quantity);
    bookFill(step, fill);
    if (filled.equals(quote.quantity)) this.#end(step, id);
    else this.#open.set(id, { ...quote, filled });
  }

  #end(step: Step, id: number): void {
    this.#open.delete(id);
    this.#ahead.delete(id);
    step.tx.delete(quotes, id);
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

  #quoteOf(id: number): Quote {
    const quote = this.#open.get(id);
    assert(quote !== undefined, `order ${id} is not open`);
    return quote;
  }
}

/** The client id of an order: as many digits for each, so that they sort by number. */
export function clientIdOf(number: number): string {
  return String(number).padStart(ID_DIGITS, "0");
}

function quoteOf(
  { side, price, quantity, filled }: Pick<Order, "side" | "price" | "quantity" | "filled">,
  { level, placedEvent }: { readonly level: number; readonly placedEvent: number },
): Quote {
  assert(price !== null, "a quote has a price");
  return { side, price, quantity, filled, level, placedEvent };
}

/** Sends an order. The venue is in this process: that it has it is part of the event. */
function send(
  { trading, symbol }: Step,
  number: number,
  { side, price, quantity, type }: Action & { type: "place" | "take" },
): Order {
  const order = { symbol, side, price: fromUnits(price), quantity: fromUnits(quantity) };
  const clientId = clientIdOf(number);
  trading.placeOrder({ ...order, clientId, reduceOnly: type === "take" });
  return trading.orderAccepted(clientId);
}

/** A taking order: filled at once as far as the best price reaches, the rest cancelled. */
function take(
  step: Step,
  number: number,
  action: Action & { type: "take" },
  market: MarketRow,
): void {
  const { clientId, side, price, quantity } = send(step, number, action);
  const buy = side === "buy";
  const best = buy ? market.ask : market.bid;
  const shown = buy ? market.askQuantity : market.bidQuantity;
  const filled = takenOf(quantity, price ?? best, best, shown, buy);
  if (!filled.isZero()) {
    const fill = { clientId, side, liquidity: "taker", price: best, quantity: filled } as const;
    bookFill(step, fill);
  }
  if (!filled.equals(quantity)) step.trading.orderCancelled(clientId);
}

/** Rule 2 of the fill rule: the quantity shown at an order's price, by the newest word on it. */
function shownAt(order: RestingOrder, market: MarketRow, book: Book): Decimal {
  if (order.side === "buy" && order.price.equals(market.bid)) return market.bidQuantity;
  if (order.side === "sell" && order.price.equals(market.ask)) return market.askQuantity;
  return book.quantity(order.side === "buy" ? "bid" : "ask", units(order.price));
}
