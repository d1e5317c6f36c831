/**
 * The order book of the tape in memory: levels by price, and the rules by which depth diffs and
 * snapshots make it. The same levels stand in the table `bookLevels`, from which it is rebuilt.
 *
 * Synchronisation: diffs seen before a snapshot are kept; the snapshot replaces the book; of the
 * diffs kept, those with `lastId` below the snapshot's are dropped and the others applied, in
 * order. From then on the chain of diffs may have no gap: a diff that says which one it follows
 * (`previousId`, futures) must follow the last one applied, one that does not (spot) must start at
 * the next update id. The first diff after a snapshot need only overlap it.
 */
import { assert } from "../base/assert.js";
import type { Decimal } from "../index.js";
import { TapeProblem } from "./bad-tape.js";
import type { DepthEvent, Level, SnapshotEvent } from "./events.js";
import { units, ZERO } from "./exact.js";

export type Side = "bid" | "ask";

/** The best level of a side: price in 1e-8 units, quantity. */
export interface BestLevel {
  readonly price: number;
  readonly quantity: Decimal;
}

/** Called for every level that changes; quantity zero means that the level is gone. */
export type LevelListener = (side: Side, price: number, quantity: Decimal) => void;

/** One side: prices sorted so that the best is last, where nearly all changes happen. */
class BookSide {
  readonly #prices: number[] = [];
  readonly #quantities = new Map<number, Decimal>();
  /** +1 for bids (highest is best), -1 for asks. */
  readonly #sign: 1 | -1;

  constructor(sign: 1 | -1) {
    this.#sign = sign;
  }

  get size(): number {
    return this.#prices.length;
  }

  /** Sets a level; false if nothing changed. */
  set(price: number, quantity: Decimal): boolean {
    const before = this.#quantities.get(price);
    if (quantity.isZero()) {
      if (before === undefined) return false;
      this.#quantities.delete(price);
      this.#prices.splice(this.#position(price), 1);
      return true;
    }
    if (before?.equals(quantity)) return false;
    this.#quantities.set(price, quantity);
    if (before === undefined) this.#prices.splice(this.#position(price), 0, price);
    return true;
  }

  quantity(price: number): Decimal | undefined {
    return this.#quantities.get(price);
  }

  best(): BestLevel | undefined {
    const price = this.#prices.at(-1);
    const quantity = price === undefined ? undefined : this.#quantities.get(price);
    return price === undefined || quantity === undefined ? undefined : { price, quantity };
  }

  /** Prices, best first. */
  prices(): number[] {
    return this.#prices.slice().reverse();
  }

  /** Index of the first price that is not worse than `price`. */
  #position(price: number): number {
    const sought = price * this.#sign;
    let low = 0;
    let high = this.#prices.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((this.#prices[middle] ?? 0) * this.#sign < sought) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}

/** What of the book is not in its levels. */
export interface BookState {
  /** Last update id in the book; 0 before the first snapshot. */
  readonly lastId: number;
  /** A snapshot has come. */
  readonly synced: boolean;
  /** No diff has been applied since the snapshot. */
  readonly fresh: boolean;
}

export class Book {
  readonly bids = new BookSide(1);
  readonly asks = new BookSide(-1);
  #state: BookState = { lastId: 0, synced: false, fresh: false };
  readonly #listener: LevelListener;

  constructor(listener: LevelListener = () => {}) {
    this.#listener = listener;
  }

  get state(): BookState {
    return this.#state;
  }

  /** Takes up a book from its rows; the listener hears nothing of it. */
  restore(state: BookState, levels: Iterable<readonly [Side, number, Decimal]>): void {
    this.#state = state;
    for (const [side, price, quantity] of levels) this.#side(side).set(price, quantity);
  }

  /**
   * Replaces the book, then applies those of `kept` (the diffs seen before it) that it lacks.
   * A snapshot older than a book that is in step is ignored.
   *
   * @throws TapeProblem at a gap.
   */
  snapshot(event: SnapshotEvent, kept: readonly DepthEvent[]): void {
    if (this.#state.synced && event.lastId <= this.#state.lastId) return;
    this.#replace("bid", event.bids);
    this.#replace("ask", event.asks);
    this.#state = { lastId: event.lastId, synced: true, fresh: true };
    for (const diff of kept) this.depth(diff);
  }

  /**
   * Applies a diff to a book that is in step.
   *
   * @throws TapeProblem at a gap.
   */
  depth(event: DepthEvent): void {
    const { lastId, synced, fresh } = this.#state;
    assert(synced, "a diff cannot be applied before a snapshot");
    if (fresh && event.lastId < lastId) return;
    const follows =
      event.previousId === undefined ? event.firstId === lastId + 1 : event.previousId === lastId;
    if (!(fresh ? event.firstId <= lastId + 1 : follows)) {
      const start = event.previousId ?? event.firstId;
      throw new TapeProblem(
        `a gap in the depth diffs: the book is at ${lastId}, the diff at ${start}`,
      );
    }
    this.#change("bid", event.bids);
    this.#change("ask", event.asks);
    this.#state = { lastId: event.lastId, synced: true, fresh: false };
  }

  /** Quantity at a price of a side, zero where there is no level. */
  quantity(side: Side, price: number): Decimal {
    return this.#side(side).quantity(price) ?? ZERO;
  }

  /** True if the best bid is at or above the best ask, which no exchange's book ever is. */
  isCrossed(): boolean {
    const bid = this.bids.best();
    const ask = this.asks.best();
    return bid !== undefined && ask !== undefined && bid.price >= ask.price;
  }

  #change(side: Side, levels: readonly Level[]): void {
    const target = this.#side(side);
    for (const [priceDecimal, quantity] of levels) {
      const price = units(priceDecimal);
      if (target.set(price, quantity)) this.#listener(side, price, quantity);
    }
  }

  #replace(side: Side, levels: readonly Level[]): void {
    const kept = new Set(levels.map(([price]) => units(price)));
    const gone = this.#side(side)
      .prices()
      .filter((price) => !kept.has(price));
    for (const price of gone) {
      this.#side(side).set(price, ZERO);
      this.#listener(side, price, ZERO);
    }
    this.#change(side, levels);
  }

  #side(side: Side): BookSide {
    return side === "bid" ? this.bids : this.asks;
  }
}
