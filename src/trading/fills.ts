/** A fill: order, position, balances, risk and audit, all changed by one transaction. */
import { type Decimal, HoldfastError } from "../index.js";
import { mayGrow, orderFor } from "./amendments.js";
import { type Amount, amountOf, positiveOf, times, ZERO } from "./amounts.js";
import { credit } from "./balances.js";
import { appendFill, type FillFacts, insertFill, isLate } from "./fold.js";
import { POINT_FILLS, putPoint } from "./fold-points.js";
import { settleOf } from "./instruments.js";
import { nextStatus } from "./order-states.js";
import { changedOrder, type Order, orderOf, venueIdOf, writeOrder } from "./orders.js";
import { navOfPosition, noteValue } from "./portfolio.js";
import type { Step } from "./step.js";
import {
  type FillRow,
  fills,
  type InstrumentRow,
  orderIds,
  type PositionRow,
  positions,
  tradeHistory,
} from "./tables.js";

/** A fill as a venue tells it. */
export interface FillInput {
  readonly symbol: string;
  /** The venue's id of the trade; the same one is booked once. */
  readonly tradeId: string;
  /** Our id of the order, or the venue's; neither where the order is none of ours. */
  readonly clientId?: string | undefined;
  readonly venueId?: string | undefined;
  readonly side: "buy" | "sell";
  readonly price: Amount;
  /** Above zero. */
  readonly quantity: Amount;
  /** Paid; below zero for a rebate. Default: 0. */
  readonly fee?: Amount | undefined;
  /** Default: the currency of settlement. */
  readonly feeCurrency?: string | undefined;
  /** When it happened, in microseconds since 1970. Default: now. */
  readonly time?: number | undefined;
}

export interface FillResult {
  /** False if it had been applied before: then nothing was changed. */
  readonly applied: boolean;
  readonly fill: FillRow;
  /** Undefined for a fill of an order that is none of ours. */
  readonly order: Order | undefined;
  readonly position: PositionRow;
}

/**
 * Books a fill. A fill is a fact: no limit refuses it.
 *
 * Throws FILL_CONFLICT if that trade id was booked with other figures, UNKNOWN_ORDER if the order
 * is none of ours (unless `foreign`), ORDER_TRANSITION if it cannot have happened to that order.
 */
export function applyFill(step: Step, input: FillInput, foreign = false): FillResult {
  const { symbol, tradeId } = input;
  const instrument = step.instrument(symbol);
  const clientId = foreign ? undefined : clientIdOf(step, input, instrument);
  const known = step.tx.get(fills, [symbol, tradeId]);
  if (known !== undefined) {
    assertSame(known, input, instrument, clientId);
    const { clientId: of } = known;
    const order = of === null ? undefined : orderOf(of, step.order(of));
    return { applied: false, fill: known, order, position: step.position(symbol) };
  }
  const price = positiveOf(input.price, "price");
  const quantity = positiveOf(input.quantity, "quantity");
  const order =
    clientId === undefined ? undefined : fillOrder(step, clientId, input, price, quantity);
  const { fill, position } = bookFill(step, symbol, instrument, tradeId, {
    adjustment: false,
    clientId: clientId ?? null,
    side: input.side,
    price,
    quantity,
    fee: amountOf(input.fee ?? ZERO),
    feeCurrency: input.feeCurrency ?? settleOf(instrument),
    time: input.time ?? step.time,
    reason: "",
  });
  noteValue(step);
  return { applied: true, fill, order, position };
}

/** A change of a position that is no trade: no money moves. */
export interface Adjustment {
  readonly symbol: string;
  readonly side: "buy" | "sell";
  readonly price: Decimal;
  readonly quantity: Decimal;
  readonly reason: string;
}

/** Changes a position to what the venue says it is; the fold over fills sees it as one of them. */
export function adjustPosition(step: Step, adjustment: Adjustment): FillRow {
  const { symbol, reason, ...figures } = adjustment;
  const instrument = step.instrument(symbol);
  const tradeId = `adjustment ${step.nextNumber("adjustment")}`;
  const { fill } = bookFill(step, symbol, instrument, tradeId, {
    ...figures,
    reason,
    adjustment: true,
    clientId: null,
    fee: ZERO,
    feeCurrency: settleOf(instrument),
    // Behind all that is known.
    time: Math.max(step.time, step.position(symbol).lastTime + 1),
  });
  step.riskEvent(symbol, "correction", `${figures.side} ${figures.quantity}: ${reason}`);
  noteValue(step);
  return fill;
}

function clientIdOf(step: Step, input: FillInput, instrument: InstrumentRow): string {
  const { clientId, venueId } = input;
  if (clientId !== undefined) return clientId;
  const known =
    venueId === undefined ? undefined : step.tx.get(orderIds, [instrument.venue, venueId]);
  if (known !== undefined) return known.clientId;
  throw new HoldfastError(
    "UNKNOWN_ORDER",
    `fill ${input.tradeId} of ${input.symbol} is of an order that is none of ours`,
    { key: venueId },
  );
}

function assertSame(
  known: FillRow,
  input: FillInput,
  instrument: InstrumentRow,
  clientId: string | undefined,
): void {
  const same =
    known.side === input.side &&
    known.price.equals(amountOf(input.price)) &&
    known.quantity.equals(amountOf(input.quantity)) &&
    known.fee.equals(amountOf(input.fee ?? ZERO)) &&
    known.feeCurrency === (input.feeCurrency ?? settleOf(instrument)) &&
    (clientId === undefined || known.clientId === null || known.clientId === clientId);
  if (same) return;
  throw new HoldfastError(
    "FILL_CONFLICT",
    `trade ${input.tradeId} of ${input.symbol} was booked before as ${known.side} ` +
      `${known.quantity} at ${known.price}, fee ${known.fee} ${known.feeCurrency}`,
    { key: [input.symbol, input.tradeId] },
  );
}

function fillOrder(
  step: Step,
  clientId: string,
  input: FillInput,
  price: Decimal,
  quantity: Decimal,
): Order {
  const before = orderFor(step, clientId, quantity);
  const filled = before.filled.add(quantity);
  const left = before.quantity.compare(filled);
  if (left < 0 || before.side !== input.side || before.symbol !== input.symbol) {
    throw new HoldfastError(
      "ORDER_TRANSITION",
      `order ${clientId} to ${before.side} ${before.quantity} ${before.symbol}, ` +
        `${before.filled} filled, cannot ${input.side} ${quantity} ${input.symbol}`,
      { key: clientId },
    );
  }
  // While a larger quantity is asked for, nobody can say that this was the last fill.
  const complete = left === 0 && !mayGrow(step, clientId, before);
  const status = nextStatus(clientId, before.status, complete ? "complete" : "fill");
  const after = changedOrder(before, {
    status,
    venueId: venueIdOf(step, clientId, before, input.venueId),
    filled,
    filledValue: before.filledValue.add(times(price, quantity)),
    reason: before.reason,
    changed: step.time,
  });
  writeOrder(step, clientId, before, after);
  return orderOf(clientId, after);
}

/** Writes the fill, the position, the history, and the money that moves. */
function bookFill(
  step: Step,
  symbol: string,
  instrument: InstrumentRow,
  tradeId: string,
  facts: FillFacts,
): { readonly fill: FillRow; readonly position: PositionRow } {
  const before = step.position(symbol);
  const late = isLate(before, tradeId, facts.time);
  const { position, realised, others } = late
    ? insertFill(step, symbol, before, [tradeId, facts], instrument)
    : appendFill(before, [tradeId, facts], instrument);
  const { adjustment, clientId, side, price, quantity, fee, feeCurrency, time, reason } = facts;
  const fill: FillRow = {
    number: position.fills,
    adjustment,
    clientId,
    side,
    price,
    quantity,
    fee,
    feeCurrency,
    realised,
    time,
    sequence: step.sequence,
    reason,
  };
  step.put(fills, [symbol, tradeId], fill);
  step.put(positions, symbol, position);
  if (!late && position.fills % POINT_FILLS === 0) {
    putPoint(step, symbol, { time, tradeId }, position);
  }
  step.put(tradeHistory, step.auditKey(symbol, time), { tradeId });
  for (const [currency, change] of changesOf(fill, instrument)) {
    credit(step, instrument.venue, currency, change);
  }
  if (instrument.kind !== "spot") {
    // What a late fill makes others realise is paid as well.
    credit(step, instrument.venue, settleOf(instrument), others);
    const was = navOfPosition(step, symbol, before, instrument);
    step.moveNav(was, navOfPosition(step, symbol, position, instrument));
  }
  return { fill, position };
}

/** What a fill does to the balances at its venue. */
export function changesOf(fill: FillRow, instrument: InstrumentRow): [string, Decimal][] {
  const { base, kind, multiplier } = instrument;
  const settle = settleOf(instrument);
  // A correction of a position is paid by a correction of the balance, if at all.
  if (fill.adjustment) return [];
  const fee = fill.fee.negate();
  const inSettle = fill.feeCurrency === settle;
  const changes: [string, Decimal][] = inSettle ? [] : [[fill.feeCurrency, fee]];
  let paid = inSettle ? fee : ZERO;
  if (kind !== "spot") paid = paid.add(fill.realised);
  else {
    const quantity = times(fill.quantity, multiplier);
    const value = times(quantity, fill.price);
    const buy = fill.side === "buy";
    paid = buy ? paid.sub(value) : paid.add(value);
    changes.push([base, buy ? quantity : quantity.negate()]);
  }
  changes.push([settle, paid]);
  return changes;
}
