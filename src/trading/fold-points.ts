/**
 * Points of the fold: what the position of a symbol was after some of its fills, so that one that
 * comes late is not folded with all that came before it. They follow from the fills, and nothing
 * but how much a late one costs depends on them.
 */
import type { PositionFigures } from "./positions.js";
import type { Step } from "./step.js";
import { foldPoints } from "./tables.js";

/** Fills from one point to the next; at most twice as many, where late ones came in between. */
export const POINT_FILLS = 64;

/** Where a fill stands in the order in which fills make a position. */
export interface Place {
  readonly time: number;
  readonly tradeId: string;
}

/** Of one time the shorter id is first, then the smaller: numbers go by their value. */
export function comparePlaces(a: Place, b: Place): number {
  if (a.time !== b.time) return a.time - b.time;
  if (a.tradeId.length !== b.tradeId.length) return a.tradeId.length - b.tradeId.length;
  return a.tradeId < b.tradeId ? -1 : Number(a.tradeId > b.tradeId);
}

/** A place, and what the position was behind it. */
export interface Point extends Place {
  readonly figures: Pick<PositionFigures, "quantity" | "cost">;
}

export function putPoint(
  step: Step,
  symbol: string,
  { time, tradeId }: Place,
  { quantity, cost }: PositionFigures,
): void {
  step.put(foldPoints, [symbol, time, tradeId], { quantity, cost });
}

/** The last point of an earlier time; undefined: there is none. */
export function pointBefore(step: Step, symbol: string, time: number): Point | undefined {
  const range = { gte: [symbol, Number.MIN_SAFE_INTEGER, ""], lt: [symbol, time, ""] } as const;
  for (const [key, figures] of step.tx.entries(foldPoints, { ...range, reverse: true, limit: 1 })) {
    return { time: key[1], tradeId: key[2], figures };
  }
  return undefined;
}

/** The trade ids of all points from a time on. */
export function pointsFrom(step: Step, symbol: string, time: number): Set<string> {
  const range = {
    gte: [symbol, time, ""],
    lt: [symbol, Number.MAX_SAFE_INTEGER, ""],
  } as const;
  return new Set([...step.tx.keys(foldPoints, range)].map(([, , tradeId]) => tradeId));
}
