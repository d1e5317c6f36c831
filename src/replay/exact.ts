/**
 * Exact numbers of the replay: every price, quantity and amount of money is a `Decimal` with eight
 * digits after its point, so that all of one kind compare and add without rescaling, and a price is
 * also a safe integer (its coefficient) that sorts as the price does.
 */
import { Decimal } from "../index.js";
import { TapeProblem } from "./bad-tape.js";

/** Digits after the point of every price, quantity and amount. */
export const SCALE = 8;

export const ZERO = Decimal.of(0, SCALE);

/**
 * A quantity of a tape: not negative, at most eight digits after its point.
 *
 * @throws TapeProblem, or HoldfastError `INVALID_ARGUMENT`, for anything else.
 */
export function parseAmount(text: string): Decimal {
  const coefficient = plainCoefficient(text);
  if (coefficient >= 0) return Decimal.fromCoefficient(coefficient, SCALE);
  const decimal = Decimal.of(text, SCALE);
  if (decimal.sign() < 0) throw new TapeProblem(`a price or quantity below zero: ${text}`);
  return decimal;
}

/** A price of a tape: as a quantity, and below 90 million, so that it is safe as `units`. */
export function parsePrice(text: string): Decimal {
  const price = parseAmount(text);
  units(price);
  return price;
}

/**
 * The coefficient of plain digits with at most eight after the point; -1 for any other text. Tapes
 * hold ten of these a line, and this is four times as fast as the general parser.
 */
function plainCoefficient(text: string): number {
  const length = text.length;
  let point = -1;
  let value = 0;
  for (let i = 0; i < length; i++) {
    const digit = text.charCodeAt(i) - 48;
    if (digit >= 0 && digit <= 9) value = value * 10 + digit;
    else if (digit === -2 && point < 0 && i > 0) point = i;
    else return -1;
  }
  const decimals = point < 0 ? 0 : length - 1 - point;
  if (length === 0 || length > 16 || decimals > SCALE || point === length - 1) return -1;
  value *= POWERS[SCALE - decimals] ?? 0;
  return Number.isSafeInteger(value) ? value : -1;
}

const POWERS = [1, 10, 100, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8];

/**
 * A decimal of scale eight as a safe integer of 1e-8 units.
 *
 * @throws TapeProblem if it is too large.
 */
export function units(decimal: Decimal): number {
  const coefficient =
    decimal.scale === SCALE ? decimal.coefficient : decimal.rescale(SCALE).coefficient;
  if (typeof coefficient === "number") return coefficient;
  throw new TapeProblem(`${decimal} is too large: the limit is about 90 million`);
}

/** The inverse of `units`. */
export function fromUnits(value: number): Decimal {
  return Decimal.fromCoefficient(value, SCALE);
}
