/** Snapshots and updates as they come from a venue, made into integers at the scales of a book. */
import { HoldfastError, isHoldfastError } from "../base/errors.js";
import { Decimal } from "../codec/decimal.js";
import { show } from "../codec/text.js";
import type { BookDefinition } from "./definition.js";
import { PRICE_UNITS_MAX } from "./packed-levels.js";

/** Price and quantity of a level, exact: as text, or as decimals. Quantity 0: the level is gone. */
export type LevelInput = readonly [price: Decimal | string, quantity: Decimal | string];

/** Levels as integers at the scales of the book: 61000.1 at scale 2 is 6100010. */
export interface ScaledLevels {
  readonly prices: Float64Array;
  readonly quantities: Float64Array;
}

export type LevelsInput = readonly LevelInput[] | ScaledLevels;

/** A whole book, as a venue gives it when it is asked. */
export interface BookSnapshot {
  /** The last update that is in it (`lastUpdateId`). */
  readonly lastId: number;
  readonly bids: LevelsInput;
  readonly asks: LevelsInput;
}

/** What has changed since the update before. */
export interface BookUpdate {
  /** The first and the last update id in it (`U`, `u`). */
  readonly firstId: number;
  readonly lastId: number;
  /** The last id of the update before (`pu`); only futures say it, and they always do. */
  readonly previousId?: number | undefined;
  readonly bids: LevelsInput;
  readonly asks: LevelsInput;
}

/** Levels that were read; used again and again. */
export class Levels {
  prices = new Float64Array(256);
  quantities = new Float64Array(256);
  count = 0;

  /** Throws INVALID_ROW naming the level. */
  read(input: LevelsInput, side: "bids" | "asks", definition: BookDefinition): void {
    this.count = 0;
    if (!Array.isArray(input)) {
      this.#readScaled(input as ScaledLevels, side, definition);
      return;
    }
    const { priceScale, quantityScale } = definition;
    while (this.prices.length < input.length) this.#grow();
    for (let i = 0; i < input.length; i++) {
      const level = input[i] as LevelInput;
      const price = unitsOf(level?.[0], priceScale);
      const quantity = unitsOf(level?.[1], quantityScale);
      if (!isLevel(price, quantity)) throw notALevel(level, `${side}[${i}]`, definition);
      this.prices[i] = price;
      this.quantities[i] = quantity;
    }
    this.count = input.length;
  }

  #readScaled(input: ScaledLevels, side: "bids" | "asks", definition: BookDefinition): void {
    const { prices, quantities } = (input ?? {}) as Partial<ScaledLevels>;
    const isScaled = prices instanceof Float64Array && quantities instanceof Float64Array;
    if (!isScaled || prices.length !== quantities.length) {
      throw invalid(definition, `${side} are a list of [price, quantity], or as many of each`);
    }
    while (this.prices.length < prices.length) this.#grow();
    for (let i = 0; i < prices.length; i++) {
      const [price, quantity] = [prices[i] as number, quantities[i] as number];
      if (isLevel(price, quantity)) continue;
      throw invalid(definition, `${side}[${i}]: ${price} and ${quantity} units are out of bounds`);
    }
    this.prices.set(prices);
    this.quantities.set(quantities);
    this.count = prices.length;
  }

  #grow(): void {
    const { prices, quantities } = this;
    this.prices = new Float64Array(2 * prices.length);
    this.prices.set(prices);
    this.quantities = new Float64Array(2 * quantities.length);
    this.quantities.set(quantities);
  }
}

/** False for NaN, too. */
function isLevel(price: number, quantity: number): boolean {
  const isPrice = price > 0 && price < PRICE_UNITS_MAX && Number.isSafeInteger(price);
  return isPrice && quantity >= 0 && Number.isSafeInteger(quantity);
}

function notALevel(level: unknown, place: string, definition: BookDefinition): HoldfastError {
  const { priceScale, quantityScale } = definition;
  const given = Array.isArray(level) ? level.map(show).join(", ") : show(level);
  return invalid(
    definition,
    `${place}: expected a price and a quantity with at most ${priceScale} and ${quantityScale} ` +
      `digits after the point, within bounds, got ${given}`,
  );
}

const POINT = 0x2e;
const ZERO = 0x30;

/** A number at a scale; NaN for what is no number without a sign, or has more digits. */
export function unitsOf(value: unknown, scale: number): number {
  if (typeof value === "string") return unitsOfText(value, scale);
  if (!(value instanceof Decimal)) return Number.NaN;
  try {
    return Number(Decimal.of(value, scale).coefficient);
  } catch (error) {
    if (isHoldfastError(error)) return Number.NaN;
    throw error;
  }
}

function unitsOfText(text: string, scale: number): number {
  const { length } = text;
  let units = 0;
  let digits = 0;
  /** Of those behind the point; below zero before it. */
  let behind = -1;
  for (let i = 0; i < length; i++) {
    const code = text.charCodeAt(i);
    if (code === POINT) {
      if (behind >= 0 || digits === 0) return Number.NaN;
      behind = 0;
      continue;
    }
    const digit = code - ZERO;
    if (digit < 0 || digit > 9) return Number.NaN;
    digits++;
    if (behind >= 0 && ++behind > scale) {
      // Zeros that say nothing.
      if (digit !== 0) return Number.NaN;
      continue;
    }
    units = units * 10 + digit;
  }
  if (digits === 0 || behind === 0) return Number.NaN;
  for (let i = Math.max(0, behind); i < scale; i++) units *= 10;
  return units <= Number.MAX_SAFE_INTEGER ? units : Number.NaN;
}

/** Throws INVALID_ROW. */
export function checkId(definition: BookDefinition, name: string, id: unknown): void {
  if (Number.isSafeInteger(id) && (id as number) >= 0) return;
  throw invalid(definition, `${name} is an update id, a safe integer from 0 on, got ${show(id)}`);
}

function invalid({ name }: BookDefinition, reason: string): HoldfastError {
  return new HoldfastError("INVALID_ROW", `book "${name}": ${reason}`, { book: name });
}
