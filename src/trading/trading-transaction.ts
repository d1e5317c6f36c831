/** What can happen in trading, each a part of a transaction: see `Trading.transact`. */
import type { Transaction } from "../index.js";
import {
  type AmendNews,
  type AmendOptions,
  amendOrder,
  amendRejected,
  type OrderChange,
  orderAmended,
} from "./amendments.js";
import { type Amount, amountOf, notNegativeOf, positiveOf } from "./amounts.js";
import { moveCash } from "./balances.js";
import { applyFill, type FillInput, type FillResult } from "./fills.js";
import { type InstrumentInput, setInstrument } from "./instruments.js";
import type { Nonces } from "./nonces.js";
import {
  advanceOrder,
  type Order,
  type OrderNews,
  type OrderRequest,
  placeOrder,
} from "./orders.js";
import { halt, mark, portfolioNow, resume, setRate } from "./portfolio.js";
import { type RateLimit, setRateLimit, takeTokens } from "./rates.js";
import {
  type PortfolioLimitsInput,
  type SymbolLimitsInput,
  setPortfolioLimits,
  setSymbolLimits,
} from "./risk.js";
import { logSignal, type Signal } from "./signals.js";
import type { Step } from "./step.js";
import type { PortfolioRow } from "./tables.js";

/**
 * All that is done with one of these happens together or not at all. What throws takes the whole
 * transaction back, unless the function catches it before anything was written.
 */
export class TradingTransaction {
  /** For one's own tables, in the same transaction. */
  readonly tx: Transaction;
  /** Sequence that the transaction will have. */
  readonly sequence: number;
  readonly #step: Step;
  readonly #idPrefix: string;
  readonly #nonces: Nonces;

  /** @internal */
  constructor(step: Step, idPrefix: string, nonces: Nonces) {
    this.tx = step.tx;
    this.sequence = step.sequence;
    this.#step = step;
    this.#idPrefix = idPrefix;
    this.#nonces = nonces;
  }

  /** Declares what is traded, or changes its tick and lot. Throws INVALID_ARGUMENT. */
  setInstrument(symbol: string, instrument: InstrumentInput): void {
    setInstrument(this.#step, symbol, instrument);
  }

  /**
   * Writes an order down as an intent; it is to be sent when the transaction is durable.
   *
   * Throws RISK_LIMIT, TRADING_HALTED; INVALID_ARGUMENT for an order that cannot be meant.
   */
  placeOrder(request: OrderRequest): Order {
    return placeOrder(this.#step, request, this.#idPrefix);
  }

  /** The venue has the order. Throws UNKNOWN_ORDER, ORDER_TRANSITION, as all of these do. */
  orderAccepted(clientId: string, news?: OrderNews): Order {
    return advanceOrder(this.#step, clientId, "accept", news);
  }

  orderRejected(clientId: string, news?: OrderNews): Order {
    return advanceOrder(this.#step, clientId, "reject", news);
  }

  orderCancelled(clientId: string, news?: OrderNews): Order {
    return advanceOrder(this.#step, clientId, "cancel", news);
  }

  orderExpired(clientId: string, news?: OrderNews): Order {
    return advanceOrder(this.#step, clientId, "expire", news);
  }

  /** Nobody can tell whether the venue has the order. */
  orderUnknown(clientId: string, news?: OrderNews): Order {
    return advanceOrder(this.#step, clientId, "doubt", news);
  }

  /** It is certain that the order never reached the venue, and never will. */
  orderUnsent(clientId: string, news?: OrderNews): Order {
    return advanceOrder(this.#step, clientId, "absent", news);
  }

  /**
   * Writes down that an order is to be changed; the venue is to be asked when the transaction is
   * durable. Gives the order as it is to be; until the venue has answered it is as it was. With
   * `answered: true` it has, and the order is changed.
   *
   * Throws RISK_LIMIT, TRADING_HALTED; ORDER_TRANSITION for an order that is not open, or waits for
   * such an answer already; INVALID_ARGUMENT for a change that cannot be meant.
   */
  amendOrder(clientId: string, change: OrderChange, options?: AmendOptions): Order {
    return amendOrder(this.#step, clientId, change, options);
  }

  /** The venue has changed the order: to what was asked for, or what `news` says. */
  orderAmended(clientId: string, news?: AmendNews): Order {
    return orderAmended(this.#step, clientId, news);
  }

  /** The venue has refused the change. */
  amendRejected(clientId: string, news?: OrderNews): Order {
    return amendRejected(this.#step, clientId, news);
  }

  /**
   * The next nonce of a venue, as `Trading.nonces` has them, for a request that is sent when the
   * transaction is durable: none is left out by a crash, and nothing has to be reserved.
   */
  nextNonce(venue: string): number {
    return this.#nonces.nextIn(this.#step, venue);
  }

  /**
   * Books a fill: order, position, balances, risk and history. The same trade id a second time
   * changes nothing. Throws UNKNOWN_ORDER, ORDER_TRANSITION, FILL_CONFLICT.
   */
  applyFill(fill: FillInput): FillResult {
    return applyFill(this.#step, fill);
  }

  /** The newest price of a symbol. May halt trading, if the drawdown passes its limit. */
  mark(symbol: string, price: Amount): void {
    mark(this.#step, symbol, positiveOf(price, "price"));
  }

  /** What one unit of a currency is worth, where no spot instrument tells. */
  setRate(currency: string, rate: Amount): void {
    setRate(this.#step, currency, notNegativeOf(rate, "rate"));
  }

  /** Books what was paid in, or out if it is below zero. */
  deposit(venue: string, currency: string, amount: Amount, reason = "deposit"): void {
    moveCash(this.#step, { venue, currency, amount: amountOf(amount), reason });
  }

  /** Sets all limits of a symbol; those left out are none. */
  setSymbolLimits(symbol: string, limits: SymbolLimitsInput): void {
    setSymbolLimits(this.#step, symbol, limits);
  }

  /** Sets all limits of the whole; those left out are none. */
  setPortfolioLimits(limits: PortfolioLimitsInput): void {
    setPortfolioLimits(this.#step, limits);
  }

  /** Declares a token bucket, full at first. */
  setRateLimit(name: string, limit: RateLimit): void {
    setRateLimit(this.#step, name, limit);
  }

  /** Takes tokens out of a bucket. Throws RISK_LIMIT with `data.limit.retryAfterMillis`. */
  takeTokens(name: string, tokens = 1): void {
    takeTokens(this.#step, name, tokens);
  }

  /** No orders any more, but those that reduce a position, until `resume`. */
  halt(reason: string): void {
    halt(this.#step, "manual", reason);
  }

  /** Why trading is halted, by all that has happened in this transaction too; "no": it is not. */
  halted(): PortfolioRow["halted"] {
    return portfolioNow(this.#step).halted;
  }

  /** Orders are taken again. */
  resume(reason: string): void {
    resume(this.#step, reason);
  }

  /** Notes what a strategy wants, and why. */
  logSignal(signal: Signal): void {
    logSignal(this.#step, signal);
  }
}
