/** What a tape says to the paper exchange, and the depth that orders there take from. */
import type { Amount } from "./amounts.js";
import { units } from "./paper-books.js";

/** A price, and the whole quantity that stands there now; 0 means that nothing does. */
export type PaperLevel = readonly [price: Amount, quantity: Amount];

/** One event of a market, as a recorded tape has it. */
export type PaperEvent =
  | {
      readonly type: "trade";
      readonly symbol: string;
      readonly price: Amount;
      readonly quantity: Amount;
    }
  | {
      readonly type: "depth";
      readonly symbol: string;
      readonly bids: readonly PaperLevel[];
      readonly asks: readonly PaperLevel[];
    };

/** Levels of one symbol. What was taken is gone until the tape speaks of that level again. */
export class PaperDepth {
  readonly #bids = new Map<bigint, bigint>();
  readonly #asks = new Map<bigint, bigint>();

  /** Sets levels of one side; gives them as units. */
  set(side: "bid" | "ask", levels: readonly PaperLevel[]): [price: bigint, quantity: bigint][] {
    const now = side === "bid" ? this.#bids : this.#asks;
    return levels.map(([price, quantity]) => {
      const [at, there] = [units(price), units(quantity)];
      if (there === 0n) now.delete(at);
      else now.set(at, there);
      return [at, there];
    });
  }

  /** Takes from the other side what stands within the limit, best price first: parts of a fill. */
  take(
    side: "buy" | "sell",
    limit: bigint | undefined,
    quantity: bigint,
  ): [price: bigint, quantity: bigint][] {
    const levels = side === "buy" ? this.#asks : this.#bids;
    const sign = side === "buy" ? 1n : -1n;
    const within = [...levels.keys()]
      .filter((price) => limit === undefined || (limit - price) * sign >= 0n)
      .sort((a, b) => Number((a - b) * sign));
    const parts: [bigint, bigint][] = [];
    let left = quantity;
    for (const price of within) {
      if (left === 0n) break;
      const there = levels.get(price) as bigint;
      const some = there < left ? there : left;
      if (some === there) levels.delete(price);
      else levels.set(price, there - some);
      parts.push([price, some]);
      left -= some;
    }
    return parts;
  }
}
