import { fileURLToPath } from "node:url";
import { Decimal, type Store } from "../../src/index.js";
import { accountChecks } from "../../src/replay/checks.js";
import { Engine } from "../../src/replay/engine.js";
import { type RunFigures, type RunOptions, runTape } from "../../src/replay/run.js";
import { REPLAY_TABLES } from "../../src/replay/tables.js";
import { Tape } from "../../src/replay/tape.js";
import { SimulatedMachine } from "../sim/disk.js";
import { openOn } from "../support/simulated-store.js";

const path = (name: string) => fileURLToPath(new URL(name, import.meta.url));

export const SPOT_TAPE = path("../../tapes/binance_spot_btcusdt_20240808.jsonl.gz");
export const USDM = path("fixtures/binance_usdm_btcusdt.jsonl.gz");
export const COINM = path("fixtures/binance_cm_btcusd_perp.jsonl.gz");
export const COINBASE = path("fixtures/coinbase_btcusd_trades.csv");
export const BITSTAMP = path("fixtures/bitstamp_btcusd_trades.csv");

/** Of the state at the end of SPOT_TAPE: `test/replay/engine.test.ts` holds it. */
export const SPOT_DIGEST = "f0f635b6a0974d3f1f4d0f90245883862063d6d392543b024457a30aa7e98923";

/** A decimal with the scale of all prices and quantities. */
export const d = (value: string | number) => Decimal.of(String(value), 8);

/** An engine on a store whose disk is in memory. */
export class SimulatedReplay {
  readonly machine: SimulatedMachine;
  readonly store: Store;
  readonly engine: Engine;

  private constructor(machine: SimulatedMachine, store: Store, engine: Engine) {
    this.machine = machine;
    this.store = store;
    this.engine = engine;
  }

  /** On a new machine, or where another one has ended. */
  static async open(file: string, machine = new SimulatedMachine({ seed: 1 })) {
    const tape = await Tape.open(file);
    const store = await openOn(machine, {
      tables: REPLAY_TABLES,
      checks: accountChecks(tape.info.symbol),
      segmentBytes: 4 * 1024 * 1024,
      frameBytesMax: 1024 * 1024,
    });
    const engine = await machine.run(Engine.open(store, tape));
    return new SimulatedReplay(machine, store, engine);
  }

  /** The tape is a real file, so the machine runs between turns of the event loop. */
  async run(options: RunOptions = {}): Promise<RunFigures> {
    const run = runTape(this.engine, options);
    let running = true;
    const ended = () => {
      running = false;
    };
    run.then(ended, ended);
    while (running) await this.machine.run(new Promise((resolve) => setImmediate(resolve)));
    return run;
  }

  /** Kills it; a machine is left. */
  kill(how: "kill" | "power" = "kill"): SimulatedMachine {
    this.machine.crash(how);
    return this.machine;
  }
}

/** Replays a tape into a store in memory. */
export async function replayInMemory(file: string, options: RunOptions = {}) {
  const replay = await SimulatedReplay.open(file);
  const figures = await replay.run(options);
  const { store, engine } = replay;
  return { store, engine, tape: engine.tape, figures };
}
