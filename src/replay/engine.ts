/**
 * The engine: one event of the tape after the other, each one transaction over its tables.
 *
 * All its state stands in the tables. What it also holds in memory (book, best prices, open orders)
 * is an index of them, taken up again by `Engine.load`; the same events lead to the same state
 * whether it was interrupted or not. If a transaction fails, the indexes are ahead of the tables:
 * the engine must not be used again.
 */
import { markAccount, openAccount, positionOf, type Step, strategyOf } from "./account.js";
import { badTape, TapeProblem } from "./bad-tape.js";
import type { Book } from "./book.js";
import { Desk } from "./desk.js";
import type { TapeEvent, TapeInfo } from "./events.js";
import { units } from "./exact.js";
import { instrumentFromSnapshot, instrumentFromTrade } from "./instrument.js";
import { TAPE_START, type TapeLine, type TapePlace } from "./lines.js";
import { Market, ONLY } from "./market.js";
import type { StorePort, Transaction } from "./ports.js";
import { decide } from "./strategy.js";
import type { StrategyView } from "./strategy-view.js";
import { type InstrumentRow, instruments, type OrderRow, progress, strategies } from "./tables.js";
import type { Tape } from "./tape.js";

/** Events after which a position is valued anew although nothing was done. */
const MARK_EVENTS = 1_000;

export class Engine {
  readonly #file: string;
  readonly #info: TapeInfo;
  readonly #market: Market;
  readonly #desk: Desk;
  #instrument: InstrumentRow | undefined;
  #event: number;
  #place: TapePlace;

  /**
   * An engine that goes on where the store is.
   *
   * @throws HoldfastError `BAD_TAPE` if the store has replayed a tape of another symbol or format.
   */
  constructor(store: StorePort, tape: Tape) {
    this.#file = tape.file;
    this.#info = tape.info;
    const row = store.table(progress).get(ONLY);
    const { symbol, format } = tape.info;
    if (row !== undefined && (row.symbol !== symbol || row.format !== format)) {
      throw badTape(
        { file: tape.file, line: 0 },
        `a tape of ${symbol} (${format}), but the directory holds the replay of a tape of ` +
          `${row.symbol} (${row.format})`,
      );
    }
    this.#event = row?.event ?? 0;
    this.#place = row ?? TAPE_START;
    this.#market = Market.load(store, tape);
    this.#desk = Desk.load(store);
    this.#instrument = store.table(instruments).get(symbol);
  }

  /** Events applied, over all runs. */
  get event(): number {
    return this.#event;
  }

  /** Where on the tape the next event is to be read from. */
  get place(): TapePlace {
    return this.#place;
  }

  /** The book; to look at. */
  get book(): Book {
    return this.#market.book;
  }

  /**
   * Applies one event within a transaction.
   *
   * @returns true if the engine itself acted: critical tables were written, and the next event must
   *   wait until that is durable.
   * @throws HoldfastError `BAD_TAPE` at a gap in the tape's depth diffs.
   */
  apply(tx: Transaction, event: TapeEvent, line: TapeLine): boolean {
    const number = this.#event + 1;
    let acted: boolean;
    try {
      this.#market.take(tx, number, event, line);
      acted = this.#trade(tx, number, event);
    } catch (error) {
      throw error instanceof TapeProblem
        ? badTape({ file: this.#file, line: line.line }, error.message, error)
        : error;
    }
    tx.put(progress, ONLY, {
      event: number,
      line: line.line,
      bytes: line.bytes,
      crc: line.crc,
      time: event.timeMicros,
      symbol: this.#info.symbol,
      format: this.#info.format,
    });
    this.#event = number;
    this.#place = line;
    return acted;
  }

  /** What the engine does about it: fills first, then the strategy, then the risk figures. */
  #trade(tx: Transaction, number: number, event: TapeEvent): boolean {
    const opened = this.#instrument === undefined;
    this.#instrument ??= this.#newInstrument(event);
    if (this.#instrument === undefined) return false;
    const step: Step = {
      tx,
      event: number,
      timeMicros: event.timeMicros,
      symbol: this.#info.symbol,
      instrument: this.#instrument,
    };
    if (opened) openAccount(step);
    let acted = opened;
    if (event.kind === "trade") acted = this.#desk.onTrade(step, event) || acted;
    else this.#desk.onShown(step, (order) => this.#shown(event, order));
    if (!this.#market.hasPrices) return acted;
    acted = this.#strategy(step) || acted;
    const marks = number % MARK_EVENTS === 0 && !positionOf(step).quantity.isZero();
    if (acted || marks) this.#mark(step);
    return acted || marks;
  }

  #newInstrument(event: TapeEvent): InstrumentRow | undefined {
    if (event.kind === "snapshot") return instrumentFromSnapshot(this.#info, event);
    if (event.kind === "trade" && !this.#info.hasBook)
      return instrumentFromTrade(this.#info, event);
    return undefined;
  }

  /** What an event shows at an order's price; undefined if it says nothing about it. */
  #shown(event: TapeEvent, order: OrderRow) {
    if (event.kind === "quote") {
      const [price, quantity] = order.side === "buy" ? event.bid : event.ask;
      return price.equals(order.price) ? quantity : undefined;
    }
    if (event.kind !== "depth" && event.kind !== "snapshot") return undefined;
    return this.book.quantity(order.side === "buy" ? "bid" : "ask", units(order.price));
  }

  #strategy(step: Step): boolean {
    const actions = decide(this.#view(step));
    if (actions.length === 0) return false;
    this.#desk.act(step, actions, this.#market.row, this.book);
    return true;
  }

  #view(step: Step): StrategyView {
    const { instrument } = step;
    const { bid, ask } = this.#market.row;
    const { halted, lastTakeEvent } = strategyOf(step);
    return {
      event: step.event,
      bid: units(bid),
      ask: units(ask),
      position: units(positionOf(step).quantity),
      quotes: this.#desk.quotes(),
      halted,
      lastTakeEvent,
      tick: units(instrument.tick),
      orderQuantity: units(instrument.orderQuantity),
      maxPosition: units(instrument.maxPosition),
      halfSpread: units(instrument.halfSpread),
      amendDistance: units(instrument.amendDistance),
    };
  }

  #mark(step: Step): void {
    const beyond = markAccount(step, this.#desk.open(), this.#market.middle);
    const strategy = strategyOf(step);
    if (beyond && !strategy.halted) {
      step.tx.put(strategies, step.symbol, { ...strategy, halted: true });
    }
  }
}
