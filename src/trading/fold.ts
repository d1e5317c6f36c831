/**
 * The order in which fills make a position: by the venue's time, and by trade id within one.
 * Average cost depends on it, and messages do not keep it: a fill that comes late is put where it
 * belongs.
 */
import type { Decimal } from "../index.js";
import { ZERO } from "./amounts.js";
import { comparePlaces, POINT_FILLS, pointBefore, pointsFrom, putPoint } from "./fold-points.js";
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

/** A fill in its order, with what it realised, and the position behind it. */
interface FoldedFill<Fill> {
  readonly tradeId: string;
  readonly fill: Fill;
  readonly realised: Decimal;
  readonly position: PositionRow;
}

/** Folds fills in their order, which come behind the position `from`. */
function* fold<Fill extends FillFacts>(
  list: readonly NamedFill<Fill>[],
  instrument: InstrumentRow,
  from: PositionRow,
): IterableIterator<FoldedFill<Fill>> {
  const placed = list.map(([tradeId, fill]) => ({ tradeId, fill, time: fill.time }));
  let position = from;
  for (const { tradeId, fill } of placed.sort(comparePlaces)) {
    const next = appendFill(position, [tradeId, fill], instrument);
    position = next.position;
    yield { tradeId, fill, realised: next.realised, position };
  }
}

/** Folds all fills of a symbol in their order, and gives each with what it realised. */
export function foldAll(
  list: readonly NamedFill[],
  instrument: InstrumentRow,
): { readonly position: PositionRow; readonly fills: NamedFill[] } {
  let last = NO_POSITION;
  const folded: NamedFill[] = [];
  for (const { tradeId, fill, realised, position } of fold(list, instrument, NO_POSITION)) {
    last = position;
    folded.push([tradeId, { ...fill, realised }]);
  }
  return { position: last, fills: folded };
}

/**
 * Puts a late fill where it belongs: the fills of the symbol since the last point before it, or
 * since it was last flat before it, are folded anew, and those that now realise something else are
 * written, as are the points that lie behind it.
 */
export function insertFill(
  step: Step,
  symbol: string,
  before: PositionRow,
  late: NamedFill<FillFacts>,
  instrument: InstrumentRow,
): Folded {
  const { since, from } = fillsToFold(step, symbol, before.quantity, late[1].time);
  const points = pointsFrom(step, symbol, late[1].time);
  let [realised, others] = [ZERO, ZERO];
  let position = NO_POSITION;
  let sincePoint = 0;
  for (const folded of fold<FillFacts>([late, ...since], instrument, from)) {
    const { tradeId, fill, realised: now } = folded;
    position = folded.position;
    const was = since.get(tradeId);
    if (was === undefined) realised = now;
    else if (!was.realised.equals(now)) {
      others = others.add(now.sub(was.realised));
      step.put(fills, [symbol, tradeId], { ...was, realised: now });
    }
    if (++sincePoint < 2 * POINT_FILLS && !points.has(tradeId)) continue;
    putPoint(step, symbol, { time: fill.time, tradeId }, position);
    sincePoint = 0;
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
 * The fills that a late one is folded with, and the position behind which they come: of what is
 * before nothing is left but its quantity and cost, and what was realised. Quantities go back
 * exactly, so that they need not be folded to find out where the position was flat.
 */
export function fillsToFold(
  step: Step,
  symbol: string,
  quantityNow: Decimal,
  time: number,
): { readonly since: ReadonlyMap<string, FillRow>; readonly from: PositionRow } {
  const since = new Map<string, FillRow>();
  const point = pointBefore(step, symbol, time);
  const least = Number.MIN_SAFE_INTEGER;
  const most = Number.MAX_SAFE_INTEGER;
  const range = {
    gte: [symbol, point?.time ?? least, least, 0],
    lte: [symbol, most, most, most],
    reverse: true,
  } as const;
  let quantity = quantityNow;
  let earliest = Number.MAX_SAFE_INTEGER;
  for (const [[, at], { tradeId }] of step.tx.entries(tradeHistory, range)) {
    // Within one time trade ids decide: it is taken up whole.
    if (at < earliest && at < time && quantity.isZero()) return { since, from: NO_POSITION };
    if (point !== undefined && comparePlaces({ time: at, tradeId }, point) <= 0) continue;
    const fill = step.tx.get(fills, [symbol, tradeId]);
    if (fill === undefined) continue;
    earliest = at;
    quantity = fill.side === "buy" ? quantity.sub(fill.quantity) : quantity.add(fill.quantity);
    since.set(tradeId, fill);
  }
  return { since, from: point === undefined ? NO_POSITION : { ...NO_POSITION, ...point.figures } };
}
