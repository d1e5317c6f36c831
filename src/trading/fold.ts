/**
 * The order in which fills make a position: by the venue's time, and by trade id within one.
 * Average cost depends on it, and messages do not keep it: a fill that comes late is put where it
 * belongs.
 */
import type { Decimal } from "../index.js";
import { ZERO } from "./amounts.js";
import { afterFill } from "./positions.js";
import { NO_POSITION, type Step } from "./step.js";
import { type FillRow, fills, type InstrumentRow, type PositionRow } from "./tables.js";

/** A fill with its trade id. */
export type NamedFill = readonly [tradeId: string, fill: FillRow];

interface Place {
  readonly time: number;
  readonly tradeId: string;
}

/** Of one time the shorter id is first, then the smaller: numbers go by their value. */
function comparePlaces(a: Place, b: Place): number {
  if (a.time !== b.time) return a.time - b.time;
  if (a.tradeId.length !== b.tradeId.length) return a.tradeId.length - b.tradeId.length;
  return a.tradeId < b.tradeId ? -1 : Number(a.tradeId > b.tradeId);
}

/** True if it belongs before a fill that is part of the position already. */
export function isLate(position: PositionRow, tradeId: string, time: number): boolean {
  const last = { time: position.lastTime, tradeId: position.lastTradeId };
  return comparePlaces({ time, tradeId }, last) < 0;
}

/** The position with one more fill, which belongs behind all others, and what that realises. */
export function appendFill(
  before: PositionRow,
  [tradeId, fill]: NamedFill,
  { multiplier, quote }: InstrumentRow,
): { readonly position: PositionRow; readonly realised: Decimal } {
  const after = afterFill(before, fill, multiplier);
  const position: PositionRow = {
    ...after,
    fees: fill.feeCurrency === quote ? before.fees.add(fill.fee) : before.fees,
    fills: before.fills + 1,
    lastTime: fill.time,
    lastTradeId: tradeId,
  };
  return { position, realised: after.realised.sub(before.realised) };
}

/** Folds fills in their order, and gives each with what it realised. */
export function foldAll(
  list: readonly NamedFill[],
  instrument: InstrumentRow,
): { readonly position: PositionRow; readonly fills: NamedFill[] } {
  const placed = list.map(([tradeId, fill]) => ({ tradeId, fill, time: fill.time }));
  let position = NO_POSITION;
  const folded: NamedFill[] = [];
  for (const { tradeId, fill } of placed.sort(comparePlaces)) {
    const { position: next, realised } = appendFill(position, [tradeId, fill], instrument);
    position = next;
    folded.push([tradeId, { ...fill, realised }]);
  }
  return { position, fills: folded };
}

/**
 * Puts a late fill where it belongs: all fills of the symbol are folded anew, and those that now
 * realise something else are written. Gives the position, what the fill realised, and by how much
 * the others have changed.
 */
export function insertFill(
  step: Step,
  symbol: string,
  late: NamedFill,
  instrument: InstrumentRow,
): { readonly position: PositionRow; readonly realised: Decimal; readonly others: Decimal } {
  const list: NamedFill[] = [late];
  const before = new Map<string, FillRow>();
  for (const [[of, tradeId], fill] of step.tx.entries(fills, { gte: [symbol, ""] })) {
    if (of !== symbol) break;
    before.set(tradeId, fill);
    list.push([tradeId, fill]);
  }
  const { position, fills: folded } = foldAll(list, instrument);
  let [realised, others] = [ZERO, ZERO];
  for (const [tradeId, fill] of folded) {
    const was = before.get(tradeId);
    if (was === undefined) {
      realised = fill.realised;
    } else if (!was.realised.equals(fill.realised)) {
      others = others.add(fill.realised.sub(was.realised));
      step.put(fills, [symbol, tradeId], fill);
    }
  }
  return { position, realised, others };
}
