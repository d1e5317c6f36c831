/** What is needed of a venue: an adapter implements this, and nothing else. */
import type { Amount } from "./amounts.js";
import type { FillInput } from "./fills.js";
import type { Order } from "./orders.js";

/** The answer to an order that was sent. Whatever leaves that open is thrown, and never guessed. */
export type SubmitResult =
  | { readonly status: "accepted"; readonly venueId?: string | undefined }
  | { readonly status: "rejected"; readonly reason: string };

/** An order as the venue knows it. */
export interface BrokerOrder {
  /** The client id it was sent with; undefined for an order that was placed by other means. */
  readonly clientId?: string | undefined;
  readonly venueId: string;
  readonly symbol: string;
  readonly side: "buy" | "sell";
  readonly quantity: Amount;
  /** Needed where prices of orders are amended: without it nobody can tell whether they were. */
  readonly price?: Amount | undefined;
  readonly filled: Amount;
  readonly status: "open" | "filled" | "cancelled" | "expired" | "rejected";
  readonly reason?: string | undefined;
}

export interface BrokerPosition {
  readonly symbol: string;
  /** Below zero: short. */
  readonly quantity: Amount;
  /** Taken as the price of what we did not know of. */
  readonly averagePrice?: Amount | undefined;
}

export interface BrokerBalance {
  readonly currency: string;
  readonly total: Amount;
}

/** One account at one venue. Every method may reject; then so does a recovery, to be repeated. */
export interface Broker {
  /** The name that instruments have for it. */
  readonly venue: string;
  /**
   * Sends an order, with `order.clientId` as the client id. Resolves only if the venue has said
   * what became of it; rejects if that is not known (a timeout, a lost connection).
   */
  submit(order: Order): Promise<SubmitResult>;
  /** Asks for a cancellation. What came of it, `order` and `fillsSince` will tell. */
  cancel(order: {
    readonly symbol: string;
    readonly clientId?: string | undefined;
    readonly venueId: string | null;
  }): Promise<void>;
  /**
   * Changes price or quantity of an order: `order` is as it is to be, `order.venueId` the venue's
   * id of it, `order.changed` when it was asked for. As `submit`, it resolves only if the venue has
   * said what became of that; `venueId` is the new id, where the venue replaces orders. Only needed
   * for `Trading.amend`.
   */
  amend?(order: Order): Promise<SubmitResult>;
  /** An order by the client id, open or not; undefined if the venue does not know it. */
  order(symbol: string, clientId: string): Promise<BrokerOrder | undefined>;
  openOrders(): Promise<readonly BrokerOrder[]>;
  /** All positions that are not flat. A spot venue has none. */
  positions(): Promise<readonly BrokerPosition[]>;
  balances(): Promise<readonly BrokerBalance[]>;
  /** All fills of the account with that time or a later one, in microseconds, in any order. */
  fillsSince(timeMicros: number): Promise<readonly FillInput[]>;
}
