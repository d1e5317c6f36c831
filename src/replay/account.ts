/** The account: how it begins, and its fills, each in the transaction of an event. */
import type { Decimal, Transaction } from "../index.js";
import { positions, settleOf, type TradingTransaction, valueAt } from "../trading/index.js";
import { SCALE, ZERO } from "./exact.js";
import { DRAWDOWN_PART, type Setup, VENUE } from "./instrument.js";
import type { OrderSide } from "./strategy-view.js";
import { plans, strategies } from "./tables.js";

/** One event of the engine: the transaction it is, and where on the tape it stands. */
export interface Step {
  readonly trading: TradingTransaction;
  readonly tx: Transaction;
  readonly event: number;
  readonly symbol: string;
  readonly setup: Setup;
  /** Fills of this event so far. */
  fills: number;
}

/** A fill that has happened. Price and quantity without sign. */
export interface Execution {
  readonly clientId: string;
  readonly side: OrderSide;
  readonly liquidity: "maker" | "taker";
  readonly price: Decimal;
  readonly quantity: Decimal;
}

/** Declares what is traded, within which limits, and pays the capital in. */
export function openAccount({ trading, tx, symbol, setup }: Step): void {
  const { instrument, plan } = setup;
  trading.setInstrument(symbol, instrument);
  trading.setSymbolLimits(symbol, { maxPosition: plan.maxPosition });
  trading.setPortfolioLimits({ maxDrawdown: DRAWDOWN_PART });
  trading.deposit(VENUE, settleOf(instrument), plan.capital, "capital");
  tx.put(plans, symbol, plan);
  const counts = { placed: 0, amended: 0, cancelled: 0, taken: 0 };
  tx.put(strategies, symbol, { lastTakeEvent: 0, ...counts });
}

/** Books a fill, with the fee that the plan has for it. */
export function bookFill(step: Step, execution: Execution): void {
  const { liquidity, ...fill } = execution;
  const { instrument, plan } = step.setup;
  const rate = liquidity === "maker" ? plan.makerRate : plan.takerRate;
  const value = valueAt(fill.quantity, fill.price, instrument).abs();
  const fee = value.mul(rate, SCALE, "half-even");
  const tradeId = `${step.event}.${++step.fills}`;
  step.trading.applyFill({ symbol: step.symbol, tradeId, ...fill, fee });
}

/** The position's quantity; zero before the first fill. */
export function quantityHeld(step: Step): Decimal {
  return step.tx.get(positions, step.symbol)?.quantity ?? ZERO;
}
