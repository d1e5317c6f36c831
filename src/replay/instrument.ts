/** What is traded, worked out from the tape itself: names, tick, lot, sizes and limits. */
import { Decimal } from "../index.js";
import { type InstrumentRow, settleOf } from "../trading/index.js";
import type { ContractKind, SnapshotEvent, TapeInfo, TradeEvent } from "./events.js";
import { fromUnits, SCALE, units, ZERO } from "./exact.js";
import type { PlanRow } from "./tables.js";

/** The venue of all instruments. */
export const VENUE = "tape";

/** What is traded, and how. */
export interface Setup {
  readonly instrument: InstrumentRow;
  readonly plan: PlanRow;
}

/** Equity at the start, in quote currency (inverse contracts: its worth in the base currency). */
const CAPITAL = Decimal.of(1_000_000, SCALE);
/** Worth of one order, in quote currency. */
const ORDER_NOTIONAL = Decimal.of(5_000, SCALE);
/** The largest order, whatever it is worth: the largest position stays a safe integer of units. */
const ORDER_QUANTITY_MAX = Decimal.of(1_000_000, SCALE);
/** The largest position, in orders. */
const POSITION_ORDERS = Decimal.of(10, 0);
/** Part of the highest equity that may be lost before trading is halted. */
export const DRAWDOWN_PART = Decimal.of("0.01");
/** Half of the quoted spread, as a part of the price. */
const HALF_SPREAD_PART = Decimal.of("0.00002");
const MAKER_RATE = Decimal.of("0.0001", SCALE);
const TAKER_RATE = Decimal.of("0.0004", SCALE);
/** Quote currency of one inverse contract, as exchanges have it for BTC. */
const INVERSE_CONTRACT_SIZE = Decimal.of(100, SCALE);
const ONE = Decimal.of(1, SCALE);
const CENT = 1_000_000;

/** Currencies that symbols end in, longer names first where one is the end of another. */
const QUOTES = /^(.+?)(USDT|USDC|FDUSD|TUSD|BUSD|USD|EUR|GBP|JPY|TRY|BRL|BTC|ETH|BNB)$/;

/** The grid of prices and quantities, in 1e-8 units, and a price to size orders by. */
interface Grid {
  readonly tick: number;
  readonly lot: number;
  readonly price: Decimal;
}

/** The instrument of a tape with a book; tick and lot are the common divisors of its snapshot. */
export function instrumentFromSnapshot(info: TapeInfo, event: SnapshotEvent): Setup | undefined {
  const best = event.bids[0];
  if (best === undefined) return undefined;
  let tick = 0;
  let lot = 0;
  for (const [price, quantity] of [...event.bids, ...event.asks]) {
    tick = greatestCommonDivisor(tick, units(price));
    // A quantity that is no safe integer says nothing that the small ones do not.
    const { coefficient } = quantity;
    if (typeof coefficient === "number") lot = greatestCommonDivisor(lot, coefficient);
  }
  return setup(info, { tick, lot: Math.max(lot, 1), price: best[0] });
}

/** The instrument of a tape of trades: ticks of a cent, or of the first price's last digit. */
export function instrumentFromTrade(info: TapeInfo, event: TradeEvent): Setup {
  const tick = Math.min(CENT, lastDigit(units(event.price)));
  return setup(info, { tick, lot: 1_000, price: event.price });
}

function setup(info: TapeInfo, grid: Grid): Setup {
  const { base, quote } = currencies(info.symbol, info.contract);
  const inverse = info.contract === "inverse";
  const contractSize = inverse ? INVERSE_CONTRACT_SIZE : ONE;
  const worth = ORDER_NOTIONAL.div(inverse ? contractSize : grid.price, SCALE, "down");
  const size = Decimal.min(worth, ORDER_QUANTITY_MAX);
  const orderQuantity = fromUnits(Math.max(floorTo(units(size), grid.lot), grid.lot));
  const capital = inverse ? CAPITAL.div(grid.price, SCALE, "down") : CAPITAL;
  const spread = units(grid.price.mul(HALF_SPREAD_PART, SCALE, "half-even"));
  const halfSpread = Math.max(grid.tick, floorTo(spread, grid.tick));
  return {
    instrument: {
      venue: VENUE,
      kind: info.contract,
      ...{ base, quote, multiplier: contractSize },
      // No lot: fills are as small as the trades of the tape, and so is what is left to close.
      lot: ZERO,
      tick: fromUnits(grid.tick),
    },
    plan: {
      capital,
      makerRate: MAKER_RATE,
      takerRate: TAKER_RATE,
      orderQuantity,
      maxPosition: orderQuantity.mul(POSITION_ORDERS, SCALE),
      halfSpread: fromUnits(halfSpread),
      amendDistance: fromUnits(Math.max(grid.tick, floorTo(halfSpread / 2, grid.tick))),
    },
  };
}

/** The currency of an account that trades what is on a tape. */
export function settlementOf({ symbol, contract }: TapeInfo): string {
  return settleOf({ kind: contract, ...currencies(symbol, contract) });
}

/** What a symbol is made of: "BTC-USD", "BTCUSDT", "BTCUSD_PERP". */
export function currencies(
  symbol: string,
  contract: ContractKind,
): { base: string; quote: string } {
  const pair = contract === "inverse" ? symbol.replace(/_.*$/, "") : symbol;
  const parts = pair.split(/[-/_]/);
  const match = parts.length === 2 ? [pair, ...parts] : QUOTES.exec(pair.toUpperCase());
  const [base, quote] = [match?.[1], match?.[2]];
  return base && quote && base !== quote
    ? { base, quote }
    : { base: `${pair}.base`, quote: `${pair}.quote` };
}

/** The largest multiple of `step` not above `value`; safe integers, `step` above zero. */
export function floorTo(value: number, step: number): number {
  return Math.floor(value / step) * step;
}

function greatestCommonDivisor(a: number, b: number): number {
  while (b !== 0) [a, b] = [b, a % b];
  return a;
}

/** The place value of the last digit that is not zero, in units. */
function lastDigit(value: number): number {
  let place = 1;
  while (value % (place * 10) === 0) place *= 10;
  return place;
}
