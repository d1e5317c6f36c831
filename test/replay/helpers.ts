import { fileURLToPath } from "node:url";
import { Decimal } from "../../src/codec/decimal.js";
import { Engine } from "../../src/replay/engine.js";
import { type RunOptions, runTape } from "../../src/replay/run.js";
import { Tape } from "../../src/replay/tape.js";
import { MemoryStore } from "./memory-store.js";

const path = (name: string) => fileURLToPath(new URL(name, import.meta.url));

export const SPOT_TAPE = path("../../tapes/binance_spot_btcusdt_20240808.jsonl.gz");
export const USDM = path("fixtures/binance_usdm_btcusdt.jsonl.gz");
export const COINM = path("fixtures/binance_cm_btcusd_perp.jsonl.gz");
export const COINBASE = path("fixtures/coinbase_btcusd_trades.csv");
export const BITSTAMP = path("fixtures/bitstamp_btcusd_trades.csv");

/** A decimal with the scale of all prices and quantities. */
export const d = (value: string | number) => Decimal.of(String(value), 8);

/** Replays a tape into a store in memory. */
export async function replayInMemory(file: string, options: RunOptions = {}) {
  const store = new MemoryStore();
  const tape = await Tape.open(file);
  const figures = await runTape(store, tape, options);
  return { store, tape, figures, engine: new Engine(store, tape) };
}
