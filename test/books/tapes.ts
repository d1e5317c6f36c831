/** The books of recorded tapes: what a venue sent, and a plain model of what a book is after it. */
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { gunzipSync } from "node:zlib";
import {
  type BookDefinition,
  type BookSnapshot,
  type BookUpdate,
  defineBook,
  type ReadBook,
} from "../../src/index.js";

/** A folder with the whole tapes, which the nightly run has; cuts of them stand in the repository. */
const WHOLE = process.env.HOLDFAST_TAPES;

const fixture = (path: string) => fileURLToPath(new URL(`../../${path}`, import.meta.url));

interface Source {
  readonly book: BookDefinition;
  readonly cut: string;
  readonly whole: string;
  /** Updates of the cut that are used. */
  readonly limit: number;
}

export const SOURCES: readonly Source[] = [
  {
    book: defineBook({ name: "usdm", priceScale: 2, quantityScale: 3, dialect: "usd-m" }),
    cut: fixture("test/replay/fixtures/binance_usdm_btcusdt.jsonl.gz"),
    whole: "binance_usdm_btcusdt_20240808.jsonl.gz",
    limit: 400,
  },
  {
    book: defineBook({ name: "coinm", priceScale: 1, quantityScale: 0, dialect: "coin-m" }),
    cut: fixture("test/replay/fixtures/binance_cm_btcusd_perp.jsonl.gz"),
    whole: "binance_cm_btcusd_perp_20240808.jsonl.gz",
    limit: 400,
  },
  {
    book: defineBook({ name: "spot", priceScale: 2, quantityScale: 8, dialect: "spot" }),
    cut: fixture("tapes/binance_spot_btcusdt_20240808.jsonl.gz"),
    whole: "binance_spot_btcusdt_20240808.jsonl.gz",
    limit: 400,
  },
];

/** Levels as the tapes have them. */
interface TextUpdate extends BookUpdate {
  readonly bids: readonly (readonly [string, string])[];
  readonly asks: readonly (readonly [string, string])[];
}

export interface Tape {
  readonly snapshot: BookSnapshot & Pick<TextUpdate, "bids" | "asks">;
  /** Those that came while the snapshot was fetched. */
  readonly before: readonly TextUpdate[];
  readonly after: readonly TextUpdate[];
}

export function readTape({ cut, whole, limit }: Source): Tape {
  const file = WHOLE === undefined ? cut : `${WHOLE}/${whole}`;
  const before: TextUpdate[] = [];
  const after: TextUpdate[] = [];
  let snapshot: Tape["snapshot"] | undefined;
  for (const line of gunzipSync(readFileSync(file)).toString("latin1").split("\n")) {
    if (!/lastUpdateId|depthUpdate/.test(line)) continue;
    const message = JSON.parse(line.slice(20));
    if ("lastUpdateId" in message) {
      snapshot = { lastId: message.lastUpdateId, bids: message.bids, asks: message.asks };
      continue;
    }
    const { U: firstId, u: lastId, pu: previousId, b: bids, a: asks } = message.data;
    (snapshot === undefined ? before : after).push({ firstId, lastId, previousId, bids, asks });
    if (WHOLE === undefined && after.length === limit) break;
  }
  return { snapshot: snapshot as Tape["snapshot"], before, after };
}

/** Levels by price, as text: no order, no integers, no ids. */
export class ModelBook {
  readonly sides = { bids: new Map<string, string>(), asks: new Map<string, string>() };
  lastId = 0;

  constructor({ snapshot, before }: Tape) {
    this.#take(snapshot);
    for (const update of before) if (update.lastId >= snapshot.lastId) this.apply(update);
  }

  apply(update: TextUpdate): void {
    this.#take(update);
  }

  #take({ lastId, bids, asks }: Pick<TextUpdate, "lastId" | "bids" | "asks">): void {
    this.lastId = lastId;
    for (const [side, levels] of Object.entries({ bids, asks })) {
      const known = this.sides[side as "bids" | "asks"];
      for (const [price, quantity] of levels) {
        if (Number(quantity) === 0) known.delete(price);
        else known.set(price, quantity);
      }
    }
  }

  /** What differs in the levels of an update, and in what can be told at once. */
  compareAt(book: ReadBook, { bids, asks }: TextUpdate): string[] {
    const wrong: string[] = [];
    if (book.lastId !== this.lastId) wrong.push(`at ${book.lastId}, not ${this.lastId}`);
    for (const side of ["bids", "asks"] as const) {
      const known = this.sides[side];
      if (book.count(side) !== known.size) wrong.push(`${side}: ${book.count(side)} levels`);
      for (const [price] of side === "bids" ? bids : asks) {
        const [found, expected] = [book.quantityAt(side, price), known.get(price) ?? "0"];
        if (Number(found) !== Number(expected)) wrong.push(`${side} ${price}: ${found}`);
      }
    }
    const [bid, ask] = [book.best("bids"), book.best("asks")];
    if (bid && ask && Number(bid.price) >= Number(ask.price)) wrong.push("crossed");
    return wrong;
  }

  /** Everything, in order. */
  levels(side: "bids" | "asks"): [price: number, quantity: number][] {
    const sign = side === "bids" ? -1 : 1;
    return [...this.sides[side]]
      .map(([price, quantity]): [number, number] => [Number(price), Number(quantity)])
      .sort(([a], [b]) => sign * (a - b));
  }
}

/** All levels of a book as the model has them. */
export function levelsOf(book: ReadBook, side: "bids" | "asks"): [number, number][] {
  return book.top(1_000_000)[side].map(({ price, quantity }) => [Number(price), Number(quantity)]);
}
