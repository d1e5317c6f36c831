/**
 * The order in which fills make a position: by the venue's time, and by trade id within one.
 * Average cost depends on it, and messages do not keep it: a fill that comes late is put where it
 * belongs.
 */
import type { Decimal } from "../index.js";
import { ZERO } from "./amounts.js";
import { settleOf } from "./instruments.js";
import { afterFill } from "./positions.js";
import { NO_POSITION, type Step } from "./step.js";
import {
  type FillRow,
  fills,
  type InstrumentRow,
  type PositionRow,
  tradeHistory,
} from "./tables.js";

/** A fill before anything is made of it. */
export type FillFacts = Omit<FillRow, "number" | "realised" | "sequence">;

/** A fill with its trade id. */
export type NamedFill<Fill = FillRow> = readonly [tradeId: string, fill: Fill];

/** What a fill makes of the position, and realises; `others`: what it makes others realise. */
export interface Folded {
  readonly position: PositionRow;
  readonly realised: Decimal;
  readonly others: Decimal;
}

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

/** The position with one more fill, which belongs behind all others. */
export function appendFill(
  before: PositionRow,
  [tradeId, fill]: NamedFill<FillFacts>,
  instrument: InstrumentRow,
): Folded {
  const { quantity, cost, realised } = afterFill(before, fill, instrument);
  const position: PositionRow = {
    quantity,
    cost,
    realised,
    fees: fill.feeCurrency === settleOf(instrument) ? before.fees.add(fill.fee) : before.fees,
    fills: before.fills + 1,
    lastTime: fill.time,
    lastTradeId: tradeId,
  };
  return { position, realised: realised.sub(before.realised), others: ZERO };
}

/** Folds fills in their order, and gives each with what it realised. */
export function foldAll<Fill extends FillFacts>(
  list: readonly NamedFill<Fill>[],
  instrument: InstrumentRow,
): { readonly position: PositionRow; readonly fills: NamedFill<Fill & { realised: Decimal }>[] } {
  const placed = list.map(([tradeId, fill]) => ({ tradeId, fill, time: fill.time }));
  let position = NO_POSITION;
  const folded: NamedFill<Fill & { realised: Decimal }>[] = [];
  for (const { tradeId, fill } of placed.sort(comparePlaces)) {
    const { position: next, realised } = appendFill(position, [tradeId, fill], instrument);
    position = next;
    folded.push([tradeId, { ...fill, realised }]);
  }
  return { position, fills: folded };
}

/**
 * Puts a late fill where it belongs: the fills of the symbol since it was last flat before that are
 * folded anew, and those that now realise something else are written.
 */
export function insertFill(
  step: Step,
  symbol: string,
  before: PositionRow,
  late: NamedFill<FillFacts>,
  instrument: InstrumentRow,
): Folded {
  const since = fillsSinceFlat(step, symbol, before.quantity, late[1].time);
  const { position, fills: folded } = foldAll<FillFacts>([late, ...since], instrument);
  let [realised, others] = [ZERO, ZERO];
  for (const [tradeId, { realised: now }] of folded) {
    const was = since.get(tradeId);
    if (was === undefined) realised = now;
    else if (!was.realised.equals(now)) {
      others = others.add(now.sub(was.realised));
      step.put(fills, [symbol, tradeId], { ...was, realised: now });
    }
  }
  const [, { fee, feeCurrency }] = late;
  const whole: PositionRow = {
    ...position,
    realised: before.realised.add(realised).add(others),
    fees: feeCurrency === settleOf(instrument) ? before.fees.add(fee) : before.fees,
    fills: before.fills + 1,
  };
  return { position: whole, realised, others };
}

/**
 * The fills that came after the position was last flat before a time, or after the first one: of
 * what came earlier nothing is left in the position but what was realised. Quantities go back
 * exactly, so that they need not be folded to find out.
 */
function fillsSinceFlat(
  step: Step,
  symbol: string,
  quantityNow: Decimal,
  time: number,
): Map<string, FillRow> {
  const since = new Map<string, FillRow>();
  const least = Number.MIN_SAFE_INTEGER;
  let quantity = quantityNow;
  let earliest = Number.MAX_SAFE_INTEGER;
  const range = { gte: [symbol, least, least, 0], reverse: true } as const;
  const most = Number.MAX_SAFE_INTEGER;
  const places = step.tx.entries(tradeHistory, { ...range, lte: [symbol, most, most, most] });
  for (const [[, at], { tradeId }] of places) {
    // Within one time trade ids decide: it is taken up whole.
    if (at < earliest && at < time && quantity.isZero()) break;
    const fill = step.tx.get(fills, [symbol, tradeId]);
    if (fill === undefined) continue;
    earliest = at;
    quantity = fill.side === "buy" ? quantity.sub(fill.quantity) : quantity.add(fill.quantity);
    since.set(tradeId, fill);
  }
  return since;
}
