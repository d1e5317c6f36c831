/** The whole: net asset value, peak, drawdown and exposure, in the currency of the reports. */
import type { Decimal } from "../index.js";
import { ONE, SCALE, times, ZERO } from "./amounts.js";
import { settleOf } from "./instruments.js";
import { unrealisedOf, valueAt } from "./positions.js";
import { ONLY, type Step } from "./step.js";
import {
  balances,
  drawdowns,
  exposures,
  type InstrumentRow,
  marks,
  type PortfolioRow,
  type PositionRow,
  portfolio,
  portfolioLimits,
  positions,
  rates,
} from "./tables.js";

/** What one unit of a currency is worth; undefined while nobody has said. */
export function rateOf(step: Step, currency: string): Decimal | undefined {
  return currency === step.currency ? ONE : step.tx.get(rates, currency)?.rate;
}

/** Takes note of the newest price of a symbol. */
export function mark(step: Step, symbol: string, price: Decimal): void {
  const instrument = step.instrument(symbol);
  const { kind, base, quote } = instrument;
  const position = step.position(symbol);
  const before = navOfPosition(step, symbol, position, instrument);
  step.put(marks, symbol, { price, time: step.time });
  // The price of a currency in the one of the reports is its rate.
  if (kind === "spot" && quote === step.currency) setRate(step, base, price);
  else {
    step.moveNav(before, navOfPosition(step, symbol, position, instrument));
    noteValue(step);
  }
}

/** Takes note of what a currency is worth that no instrument of ours is priced in. */
export function setRate(step: Step, currency: string, rate: Decimal): void {
  step.put(rates, currency, { rate, time: step.time });
  noteValue(step.forgetNav());
}

/** What a position adds to the net asset value; undefined while a price is missing. */
export function navOfPosition(
  step: Step,
  symbol: string,
  position: PositionRow,
  instrument: InstrumentRow,
): Decimal | undefined {
  // What is held of a spot instrument is in the balances.
  if (instrument.kind === "spot" || position.quantity.isZero()) return ZERO;
  const price = step.tx.get(marks, symbol)?.price;
  const rate = rateOf(step, settleOf(instrument));
  if (price === undefined || rate === undefined) return undefined;
  return times(unrealisedOf(position, price, instrument), rate);
}

/** Net asset value from all that is held; undefined while a price is missing that it needs. */
function netAssetValue(step: Step): Decimal | undefined {
  let nav = ZERO;
  for (const [[, currency], { total }] of step.tx.entries(balances)) {
    if (total.isZero()) continue;
    const rate = rateOf(step, currency);
    if (rate === undefined) return undefined;
    nav = nav.add(times(total, rate));
  }
  for (const [symbol, position] of step.tx.entries(positions)) {
    if (position.quantity.isZero()) continue;
    const value = navOfPosition(step, symbol, position, step.instrument(symbol));
    if (value === undefined) return undefined;
    nav = nav.add(value);
  }
  return nav;
}

/**
 * Balances, positions or prices have changed: the figures of the whole follow at the end of the
 * transaction, once for all that it does, or when they are asked for.
 *
 * `flow` is what was paid in or out: it moves the peak along, so that a withdrawal is no drawdown.
 */
export function noteValue(step: Step, flow: Decimal = ZERO): void {
  step.flow = step.flow?.add(flow) ?? flow;
}

/** The figures of the whole, with all that has happened in this transaction so far. */
export function portfolioNow(step: Step): PortfolioRow {
  settlePortfolio(step);
  return step.portfolio();
}

/** Brings the figures of the whole up to what has changed. */
export function settlePortfolio(step: Step): void {
  const { flow, navChange } = step;
  if (flow === undefined) return;
  step.flow = undefined;
  const before = step.portfolio();
  const summed = navChange && before.nav?.add(navChange);
  step.navChange = ZERO;
  const nav = summed ?? netAssetValue(step);
  if (nav === undefined) {
    // Without a value a payment cannot move the peak: it begins anew.
    const peak = flow.isZero() ? before.peak : null;
    step.put(portfolio, ONLY, { ...before, nav: null, peak });
    return;
  }
  const moved = before.peak?.add(flow);
  const peak = moved === undefined || nav.compare(moved) > 0 ? nav : moved;
  const lost = peak.sub(nav);
  const deep = peak.sign() > 0 && !lost.isZero();
  const drawdown = deep ? lost.div(peak, SCALE, "half-even") : ZERO;
  const largest = drawdown.compare(before.largestDrawdown) > 0 ? drawdown : before.largestDrawdown;
  const { halted, haltReason } = before;
  // Member by member: to spread a frozen row takes longer than to write one.
  step.put(portfolio, ONLY, {
    nav,
    peak,
    drawdown,
    largestDrawdown: largest,
    drawdownNumber: followDrawdown(step, before.drawdownNumber, peak, nav),
    halted,
    haltReason,
  });
  if (halted === "no") haltIfTooDeep(step, drawdown);
}

/** After an opening: the figures may have been written in another currency of the reports. */
export function revisePortfolio(step: Step): void {
  const { nav: was } = step.portfolio();
  const nav = netAssetValue(step);
  const same = nav === undefined ? was === null : was?.equals(nav) === true;
  if (same) return;
  noteValue(step.forgetNav());
  settlePortfolio(step);
}

/** Keeps the row of the drawdown that is being lived through; gives its number, 0 at the peak. */
function followDrawdown(step: Step, number: number, peak: Decimal, nav: Decimal): number {
  if (number === 0) {
    if (nav.compare(peak) >= 0) return 0;
    const began = step.nextNumber("drawdown");
    const times = { began: step.time, troughTime: step.time, ended: null };
    step.put(drawdowns, began, { peak, trough: nav, ...times });
    return began;
  }
  const current = step.tx.get(drawdowns, number);
  if (current === undefined) return 0;
  if (nav.compare(peak) >= 0) {
    step.put(drawdowns, number, { ...current, ended: step.time });
    return 0;
  }
  if (nav.compare(current.trough) < 0) {
    // Member by member, as above: this is the row that most fills change.
    const { began, ended } = current;
    step.put(drawdowns, number, { peak, trough: nav, began, troughTime: step.time, ended });
  }
  return number;
}

function haltIfTooDeep(step: Step, drawdown: Decimal): void {
  if (drawdown.isZero()) return;
  const maximum = step.tx.get(portfolioLimits, ONLY)?.maxDrawdown ?? undefined;
  if (maximum === undefined || drawdown.compare(maximum) <= 0) return;
  halt(step, "drawdown", `drawdown ${drawdown}, limit ${maximum}`);
}

/** No more orders, until `resume`. */
export function halt(step: Step, kind: "drawdown" | "mismatch" | "manual", reason: string): void {
  step.put(portfolio, ONLY, { ...portfolioNow(step), halted: kind, haltReason: reason });
  step.riskEvent("", "halt", reason);
}

/** Orders are taken again. While the drawdown is beyond its limit, the next price halts again. */
export function resume(step: Step, reason: string): void {
  step.put(portfolio, ONLY, { ...portfolioNow(step), halted: "no", haltReason: "" });
  step.riskEvent("", "resume", reason);
}

/**
 * The value of all positions without sign, as if of the working orders those were filled that make
 * it largest. `more` are quantities to count in addition; undefined while a price is missing, which
 * `price` stands in for at its symbol.
 */
export function grossExposure(
  step: Step,
  more?: { symbol: string; buys: Decimal; sells: Decimal; price: Decimal | undefined },
): Decimal | undefined {
  const symbols = new Set<string>([
    ...step.tx.keys(positions),
    ...step.tx.keys(exposures),
    ...(more === undefined ? [] : [more.symbol]),
  ]);
  let sum = ZERO;
  for (const symbol of symbols) {
    const own = more?.symbol === symbol ? more : undefined;
    const open = step.tx.get(exposures, symbol);
    const { quantity } = step.position(symbol);
    const long = quantity.add(open?.openBuys ?? ZERO).add(own?.buys ?? ZERO);
    const short = quantity.sub(open?.openSells ?? ZERO).sub(own?.sells ?? ZERO);
    const largest = long.abs().compare(short.abs()) > 0 ? long.abs() : short.abs();
    if (largest.isZero()) continue;
    const instrument = step.instrument(symbol);
    const price = own?.price ?? step.tx.get(marks, symbol)?.price;
    const rate = rateOf(step, settleOf(instrument));
    if (price === undefined || rate === undefined) return undefined;
    sum = sum.add(times(valueAt(largest, price, instrument).abs(), rate));
  }
  return sum;
}
