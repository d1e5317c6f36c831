/** Integer arithmetic behind `Decimal`: powers of ten, rounding division, parsing, printing. */
import { HoldfastError } from "../base/errors.js";
import { DECIMAL_DIGITS_MAX } from "../base/limits.js";

/** Most digits a decimal keeps after its point. */
export const DECIMAL_SCALE_MAX = 18;

/**
 * What to do with digits that do not fit. "down" is towards zero, "up" away from it; "floor" and
 * "ceiling" are towards minus and plus infinity; the halves round to the nearest and differ in
 * where an exact half goes.
 */
export type Rounding = "half-even" | "half-up" | "half-down" | "down" | "up" | "floor" | "ceiling";

const ROUNDINGS: readonly string[] = [
  "half-even",
  "half-up",
  "half-down",
  "down",
  "up",
  "floor",
  "ceiling",
] satisfies Rounding[];

const SAFE_MAX = BigInt(Number.MAX_SAFE_INTEGER);

/** 10^0 to 10^15: the powers of ten that are safe integers. */
export const POWERS: readonly number[] = Array.from({ length: 16 }, (_, power) =>
  Number(10n ** BigInt(power)),
);

const BIG_POWERS: readonly bigint[] = Array.from(
  { length: 2 * DECIMAL_DIGITS_MAX + 1 },
  (_, power) => 10n ** BigInt(power),
);

/** One more than the largest coefficient. */
export const COEFFICIENT_LIMIT = 10n ** BigInt(DECIMAL_DIGITS_MAX);

/** An INVALID_ARGUMENT error about a decimal. */
export function decimalError(message: string): HoldfastError {
  return new HoldfastError("INVALID_ARGUMENT", message);
}

/** 10^power as a bigint, for any power that can arise between two decimals. */
export function bigPower(power: number): bigint {
  return BIG_POWERS[power] ?? 10n ** BigInt(power);
}

/** The integer as a number where it is a safe one, so that equal integers have one form only. */
export function canonical(integer: bigint): number | bigint {
  return integer <= SAFE_MAX && integer >= -SAFE_MAX ? Number(integer) : integer;
}

/** integer x 10^power, exact. */
export function scaleUp(integer: number | bigint, power: number): number | bigint {
  if (power === 0) return integer;
  if (typeof integer === "number" && power < POWERS.length) {
    // A float product that is a safe integer is the exact product.
    const product = integer * POWERS[power]!;
    if (Number.isSafeInteger(product)) return product;
  }
  return canonical(BigInt(integer) * bigPower(power));
}

function checkRounding(rounding: Rounding | undefined): void {
  if (rounding === undefined || ROUNDINGS.includes(rounding)) return;
  throw decimalError(`unknown rounding ${JSON.stringify(rounding)}`);
}

/**
 * numerator / denominator as an integer, rounded. Without a rounding the quotient has to be exact:
 * undefined where it is not.
 */
export function divideRounded(
  numerator: number | bigint,
  denominator: number | bigint,
  rounding: Rounding | undefined,
): number | bigint | undefined {
  checkRounding(rounding);
  if (typeof numerator === "number" && typeof denominator === "number") {
    // The remainder of two safe integers is exact, and so is a division without a remainder.
    const remainder = numerator % denominator;
    const quotient = (numerator - remainder) / denominator + 0;
    if (remainder === 0) return quotient;
    if (rounding === undefined) return undefined;
    const negative = numerator < 0 !== denominator < 0;
    const half = Math.sign(2 * Math.abs(remainder) - Math.abs(denominator));
    return quotient + away(rounding, negative, half, quotient % 2 !== 0) + 0;
  }
  const [top, bottom] = [BigInt(numerator), BigInt(denominator)];
  const remainder = top % bottom;
  const quotient = top / bottom;
  if (remainder === 0n) return canonical(quotient);
  if (rounding === undefined) return undefined;
  const negative = top < 0n !== bottom < 0n;
  const twice = 2n * (remainder < 0n ? -remainder : remainder) - (bottom < 0n ? -bottom : bottom);
  const half = twice < 0n ? -1 : twice > 0n ? 1 : 0;
  return canonical(quotient + BigInt(away(rounding, negative, half, quotient % 2n !== 0n)));
}

/**
 * a x b / 10^power, rounded, of two safe integers whose product need not be one; undefined where a
 * step would not be exact in floats. With a = a1 x 10^power + a0, and b likewise, it is
 * a1 x b + a0 x b1 + a0 x b0 / 10^power: every term is an integer that is checked to be safe.
 */
export function multiplyRounded(
  a: number,
  b: number,
  power: number,
  rounding: Rounding,
): number | undefined {
  checkRounding(rounding);
  const unit = POWERS[power];
  if (unit === undefined) return undefined;
  const [a0, b0] = [a % unit, b % unit];
  const low = a0 * b0;
  if (!Number.isSafeInteger(low)) return undefined;
  const left = ((a - a0) / unit) * b;
  const right = a0 * ((b - b0) / unit);
  const remainder = low % unit;
  const quotient = left + right + (low - remainder) / unit;
  const bound = Math.abs(left) + Math.abs(right) + unit;
  // Signs may differ between the terms only where one of them is zero: no sum is larger than this.
  if (!Number.isSafeInteger(bound)) return undefined;
  if (remainder === 0) return quotient + 0;
  const half = Math.sign(2 * Math.abs(remainder) - unit);
  return quotient + away(rounding, low < 0, half, quotient % 2 !== 0) + 0;
}

/** Quotients below this, in floats, are off by less than 1e-6 of one. */
const NEAREST_MAX = 2 ** 31;
const FROM_TIE = 1e-5;

/**
 * a x 10^power / b, rounded to the nearest integer, of two safe integers; undefined where floats
 * cannot tell: for large quotients, and near a tie, on which the rounding decides.
 */
export function divideNearest(
  a: number,
  b: number,
  power: number,
  rounding: Rounding | undefined,
): number | undefined {
  const unit = POWERS[power];
  const nearest = rounding === "half-even" || rounding === "half-up" || rounding === "half-down";
  if (unit === undefined || !nearest) return undefined;
  const quotient = (a / b) * unit;
  if (!(Math.abs(quotient) < NEAREST_MAX)) return undefined;
  const part = Math.abs(quotient - Math.trunc(quotient));
  if (Math.abs(part - 0.5) < FROM_TIE) return undefined;
  return Math.round(quotient) + 0;
}

/**
 * What to add to a truncated quotient: 0, or 1 away from zero. `half` compares what was cut off
 * with one half: -1 less, 0 exactly, 1 more.
 */
function away(rounding: Rounding, negative: boolean, half: number, odd: boolean): -1 | 0 | 1 {
  const outward = negative ? -1 : 1;
  switch (rounding) {
    case "down":
      return 0;
    case "up":
      return outward;
    case "floor":
      return negative ? -1 : 0;
    case "ceiling":
      return negative ? 0 : 1;
    case "half-down":
      return half > 0 ? outward : 0;
    case "half-up":
      return half >= 0 ? outward : 0;
    case "half-even":
      return half > 0 || (half === 0 && odd) ? outward : 0;
  }
}

/** coefficient x 10^-scale in plain digits, with exactly `scale` of them after the point. */
export function formatDecimal(coefficient: number | bigint, scale: number): string {
  const text = String(coefficient);
  if (scale === 0) return text;
  const sign = text.charCodeAt(0) === 45 ? "-" : "";
  const digits = (sign === "" ? text : text.slice(1)).padStart(scale + 1, "0");
  const point = digits.length - scale;
  return `${sign}${digits.slice(0, point)}.${digits.slice(point)}`;
}

/** Digits of any accepted text: far more than a decimal holds, and still no work to parse. */
const TEXT_LENGTH_MAX = 200;

const PATTERN = /^([+-]?)([0-9]+)(?:\.([0-9]+))?(?:[eE]([+-]?[0-9]{1,4}))?$/;

/** A parsed text: integer x 10^-scale, with 0 <= scale <= DECIMAL_SCALE_MAX. */
export interface ParsedDecimal {
  readonly coefficient: number | bigint;
  readonly scale: number;
}

/** Parses "61737.63", "-0.5" or "3.844E-5". Throws INVALID_ARGUMENT for anything else. */
export function parseDecimal(text: string): ParsedDecimal {
  return parseShort(text) ?? parseAny(text);
}

/** Characters of a text that cannot overflow a safe integer. */
const SHORT_LENGTH_MAX = 16;

/** Digits with a point or a sign perhaps, and few: a loop, five times as fast as the pattern. */
function parseShort(text: string): ParsedDecimal | undefined {
  const { length } = text;
  if (length > SHORT_LENGTH_MAX) return undefined;
  const negative = text.charCodeAt(0) === 45;
  const first = negative ? 1 : 0;
  let coefficient = 0;
  let point = -1;
  for (let index = first; index < length; index++) {
    const digit = text.charCodeAt(index) - 48;
    if (digit >= 0 && digit <= 9) coefficient = coefficient * 10 + digit;
    else if (digit === -2 && point === -1 && index > first) point = index;
    else return undefined;
  }
  // A point at the end, no digits, or sixteen of them: the pattern judges.
  if (length === first || point === length - 1 || !Number.isSafeInteger(coefficient)) {
    return undefined;
  }
  return {
    coefficient: negative ? 0 - coefficient : coefficient,
    scale: point === -1 ? 0 : length - 1 - point,
  };
}

function parseAny(text: string): ParsedDecimal {
  const match = text.length > TEXT_LENGTH_MAX ? null : PATTERN.exec(text);
  if (match === null) throw decimalError(`${quote(text)} is not a decimal number`);
  const fraction = match[3] ?? "";
  const exponent = match[4] === undefined ? 0 : Number(match[4]);
  let digits = match[2]! + fraction;
  let scale = fraction.length - exponent;
  if (scale > DECIMAL_SCALE_MAX) {
    // Zeros at the end carry no value, so more of them than fit are no loss.
    const spare = Math.min(scale - DECIMAL_SCALE_MAX, /0*$/.exec(digits)![0].length);
    digits = digits.slice(0, digits.length - spare);
    scale -= spare;
  }
  if (/^0*$/.test(digits)) {
    return { coefficient: 0, scale: Math.min(Math.max(scale, 0), DECIMAL_SCALE_MAX) };
  }
  if (scale > DECIMAL_SCALE_MAX) {
    throw decimalError(`${quote(text)} has more than ${DECIMAL_SCALE_MAX} digits after its point`);
  }
  if (scale < -DECIMAL_DIGITS_MAX) {
    throw decimalError(`${quote(text)} has more than ${DECIMAL_DIGITS_MAX} digits`);
  }
  const signed = match[1] === "-" ? `-${digits}` : digits;
  const integer = digits.length <= 15 ? Number(signed) : canonical(BigInt(signed));
  return scale < 0
    ? { coefficient: scaleUp(integer, -scale), scale: 0 }
    : { coefficient: integer, scale };
}

function quote(text: string): string {
  return JSON.stringify(text.length > 60 ? `${text.slice(0, 57)}...` : text);
}
