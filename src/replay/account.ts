/** Position, balances, risk and nonces: what fills and open orders do to them, in a transaction. */
import { assert } from "../base/assert.js";
import { Decimal } from "../index.js";
import { afterFill, type Contract, FLAT, unrealisedOf, valueAt } from "../trading/index.js";
import { SCALE, ZERO } from "./exact.js";
import type { Transaction } from "./ports.js";
import type { OrderSide } from "./strategy-view.js";
import {
  balances,
  fills,
  type InstrumentRow,
  instruments,
  nonces,
  type OrderRow,
  type PositionRow,
  positions,
  type RiskRow,
  risk,
  type StrategyRow,
  strategies,
} from "./tables.js";

/** One event of the engine: the transaction it is, and where on the tape it stands. */
export interface Step {
  readonly tx: Transaction;
  readonly event: number;
  readonly timeMicros: number;
  readonly symbol: string;
  readonly instrument: InstrumentRow;
}

/** A fill that has happened. Price and quantity without sign. */
export interface Execution {
  readonly order: number;
  readonly side: OrderSide;
  readonly liquidity: "maker" | "taker";
  readonly price: Decimal;
  readonly quantity: Decimal;
}

/** Part of the exposure that has to be held as margin, for contracts. */
const MARGIN_PART = Decimal.of("0.1", SCALE);

/** Writes the rows an account starts with. */
export function openAccount(step: Step): void {
  const { tx, symbol, instrument } = step;
  tx.put(instruments, symbol, instrument);
  tx.put(positions, symbol, { ...FLAT, fees: ZERO, limit: instrument.maxPosition });
  tx.put(balances, instrument.settle, { total: instrument.capital, reserved: ZERO });
  if (instrument.contract === "spot") {
    // So much that the largest short position can be delivered.
    const total = instrument.maxPosition.add(instrument.maxPosition);
    tx.put(balances, instrument.base, { total, reserved: ZERO });
  }
  tx.put(risk, symbol, {
    mark: ZERO,
    exposure: ZERO,
    openBuys: ZERO,
    openSells: ZERO,
    equity: instrument.capital,
    peakEquity: instrument.capital,
    drawdown: ZERO,
    largestDrawdown: ZERO,
    markedEvent: step.event,
  });
  for (const name of ["order", "fill", "request"]) tx.put(nonces, name, { last: 0 });
  const counts = { placed: 0, amended: 0, cancelled: 0, taken: 0 };
  tx.put(strategies, symbol, { halted: false, lastTakeEvent: 0, ...counts });
}

/** The next number of a kind: strictly increasing, also over restarts. */
export function nextNonce({ tx }: Step, name: "order" | "fill" | "request"): number {
  const last = (tx.get(nonces, name)?.last ?? 0) + 1;
  tx.put(nonces, name, { last });
  return last;
}

/** The position's row. It exists from the event on that made the instrument known. */
export function positionOf(step: Step): PositionRow {
  return required(step.tx.get(positions, step.symbol), "position");
}

/** The strategy's row, likewise. */
export function strategyOf(step: Step): StrategyRow {
  return required(step.tx.get(strategies, step.symbol), "strategy");
}

/** Books a fill: its own row, position, fee, balances. */
export function bookFill(step: Step, execution: Execution): void {
  const { tx, symbol, instrument } = step;
  const { side, liquidity, price } = execution;
  const contract = contractOf(instrument);
  const quantity = side === "buy" ? execution.quantity : execution.quantity.negate();
  const rate = liquidity === "maker" ? instrument.makerRate : instrument.takerRate;
  const value = valueAt(quantity, price, contract);
  const fee = value.abs().mul(rate, SCALE, "half-even");
  const before = positionOf(step);
  const figures = afterFill(before, execution, contract);
  const after = { ...before, ...figures, fees: before.fees.add(fee) };
  const realised = after.realised.sub(before.realised);
  tx.put(positions, symbol, after);
  tx.put(fills, nextNonce(step, "fill"), {
    ...execution,
    event: step.event,
    time: step.timeMicros,
    fee,
    realised,
  });
  if (instrument.contract === "spot") {
    credit(tx, instrument.base, quantity);
    credit(tx, instrument.settle, value.add(fee).negate());
  } else {
    credit(tx, instrument.settle, realised.sub(fee));
  }
}

function credit(tx: Transaction, asset: string, change: Decimal): void {
  const row = required(tx.get(balances, asset), `balance of ${asset}`);
  tx.put(balances, asset, { ...row, total: row.total.add(change) });
}

/** What is open on each side: quantity and value at the orders' prices, both without sign. */
interface OpenTotals {
  readonly buys: Decimal;
  readonly buyValue: Decimal;
  readonly sells: Decimal;
  readonly sellValue: Decimal;
}

/**
 * Brings reserves and risk figures up to the position, the open orders and the mark.
 *
 * @returns whether the drawdown has passed the largest one allowed.
 */
export function markAccount(step: Step, open: Iterable<OrderRow>, mark: Decimal): boolean {
  const { tx, symbol, instrument } = step;
  const contract = contractOf(instrument);
  const position = positionOf(step);
  const totals = openTotals(contract, open);
  const exposure = valueAt(position.quantity, mark, contract).abs();
  const profit = position.realised.add(unrealisedOf(position, mark, contract)).sub(position.fees);
  const equity = instrument.capital.add(profit);
  const before = required(tx.get(risk, symbol), "risk");
  const peakEquity = Decimal.max(before.peakEquity, equity);
  const drawdown = peakEquity.sub(equity);
  const row: RiskRow = {
    mark,
    exposure,
    openBuys: totals.buyValue,
    openSells: totals.sellValue,
    equity,
    peakEquity,
    drawdown,
    largestDrawdown: Decimal.max(before.largestDrawdown, drawdown),
    markedEvent: step.event,
  };
  tx.put(risk, symbol, row);
  reserve(step, totals, exposure);
  return drawdown.compare(instrument.maxDrawdown) > 0;
}

function openTotals(contract: Contract, open: Iterable<OrderRow>): OpenTotals {
  let [buys, buyValue, sells, sellValue] = [ZERO, ZERO, ZERO, ZERO];
  for (const order of open) {
    const quantity = order.quantity.sub(order.filled);
    const value = valueAt(quantity, order.price, contract).abs();
    if (order.side === "buy") [buys, buyValue] = [buys.add(quantity), buyValue.add(value)];
    else [sells, sellValue] = [sells.add(quantity), sellValue.add(value)];
  }
  return { buys, buyValue, sells, sellValue };
}

/** Spot: what the open orders would have to deliver. Contracts: margin on the largest exposure. */
function reserve({ tx, instrument }: Step, totals: OpenTotals, exposure: Decimal): void {
  const set = (asset: string, reserved: Decimal) => {
    const row = required(tx.get(balances, asset), `balance of ${asset}`);
    if (!row.reserved.equals(reserved)) tx.put(balances, asset, { ...row, reserved });
  };
  if (instrument.contract === "spot") {
    set(instrument.settle, totals.buyValue);
    set(instrument.base, totals.sells);
  } else {
    const largest = exposure.add(Decimal.max(totals.buyValue, totals.sellValue));
    set(instrument.settle, largest.mul(MARGIN_PART, SCALE, "half-even"));
  }
}

export function contractOf(instrument: InstrumentRow): Contract {
  return { kind: instrument.contract, multiplier: instrument.contractSize };
}

function required<T>(row: T | undefined, what: string): T {
  assert(row !== undefined, `the ${what} is missing from the store`);
  return row;
}
