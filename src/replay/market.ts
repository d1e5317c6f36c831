/** What the engine knows of the market: book, best prices, last trades; in memory and in tables. */
import type { Store, Transaction } from "../index.js";
import { TapeProblem } from "./bad-tape.js";
import { Book } from "./book.js";
import type { DepthEvent, QuoteEvent, TapeEvent, TradeEvent } from "./events.js";
import { fromUnits, units, ZERO } from "./exact.js";
import type { TapeLine } from "./lines.js";
import { bookLevels, keptDiffs, lastTrades, type MarketRow, market } from "./tables.js";
import type { Tape } from "./tape.js";

/** The single key of the tables that have one row. */
export const ONLY = "tape";
/** Slots of the ring of last trades. */
export const LAST_TRADES = 1_000;
/** Depth diffs kept while waiting for the first snapshot. */
const KEPT_DIFFS_MAX = 10_000;

const NOTHING_KNOWN: MarketRow = {
  bookLastId: 0,
  bookSynced: false,
  bookFresh: false,
  topId: 0,
  bid: ZERO,
  bidQuantity: ZERO,
  ask: ZERO,
  askQuantity: ZERO,
  tradeCount: 0,
  lastPrice: ZERO,
};

export class Market {
  readonly book: Book;
  readonly #hasBook: boolean;
  /** Depth diffs that came before the first snapshot, by line. */
  readonly #kept = new Map<number, DepthEvent>();
  #row: MarketRow;
  /** The transaction of the event being taken in; the book's listener writes into it. */
  #tx: Transaction | undefined;

  private constructor(row: MarketRow, hasBook: boolean) {
    this.#row = row;
    this.#hasBook = hasBook;
    this.book = new Book((side, price, quantity) => {
      if (quantity.isZero()) this.#tx?.delete(bookLevels, [side, price]);
      else this.#tx?.put(bookLevels, [side, price], { quantity });
    });
  }

  /** Takes up what the store holds. */
  static load(store: Store, tape: Tape): Market {
    const row = store.table(market).get(ONLY) ?? NOTHING_KNOWN;
    const loaded = new Market(row, tape.info.hasBook);
    const state = { lastId: row.bookLastId, synced: row.bookSynced, fresh: row.bookFresh };
    loaded.book.restore(state, levels(store));
    for (const [line, { text }] of store.table(keptDiffs).entries()) {
      const event = tape.parseText(text, line);
      if (event?.kind === "depth") loaded.#kept.set(line, event);
    }
    return loaded;
  }

  get row(): MarketRow {
    return this.#row;
  }

  /** True once there are best prices to trade by: a bid below the ask, or a last trade. */
  get hasPrices(): boolean {
    const { bid, ask } = this.#row;
    return bid.sign() > 0 && bid.compare(ask) <= (this.#hasBook ? -1 : 0);
  }

  /** The middle of the best prices, rounded down to 1e-8. */
  get middle(): ReturnType<typeof fromUnits> {
    const bid = units(this.#row.bid);
    return fromUnits(bid + Math.floor((units(this.#row.ask) - bid) / 2));
  }

  /**
   * Takes in what an event says.
   *
   * @throws TapeProblem at a gap in the depth diffs.
   */
  take(tx: Transaction, number: number, event: TapeEvent, line: TapeLine): void {
    this.#tx = tx;
    switch (event.kind) {
      case "trade":
        this.#takeTrade(tx, number, event);
        break;
      case "quote":
        this.#takeQuote(tx, event);
        break;
      case "depth":
        if (!this.book.state.synced) this.#keep(tx, event, line);
        else {
          this.book.depth(event);
          this.#bookChanged(tx);
        }
        break;
      case "snapshot":
        this.book.snapshot(event, [...this.#kept.values()]);
        for (const kept of this.#kept.keys()) tx.delete(keptDiffs, kept);
        this.#kept.clear();
        this.#bookChanged(tx);
        break;
      case "other":
    }
    this.#tx = undefined;
  }

  #takeTrade(tx: Transaction, number: number, trade: TradeEvent): void {
    const { price, quantity, aggressor, timeMicros } = trade;
    const tradeCount = this.#row.tradeCount + 1;
    const row = { number: tradeCount, event: number, time: timeMicros, price, quantity, aggressor };
    tx.put(lastTrades, (tradeCount - 1) % LAST_TRADES, row);
    if (this.#hasBook) this.#set(tx, { tradeCount, lastPrice: price });
    else {
      // A tape without a book: the last trade is the only word on where the market is.
      const best = { bid: price, bidQuantity: quantity, ask: price, askQuantity: quantity };
      this.#set(tx, { tradeCount, lastPrice: price, topId: tradeCount, ...best });
    }
  }

  /** Quotes and diffs come by different streams; the higher update id is the newer word. */
  #takeQuote(tx: Transaction, { updateId, bid, ask }: QuoteEvent): void {
    if (updateId < this.#row.topId) return;
    const best = { bid: bid[0], bidQuantity: bid[1], ask: ask[0], askQuantity: ask[1] };
    this.#set(tx, { topId: updateId, ...best });
  }

  #keep(tx: Transaction, event: DepthEvent, line: TapeLine): void {
    if (this.#kept.size >= KEPT_DIFFS_MAX) {
      throw new TapeProblem(`no depth snapshot within ${KEPT_DIFFS_MAX} depth diffs`);
    }
    this.#kept.set(line.line, event);
    tx.put(keptDiffs, line.line, { text: line.text });
  }

  #bookChanged(tx: Transaction): void {
    const { lastId, synced, fresh } = this.book.state;
    const book = { bookLastId: lastId, bookSynced: synced, bookFresh: fresh };
    const bid = this.book.bids.best();
    const ask = this.book.asks.best();
    if (lastId <= this.#row.topId || bid === undefined || ask === undefined) {
      this.#set(tx, book);
      return;
    }
    this.#set(tx, {
      ...book,
      topId: lastId,
      bid: fromUnits(bid.price),
      bidQuantity: bid.quantity,
      ask: fromUnits(ask.price),
      askQuantity: ask.quantity,
    });
  }

  #set(tx: Transaction, changes: Partial<MarketRow>): void {
    this.#row = { ...this.#row, ...changes };
    tx.put(market, ONLY, this.#row);
  }
}

function* levels(store: Store) {
  for (const [[side, price], { quantity }] of store.table(bookLevels).entries()) {
    if (side === "bid" || side === "ask") yield [side, price, quantity] as const;
  }
}
