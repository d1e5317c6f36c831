/**
 * Positions and their profit: a pure fold over fills at average cost. Nothing here knows of tables,
 * so that what the tables hold can be made again from the fills alone.
 */
import type { Decimal } from "../index.js";
import { SCALE, times, ZERO } from "./amounts.js";

/** What fills move of a position. Amounts of money are in the quote currency. */
export interface PositionFigures {
  /** Above zero long, below zero short. */
  readonly quantity: Decimal;
  /** What the open quantity was bought for; below zero: what it was sold short for. */
  readonly cost: Decimal;
  /** Profit of what was closed, before fees. */
  readonly realised: Decimal;
}

/** What a fill is to a position. */
export interface PositionFill {
  readonly side: "buy" | "sell";
  readonly price: Decimal;
  /** Above zero. */
  readonly quantity: Decimal;
}

export const FLAT: PositionFigures = { quantity: ZERO, cost: ZERO, realised: ZERO };

/** Value of a signed quantity at a price, in the quote currency. */
export function valueAt(quantity: Decimal, price: Decimal, multiplier: Decimal): Decimal {
  return times(times(quantity, multiplier), price);
}

/**
 * The position after a fill.
 *
 * What closes an open quantity realises its value less its share of the cost; the share is rounded
 * half to even, and is all of it when nothing stays open. What goes beyond opens the other side at
 * the fill's price. Over any fills, `realised` is the cost of what is open less the value of all of
 * them, to the last digit: no rounding can make or lose money.
 */
export function afterFill(
  position: PositionFigures,
  fill: PositionFill,
  multiplier: Decimal,
): PositionFigures {
  const change = fill.side === "buy" ? fill.quantity : fill.quantity.negate();
  const value = valueAt(change, fill.price, multiplier);
  const quantity = position.quantity.add(change);
  if (position.quantity.sign() * change.sign() >= 0) {
    return { quantity, cost: position.cost.add(value), realised: position.realised };
  }
  // What stays open of the old side, or what opens on the other one.
  const cost =
    quantity.sign() * position.quantity.sign() > 0
      ? position.cost.sub(shareOf(position, change.negate()))
      : valueAt(quantity, fill.price, multiplier);
  const realised = position.realised.add(cost.sub(position.cost.add(value)));
  return { quantity, cost, realised };
}

/** The part of the cost that belongs to a part of the open quantity. */
function shareOf(position: PositionFigures, part: Decimal): Decimal {
  return position.cost.mul(part, 2 * SCALE, "half-even").div(position.quantity, SCALE, "half-even");
}

/** The position that fills make, in the order they were applied. */
export function foldFills(fills: Iterable<PositionFill>, multiplier: Decimal): PositionFigures {
  let position = FLAT;
  for (const fill of fills) position = afterFill(position, fill, multiplier);
  return position;
}

/** Profit of the open quantity at a price, before fees. */
export function unrealisedOf(
  position: PositionFigures,
  price: Decimal,
  multiplier: Decimal,
): Decimal {
  return valueAt(position.quantity, price, multiplier).sub(position.cost);
}

/** Average price of the open quantity; undefined when there is none. */
export function averagePriceOf(
  position: PositionFigures,
  multiplier: Decimal,
): Decimal | undefined {
  if (position.quantity.isZero()) return undefined;
  return position.cost.div(times(position.quantity, multiplier), SCALE, "half-even");
}
