/**
 * Limits, checked inside the transaction that would break them. An order is counted as filled from
 * the moment it is written down, so that no fill can ever break a limit that its order kept.
 */
import { Decimal, HoldfastError } from "../index.js";
import { type Amount, invalid, notNegativeOf, ONE, sameAmount, ZERO } from "./amounts.js";
import { grossExposure, portfolioNow } from "./portfolio.js";
import { valueAt } from "./positions.js";
import { limitError, ONLY, type Step } from "./step.js";
import {
  exposures,
  marks,
  type OrderRow,
  type PortfolioLimits,
  portfolioLimits,
  type SymbolLimits,
  symbolLimits,
} from "./tables.js";

/** Limits of a symbol; what is left out has none. */
export interface SymbolLimitsInput {
  /** Largest position either way, all working orders of one side counted as filled. */
  readonly maxPosition?: Amount | undefined;
  readonly maxOrderQuantity?: Amount | undefined;
  /** Value of one order, in the currency of settlement. */
  readonly maxOrderValue?: Amount | undefined;
  /** Number of working orders. */
  readonly maxOpenOrders?: number | undefined;
}

/** Limits of the whole; what is left out has none. */
export interface PortfolioLimitsInput {
  /** Sum of the positions' values without sign, working orders counted as filled. */
  readonly maxExposure?: Amount | undefined;
  /** Part of the peak that may be lost before trading is halted: "0.2" for 20 %. */
  readonly maxDrawdown?: Amount | undefined;
}

const SYMBOL_LIMITS = ["maxPosition", "maxOrderQuantity", "maxOrderValue", "maxOpenOrders"];
const PORTFOLIO_LIMITS = ["maxExposure", "maxDrawdown"];

/** Sets all limits of a symbol. */
export function setSymbolLimits(step: Step, symbol: string, limits: SymbolLimitsInput): void {
  step.instrument(symbol);
  checkNames(limits, SYMBOL_LIMITS);
  const { maxOpenOrders = null } = limits;
  if (maxOpenOrders !== null && !(Number.isSafeInteger(maxOpenOrders) && maxOpenOrders >= 0)) {
    throw invalid(`maxOpenOrders must be a whole number, got ${maxOpenOrders}`);
  }
  const row: SymbolLimits = {
    maxPosition: limitOf(limits.maxPosition, "maxPosition"),
    maxOrderQuantity: limitOf(limits.maxOrderQuantity, "maxOrderQuantity"),
    maxOrderValue: limitOf(limits.maxOrderValue, "maxOrderValue"),
    maxOpenOrders,
  };
  step.put(symbolLimits, symbol, row);
  step.riskEvent(symbol, "limits", JSON.stringify(row));
}

/** Sets all limits of the whole. */
export function setPortfolioLimits(step: Step, limits: PortfolioLimitsInput): void {
  checkNames(limits, PORTFOLIO_LIMITS);
  const row: PortfolioLimits = {
    maxExposure: limitOf(limits.maxExposure, "maxExposure"),
    maxDrawdown: limitOf(limits.maxDrawdown, "maxDrawdown"),
  };
  if (row.maxDrawdown !== null && row.maxDrawdown.compare(ONE) > 0) {
    throw invalid(`maxDrawdown is a part of the peak, from 0 to 1, got ${row.maxDrawdown}`);
  }
  step.put(portfolioLimits, ONLY, row);
  step.riskEvent("", "limits", JSON.stringify(row));
}

function limitOf(value: Amount | undefined, name: string): Decimal | null {
  return value === undefined ? null : notNegativeOf(value, name);
}

function checkNames(limits: object, known: readonly string[]): void {
  for (const name of Object.keys(limits)) {
    if (!known.includes(name)) throw invalid(`unknown limit "${name}"`);
  }
}

/**
 * Throws TRADING_HALTED, or RISK_LIMIT, where an order that is not written yet must not be.
 * `before`: the order that it takes the place of, which is counted already. No limit refuses what
 * makes an order smaller.
 */
export function checkOrder(step: Step, order: OrderRow, before?: OrderRow): void {
  checkHalt(step, order, before);
  const more = openOf(order).sub(before === undefined ? ZERO : openOf(before));
  if (order.reduceOnly && more.sign() > 0) checkReduces(step, order, more);
  const { symbol, quantity } = order;
  const instrument = step.instrument(symbol);
  const limits = step.tx.get(symbolLimits, symbol);
  const open = step.tx.get(exposures, symbol);
  const price = priceOf(step, order);
  if (limits !== undefined) {
    const { maxPosition, maxOrderQuantity, maxOrderValue, maxOpenOrders } = limits;
    const grows = more.sign() > 0;
    if (grows && maxOrderQuantity !== null && quantity.compare(maxOrderQuantity) > 0) {
      throw limitError({ name: "maxOrderQuantity", symbol }, maxOrderQuantity, quantity, quantity);
    }
    if (maxOrderValue !== null) {
      const worthOf = (of: OrderRow) =>
        valueAt(of.quantity, priced(priceOf(step, of), symbol), instrument).abs();
      const value = worthOf(order);
      const raised = before === undefined || value.compare(worthOf(before)) > 0;
      if (raised && value.compare(maxOrderValue) > 0) {
        throw limitError({ name: "maxOrderValue", symbol }, maxOrderValue, value, value);
      }
    }
    const openOrders = (open?.openOrders ?? 0) + 1;
    if (before === undefined && maxOpenOrders !== null && openOrders > maxOpenOrders) {
      throw limitError({ name: "maxOpenOrders", symbol }, maxOpenOrders, 1, openOrders);
    }
    if (grows && maxPosition !== null) checkPosition(step, order, more, maxPosition);
  }
  checkExposure(step, order, price, more);
}

function openOf({ quantity, filled }: OrderRow): Decimal {
  return quantity.sub(filled);
}

function priceOf(step: Step, { symbol, price, stopPrice }: OrderRow): Decimal | undefined {
  return price ?? stopPrice ?? step.tx.get(marks, symbol)?.price;
}

/** The position with all working orders of that side, and `more` of them, filled. */
function checkPosition(step: Step, order: OrderRow, more: Decimal, maxPosition: Decimal): void {
  const { symbol, side } = order;
  const now = step.position(symbol).quantity;
  const open = step.tx.get(exposures, symbol);
  const ahead = (side === "buy" ? open?.openBuys : open?.openSells) ?? ZERO;
  const reached = (side === "buy" ? now : now.negate()).add(ahead).add(more);
  if (reached.compare(maxPosition) <= 0) return;
  const exposure = side === "buy" ? reached : reached.negate();
  throw limitError({ name: "maxPosition", symbol }, maxPosition, more, exposure);
}

function checkExposure(
  step: Step,
  order: OrderRow,
  price: Decimal | undefined,
  more: Decimal,
): void {
  const maximum = step.tx.get(portfolioLimits, ONLY)?.maxExposure ?? undefined;
  if (maximum === undefined) return;
  const { symbol, side } = order;
  const own = step.tx.get(marks, symbol)?.price ?? price;
  const [buys, sells] = side === "buy" ? [more, ZERO] : [ZERO, more];
  const before = grossExposure(step, { symbol, buys: ZERO, sells: ZERO, price: own });
  const after = grossExposure(step, { symbol, buys, sells, price: own });
  if (before === undefined || after === undefined) {
    throw invalid("a limit of exposure needs the prices of all that is held: use mark() first");
  }
  // What does not raise it is always allowed.
  if (after.compare(maximum) > 0 && after.compare(before) > 0) {
    throw limitError({ name: "maxExposure" }, maximum, after.sub(before), after);
  }
}

function priced(price: Decimal | undefined, symbol: string): Decimal {
  if (price !== undefined) return price;
  throw invalid(`a limit of ${symbol} needs its price: use mark() first`);
}

/** While trading is halted, only what makes a position smaller is sent; if it is known well. */
function checkHalt(step: Step, order: OrderRow, before: OrderRow | undefined): void {
  const { halted, haltReason } = portfolioNow(step);
  if (halted === "no" || (order.reduceOnly && halted !== "mismatch")) return;
  if (before !== undefined && onlyShrinks(order, before)) return;
  throw new HoldfastError("TRADING_HALTED", `trading is halted (${halted}): ${haltReason}`);
}

function onlyShrinks(order: OrderRow, before: OrderRow): boolean {
  return (
    sameAmount(order.price, before.price) &&
    sameAmount(order.stopPrice, before.stopPrice) &&
    order.quantity.compare(before.quantity) <= 0
  );
}

/** An order that says it only reduces has to, whatever else is filled before it. */
function checkReduces(step: Step, { symbol, side }: OrderRow, more: Decimal): void {
  const open = step.tx.get(exposures, symbol);
  const position = step.position(symbol).quantity;
  const held = side === "buy" ? position.negate() : position;
  const ahead = (side === "buy" ? open?.openBuys : open?.openSells) ?? ZERO;
  const left = Decimal.max(held.sub(ahead), ZERO);
  if (more.compare(left) <= 0) return;
  throw limitError({ name: "reduceOnly", symbol }, left, more, more);
}
