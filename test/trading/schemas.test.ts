/** Stores of before: what has been added to the tables since does not lock anybody out. */
import { expect, test } from "vitest";
import {
  decimal,
  defineTable,
  enumeration,
  string,
  type TableDefinition,
} from "../../src/index.js";
import { amendments, instruments, TRADING_TABLES } from "../../src/trading/index.js";
import { SimulatedMachine } from "../sim/disk.js";
import { openOn } from "../support/simulated-store.js";
import { openDesk, SYMBOL, VENUE } from "./helpers.js";

/** As it was before there were inverse contracts. */
const instrumentsOne = defineTable({
  name: instruments.name,
  version: 1,
  key: string(),
  resident: true,
  fields: {
    venue: string(),
    kind: enumeration(["spot", "linear"]),
    base: string(),
    quote: string(),
    multiplier: decimal(8),
    tick: decimal(8),
    lot: decimal(8),
  },
}) as TableDefinition;

test("a store of spot and linear instruments takes inverse ones, and amendments", async () => {
  const machine = new SimulatedMachine({ seed: 1 });
  const others = TRADING_TABLES.filter((table) => {
    return table.name !== instruments.name && table.name !== amendments.name;
  }) as readonly TableDefinition[];
  const old = await openOn(machine, { tables: [...others, instrumentsOne] });
  const row = { venue: VENUE, kind: "linear", base: "BTC", quote: "USD" };
  const terms = { multiplier: "1", tick: "0.5", lot: "0" };
  await machine.run(old.table(instrumentsOne).put("OLD", { ...row, ...terms }));
  await machine.run(old.close());
  const { trading, store, run } = await openDesk(machine);
  const before = store.table(instruments).get("OLD");
  expect(before).toMatchObject({ kind: "linear", base: "BTC" });
  expect(before?.tick.toString()).toBe("0.50000000");
  await run(trading.setInstrument(SYMBOL, { ...row, kind: "inverse" }));
  await run(
    trading.transact((t) => {
      t.placeOrder({ symbol: "OLD", side: "buy", quantity: 1, price: 2, clientId: "a" });
      t.orderAccepted("a");
      t.amendOrder("a", { quantity: 2 });
    }),
  );
  machine.crash("power");
  const again = await openDesk(machine);
  expect(again.store.table(instruments).get(SYMBOL)?.kind).toBe("inverse");
  expect(again.store.table(instruments).get("OLD")).toEqual(before);
  expect(again.trading.amendment("a")?.quantity.toNumber()).toBe(2);
});
