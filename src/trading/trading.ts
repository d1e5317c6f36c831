/** The trading state of a store, as a program uses it. */
import type { Annotation, ReadTable, Store, TableDefinition } from "../index.js";
import type { OrderChange } from "./amendments.js";
import { type Amount, invalid } from "./amounts.js";
import { type AuditRange, auditEntries } from "./audit.js";
import type { Broker, SubmitResult } from "./broker.js";
import type { FillInput, FillResult } from "./fills.js";
import type { InstrumentInput } from "./instruments.js";
import { type NonceOptions, Nonces } from "./nonces.js";
import { advanceOrder, type Order, type OrderRequest, orderOf } from "./orders.js";
import { revisePortfolio, settlePortfolio } from "./portfolio.js";
import { type ReconcileOptions, Reconciliation } from "./reconcile.js";
import type { RecoveryReport } from "./report.js";
import { ONLY, type Pace, Step } from "./step.js";
import {
  type AmendmentRow,
  amendments,
  fills,
  orders,
  portfolio,
  riskEvents,
  sessions,
  signalLog,
  TRADING_TABLES,
  tradeHistory,
  workingOrders,
} from "./tables.js";
import { TradingTransaction } from "./trading-transaction.js";
import { type Portfolio, type Position, portfolioOf, positionOf, positionsOf } from "./views.js";

export interface TradingOptions {
  /** The currency of net asset value, peak, drawdown and exposure. */
  readonly currency: string;
  /** Policies of nonces by venue. Default: counters. */
  readonly nonces?: Readonly<Record<string, NonceOptions>> | undefined;
  /** What client ids begin with that are made here. Default: "hf-". */
  readonly clientIdPrefix?: string | undefined;
  /** The time in microseconds since 1970. Default: that of the system. */
  readonly clock?: (() => number) | undefined;
}

const OPTIONS = new Set(["currency", "nonces", "clientIdPrefix", "clock"]);

/** A store has one of these: two would give out the same nonces. */
const inUse = new WeakSet<Store>();

/**
 * Takes up the trading state of a store that was opened with TRADING_TABLES. Orders that were
 * written down and of which no outcome is known are `unknown` from now on: use `recover`.
 *
 * Errors: INVALID_ARGUMENT, if an option is none, the store was opened without these tables, or it
 * has a `Trading` already; those of a write.
 */
export async function openTrading(store: Store, options: TradingOptions): Promise<Trading> {
  for (const name of Object.keys(options)) {
    if (!OPTIONS.has(name)) throw invalid(`unknown option "${name}"`);
  }
  if (typeof options.currency !== "string" || options.currency === "") {
    throw invalid("the option currency names the currency of the reports, such as USD");
  }
  for (const table of TRADING_TABLES as readonly TableDefinition[]) store.table(table);
  if (inUse.has(store)) throw invalid("the store has a Trading already");
  inUse.add(store);
  try {
    const { clock = systemMicros } = options;
    let idleMicros = 0;
    await store.transact((tx) => {
      const step = new Step(tx, clock(), store.lastSequence + 1, options.currency);
      const session = tx.get(sessions, ONLY);
      const { time } = step;
      if (session !== undefined) idleMicros = Math.max(0, time - session.changed);
      for (const [, clientId] of [...tx.keys(workingOrders)]) {
        if (step.order(clientId).status !== "intent") continue;
        advanceOrder(step, clientId, "doubt", { reason: "the program ended before its outcome" });
      }
      if (tx.has(portfolio, ONLY)) revisePortfolio(step);
      const { lives = 0, began = time, changed = time } = session ?? {};
      tx.put(sessions, ONLY, { lives: lives + 1, began, started: time, changed });
    });
    return new Trading(store, { ...options, clock }, idleMicros);
  } catch (error) {
    inUse.delete(store);
    throw error;
  }
}

function systemMicros(): number {
  return Date.now() * 1000;
}

/**
 * Positions, orders, fills, balances and risk of one store. Made by `openTrading`.
 *
 * Reads are synchronous. Every other method is one transaction, and resolves when it is on disk;
 * those that `TradingTransaction` has too are described there, with their errors. All of them may
 * also reject as every write of a store may.
 */
export class Trading {
  readonly store: Store;
  readonly nonces: Nonces;
  /** Microseconds from the last event of the program before to the opening; 0 for the first. */
  readonly idleMicros: number;
  /** The time in microseconds since 1970, by the clock of the options. */
  readonly clock: () => number;
  readonly #currency: string;
  readonly #idPrefix: string;
  readonly #pace: Pace = { sessionDue: 0 };

  /** @internal */
  constructor(
    store: Store,
    options: TradingOptions & { readonly clock: () => number },
    idleMicros: number,
  ) {
    this.store = store;
    this.clock = options.clock;
    this.idleMicros = idleMicros;
    this.#currency = options.currency;
    this.#idPrefix = options.clientIdPrefix ?? "hf-";
    this.nonces = new Nonces(store, options.clock, options.nonces);
  }

  /**
   * Runs `work` as one transaction; one's own tables can take part by `t.tx`. `annotation`: why,
   * what it comes of, and tags to find it by, as for `Store.transact`.
   */
  transact<T>(work: (t: TradingTransaction) => T, annotation?: Annotation): Promise<T> {
    return this.step(
      (step) => work(new TradingTransaction(step, this.#idPrefix, this.nonces)),
      annotation,
    );
  }

  /** @internal */
  step<T>(work: (step: Step) => T, annotation?: Annotation): Promise<T> {
    const { store } = this;
    return store.transact((tx) => {
      const time = this.clock();
      const step = new Step(tx, time, store.lastSequence + 1, this.#currency, this.#pace);
      const result = work(step);
      settlePortfolio(step);
      step.end();
      return result;
    }, annotation);
  }

  // ---- events ----------------------------------------------------------------------------------

  setInstrument(symbol: string, instrument: InstrumentInput): Promise<void> {
    return this.transact((t) => t.setInstrument(symbol, instrument));
  }

  deposit(venue: string, currency: string, amount: Amount, reason?: string): Promise<void> {
    return this.transact((t) => t.deposit(venue, currency, amount, reason));
  }

  mark(symbol: string, price: Amount): Promise<void> {
    return this.transact((t) => t.mark(symbol, price));
  }

  applyFill(fill: FillInput): Promise<FillResult> {
    return this.transact((t) => t.applyFill(fill));
  }

  placeOrder(request: OrderRequest): Promise<Order> {
    return this.transact((t) => t.placeOrder(request));
  }

  /**
   * Places an order and sends it: the intent is on disk before the broker is asked, and the outcome
   * when this resolves. The order it resolves with is `open` (or already filled), `rejected`, or
   * `unknown` if the broker threw; then it is neither sent again nor given up, but left to
   * `recover` or `reconcile`, and counts towards the limits until then.
   */
  async submit(broker: Broker, request: OrderRequest): Promise<Order> {
    const order = await this.transact((t) => {
      const placed = t.placeOrder(request);
      if (placed.venue === broker.venue) return placed;
      throw invalid(`${placed.symbol} is traded at ${placed.venue}, not at ${broker.venue}`);
    });
    const { clientId } = order;
    let result: SubmitResult;
    try {
      result = await broker.submit(order);
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error);
      return this.step((step) => {
        const now = step.order(clientId);
        // A message of the venue may have been faster than the failure.
        if (now.status !== "intent") return orderOf(clientId, now);
        return advanceOrder(step, clientId, "doubt", { reason });
      });
    }
    return this.transact((t) =>
      result.status === "accepted"
        ? t.orderAccepted(clientId, { venueId: result.venueId })
        : t.orderRejected(clientId, { reason: result.reason }),
    );
  }

  /**
   * Changes price or quantity of a working order: what is asked for is on disk before the broker
   * is, and the outcome when this resolves. If the broker threw, the order keeps its old terms and
   * `amendment` what was asked for, until `recover` or `reconcile` finds out. Errors: those of
   * `TradingTransaction.amendOrder`; INVALID_ARGUMENT for a broker that cannot.
   */
  async amend(broker: Broker, clientId: string, change: OrderChange): Promise<Order> {
    if (broker.amend === undefined) throw invalid(`orders at ${broker.venue} cannot be amended`);
    const wanted = await this.transact((t) => {
      const order = t.amendOrder(clientId, change);
      if (order.venue === broker.venue) return order;
      throw invalid(`${order.symbol} is traded at ${order.venue}, not at ${broker.venue}`);
    });
    let result: SubmitResult;
    try {
      result = await broker.amend(wanted);
    } catch {
      return this.step((step) => orderOf(clientId, step.order(clientId)));
    }
    return this.transact((t) =>
      result.status === "accepted"
        ? t.orderAmended(clientId, { venueId: result.venueId })
        : t.amendRejected(clientId, { reason: result.reason }),
    );
  }

  // ---- recovery --------------------------------------------------------------------------------

  /**
   * Brings the state up to what the venue says, after a start: to be called before anything is
   * traded. May be called again at any time, and after a crash in the middle of it.
   *
   * Errors: what the broker rejects with, after which it is to be called again; those of a write.
   */
  async recover(broker: Broker, options: ReconcileOptions): Promise<RecoveryReport> {
    return new Reconciliation(this, broker, options, "recover").run();
  }

  /** As `recover`, while trading goes on. */
  async reconcile(broker: Broker, options: ReconcileOptions): Promise<RecoveryReport> {
    return new Reconciliation(this, broker, options, "reconcile").run();
  }

  // ---- reads -----------------------------------------------------------------------------------

  /** The order of a client id; undefined if there is none. */
  order(clientId: string): Order | undefined {
    const row = this.store.table(orders).get(clientId);
    return row && orderOf(clientId, row);
  }

  /** What was asked to be changed of an order and is not answered; undefined if nothing was. */
  amendment(clientId: string): AmendmentRow | undefined {
    return this.store.table(amendments).get(clientId);
  }

  /** All orders that may still be filled, those of a venue where one is named. */
  workingOrders(venue?: string): Order[] {
    const keys = [...this.store.table(workingOrders).keys()];
    return keys
      .filter(([at]) => venue === undefined || at === venue)
      .map(([, clientId]) => this.order(clientId) as Order);
  }

  /** The position of a symbol; a flat one if it was never traded. */
  position(symbol: string): Position {
    return positionOf(this.store, symbol);
  }

  /** All positions that are not flat. */
  positions(): Position[] {
    return positionsOf(this.store);
  }

  /** Net asset value, drawdown, exposure, weights. */
  portfolio(): Portfolio {
    return portfolioOf(this.store, this.#currency, this.clock());
  }

  /** The fills of a symbol by time, as they were applied. */
  *trades(symbol: string, range?: AuditRange) {
    const table = this.store.table(fills);
    for (const { tradeId, ...place } of auditEntries(this.#table(tradeHistory), symbol, range)) {
      const fill = table.get([symbol, tradeId]);
      if (fill !== undefined) yield { ...place, tradeId, ...fill };
    }
  }

  /** Changes of limits, halts and corrections; of the whole, with "" as the symbol. */
  riskEvents(symbol: string, range?: AuditRange) {
    return auditEntries(this.#table(riskEvents), symbol, range);
  }

  /** What strategies wanted. */
  signals(symbol: string, range?: AuditRange) {
    return auditEntries(this.#table(signalLog), symbol, range);
  }

  #table<K, R, I>(definition: TableDefinition<K, R, I>): ReadTable<K, R> {
    return this.store.table(definition);
  }
}
