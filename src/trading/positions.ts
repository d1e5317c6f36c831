/**
 * Positions and their profit: a pure fold over fills at average cost. Nothing here knows of tables,
 * so that what the tables hold can be made again from the fills alone.
 */
import type { Decimal } from "../index.js";
import { SCALE, times, ZERO } from "./amounts.js";

/** What of an instrument decides what a quantity is worth. */
export interface Contract {
  /**
   * "spot" and "linear": a quantity is worth quantity x multiplier x price, in the quote currency.
   * "inverse": -(quantity x multiplier) / price, in the base currency, where the multiplier is the
   * quote currency of one contract. So the profit from an entry to an exit is the value at the exit
   * less the value at the entry for all of them.
   */
  readonly kind: "spot" | "linear" | "inverse";
  readonly multiplier: Decimal;
}

/** What fills move of a position. Money is in the currency that the instrument is settled in. */
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

/** Value of a signed quantity at a price, in the currency of settlement; see `Contract`. */
export function valueAt(quantity: Decimal, price: Decimal, contract: Contract): Decimal {
  const size = times(quantity, contract.multiplier);
  if (contract.kind === "inverse") return size.div(price, SCALE, "half-even").negate();
  return times(size, price);
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
  contract: Contract,
): PositionFigures {
  const change = fill.side === "buy" ? fill.quantity : fill.quantity.negate();
  const value = valueAt(change, fill.price, contract);
  const quantity = position.quantity.add(change);
  if (position.quantity.sign() * change.sign() >= 0) {
    return { quantity, cost: position.cost.add(value), realised: position.realised };
  }
  // What stays open of the old side, or what opens on the other one.
  const cost =
    quantity.sign() * position.quantity.sign() > 0
      ? position.cost.sub(shareOf(position, change.negate()))
      : valueAt(quantity, fill.price, contract);
  const realised = position.realised.add(cost.sub(position.cost.add(value)));
  return { quantity, cost, realised };
}

/** The part of the cost that belongs to a part of the open quantity. */
function shareOf(position: PositionFigures, part: Decimal): Decimal {
  return position.cost.mul(part, 2 * SCALE, "half-even").div(position.quantity, SCALE, "half-even");
}

/** The position that fills make, in the order they were applied. */
export function foldFills(fills: Iterable<PositionFill>, contract: Contract): PositionFigures {
  let position = FLAT;
  for (const fill of fills) position = afterFill(position, fill, contract);
  return position;
}

/** Profit of the open quantity at a price, before fees. */
export function unrealisedOf(
  position: PositionFigures,
  price: Decimal,
  contract: Contract,
): Decimal {
  return valueAt(position.quantity, price, contract).sub(position.cost);
}

/** Average price of the open quantity; undefined when there is none. */
export function averagePriceOf(
  position: PositionFigures,
  { kind, multiplier }: Contract,
): Decimal | undefined {
  const { quantity, cost } = position;
  // A cost that was rounded to nothing tells no price of an inverse contract.
  if (quantity.isZero() || (kind === "inverse" && cost.isZero())) return undefined;
  const size = times(quantity, multiplier);
  if (kind === "inverse") return size.negate().div(cost, SCALE, "half-even");
  return cost.div(size, SCALE, "half-even");
}
