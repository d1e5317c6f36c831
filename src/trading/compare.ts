/** Positions and balances beside the venue's, and the corrections that make them the same. */
import type { Decimal, Store } from "../index.js";
import { amountOf, ZERO } from "./amounts.js";
import { moveCash } from "./balances.js";
import type { BrokerBalance, BrokerOrder, BrokerPosition } from "./broker.js";
import { adjustPosition } from "./fills.js";
import { isWorking } from "./order-states.js";
import { advanceOrder } from "./orders.js";
import { averagePriceOf } from "./positions.js";
import type { Step } from "./step.js";
import { balances, instruments, marks, positions } from "./tables.js";

/** Something that still differs when all fills are booked. */
export interface Mismatch {
  readonly kind: "position" | "balance" | "order-lost" | "order-filled";
  readonly subject: string;
  readonly ours: string;
  readonly theirs: string;
  /** What makes them equal, of positions and balances. */
  readonly change?: Decimal;
  readonly venue?: string;
  readonly price?: Decimal | undefined;
  /** Of an order, what the venue has it as. */
  readonly status?: BrokerOrder["status"];
}

/**
 * A spot venue has balances and no positions: those of spot instruments are compared only where it
 * lists them.
 */
export function comparePositions(
  store: Store,
  venue: string,
  listed: readonly BrokerPosition[],
): Mismatch[] {
  const theirs = new Map(listed.map((position) => [position.symbol, position]));
  const found: Mismatch[] = [];
  for (const [symbol, instrument] of store.table(instruments).entries()) {
    const position = theirs.get(symbol);
    theirs.delete(symbol);
    if (instrument.venue !== venue || (position === undefined && instrument.kind === "spot")) {
      continue;
    }
    const ours = store.table(positions).get(symbol)?.quantity ?? ZERO;
    const quantity = amountOf(position?.quantity ?? ZERO);
    if (quantity.equals(ours)) continue;
    const { averagePrice } = position ?? {};
    found.push({
      ...{ kind: "position", subject: symbol, ours: `${ours}`, theirs: `${quantity}` },
      ...{ change: quantity.sub(ours), venue },
      price: averagePrice === undefined ? undefined : amountOf(averagePrice),
    });
  }
  for (const [symbol, { quantity }] of theirs) {
    if (amountOf(quantity).isZero()) continue;
    found.push({ kind: "position", subject: symbol, ours: "no instrument", theirs: `${quantity}` });
  }
  return found;
}

/** A balance that the venue does not list is zero there. */
export function compareBalances(
  store: Store,
  venue: string,
  listed: readonly BrokerBalance[],
): Mismatch[] {
  const theirs = new Map(listed.map(({ currency, total }) => [currency, amountOf(total)]));
  const ours = new Map<string, Decimal>();
  for (const [[at, currency], { total }] of store.table(balances).entries()) {
    if (at === venue) ours.set(currency, total);
  }
  const found: Mismatch[] = [];
  for (const currency of new Set([...ours.keys(), ...theirs.keys()])) {
    const [mine, its] = [ours.get(currency) ?? ZERO, theirs.get(currency) ?? ZERO];
    if (mine.equals(its)) continue;
    const what = { kind: "balance", subject: currency, venue } as const;
    found.push({ ...what, ours: `${mine}`, theirs: `${its}`, change: its.sub(mine) });
  }
  return found;
}

/** Makes ours what the venue says. Gives the reason where that cannot be done now. */
export function correct(step: Step, mismatch: Mismatch, reason: string): string | undefined {
  switch (mismatch.kind) {
    case "balance":
      return correctBalance(step, mismatch, reason);
    case "position":
      return correctPosition(step, mismatch, reason);
    default:
      return endOrder(step, mismatch, reason);
  }
}

const MOVED = "it has changed since it was compared: reconcile again";

function correctBalance(step: Step, mismatch: Mismatch, reason: string): string | undefined {
  const { venue = "", subject: currency, change = ZERO } = mismatch;
  const now = step.tx.get(balances, [venue, currency])?.total ?? ZERO;
  if (`${now}` !== mismatch.ours) return MOVED;
  moveCash(step, { venue, currency, amount: change, reason });
  step.riskEvent("", "correction", `${currency} at ${venue}: ${change}: ${reason}`);
  return undefined;
}

/**
 * What closes does so at the average price, and realises nothing: at which price it was closed
 * nobody knows. What opens does so at the venue's average price, or else at the newest one.
 */
function correctPosition(step: Step, mismatch: Mismatch, reason: string): string | undefined {
  const { subject: symbol, change } = mismatch;
  if (change === undefined) return "there is no instrument of that symbol";
  const position = step.position(symbol);
  if (`${position.quantity}` !== mismatch.ours) return MOVED;
  const instrument = step.instrument(symbol);
  const side = change.sign() > 0 ? "buy" : "sell";
  const average = averagePriceOf(position, instrument);
  const opposite = position.quantity.sign() * change.sign() < 0;
  const [wanted, held] = [change.abs(), position.quantity.abs()];
  const closing = opposite ? (wanted.compare(held) < 0 ? wanted : held) : ZERO;
  const opening = wanted.sub(closing);
  const price = mismatch.price ?? step.tx.get(marks, symbol)?.price ?? average;
  if (!opening.isZero() && !(price !== undefined && price.sign() > 0)) {
    return "its price is not known: use mark() first";
  }
  if (!closing.isZero()) {
    adjustPosition(step, { symbol, side, price: average as Decimal, quantity: closing, reason });
  }
  if (!opening.isZero()) {
    adjustPosition(step, { symbol, side, price: price as Decimal, quantity: opening, reason });
  }
  return undefined;
}

/** An order that the venue lost, or filled without a word: what it did is in the positions. */
function endOrder(step: Step, mismatch: Mismatch, reason: string): string | undefined {
  const { subject: clientId, kind, status } = mismatch;
  const ours = step.order(clientId);
  if (!isWorking(ours.status) || status === "open") return "it is still open there";
  advanceOrder(step, clientId, "cancel", { reason: `${kind}: ${mismatch.theirs} (${reason})` });
  step.riskEvent(ours.symbol, "correction", `${clientId}: ${kind}`);
  return undefined;
}
