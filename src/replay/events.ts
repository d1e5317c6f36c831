/** What a tape says, whatever format it is recorded in. */
import type { Decimal } from "../index.js";

/** A price and the quantity that stands there; quantity 0 means that nothing does. */
export type Level = readonly [price: Decimal, quantity: Decimal];

/** Who took liquidity in a trade; "unknown" where the tape does not say. */
export type Aggressor = "buy" | "sell" | "unknown";

/** Time of an event: microseconds since 1970, UTC, by the recorder's clock. */
interface Timed {
  readonly timeMicros: number;
}

export interface TradeEvent extends Timed {
  readonly kind: "trade";
  readonly price: Decimal;
  readonly quantity: Decimal;
  readonly aggressor: Aggressor;
}

/** The best bid and ask, as of `updateId` of the book. */
export interface QuoteEvent extends Timed {
  readonly kind: "quote";
  readonly updateId: number;
  readonly bid: Level;
  readonly ask: Level;
}

/** New quantities of some levels: the book's updates `firstId` to `lastId`. */
export interface DepthEvent extends Timed {
  readonly kind: "depth";
  readonly firstId: number;
  readonly lastId: number;
  /** The `lastId` of the diff before this one, where the exchange says so. */
  readonly previousId: number | undefined;
  readonly bids: readonly Level[];
  readonly asks: readonly Level[];
}

/** The whole book as of `lastId`. */
export interface SnapshotEvent extends Timed {
  readonly kind: "snapshot";
  readonly lastId: number;
  readonly bids: readonly Level[];
  readonly asks: readonly Level[];
}

/** A line that is well formed and says nothing about prices (another stream, an empty trade). */
export interface OtherEvent extends Timed {
  readonly kind: "other";
}

export type TapeEvent = TradeEvent | QuoteEvent | DepthEvent | SnapshotEvent | OtherEvent;

/** How prices of a tape become money; see `value` in money.ts. */
export type ContractKind = "spot" | "linear" | "inverse";

/** What a tape says about itself in its first lines. */
export interface TapeInfo {
  readonly format: "binance" | "trades-csv";
  readonly symbol: string;
  readonly contract: ContractKind;
  /** False for tapes of trades only: no book, no quotes. */
  readonly hasBook: boolean;
}

/** Reads one format. `parse` gets every line in order, and undefined means: no event here. */
export interface TapeParser {
  readonly info: TapeInfo;
  /** @throws HoldfastError `BAD_TAPE` naming file and line. */
  parse(text: string, line: number): TapeEvent | undefined;
}
