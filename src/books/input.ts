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
    if (Array.isArray(input)) {
      for (const level of input as readonly LevelInput[]) this.#take(level, side, definition);
      return;
    }
    const { prices, quantities } = (input ?? {}) as Partial<ScaledLevels>;
    const isScaled = prices instanceof Float64Array && quantities instanceof Float64Array;
    if (!isScaled || prices.length !== quantities.length) {
      throw invalid(definition, `${side} are a list of [price, quantity], or as many of each`);
    }
    for (let i = 0; i < prices.length; i++) {
      const [price, quantity] = [prices[i] as number, quantities[i] as number];
      this.#add(price, quantity, () => `${side}[${i}]`, definition);
    }
  }

  #take(level: LevelInput, side: string, definition: BookDefinition): void {
    const place = () => `${side}[${this.count}]`;
    if (!Array.isArray(level) || level.length < 2) {
      throw invalid(definition, `${place()} is [price, quantity], got ${show(level)}`);
    }
    const price = unitsOf(level[0], definition.priceScale);
    const quantity = unitsOf(level[1], definition.quantityScale);
    if (Number.isNaN(price) || Number.isNaN(quantity)) {
      const { priceScale, quantityScale } = definition;
      const scales = `with at most ${priceScale} and ${quantityScale} digits after the point`;
      const given = `${show(level[0])}, ${show(level[1])}`;
      throw invalid(definition, `${place()}: a price and a quantity ${scales}, got ${given}`);
    }
    this.#add(price, quantity, place, definition);
  }

  #add(price: number, quantity: number, place: () => string, definition: BookDefinition): void {
    const isPrice = Number.isSafeInteger(price) && price > 0 && price < PRICE_UNITS_MAX;
    if (!isPrice || !Number.isSafeInteger(quantity) || quantity < 0) {
      throw invalid(definition, `${place()}: ${price} and ${quantity} units are out of bounds`);
    }
    if (this.count === this.prices.length) this.#grow();
    this.prices[this.count] = price;
    this.quantities[this.count++] = quantity;
  }

  #grow(): void {
    const { prices, quantities } = this;
    this.prices = new Float64Array(2 * prices.length);
    this.prices.set(prices);
    this.quantities = new Float64Array(2 * quantities.length);
    this.quantities.set(quantities);
  }
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
