/**
 * Amounts of money, prices and quantities: exact decimals with eight digits after the point. What
 * is given with more is refused. The only roundings are half to even at the eighth digit, of
 * products and quotients.
 */
import { Decimal, HoldfastError } from "../index.js";

/** Digits after the point of every amount. */
export const SCALE = 8;

export const ZERO = Decimal.of(0, SCALE);
export const ONE = Decimal.of(1, SCALE);

/** What methods take as an amount: a text such as "0.25", an integer, or a decimal. */
export type Amount = Decimal | string | number | bigint;

/** The amount at the scale of all amounts. Throws INVALID_ARGUMENT where it is not exact. */
export function amountOf(value: Amount): Decimal {
  return Decimal.of(value, SCALE);
}

/** As `amountOf`, of an amount that has to be above zero. */
export function positiveOf(value: Amount, what: string): Decimal {
  const amount = amountOf(value);
  if (amount.sign() > 0) return amount;
  throw invalid(`${what} must be above zero, got ${amount}`);
}

/** As `amountOf`, of an amount that must not be below zero. */
export function notNegativeOf(value: Amount, what: string): Decimal {
  const amount = amountOf(value);
  if (amount.sign() >= 0) return amount;
  throw invalid(`${what} must not be below zero, got ${amount}`);
}

/** The product, rounded half to even. Multipliers and rates mostly are one. */
export function times(a: Decimal, b: Decimal): Decimal {
  return b.coefficient === ONE.coefficient ? a : a.mul(b, SCALE, "half-even");
}

/** True if the amount is a whole number of steps; any amount is where the step is zero. */
export function isMultiple(amount: Decimal, step: Decimal): boolean {
  return step.isZero() || BigInt(amount.coefficient) % BigInt(step.coefficient) === 0n;
}

/** True if both are the same amount, or none. */
export function sameAmount(a: Decimal | null, b: Decimal | null): boolean {
  return a === null || b === null ? a === b : a.equals(b);
}

/** An error about a call that cannot be meant. */
export function invalid(message: string): HoldfastError {
  return new HoldfastError("INVALID_ARGUMENT", message);
}
