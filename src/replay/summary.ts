/** What the engine has come to: for people, so amounts are text and rounded to what can be read. */
import { fills, instruments, orders, settleOf, type Trading } from "../trading/index.js";
import { bookLevels, market, strategies } from "./tables.js";

/** Figures of one account at the end of a run. Decimals as text; money in the currency `settle`. */
export interface AccountSummary {
  readonly settle: string;
  readonly position: string;
  readonly averagePrice: string | null;
  /** The last price by which the position was valued; null: it never was. */
  readonly mark: string | null;
  readonly realised: string;
  readonly unrealised: string;
  readonly fees: string;
  readonly equity: string;
  /** Part of the highest equity. */
  readonly largestDrawdown: string;
  readonly halted: boolean;
  readonly balances: Readonly<Record<string, string>>;
  readonly orders: number;
  readonly openOrders: number;
  readonly amends: number;
  readonly cancels: number;
  readonly takes: number;
  readonly fills: number;
  readonly bookLevels: number;
  readonly trades: number;
}

/** The summary of a symbol's account; null before its instrument is known. */
export function summarise(trading: Trading, symbol: string): AccountSummary | null {
  const { store } = trading;
  const instrument = store.table(instruments).get(symbol);
  const strategy = store.table(strategies).get(symbol);
  if (!instrument || !strategy) return null;
  const position = trading.position(symbol);
  const { nav, largestDrawdown, halted, balances } = trading.portfolio();
  return {
    settle: settleOf(instrument),
    position: position.quantity.toString(),
    averagePrice: position.averagePrice?.toString() ?? null,
    mark: position.lastPrice?.toString() ?? null,
    realised: position.realised.toString(),
    unrealised: position.unrealised?.toString() ?? "0",
    fees: position.fees.toString(),
    equity: nav?.toString() ?? "0",
    largestDrawdown: largestDrawdown.toString(),
    halted: halted !== "no",
    balances: Object.fromEntries(
      balances.map(({ currency, total }) => [currency, total.toString()]),
    ),
    orders: store.table(orders).count(),
    openOrders: trading.workingOrders().length,
    amends: strategy.amended,
    cancels: strategy.cancelled,
    takes: strategy.taken,
    fills: store.table(fills).count(),
    bookLevels: store.table(bookLevels).count(),
    trades: store.table(market).get("tape")?.tradeCount ?? 0,
  };
}
