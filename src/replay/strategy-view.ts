/** What the strategy sees. Prices and quantities in 1e-8 units. */

export type OrderSide = "buy" | "sell";

/** One of the strategy's own open quotes. */
export interface OpenQuote {
  readonly id: number;
  readonly side: OrderSide;
  readonly level: number;
  readonly price: number;
  readonly placedEvent: number;
}

export interface StrategyView {
  /** Number of the event, from 1. */
  readonly event: number;
  /** Best prices of the tape; equal where it holds trades only. */
  readonly bid: number;
  readonly ask: number;
  /** Signed. */
  readonly position: number;
  /** In the order of their ids. */
  readonly quotes: readonly OpenQuote[];
  readonly halted: boolean;
  /** Event of the last taking order, 0 for none. */
  readonly lastTakeEvent: number;
  readonly tick: number;
  readonly orderQuantity: number;
  readonly maxPosition: number;
  readonly halfSpread: number;
  readonly amendDistance: number;
}
