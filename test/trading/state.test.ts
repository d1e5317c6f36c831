/** The state on a store: one event is one transaction, and what it makes is what the fills make. */
import { expect, test } from "vitest";
import { Decimal, type HoldfastError } from "../../src/index.js";
import * as tables from "../../src/trading/index.js";
import { openTrading, rebuild, TRADING_TABLES } from "../../src/trading/index.js";
import { SimulatedMachine } from "../sim/disk.js";
import fc from "../support/properties.js";
import { openOn } from "../support/simulated-store.js";
import { type Desk, fundedDesk, openDesk, PERP, SYMBOL, stateOf, VENUE } from "./helpers.js";

const REFUSED = { code: "INVALID_ARGUMENT" };

async function bought() {
  const desk = await fundedDesk();
  const { trading, run } = desk;
  const order = await run(
    trading.placeOrder({ symbol: SYMBOL, side: "buy", price: "100", quantity: "2" }),
  );
  await run(
    trading.transact((t) => {
      t.mark(SYMBOL, 100);
      t.orderAccepted(order.clientId, { venueId: "v-1" });
    }),
  );
  return { ...desk, order };
}

const fill = (tradeId: string, more: object = {}) => ({
  ...{ symbol: SYMBOL, tradeId, venueId: "v-1", side: "buy" as const },
  ...{ price: "100", quantity: "0.5", fee: "0.05", time: 1_000_000 },
  ...more,
});

test("one fill is one transaction: order, position, balances, risk and history", async () => {
  const { store, trading, run, order } = await bought();
  const before = store.lastSequence;
  const result = await run(trading.applyFill(fill("t-1")));
  expect(store.lastSequence).toBe(before + 1);
  expect(result).toMatchObject({ applied: true, order: { status: "partial" } });
  expect(result.fill.sequence).toBe(before + 1);
  expect(`${trading.order(order.clientId)?.filled}`).toBe("0.50000000");
  const held = Object.fromEntries(
    trading.portfolio().balances.map((b) => [b.currency, `${b.total}`]),
  );
  expect(held).toEqual({ BTC: "0.50000000", USD: "9949.95000000" });
  expect(`${trading.portfolio().nav}`).toBe("9999.95000000");
  expect(`${trading.portfolio().exposure}`).toBe("200.00000000");
  expect([...trading.trades(SYMBOL)].map(({ tradeId, sequence }) => [tradeId, sequence])).toEqual([
    ["t-1", before + 1],
  ]);
  const position = trading.position(SYMBOL);
  expect(`${position.averagePrice} ${position.unrealised}`).toBe("100.00000000 0.00000000");
});

test("a fill that comes twice changes nothing, and with other figures is refused", async () => {
  const { store, trading, run } = await bought();
  await run(trading.applyFill(fill("t-1")));
  const before = stateOf(store);
  const sequence = store.lastSequence;
  expect(await run(trading.applyFill(fill("t-1")))).toMatchObject({ applied: false });
  expect(store.lastSequence).toBe(sequence);
  const conflicts = [{ quantity: "0.6" }, { price: "101" }, { fee: "1" }, { side: "sell" }];
  for (const conflict of conflicts) {
    const again = run(trading.applyFill(fill("t-1", conflict)));
    await expect(again).rejects.toMatchObject({ code: "FILL_CONFLICT" });
  }
  expect(stateOf(store)).toEqual(before);
});

test("fills that cannot have happened are refused, and leave no trace", async () => {
  const { store, trading, run } = await bought();
  const before = stateOf(store);
  const refusals: [object, string][] = [
    [{ quantity: "2.5" }, "ORDER_TRANSITION"],
    [{ side: "sell" }, "ORDER_TRANSITION"],
    [{ venueId: "v-2" }, "UNKNOWN_ORDER"],
    [{ venueId: undefined, clientId: "x" }, "UNKNOWN_ORDER"],
    [{ symbol: "ETH-USD" }, "INVALID_ARGUMENT"],
    [{ price: "0" }, "INVALID_ARGUMENT"],
    [{ price: "0.123456789" }, "INVALID_ARGUMENT"],
    [{ time: 0.5 }, "INVALID_ROW"],
  ];
  for (const [more, code] of refusals) {
    await expect(run(trading.applyFill(fill("t-9", more)))).rejects.toMatchObject({ code });
  }
  expect(stateOf(store)).toEqual(before);
});

test("what is placed has to be meant", async () => {
  const { trading, run } = await fundedDesk();
  const good = { symbol: SYMBOL, side: "buy", price: "1", quantity: "1" } as const;
  const bad = [
    { quantity: "0.0001" },
    { price: "1.001" },
    { quantity: "-1" },
    { type: "market" },
    { type: "stop" },
    { type: "iceberg" },
    { side: "hold" },
    { symbol: "?" },
    { clientId: "" },
    { colour: "red" },
  ];
  for (const more of bad) {
    await expect(run(trading.placeOrder({ ...good, ...more } as never))).rejects.toMatchObject(
      REFUSED,
    );
  }
  const { clientId } = await run(trading.placeOrder(good));
  await expect(run(trading.placeOrder({ ...good, clientId }))).rejects.toMatchObject(REFUSED);
  expect(trading.workingOrders(VENUE).map((order) => order.clientId)).toEqual([clientId]);
  expect(trading.workingOrders("elsewhere")).toEqual([]);
});

test("an intent without an outcome is unknown after a crash, and one with an outcome is not", async () => {
  const desk = await fundedDesk();
  const place = () =>
    desk.run(desk.trading.placeOrder({ symbol: SYMBOL, side: "sell", price: 9, quantity: 1 }));
  const [first, second] = [await place(), await place()];
  await desk.run(desk.trading.transact((t) => t.orderAccepted(second.clientId)));
  const { trading, store } = await openDesk(desk.kill());
  expect(trading.order(first.clientId)?.status).toBe("unknown");
  expect(trading.order(second.clientId)?.status).toBe("open");
  expect(store.table(tables.exposures).get(SYMBOL)?.openSells.toNumber()).toBe(2);
});

test("news that come late, twice or out of order", async () => {
  const { trading, run, order, store } = await bought();
  const { clientId } = order;
  await run(trading.transact((t) => t.orderCancelled(clientId)));
  expect(trading.workingOrders()).toEqual([]);
  expect(await run(trading.applyFill(fill("late")))).toMatchObject({
    applied: true,
    order: { status: "cancelled" },
  });
  const sequence = store.lastSequence;
  await run(trading.transact((t) => t.orderCancelled(clientId)));
  expect(store.lastSequence).toBe(sequence);
  await run(trading.applyFill(fill("last", { quantity: "1.5" })));
  expect(trading.order(clientId)?.status).toBe("filled");
  const impossible = run(trading.transact((t) => t.orderRejected(clientId)));
  await expect(impossible).rejects.toMatchObject({ code: "ORDER_TRANSITION" });
  expect(store.table(tables.exposures).get(SYMBOL)?.openBuys.isZero()).toBe(true);
});

test("one's own tables take part in the transaction, and a throw takes all of it back", async () => {
  const { trading, run, store } = await bought();
  const before = stateOf(store);
  const work = trading.transact((t) => {
    t.applyFill(fill("t-1"));
    throw new RangeError("the strategy has failed");
  });
  await expect(run(work)).rejects.toThrow("the strategy has failed");
  expect(stateOf(store)).toEqual(before);
});

test("positions and balances are a fold over fills and payments: rebuilding gives the same", async () => {
  const step = fc.record({
    symbol: fc.constantFrom(SYMBOL, PERP),
    side: fc.constantFrom("buy" as const, "sell" as const),
    price: fc.integer({ min: 1, max: 10 ** 9 }).map((units) => Decimal.fromCoefficient(units, 5)),
    // Few quantities and times: positions are flat at times, and fills of one time meet.
    quantity: fc.integer({ min: 1, max: 3 }).map((n) => Decimal.fromCoefficient(n * 1001, 3)),
    time: fc.integer({ min: 0, max: 9 }),
    fee: fc.integer({ min: -1000, max: 1000 }).map((units) => Decimal.fromCoefficient(units, 8)),
    feeCurrency: fc.constantFrom("USD", "BTC", "BNB"),
    deposit: fc.integer({ min: -5, max: 5 }),
  });
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 20 }), async (steps) => {
      const { trading, run, store, kill } = await fundedDesk();
      await run(async () => {
        for (const [index, { deposit, ...figures }] of steps.entries()) {
          const { symbol, side, quantity } = figures;
          await trading.transact((t) => {
            const { clientId } = t.placeOrder({ symbol, side, quantity, price: 1 });
            t.applyFill({ ...figures, clientId, tradeId: `t-${index}` });
            if (deposit !== 0) t.deposit(VENUE, "USD", deposit);
          });
        }
      });
      const again = await openDesk(kill());
      for (const at of [store, again.store]) {
        const rebuilt = rebuild(at);
        const positions = [...at.table(tables.positions).entries()];
        expect(JSON.stringify(positions)).toBe(JSON.stringify([...rebuilt.positions].sort()));
        const held = [...at.table(tables.balances).entries()].map(
          ([[venue, currency], { total }]) => [`${venue} ${currency}`, `${total}`] as const,
        );
        const zero = [...rebuilt.balances].map(([place, total]) => [place, `${total}`] as const);
        const nonZero = (list: (readonly [string, string])[]) =>
          list.filter(([, total]) => !/^-?0\.0+$/.test(total)).sort();
        expect(nonZero(held)).toEqual(nonZero(zero));
      }
    }),
    { numRuns: 25 },
  );
});

test("a store is opened with these very tables, and by one Trading", async () => {
  const machine = new SimulatedMachine({ seed: 1 });
  const bare = await openOn(machine);
  await expect(openTrading(bare, { currency: "USD" })).rejects.toMatchObject(REFUSED);
  machine.crash("kill");
  const lax = TRADING_TABLES.map((table) => ({ ...table, tier: "cached" as const }));
  const other = await openOn(machine, { tables: lax as never });
  await expect(openTrading(other, { currency: "USD" })).rejects.toMatchObject(REFUSED);
  machine.crash("kill");
  const { store } = await openDesk(machine);
  for (const options of [{ currency: "USD" }, { currency: "" }, { currency: "USD", colour: 1 }]) {
    await expect(openTrading(store, options)).rejects.toMatchObject(REFUSED);
  }
});

test("all tables are critical but the log of signals, and frozen", () => {
  const lax = TRADING_TABLES.filter(({ tier }) => tier !== "critical").map(({ name }) => name);
  expect(lax).toEqual(["trading.signalLog"]);
  expect(TRADING_TABLES.every((table) => Object.isFrozen(table))).toBe(true);
  const exported = Object.values(tables).filter(
    (value) => (value as { name?: unknown })?.name?.toString().startsWith("trading.") === true,
  );
  expect(new Set(exported)).toEqual(new Set(TRADING_TABLES));
});

test("an instrument stays what it is", async () => {
  const { trading, run } = await fundedDesk();
  const spot = { venue: VENUE, base: "BTC", quote: "USD" };
  await run(trading.setInstrument(SYMBOL, { ...spot, tick: "0.5" }));
  for (const change of [{ quote: "EUR" }, { venue: "x" }, { multiplier: 2 }, { kind: "linear" }]) {
    const again = run(trading.setInstrument(SYMBOL, { ...spot, ...change } as never));
    await expect(again).rejects.toMatchObject(REFUSED);
  }
});

test("audit: by symbol and time, both ways, and as text", async () => {
  const { trading, run } = await bought();
  for (const [index, time] of [5, 3, 9].entries()) {
    await run(trading.applyFill(fill(`t-${index}`, { quantity: "0.1", time })));
  }
  const times = (range?: object) => [...trading.trades(SYMBOL, range)].map(({ time }) => time);
  expect(times()).toEqual([3, 5, 9]);
  expect(times({ from: 5 })).toEqual([5, 9]);
  expect(times({ from: 3, to: 9 })).toEqual([3, 5]);
  expect(times({ reverse: true, limit: 2 })).toEqual([9, 5]);
  expect([...trading.trades("?")]).toEqual([]);
  await run(
    trading.transact((t) => {
      t.logSignal({ symbol: SYMBOL, signal: "a,b", confidence: 0.5, targetWeight: "0.1" });
      t.logSignal({
        symbol: SYMBOL,
        signal: 'say "x"',
        confidence: 1,
        targetWeight: 0,
        reason: "r",
      });
    }),
  );
  const [csv, jsonl] = (["csv", "jsonl"] as const).map((format) =>
    [...tables.exportLines(trading.signals(SYMBOL), format)].join(""),
  );
  expect(csv?.split("\r\n")[0]).toBe(
    "symbol,time,sequence,signal,confidence,targetWeight,actualWeight,reason",
  );
  expect(csv).toContain(',"a,b",0.5,0.10000000,');
  expect(csv).toContain('"say ""x""",1,0.00000000,');
  expect(
    jsonl
      ?.trim()
      .split("\n")
      .map((line) => JSON.parse(line).signal),
  ).toEqual(["a,b", 'say "x"']);
  expect(() => [...tables.exportLines([{}], "xml" as never)]).toThrow(/no format/);
});

test("errors have their code and data", async () => {
  const { trading, run } = await bought();
  const error = await run(trading.applyFill(fill("t", { quantity: 9 }))).catch((e) => e);
  expect((error as HoldfastError).data.key).toMatch(/^hf-/);
});

/** Written plainly: from all that is held, each time. */
function plainNav(desk: Desk, currency: string): string | undefined {
  const { store } = desk;
  const rateOf = (of: string) =>
    of === currency ? Decimal.of(1, 8) : store.table(tables.rates).get(of)?.rate;
  let nav = Decimal.of(0, 8);
  for (const [[, of], { total }] of store.table(tables.balances).entries()) {
    const rate = rateOf(of);
    if (rate === undefined && !total.isZero()) return undefined;
    if (rate !== undefined) nav = nav.add(total.mul(rate, 8, "half-even"));
  }
  const { quantity, unrealised } = desk.trading.position(PERP);
  if (quantity.isZero()) return `${nav}`;
  const rate = rateOf("USD");
  return unrealised && rate && `${nav.add(unrealised.mul(rate, 8, "half-even"))}`;
}

test("the net asset value is moved by what changes, and is that of all that is held", async () => {
  const amount = (max: number) =>
    fc.integer({ min: 1, max }).map((units) => Decimal.fromCoefficient(units, 4));
  const event = fc.record({
    kind: fc.constantFrom("fill", "fill", "mark", "rate", "deposit", "open"),
    symbol: fc.constantFrom(SYMBOL, PERP),
    currency: fc.constantFrom("USD", "BTC", "BNB"),
    side: fc.constantFrom("buy" as const, "sell" as const),
    price: amount(10 ** 7),
    quantity: fc.integer({ min: 1, max: 9999 }).map((n) => Decimal.fromCoefficient(n, 3)),
    time: fc.integer({ min: 0, max: 99 }),
  });
  let known = 0;
  await fc.assert(
    fc.asyncProperty(fc.array(event, { maxLength: 30 }), async (events) => {
      let currency = "USD";
      let desk = await fundedDesk();
      for (const [index, { kind, ...event }] of events.entries()) {
        const { symbol, currency: feeCurrency, side, price, quantity, time } = event;
        if (kind === "open") {
          currency = feeCurrency;
          desk = await openDesk(desk.kill(), { currency });
        }
        const step = desk.trading.transact((t) => {
          if (kind === "mark") t.mark(symbol, price);
          if (kind === "rate") t.setRate(feeCurrency, price);
          if (kind === "deposit") t.deposit(VENUE, feeCurrency, quantity);
          if (kind !== "fill") return;
          const { clientId } = t.placeOrder({ symbol, side, quantity, price: 1 });
          const tradeId = `t-${index}`;
          t.applyFill({
            symbol,
            side,
            quantity,
            price,
            time,
            clientId,
            tradeId,
            feeCurrency,
            fee: 1,
          });
        });
        await desk.run(step);
        const nav = plainNav(desk, currency);
        expect(String(desk.trading.portfolio().nav)).toBe(String(nav));
        if (nav !== undefined) known++;
      }
      desk.kill();
    }),
    { numRuns: 20 },
  );
  expect(known).toBeGreaterThan(10);
});

test("an inverse contract is settled in its base currency, and valued by that one's rate", async () => {
  const { trading, run } = await fundedDesk();
  const symbol = "BTCUSD_PERP";
  await run(
    trading.transact((t) => {
      t.setInstrument(symbol, {
        ...{ venue: VENUE, kind: "inverse", base: "BTC", quote: "USD", multiplier: 100 },
      });
      t.deposit(VENUE, "BTC", 1);
      t.setRate("BTC", 50_000);
      t.setSymbolLimits(symbol, { maxOrderValue: "0.1" });
      t.mark(symbol, 50_000);
    }),
  );
  const trade = (tradeId: string, side: "buy" | "sell", price: number) =>
    run(
      trading.transact((t) => {
        const { clientId } = t.placeOrder({ symbol, side, quantity: 50, price });
        t.applyFill({ symbol, tradeId, clientId, side, price, quantity: 50, fee: "0.0001" });
      }),
    );
  await trade("t-1", "buy", 50_000);
  await run(trading.mark(symbol, 62_500));
  expect(trading.position(symbol).unrealised?.toString()).toBe("0.02000000");
  // 10,000 USD, one BTC less the fee, and what the position has earned.
  expect(`${trading.portfolio().nav}`).toBe(`${10_000 + (1 - 0.0001 + 0.02) * 50_000}.00000000`);
  expect(trading.portfolio().weights.get(symbol)?.sign()).toBe(1);
  await trade("t-2", "sell", 62_500);
  const { realised, fees } = trading.position(symbol);
  expect([`${realised}`, `${fees}`]).toEqual(["0.02000000", "0.00020000"]);
  const [btc] = trading.portfolio().balances.filter(({ currency }) => currency === "BTC");
  expect(`${btc?.total}`).toBe("1.01980000");
  // 200 contracts are 20,000 USD: 0.4 BTC.
  const large = trading.placeOrder({ symbol, side: "buy", quantity: 200, price: 50_000 });
  await expect(run(large)).rejects.toMatchObject({ code: "RISK_LIMIT" });
});
