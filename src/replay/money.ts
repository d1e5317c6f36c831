/**
 * What a fill is worth, and what a position becomes by it. Pure functions over exact decimals; the
 * only roundings are half to even at eight digits after the point, and each says so.
 *
 * The value of a signed quantity at a price is chosen so that the profit of holding it from an
 * entry to an exit is `value(exit) - value(entry)` for every kind of contract:
 *
 * - spot and linear: quantity x price, in the quote currency;
 * - inverse: -(quantity x contract size) / price, in the base currency.
 */
import type { Decimal } from "../index.js";
import type { ContractKind } from "./events.js";
import { SCALE, ZERO } from "./exact.js";

/** What is needed of an instrument to reckon with it. */
export interface Contract {
  readonly kind: ContractKind;
  /** Quote currency per contract, for inverse ones; 1 for the others. */
  readonly contractSize: Decimal;
}

/** The part of a position that fills move. Amounts are in the settlement currency. */
export interface PositionFigures {
  /** Signed: above zero long, below zero short. */
  readonly quantity: Decimal;
  /** Value of the open quantity at the prices it was entered at. */
  readonly entryValue: Decimal;
  /** Profit of what has been closed, before fees. */
  readonly realised: Decimal;
  /** Fees paid. */
  readonly fees: Decimal;
}

export const FLAT: PositionFigures = {
  quantity: ZERO,
  entryValue: ZERO,
  realised: ZERO,
  fees: ZERO,
};

/** Value of a signed quantity at a price, in the settlement currency, rounded half to even. */
export function valueAt(contract: Contract, quantity: Decimal, price: Decimal): Decimal {
  if (contract.kind === "inverse") {
    const notional = quantity.mul(contract.contractSize, SCALE, "half-even");
    return notional.div(price, SCALE, "half-even").negate();
  }
  return quantity.mul(price, SCALE, "half-even");
}

/** Fee of a fill: its value, without sign, times the rate, rounded half to even. */
export function feeOf(value: Decimal, rate: Decimal): Decimal {
  return value.abs().mul(rate, SCALE, "half-even");
}

/**
 * The position after a fill of a signed quantity.
 *
 * What closes an open quantity realises its value now less its share of the entry value (average
 * cost; the share rounded half to even, and all of it when nothing stays open). What goes beyond it
 * opens the other side at the fill's price. Whatever the roundings, over any fills the profit
 * realised is, to the last digit, the entry value of what is open less the value of all fills.
 */
export function afterFill(
  contract: Contract,
  position: PositionFigures,
  quantity: Decimal,
  price: Decimal,
  fee: Decimal,
): PositionFigures {
  const fees = position.fees.add(fee);
  const open = position.quantity;
  if (open.sign() * quantity.sign() >= 0) {
    const entryValue = position.entryValue.add(valueAt(contract, quantity, price));
    return { ...position, quantity: open.add(quantity), entryValue, fees };
  }
  if (quantity.abs().compare(open.abs()) >= 0) {
    const exitValue = valueAt(contract, open, price);
    return {
      quantity: open.add(quantity),
      // The whole fill's value less that of the part that closes: rounded apart, the two parts
      // could differ from what was paid by the last digit.
      entryValue: valueAt(contract, quantity, price).add(exitValue),
      realised: position.realised.add(exitValue.sub(position.entryValue)),
      fees,
    };
  }
  const closed = quantity.negate();
  const share = position.entryValue
    .mul(closed, 2 * SCALE, "half-even")
    .div(open, SCALE, "half-even");
  return {
    quantity: open.add(quantity),
    entryValue: position.entryValue.sub(share),
    realised: position.realised.add(valueAt(contract, closed, price).sub(share)),
    fees,
  };
}

/** Profit of the open quantity at a price, before fees. */
export function unrealised(contract: Contract, position: PositionFigures, mark: Decimal): Decimal {
  return valueAt(contract, position.quantity, mark).sub(position.entryValue);
}

/** Average entry price of the open quantity, rounded half to even; undefined when flat. */
export function averagePrice(contract: Contract, position: PositionFigures): Decimal | undefined {
  if (position.quantity.isZero() || position.entryValue.isZero()) return undefined;
  if (contract.kind === "inverse") {
    const notional = position.quantity.mul(contract.contractSize, SCALE, "half-even").negate();
    return notional.div(position.entryValue, SCALE, "half-even");
  }
  return position.entryValue.div(position.quantity, SCALE, "half-even");
}
