/** A trading state on a simulated machine. */
import type { OpenOptions, Store } from "../../src/index.js";
import { openTrading, TRADING_TABLES, type Trading } from "../../src/trading/index.js";
import type { TradingOptions } from "../../src/trading/trading.js";
import { SimulatedMachine } from "../sim/disk.js";
import { openOn } from "../support/simulated-store.js";

export const SYMBOL = "BTC-USD";
export const PERP = "BTC-PERP";
export const COIN = "BTC-COIN";
export const VENUE = "paper";

export interface Desk {
  readonly machine: SimulatedMachine;
  readonly store: Store;
  readonly trading: Trading;
  /** Lets the machine run until it is done. */
  run<T>(work: Promise<T> | (() => Promise<T>)): Promise<T>;
  /** Ends the program; a machine is left. */
  kill(): SimulatedMachine;
}

export async function openDesk(
  machine = new SimulatedMachine({ seed: 1 }),
  options: Partial<TradingOptions> = {},
  storeOptions: OpenOptions = {},
): Promise<Desk> {
  const store = await openOn(machine, { tables: TRADING_TABLES, ...storeOptions });
  const clock = () => machine.nowMicros();
  const trading = await machine.run(openTrading(store, { currency: "USD", clock, ...options }));
  return {
    machine,
    store,
    trading,
    run: (work) => machine.run(typeof work === "function" ? Promise.resolve().then(work) : work),
    kill: () => {
      machine.crash("kill");
      return machine;
    },
  };
}

/** With two instruments and 10,000 USD. */
export async function fundedDesk(
  machine?: SimulatedMachine,
  options?: Partial<TradingOptions>,
): Promise<Desk> {
  const desk = await openDesk(machine, options);
  await desk.run(
    desk.trading.transact((t) => {
      t.setInstrument(SYMBOL, {
        venue: VENUE,
        base: "BTC",
        quote: "USD",
        tick: "0.01",
        lot: "0.001",
      });
      t.setInstrument(PERP, { venue: VENUE, kind: "linear", base: "BTC", quote: "USD" });
      t.deposit(VENUE, "USD", 10_000);
    }),
  );
  return desk;
}

/** All rows of all tables, as text. */
export function stateOf(store: Store, except: readonly string[] = []): Record<string, unknown> {
  return Object.fromEntries(
    TRADING_TABLES.filter(({ name }) => !except.includes(name)).map((table) => [
      table.name,
      JSON.stringify([...store.table(table as never).entries()]),
    ]),
  );
}
