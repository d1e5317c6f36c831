/** A book as callers read it: the newest state, a transaction's, a view's, or one of the past. */
import { HoldfastError } from "../base/errors.js";
import { Decimal } from "../codec/decimal.js";
import { show } from "../codec/text.js";
import type { BookDefinition } from "./definition.js";
import { type ScaledLevels, unitsOf } from "./input.js";
import type { BookSide } from "./side.js";
import type { BookState } from "./state.js";

export type BookSideName = "bids" | "asks";

export interface BookLevel {
  readonly price: Decimal;
  readonly quantity: Decimal;
}

/** The best of both sides, the best first. */
export interface BookTop {
  readonly bids: readonly BookLevel[];
  readonly asks: readonly BookLevel[];
}

/** All levels, the best first, as integers at the scales of the book; copies. */
export interface BookLevels {
  readonly bids: ScaledLevels;
  readonly asks: ScaledLevels;
}

/**
 * Reads are synchronous, as those of tables are.
 *
 * Every method may throw INVALID_ARGUMENT, CLOSED, and where rows of the book cannot be read
 * CORRUPT_RUN or IO.
 */
export interface ReadBook {
  readonly name: string;
  /** The last update id in the book; undefined before its first snapshot. */
  readonly lastId: number | undefined;
  /** Number of levels of a side. */
  count(side: BookSideName): number;
  /** The best level of a side; undefined if it has none. */
  best(side: BookSideName): BookLevel | undefined;
  /** Up to so many levels of each side, the best first. */
  top(count: number): BookTop;
  /** Quantity at a price; zero where there is no level. */
  quantityAt(side: BookSideName, price: Decimal | string): Decimal;
  /** Quantity of all levels from the best one to that price, which counts too. */
  depthAt(side: BookSideName, price: Decimal | string): Decimal;
  /** All levels as typed arrays: what is fastest to go through. */
  levels(): BookLevels;
}

/** What is read from wherever `source` leads; asked for by every read. */
export class BookReader implements ReadBook {
  readonly #definition: BookDefinition;
  readonly #source: () => BookState;

  constructor(definition: BookDefinition, source: () => BookState) {
    this.#definition = definition;
    this.#source = source;
  }

  get name(): string {
    return this.#definition.name;
  }

  get lastId(): number | undefined {
    const { synced, lastId } = this.#source();
    return synced ? lastId : undefined;
  }

  count(side: BookSideName): number {
    return this.#side(side).length;
  }

  best(side: BookSideName): BookLevel | undefined {
    return this.#levelsOf(this.#side(side), 1)[0];
  }

  top(count: number): BookTop {
    if (!Number.isSafeInteger(count) || count < 0) {
      throw invalid(`a number of levels is an integer from 0 on, got ${show(count)}`);
    }
    const { bids, asks } = this.#source();
    return { bids: this.#levelsOf(bids, count), asks: this.#levelsOf(asks, count) };
  }

  quantityAt(side: BookSideName, price: Decimal | string): Decimal {
    return this.#quantity(this.#side(side).quantityAt(this.#price(price)));
  }

  depthAt(side: BookSideName, price: Decimal | string): Decimal {
    const levels = this.#side(side);
    let sum = 0n;
    for (let i = levels.placeOf(this.#price(price)); i < levels.length; i++) {
      sum += BigInt(levels.quantities[i] as number);
    }
    return this.#quantity(sum);
  }

  levels(): BookLevels {
    const { bids, asks } = this.#source();
    return { bids: scaledOf(bids), asks: scaledOf(asks) };
  }

  #side(name: BookSideName): BookSide {
    if (name === "bids" || name === "asks") return this.#source()[name];
    throw invalid(`a side is "bids" or "asks", got ${show(name)}`);
  }

  #levelsOf(side: BookSide, count: number): BookLevel[] {
    const from = Math.max(0, side.length - count);
    const levels: BookLevel[] = [];
    for (let i = side.length - 1; i >= from; i--) {
      const units = (side.keys[i] as number) * side.sign;
      const price = Decimal.fromCoefficient(units, this.#definition.priceScale);
      levels.push({ price, quantity: this.#quantity(side.quantities[i] as number) });
    }
    return levels;
  }

  #quantity(units: number | bigint): Decimal {
    const isSafe = units <= Number.MAX_SAFE_INTEGER;
    return Decimal.fromCoefficient(isSafe ? Number(units) : units, this.#definition.quantityScale);
  }

  #price(price: Decimal | string): number {
    const { priceScale } = this.#definition;
    const units = unitsOf(price, priceScale);
    if (!Number.isNaN(units)) return units;
    throw invalid(
      `book "${this.name}": a price has at most ${priceScale} digits after the point, ` +
        `got ${show(price)}`,
    );
  }
}

function scaledOf({ keys, quantities, length, sign }: BookSide): ScaledLevels {
  const prices = keys.slice(0, length).reverse();
  if (sign < 0) for (let i = 0; i < length; i++) prices[i] = -(prices[i] as number);
  return { prices, quantities: quantities.slice(0, length).reverse() };
}

function invalid(message: string): HoldfastError {
  return new HoldfastError("INVALID_ARGUMENT", message);
}
