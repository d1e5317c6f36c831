/** One event of trading: a transaction, its time, and what every change of the state shares. */
import { type Decimal, HoldfastError, type TableDefinition, type Transaction } from "../index.js";
import { invalid, ZERO } from "./amounts.js";
import { FLAT } from "./positions.js";
import {
  counters,
  type InstrumentRow,
  instruments,
  type OrderRow,
  orders,
  type PortfolioRow,
  type PositionRow,
  portfolio,
  positions,
  riskEvents,
  sessions,
} from "./tables.js";

/** Key of the tables that have one row. */
export const ONLY = "";

/** How exactly the time of the last event is kept: not every one of them writes it. */
const SESSION_MICROS = 1_000_000;

/** What the steps of one program share. */
export interface Pace {
  /** Before this time that of the last event need not be written again. */
  sessionDue: number;
}

export const NO_POSITION: PositionRow = {
  ...FLAT,
  fees: ZERO,
  fills: 0,
  lastTime: Number.MIN_SAFE_INTEGER,
  lastTradeId: "",
};

const NEW_PORTFOLIO: PortfolioRow = {
  nav: null,
  peak: null,
  drawdown: ZERO,
  largestDrawdown: ZERO,
  drawdownNumber: 0,
  halted: "no",
  haltReason: "",
};

export class Step {
  readonly tx: Transaction;
  /** Microseconds since 1970, by the clock of the options. */
  readonly time: number;
  /** The sequence that this transaction will have. */
  readonly sequence: number;
  /** The currency of the reports. */
  readonly currency: string;
  /**
   * By how much the net asset value has changed since it was last written; undefined where it has
   * to be reckoned anew from all that is held.
   */
  navChange: Decimal | undefined = ZERO;
  /** What was paid in or out since then; undefined: nothing at all has changed. */
  flow: Decimal | undefined;
  readonly #pace: Pace | undefined;
  #written = false;
  #audited = 0;

  constructor(tx: Transaction, time: number, sequence: number, currency: string, pace?: Pace) {
    this.tx = tx;
    this.time = time;
    this.sequence = sequence;
    this.currency = currency;
    this.#pace = pace;
  }

  put<K, R, I>(table: TableDefinition<K, R, I>, key: NoInfer<K>, row: NoInfer<I>): void {
    this.tx.put(table, key, row);
    this.#written = true;
  }

  /** As `put`, of what `change` makes of the row, or of undefined. Throw in it to write nothing. */
  update<K, R, I>(
    table: TableDefinition<K, R, I>,
    key: NoInfer<K>,
    change: (row: R | undefined) => NoInfer<I>,
  ): void {
    this.tx.update(table, key, change);
    this.#written = true;
  }

  /** The net asset value changes by what `before` has become. Undefined: nobody can tell. */
  moveNav(before: Decimal | undefined, after: Decimal | undefined): void {
    const known = before !== undefined && after !== undefined;
    this.navChange = known ? this.navChange?.add(after.sub(before)) : undefined;
  }

  /** The net asset value is to be reckoned anew. */
  forgetNav(): this {
    this.navChange = undefined;
    return this;
  }

  /** Called when the event is over: notes its time, if anything was written. */
  end(): void {
    if (!this.#written || this.time < (this.#pace?.sessionDue ?? 0)) return;
    const session = this.tx.get(sessions, ONLY);
    if (session === undefined) return;
    const due = session.changed + SESSION_MICROS;
    // A transaction that is given up after this may leave the next one to look again.
    if (this.#pace !== undefined) this.#pace.sessionDue = due;
    if (this.time >= due) this.tx.put(sessions, ONLY, { ...session, changed: this.time });
  }

  /** The key of the next row of an audit table. */
  auditKey(symbol: string, time = this.time): [string, number, number, number] {
    return [symbol, time, this.sequence, this.#audited++];
  }

  riskEvent(
    symbol: string,
    kind: "limits" | "halt" | "resume" | "correction" | "order",
    detail: string,
  ): void {
    this.put(riskEvents, this.auditKey(symbol), { kind, detail });
  }

  /** The next number of a kind, from 1. */
  nextNumber(kind: string): number {
    const last = (this.tx.get(counters, kind)?.last ?? 0) + 1;
    this.put(counters, kind, { last });
    return last;
  }

  /** Throws INVALID_ARGUMENT. */
  instrument(symbol: string): InstrumentRow {
    const row = this.tx.get(instruments, symbol);
    if (row === undefined) throw invalid(`there is no instrument "${symbol}"`);
    return row;
  }

  /** Throws UNKNOWN_ORDER. */
  order(clientId: string): OrderRow {
    const row = this.tx.get(orders, clientId);
    if (row !== undefined) return row;
    throw new HoldfastError("UNKNOWN_ORDER", `there is no order "${clientId}"`, { key: clientId });
  }

  position(symbol: string): PositionRow {
    return this.tx.get(positions, symbol) ?? NO_POSITION;
  }

  /** As it was written last: see `portfolioNow` of portfolio.ts. */
  portfolio(): PortfolioRow {
    return this.tx.get(portfolio, ONLY) ?? NEW_PORTFOLIO;
  }
}

/** A RISK_LIMIT error. `value` is what was asked, `exposure` what would have been reached. */
export function limitError(
  limit: { readonly name: string; readonly symbol?: string; readonly retryAfterMillis?: number },
  maximum: Decimal | number,
  value: Decimal | number,
  exposure: Decimal | number,
): HoldfastError {
  const of = limit.symbol === undefined ? "" : ` of ${limit.symbol}`;
  const message = `${limit.name}${of} is ${maximum}: ${value} more would make it ${exposure}`;
  const figures = { maximum: `${maximum}`, value: `${value}`, exposure: `${exposure}` };
  return new HoldfastError("RISK_LIMIT", message, { limit: { ...limit, ...figures } });
}
