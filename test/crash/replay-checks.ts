/** What must be true of the state of a replay between any two of its transactions. */
import assert from "node:assert/strict";
import type { Decimal, Store } from "../../src/index.js";
import { clientIdOf } from "../../src/replay/desk.js";
import { stateDigest } from "../../src/replay/digest.js";
import { ZERO } from "../../src/replay/exact.js";
import { VENUE } from "../../src/replay/instrument.js";
import { plans, progress, queueAhead, quotes, strategies } from "../../src/replay/tables.js";
import {
  amendments,
  balances,
  exposures,
  type FillRow,
  fills,
  type InstrumentRow,
  instruments,
  nonceBlocks,
  type OrderRow,
  orders,
  positions,
  rebuild,
  sessions,
  settleOf,
  tradeHistory,
  workingOrders,
} from "../../src/trading/index.js";
import { SimulatedReplay } from "../replay/helpers.js";

/** The transaction that declares the tables comes first. */
const TRANSACTIONS_BEFORE = 1;

/** A store, or a snapshot of one. */
type State = Pick<Store, "table" | "lastSequence">;

export function eventOf(store: State): number {
  return store.table(progress).get("tape")?.event ?? 0;
}

/** The same tape without a disk and without a kill: the state that belongs to each event. */
export class ReplayModel {
  readonly #replay: SimulatedReplay;

  private constructor(replay: SimulatedReplay) {
    this.#replay = replay;
  }

  static async of(file: string): Promise<ReplayModel> {
    return new ReplayModel(await SimulatedReplay.open(file));
  }

  get symbol(): string {
    return this.#replay.engine.tape.info.symbol;
  }

  /** The digest of the state after that event. Events can only go up. */
  async digestAt(event: number): Promise<string> {
    const figures = await this.#replay.run({ limit: event });
    assert.equal(figures.endedAtEvent, event, "the model can only go forward");
    return stateDigest(this.#replay.store);
  }
}

/** Nothing is half applied: counts, nonces, orders, fills, position, cash and risk agree. */
export function checkReplayState(store: State, symbol: string): void {
  const event = eventOf(store);
  const openings = store.table(sessions).get("")?.lives ?? 0;
  const transactions = event + openings + TRANSACTIONS_BEFORE;
  assert.equal(store.lastSequence, transactions, "one transaction an event, and an opening");
  const instrument = store.table(instruments).get(symbol);
  if (instrument === undefined) {
    assert.equal(store.table(orders).count() + store.table(fills).count(), 0, "no account yet");
    return;
  }
  checkFills(store, symbol, instrument);
  checkOrders(store, symbol);
  checkOpenOrders(store, symbol);
}

/** Position and balances are a fold over the fills, and the history has each of them. */
function checkFills(store: State, symbol: string, instrument: InstrumentRow): void {
  const rebuilt = rebuild(store as Store);
  const position = store.table(positions).get(symbol);
  assert.deepEqual(position, rebuilt.positions.get(symbol), "the position is what the fills made");
  for (const [place, total] of rebuilt.balances) {
    const [venue, currency] = place.split(" ") as [string, string];
    const ours = store.table(balances).get([venue, currency])?.total ?? ZERO;
    same(ours, total, `the balance of ${currency}`);
  }
  const { capital } = present(store.table(plans).get(symbol));
  const { realised = ZERO, fees = ZERO, cost = ZERO } = position ?? {};
  const cash = capital
    .add(realised)
    .sub(fees)
    .sub(instrument.kind === "spot" ? cost : ZERO);
  const settle = settleOf(instrument);
  same(present(store.table(balances).get([VENUE, settle])).total, cash, "cash");
  const history = [...store.table(tradeHistory).values()].map(({ tradeId }) => tradeId);
  const all = [...store.table(fills).entries()].map(([[, tradeId]]) => tradeId);
  assert.deepEqual(history.sort(), all.sort(), "the history is of the fills");
}

/** Every order has the fills it says it has, and the strategy and the nonces count what there is. */
function checkOrders(store: State, symbol: string): void {
  const filled = new Map<FillRow["clientId"], Decimal>();
  for (const { clientId, quantity } of store.table(fills).values()) {
    filled.set(clientId, (filled.get(clientId) ?? ZERO).add(quantity));
  }
  const counts = { orders: 0, quotesCancelled: 0, takes: 0 };
  for (const [clientId, order] of store.table(orders).entries()) {
    counts.orders++;
    assert.equal(clientId, clientIdOf(counts.orders), "order numbers have no gaps");
    same(order.filled, filled.get(clientId) ?? ZERO, `what is filled of order ${clientId}`);
    const whole = order.filled.equals(order.quantity);
    assert.equal(order.status === "filled", whole, `the status of order ${clientId}`);
    if (order.reduceOnly) counts.takes++;
    else if (order.status === "cancelled") counts.quotesCancelled++;
  }
  const { placed, taken, amended, cancelled } = present(store.table(strategies).get(symbol));
  assert.deepEqual(
    { orders: placed + taken, quotesCancelled: cancelled, takes: taken },
    counts,
    "the strategy's counts",
  );
  const requests = store.table(nonceBlocks).get(VENUE)?.reserved ?? 0;
  assert.equal(requests, placed + taken + amended + cancelled, "each request had its nonce");
}

/** Quotes, queue places and risk are those of the orders that are open. */
function checkOpenOrders(store: State, symbol: string): void {
  const working = [...store.table(workingOrders).keys()].map(([, clientId]) => clientId);
  const open = [...store.table(quotes).keys()];
  assert.deepEqual(open.map(clientIdOf), working, "each open order is a quote");
  const queued = [...store.table(queueAhead).keys()];
  assert.deepEqual(queued, open, "each open order has a place in the queue, and no other one has");
  const rows = working.map((clientId) => present(store.table(orders).get(clientId)));
  for (const { status } of rows) assert.ok(status === "open" || status === "partial", status);
  assert.equal(store.table(amendments).count(), 0, "every amendment has been answered");
  const total = (side: OrderRow["side"]) =>
    rows
      .filter((order) => order.side === side)
      .reduce((sum, { quantity, filled }) => sum.add(quantity.sub(filled)), ZERO);
  const exposure = store.table(exposures).get(symbol);
  same(exposure?.openBuys ?? ZERO, total("buy"), "what is open to buy");
  same(exposure?.openSells ?? ZERO, total("sell"), "what is open to sell");
  assert.equal(exposure?.openOrders ?? 0, rows.length, "how many are open");
}

function same(actual: Decimal, expected: Decimal, what: string): void {
  assert.ok(actual.equals(expected), `${what}: ${actual}, but it should be ${expected}`);
}

function present<T>(row: T | undefined): T {
  assert.ok(row !== undefined, "a row of the account is missing");
  return row;
}
