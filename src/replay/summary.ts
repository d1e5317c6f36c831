/** What the engine has come to: for people, so amounts are text and rounded to what can be read. */
import { averagePriceOf, unrealisedOf } from "../trading/index.js";
import { contractOf } from "./account.js";
import type { StorePort } from "./ports.js";
import {
  balances,
  bookLevels,
  fills,
  instruments,
  market,
  orders,
  positions,
  risk,
  strategies,
} from "./tables.js";

/** Figures of one account at the end of a run. Decimals as text; money in the currency `settle`. */
export interface AccountSummary {
  readonly settle: string;
  readonly position: string;
  readonly averagePrice: string | null;
  readonly mark: string;
  readonly realised: string;
  readonly unrealised: string;
  readonly fees: string;
  readonly equity: string;
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
export function summarise(store: StorePort, symbol: string): AccountSummary | null {
  const instrument = store.table(instruments).get(symbol);
  const position = store.table(positions).get(symbol);
  const figures = store.table(risk).get(symbol);
  const strategy = store.table(strategies).get(symbol);
  if (!instrument || !position || !figures || !strategy) return null;
  const contract = contractOf(instrument);
  let openOrders = 0;
  for (const [, { status }] of store.table(orders).entries()) if (status === "open") openOrders++;
  return {
    settle: instrument.settle,
    position: position.quantity.toString(),
    averagePrice: averagePriceOf(position, contract)?.toString() ?? null,
    mark: figures.mark.toString(),
    realised: position.realised.toString(),
    // At the mark of the risk figures, so that the lines of a summary add up.
    unrealised: figures.mark.isZero()
      ? "0"
      : unrealisedOf(position, figures.mark, contract).toString(),
    fees: position.fees.toString(),
    equity: figures.equity.toString(),
    largestDrawdown: figures.largestDrawdown.toString(),
    halted: strategy.halted,
    balances: Object.fromEntries(
      [...store.table(balances).entries()].map(([asset, { total }]) => [asset, total.toString()]),
    ),
    orders: store.table(orders).count(),
    openOrders,
    amends: strategy.amended,
    cancels: strategy.cancelled,
    takes: strategy.taken,
    fills: store.table(fills).count(),
    bookLevels: store.table(bookLevels).count(),
    trades: store.table(market).get("tape")?.tradeCount ?? 0,
  };
}
