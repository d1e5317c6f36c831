/**
 * The engine: one event of the tape after the other, each one transaction over its tables and those
 * of `holdfast/trading`.
 *
 * All its state stands in the tables. What it also holds in memory (book, best prices, open quotes)
 * is an index of them, taken up again by `Engine.open`; the same events lead to the same state
 * whether it was interrupted or not. If a transaction fails, the indexes are ahead of the tables:
 * the engine must not be used again.
 */
import type { Store } from "../index.js";
import {
  instruments,
  openTrading,
  portfolio,
  type Trading,
  type TradingTransaction,
} from "../trading/index.js";
import { openAccount, quantityHeld, type Step } from "./account.js";
import { badTape, TapeProblem } from "./bad-tape.js";
import type { Book } from "./book.js";
import { Desk } from "./desk.js";
import type { TapeEvent, TapeInfo } from "./events.js";
import { units } from "./exact.js";
import type { RestingOrder } from "./fills.js";
import {
  instrumentFromSnapshot,
  instrumentFromTrade,
  type Setup,
  settlementOf,
} from "./instrument.js";
import { TAPE_START, type TapeLine, type TapePlace } from "./lines.js";
import { Market, ONLY } from "./market.js";
import { decide } from "./strategy.js";
import type { StrategyView } from "./strategy-view.js";
import { plans, progress } from "./tables.js";
import type { Tape } from "./tape.js";

/** Events after which a position is valued anew although nothing was done. */
const MARK_EVENTS = 1_000;

/** The time of the tape. It never goes back, as the order of fills must not. */
interface TapeClock {
  micros: number;
}

export class Engine {
  readonly trading: Trading;
  readonly #tape: Tape;
  readonly #clock: TapeClock;
  readonly #market: Market;
  readonly #desk: Desk;
  #setup: Setup | undefined;
  #event: number;
  #place: TapePlace;
  #halted: boolean;
  /** Quantity held, in units. */
  #position = 0;

  private constructor(trading: Trading, tape: Tape, clock: TapeClock) {
    const { store } = trading;
    const { symbol } = tape.info;
    const row = store.table(progress).get(ONLY);
    this.trading = trading;
    this.#tape = tape;
    this.#clock = clock;
    this.#event = row?.event ?? 0;
    this.#place = row ?? TAPE_START;
    this.#market = Market.load(store, tape);
    this.#desk = Desk.load(store, symbol);
    const instrument = store.table(instruments).get(symbol);
    const plan = store.table(plans).get(symbol);
    if (instrument !== undefined && plan !== undefined) this.#setup = { instrument, plan };
    this.#halted = isHalted(trading);
    this.#position = units(trading.position(symbol).quantity);
  }

  /**
   * An engine that goes on where the store is, which has one of them only.
   *
   * @throws HoldfastError `BAD_TAPE` if the store has replayed a tape of another symbol or format.
   */
  static async open(store: Store, tape: Tape): Promise<Engine> {
    const row = store.table(progress).get(ONLY);
    const { symbol, format } = tape.info;
    if (row !== undefined && (row.symbol !== symbol || row.format !== format)) {
      throw badTape(
        { file: tape.file, line: 0 },
        `a tape of ${symbol} (${format}), but the directory holds the replay of a tape of ` +
          `${row.symbol} (${row.format})`,
      );
    }
    const clock = { micros: row?.time ?? 0 };
    const trading = await openTrading(store, {
      currency: settlementOf(tape.info),
      clock: () => clock.micros,
    });
    return new Engine(trading, tape, clock);
  }

  get tape(): Tape {
    return this.#tape;
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
   * Applies one event; resolves when its transaction is as durable as it has to be.
   *
   * @returns true if the engine itself acted: critical tables were written, and the next event must
   *   wait until that is durable.
   * @throws HoldfastError `BAD_TAPE` at a gap in the tape's depth diffs.
   */
  apply(event: TapeEvent, line: TapeLine): Promise<boolean> {
    this.#clock.micros = Math.max(this.#clock.micros, event.timeMicros);
    return this.trading.transact((t) => this.#apply(t, event, line));
  }

  #apply(trading: TradingTransaction, event: TapeEvent, line: TapeLine): boolean {
    const number = this.#event + 1;
    const { symbol, format } = this.#tape.info;
    let acted: boolean;
    try {
      this.#market.take(trading.tx, number, event, line);
      acted = this.#trade(trading, number, event);
    } catch (error) {
      throw error instanceof TapeProblem
        ? badTape({ file: this.#tape.file, line: line.line }, error.message, error)
        : error;
    }
    trading.tx.put(progress, ONLY, {
      event: number,
      line: line.line,
      bytes: line.bytes,
      crc: line.crc,
      time: this.#clock.micros,
      symbol,
      format,
    });
    this.#event = number;
    this.#place = line;
    return acted;
  }

  /** What the engine does about it: fills first, then the strategy, then the value of it all. */
  #trade(trading: TradingTransaction, number: number, event: TapeEvent): boolean {
    const opened = this.#setup === undefined;
    this.#setup ??= setupFrom(this.#tape.info, event);
    if (this.#setup === undefined) return false;
    const { symbol } = this.#tape.info;
    const { tx } = trading;
    const step: Step = { trading, tx, event: number, symbol, setup: this.#setup, fills: 0 };
    if (opened) openAccount(step);
    let acted = opened;
    if (event.kind === "trade") acted = this.#desk.onTrade(step, event) || acted;
    else this.#desk.onShown(step, (order) => this.#shown(event, order));
    if (acted) this.#lookAgain(step);
    if (!this.#market.hasPrices) return acted;
    acted = this.#strategy(step) || acted;
    const marks = number % MARK_EVENTS === 0 && this.#position !== 0;
    if (!acted && !marks) return false;
    trading.mark(symbol, this.#market.middle);
    this.#lookAgain(step);
    return true;
  }

  /** After fills and prices: what is held, and whether the drawdown has halted trading. */
  #lookAgain(step: Step): void {
    this.#position = units(quantityHeld(step));
    this.#halted = step.trading.halted() !== "no";
  }

  /** What an event shows at an order's price; undefined if it says nothing about it. */
  #shown(event: TapeEvent, order: RestingOrder) {
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
    const { instrument, plan } = step.setup;
    const { bid, ask } = this.#market.row;
    return {
      event: step.event,
      bid: units(bid),
      ask: units(ask),
      position: this.#position,
      quotes: this.#desk.quotes(),
      halted: this.#halted,
      lastTakeEvent: this.#desk.strategyOf(step).lastTakeEvent,
      tick: units(instrument.tick),
      orderQuantity: units(plan.orderQuantity),
      maxPosition: units(plan.maxPosition),
      halfSpread: units(plan.halfSpread),
      amendDistance: units(plan.amendDistance),
    };
  }
}

function setupFrom(info: TapeInfo, event: TapeEvent): Setup | undefined {
  if (event.kind === "snapshot") return instrumentFromSnapshot(info, event);
  if (event.kind === "trade" && !info.hasBook) return instrumentFromTrade(info, event);
  return undefined;
}

function isHalted({ store }: Trading): boolean {
  return (store.table(portfolio).get("")?.halted ?? "no") !== "no";
}
