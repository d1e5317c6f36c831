/** Recorded tapes, as what drives the paper exchange. */
import { basename } from "node:path";
import { fileURLToPath } from "node:url";
import { Tape } from "../../src/replay/tape.js";
import type { PaperEvent } from "../../src/trading/index.js";

/** Events that are read of a tape: more than a run of the crash test plays. */
const EVENTS_MAX = 9_000;

/** The market of a run; without one, prices walk at random. */
export interface Market {
  readonly name: string;
  /** Of its first trade. */
  readonly price: string;
  /** For every symbol the same. */
  events(symbols: readonly string[]): Iterable<PaperEvent>;
}

/** The tapes of this repository, and those that HOLDFAST_TAPES names, separated by colons. */
export function tapeFiles(): string[] {
  const names = [
    "binance_spot_btcusdt_20240808.jsonl.gz",
    "coinbase_btcusd_trades_20230905.csv.gz",
  ];
  const own = names.map((name) => fileURLToPath(new URL(`../../tapes/${name}`, import.meta.url)));
  return [...own, ...(process.env.HOLDFAST_TAPES ?? "").split(":").filter((file) => file !== "")];
}

export async function loadMarket(file: string): Promise<Market> {
  const tape = await Tape.open(file);
  const events: ((symbol: string) => PaperEvent)[] = [];
  let price: string | undefined;
  for await (const { event } of tape.events()) {
    if (event.kind === "trade") {
      price ??= `${event.price}`;
      events.push((symbol) => ({ ...event, type: "trade", symbol }));
    } else if (event.kind === "depth" || event.kind === "snapshot") {
      const { bids, asks } = event;
      events.push((symbol) => ({ type: "depth", symbol, bids, asks }));
    }
    if (events.length >= EVENTS_MAX) break;
  }
  if (price === undefined) throw new Error(`${file} has no trades`);
  return {
    name: basename(file),
    price,
    *events(symbols) {
      for (const event of events) for (const symbol of symbols) yield event(symbol);
    },
  };
}
