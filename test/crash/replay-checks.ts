/** What must be true of the state of a replay between any two of its transactions. */
import assert from "node:assert/strict";
import type { Decimal, Store } from "../../src/index.js";
import { contractOf } from "../../src/replay/account.js";
import { stateDigest } from "../../src/replay/digest.js";
import { ZERO } from "../../src/replay/exact.js";
import { runTape } from "../../src/replay/run.js";
import {
  balances,
  fills,
  type InstrumentRow,
  instruments,
  nonces,
  type OrderRow,
  orders,
  positions,
  progress,
  queueAhead,
  risk,
  strategies,
} from "../../src/replay/tables.js";
import { Tape } from "../../src/replay/tape.js";
import { foldFills, valueAt } from "../../src/trading/index.js";
import { MemoryStore } from "../replay/memory-store.js";

/** The transaction that declares the tables comes first; then every event is one. */
export const TRANSACTIONS_BEFORE_EVENTS = 1;

/** A store, or a snapshot of one. */
type State = Pick<Store, "table" | "lastSequence">;

export function eventOf(store: State): number {
  return store.table(progress).get("tape")?.event ?? 0;
}

/** The same tape without a disk and without a kill: the state that belongs to each event. */
export class ReplayModel {
  readonly #tape: Tape;
  readonly #store = new MemoryStore();

  private constructor(tape: Tape) {
    this.#tape = tape;
  }

  static async of(file: string): Promise<ReplayModel> {
    return new ReplayModel(await Tape.open(file));
  }

  get symbol(): string {
    return this.#tape.info.symbol;
  }

  /** The digest of the state after that event. Events can only go up. */
  async digestAt(event: number): Promise<string> {
    const figures = await runTape(this.#store, this.#tape, { limit: event });
    assert.equal(figures.endedAtEvent, event, "the model can only go forward");
    return stateDigest(this.#store);
  }
}

/** Nothing is half applied: counts, nonces, orders, fills, position, cash and risk agree. */
export function checkReplayState(store: State, symbol: string): void {
  const event = eventOf(store);
  assert.equal(store.lastSequence, event + TRANSACTIONS_BEFORE_EVENTS, "one transaction an event");
  const instrument = store.table(instruments).get(symbol);
  if (instrument === undefined) {
    assert.equal(store.table(orders).count() + store.table(fills).count(), 0, "no account yet");
    return;
  }
  checkNonces(store, event);
  checkFills(store, symbol, instrument);
  checkOrders(store, symbol);
  checkOpenOrders(store, symbol, instrument);
}

function checkNonces(store: State, event: number): void {
  const last = (name: string) => store.table(nonces).get(name)?.last;
  assert.equal(last("order"), store.table(orders).count(), "order numbers have no gaps");
  assert.equal(last("fill"), store.table(fills).count(), "fill numbers have no gaps");
  let request = 0;
  for (const [, order] of store.table(orders).entries()) {
    request = Math.max(request, order.request);
    assert.ok(order.changedEvent <= event, "no order from after the last event");
  }
  for (const [, fill] of store.table(fills).entries()) {
    assert.ok(fill.event <= event, "no fill from after the last event");
  }
  assert.ok(request <= (last("request") ?? 0), "no request beyond the last nonce");
}

/** Position and balances are a fold over the fills. */
function checkFills(store: State, symbol: string, instrument: InstrumentRow): void {
  const contract = contractOf(instrument);
  const all = [...store.table(fills).values()];
  const fees = all.reduce((sum, { fee }) => sum.add(fee), ZERO);
  const folded = { ...foldFills(all, contract), fees };
  const { limit: _limit, ...position } = present(store.table(positions).get(symbol));
  assert.deepEqual(position, folded, "the position is what the fills made");
  const cash = instrument.capital
    .add(folded.realised)
    .sub(folded.fees)
    .sub(instrument.contract === "spot" ? folded.cost : ZERO);
  same(present(store.table(balances).get(instrument.settle)).total, cash, "cash");
  if (instrument.contract !== "spot") return;
  const coins = instrument.maxPosition.add(instrument.maxPosition).add(folded.quantity);
  same(present(store.table(balances).get(instrument.base)).total, coins, "coins");
}

/** Every order has the fills it says it has, and the strategy counts what there is. */
function checkOrders(store: State, symbol: string): void {
  const filled = new Map<number, Decimal>();
  for (const { order, quantity } of store.table(fills).values()) {
    filled.set(order, (filled.get(order) ?? ZERO).add(quantity));
  }
  const counts = { quotes: 0, takes: 0, amends: 0, cancelled: 0 };
  for (const [id, order] of store.table(orders).entries()) {
    same(order.filled, filled.get(id) ?? ZERO, `what is filled of order ${id}`);
    const whole = order.filled.equals(order.quantity);
    assert.equal(order.status === "filled", whole, `the status of order ${id}`);
    counts.amends += order.amends;
    if (order.kind === "take") counts.takes++;
    else counts.quotes++;
    if (order.kind === "quote" && order.status === "cancelled") counts.cancelled++;
  }
  const { placed, taken, amended, cancelled } = present(store.table(strategies).get(symbol));
  assert.deepEqual(
    { quotes: placed, takes: taken, amends: amended, cancelled },
    counts,
    "the strategy's counts",
  );
}

/** Queue places, risk and reserves are those of the orders that are open. */
function checkOpenOrders(store: State, symbol: string, instrument: InstrumentRow): void {
  const open = [...store.table(orders).entries()].filter(([, { status }]) => status === "open");
  const queued = [...store.table(queueAhead).keys()];
  assert.deepEqual(
    queued,
    open.map(([id]) => id),
    "each open order has a place in the queue, and no other one has",
  );
  const contract = contractOf(instrument);
  const total = (side: OrderRow["side"]) =>
    open
      .filter(([, order]) => order.side === side)
      .map(([, { quantity, filled, price }]) =>
        valueAt(quantity.sub(filled), price, contract).abs(),
      )
      .reduce((sum, value) => sum.add(value), ZERO);
  const { openBuys, openSells } = present(store.table(risk).get(symbol));
  same(openBuys, total("buy"), "the value of open buys");
  same(openSells, total("sell"), "the value of open sells");
  if (instrument.contract !== "spot") return;
  const { reserved } = present(store.table(balances).get(instrument.settle));
  same(reserved, total("buy"), "what is reserved for open buys");
}

function same(actual: Decimal, expected: Decimal, what: string): void {
  assert.ok(actual.equals(expected), `${what}: ${actual}, but it should be ${expected}`);
}

function present<T>(row: T | undefined): T {
  assert.ok(row !== undefined, "a row of the account is missing");
  return row;
}
