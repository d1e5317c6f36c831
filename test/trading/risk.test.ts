/** Limits: checked in the transaction that would break them; figures of the whole. */
import { describe, expect, test } from "vitest";
import { Decimal, type HoldfastError } from "../../src/index.js";
import { drawdowns, exposures } from "../../src/trading/index.js";
import type { TradingTransaction } from "../../src/trading/trading-transaction.js";
import fc from "../support/properties.js";
import { type Desk, fundedDesk, openDesk, PERP, SYMBOL, stateOf, VENUE } from "./helpers.js";

const buy = (quantity: string | number, more: object = {}) =>
  ({ symbol: SYMBOL, side: "buy", price: "100", quantity, ...more }) as const;

async function refusal(desk: Desk, work: (t: TradingTransaction) => unknown) {
  const before = stateOf(desk.store);
  const sequence = desk.store.lastSequence;
  const error = (await desk.run(desk.trading.transact(work)).then(
    () => undefined,
    (e) => e,
  )) as HoldfastError | undefined;
  if (error !== undefined) {
    expect(stateOf(desk.store)).toEqual(before);
    expect(desk.store.lastSequence).toBe(sequence);
  }
  return error && { code: error.code, ...error.data.limit };
}

describe("a refused order leaves no trace, and tells limit, value and exposure", () => {
  test("of position, all working orders of its side counted as filled", async () => {
    const desk = await fundedDesk();
    const { trading, run } = desk;
    await run(trading.transact((t) => t.setSymbolLimits(SYMBOL, { maxPosition: "3" })));
    await run(trading.placeOrder(buy(2)));
    expect(await refusal(desk, (t) => t.placeOrder(buy("1.001")))).toEqual({
      code: "RISK_LIMIT",
      name: "maxPosition",
      symbol: SYMBOL,
      maximum: "3.00000000",
      value: "1.00100000",
      exposure: "3.00100000",
    });
    await run(trading.placeOrder(buy(1)));
    await run(trading.placeOrder(buy(3, { side: "sell" })));
    const sell = await refusal(desk, (t) => t.placeOrder(buy("0.001", { side: "sell" })));
    expect(sell).toMatchObject({ name: "maxPosition", exposure: "-3.00100000" });
  });

  test("of one order, and of their number", async () => {
    const desk = await fundedDesk();
    const limits = { maxOrderQuantity: 2, maxOrderValue: 150, maxOpenOrders: 1 };
    await desk.run(desk.trading.transact((t) => t.setSymbolLimits(SYMBOL, limits)));
    const name = async (quantity: number) => {
      const found = await refusal(desk, (t) => t.placeOrder(buy(quantity)));
      return (found as { name?: string } | undefined)?.name;
    };
    expect(await name(3)).toBe("maxOrderQuantity");
    expect(await name(2)).toBe("maxOrderValue");
    expect(await name(1)).toBeUndefined();
    expect(await name(1)).toBe("maxOpenOrders");
    const market = { symbol: SYMBOL, side: "buy", quantity: 1 } as const;
    expect(await refusal(desk, (t) => t.placeOrder(market))).toMatchObject({
      code: "INVALID_ARGUMENT",
    });
  });

  test("of the exposure of the whole", async () => {
    const desk = await fundedDesk();
    const { trading, run } = desk;
    await run(
      trading.transact((t) => {
        t.mark(SYMBOL, 100);
        t.mark(PERP, 100);
        t.setPortfolioLimits({ maxExposure: 500 });
        t.placeOrder(buy(3));
        // The larger of the two sides counts, not their sum.
        t.placeOrder(buy(3, { side: "sell" }));
        t.placeOrder({ symbol: PERP, side: "sell", price: 100, quantity: 2 });
      }),
    );
    expect(await refusal(desk, (t) => t.placeOrder(buy("0.5")))).toMatchObject({
      name: "maxExposure",
      maximum: "500.00000000",
      value: "50.00000000",
      exposure: "550.00000000",
    });
    expect(`${trading.portfolio().exposure}`).toBe("500.00000000");
  });

  test("several orders in one transaction are counted together", async () => {
    const desk = await fundedDesk();
    await desk.run(desk.trading.transact((t) => t.setSymbolLimits(SYMBOL, { maxPosition: 3 })));
    const work = (t: TradingTransaction) => [t.placeOrder(buy(2)), t.placeOrder(buy(2))];
    expect(await refusal(desk, work)).toMatchObject({ name: "maxPosition" });
    expect(desk.trading.workingOrders()).toEqual([]);
  });
});

test("no limits are kept that cannot be meant", async () => {
  const desk = await fundedDesk();
  const bad: ((t: TradingTransaction) => void)[] = [
    (t) => t.setSymbolLimits("?", {}),
    (t) => t.setSymbolLimits(SYMBOL, { maxPosition: -1 }),
    (t) => t.setSymbolLimits(SYMBOL, { maxOpenOrders: 0.5 }),
    (t) => t.setSymbolLimits(SYMBOL, { maxPositon: 1 } as never),
    (t) => t.setPortfolioLimits({ maxDrawdown: "1.5" }),
    (t) => t.setPortfolioLimits({ maxPosition: 1 } as never),
    (t) => t.setRateLimit("r", { capacity: 0, perSecond: 1 }),
    (t) => t.takeTokens("none"),
  ];
  for (const work of bad) {
    expect(await refusal(desk, work)).toEqual({ code: "INVALID_ARGUMENT" });
  }
});

test("whatever is placed, filled and cancelled: a position never passes its limit", async () => {
  const action = fc.record({
    kind: fc.constantFrom("place", "place", "fill", "cancel"),
    side: fc.constantFrom("buy" as const, "sell" as const),
    quantity: fc.integer({ min: 1, max: 4 }),
    which: fc.nat(20),
  });
  await fc.assert(
    fc.asyncProperty(fc.array(action, { maxLength: 40 }), async (actions) => {
      const { trading, run, store } = await fundedDesk();
      await run(async () => {
        await trading.transact((t) => t.setSymbolLimits(SYMBOL, { maxPosition: 5 }));
        for (const [index, { kind, side, quantity, which }] of actions.entries()) {
          const working = trading.workingOrders();
          const order = working[which % Math.max(1, working.length)];
          if (kind === "place") {
            const placing = trading.placeOrder({ symbol: SYMBOL, side, price: 1, quantity });
            await placing.catch((error) => expect(error.code).toBe("RISK_LIMIT"));
          } else if (order !== undefined && kind === "fill") {
            const { clientId, side: of } = order;
            const left = order.quantity.sub(order.filled);
            const some = Decimal.min(left, Decimal.of(quantity, 8));
            const fill = { symbol: SYMBOL, clientId, side: of, price: 1, quantity: some };
            await trading.applyFill({ ...fill, tradeId: `${index}` });
          } else if (order !== undefined) {
            await trading.transact((t) => t.orderCancelled(order.clientId));
          }
          const held = trading.position(SYMBOL).quantity.abs();
          expect(held.compare(Decimal.of(5))).toBeLessThanOrEqual(0);
        }
      });
      // The sums of what is open are those of the orders.
      const open = { buy: 0, sell: 0 };
      for (const { side, quantity, filled } of trading.workingOrders()) {
        open[side] += quantity.sub(filled).toNumber();
      }
      const sums = store.table(exposures).get(SYMBOL);
      expect(sums?.openBuys.toNumber() ?? 0).toBe(open.buy);
      expect(sums?.openSells.toNumber() ?? 0).toBe(open.sell);
      expect(sums?.openOrders ?? 0).toBe(trading.workingOrders().length);
    }),
    { numRuns: 40 },
  );
});

test("drawdown: peak and trough, kept over a restart; payments are none; beyond its limit a halt", async () => {
  const desk = await fundedDesk();
  const { trading, run } = desk;
  await run(
    trading.transact((t) => {
      t.setPortfolioLimits({ maxDrawdown: "0.2" });
      const { clientId } = t.placeOrder({ symbol: PERP, side: "buy", price: 100, quantity: 50 });
      const fill = { symbol: PERP, clientId, side: "buy", price: 100, quantity: 50 } as const;
      t.applyFill({ ...fill, tradeId: "t" });
      t.mark(PERP, 100);
    }),
  );
  await run(trading.mark(PERP, 120));
  await run(trading.deposit(VENUE, "USD", -1000, "withdrawal"));
  expect(`${trading.portfolio().peak} ${trading.portfolio().drawdown}`).toBe(
    "10000.00000000 0.00000000",
  );
  await run(trading.mark(PERP, 90));
  const again = await openDesk(desk.kill());
  const figures = again.trading.portfolio();
  expect(`${figures.nav} ${figures.peak} ${figures.drawdown}`).toBe(
    "8500.00000000 10000.00000000 0.15000000",
  );
  expect(`${figures.weights.get(PERP)}`).toBe("0.52941176");
  await again.run(again.trading.mark(PERP, 70));
  expect(again.trading.portfolio()).toMatchObject({ halted: "drawdown" });
  const order = { symbol: PERP, side: "sell", price: 70, quantity: 50 } as const;
  expect(await refusal(again, (t) => t.placeOrder(order))).toEqual({ code: "TRADING_HALTED" });
  const tooMuch = { ...order, quantity: 51, reduceOnly: true };
  expect(await refusal(again, (t) => t.placeOrder(tooMuch))).toMatchObject({ name: "reduceOnly" });
  await again.run(again.trading.placeOrder({ ...order, reduceOnly: true }));
  const twice = { ...order, quantity: 1, reduceOnly: true };
  expect(await refusal(again, (t) => t.placeOrder(twice))).toMatchObject({ name: "reduceOnly" });
  await again.run(again.trading.mark(PERP, 121));
  expect(again.store.table(drawdowns).get(1)).toMatchObject({ ended: expect.any(Number) });
  expect(`${again.store.table(drawdowns).get(1)?.trough}`).toBe("7500.00000000");
  await again.run(again.trading.transact((t) => t.resume("looked at it")));
  expect(again.trading.portfolio().halted).toBe("no");
  const kinds = [...again.trading.riskEvents("")].map(({ kind }) => kind);
  expect(kinds).toEqual(["limits", "halt", "resume"]);
});

test("a transaction is one moment: its value is that at its end, and what asks amid it knows", async () => {
  const desk = await fundedDesk();
  const { trading, run, store } = desk;
  await run(
    trading.transact((t) => {
      t.setPortfolioLimits({ maxDrawdown: "0.1" });
      t.mark(SYMBOL, 100);
      t.placeOrder(buy(20, { clientId: "a" }));
      t.applyFill({ ...buy(20), tradeId: "1", clientId: "a" });
    }),
  );
  await run(
    trading.transact((t) => {
      t.mark(SYMBOL, 1);
      t.mark(SYMBOL, 101);
    }),
  );
  const { nav, largestDrawdown, halted } = trading.portfolio();
  expect([nav?.toNumber(), largestDrawdown.toNumber(), halted]).toEqual([10_020, 0, "no"]);
  expect(store.table(drawdowns).count()).toBe(0);
  const refused = await refusal(desk, (t) => {
    t.mark(SYMBOL, 40);
    t.placeOrder(buy(1));
  });
  expect(refused?.code).toBe("TRADING_HALTED");
  const seen = await run(
    trading.transact((t) => {
      t.mark(SYMBOL, 40);
      return t.halted();
    }),
  );
  expect([seen, trading.portfolio().halted]).toEqual(["drawdown", "drawdown"]);
});

test("without a price there is no value, and none is made up", async () => {
  const { trading, run } = await fundedDesk();
  await run(trading.deposit(VENUE, "BTC", 1));
  expect(trading.portfolio().nav).toBeUndefined();
  await run(trading.mark(SYMBOL, 50));
  expect(`${trading.portfolio().nav}`).toBe("10050.00000000");
  await run(trading.deposit(VENUE, "EUR", 10));
  expect(trading.portfolio().nav).toBeUndefined();
  await run(trading.transact((t) => t.setRate("EUR", "1.1")));
  expect(`${trading.portfolio().nav}`).toBe("10061.00000000");
});

test("a token bucket: never more than its rate, also over restarts and clocks set back", async () => {
  let desk = await openDesk();
  const take = (tokens?: number) => refusal(desk, (t) => t.takeTokens("api", tokens));
  await desk.run(
    desk.trading.transact((t) => t.setRateLimit("api", { capacity: 10, perSecond: 2 })),
  );
  expect(await take(7)).toBeUndefined();
  desk = await openDesk(desk.kill());
  expect(await take(7)).toMatchObject({ code: "RISK_LIMIT", name: "rate api", maximum: "10" });
  const { retryAfterMillis } = (await take(7)) as { retryAfterMillis: number };
  expect(retryAfterMillis).toBeGreaterThan(1500);
  desk.machine.jumpClock(-60_000_000);
  expect(await take(7)).toBeDefined();
  expect(await take(3)).toBeUndefined();
  desk.machine.jumpClock(retryAfterMillis * 1000);
  expect(await take(7)).toBeDefined();
  desk.machine.jumpClock(1_700_000);
  expect(await take(7)).toBeUndefined();
  await desk.run(
    desk.trading.transact((t) => t.setRateLimit("api", { capacity: 10, perSecond: 2 })),
  );
  expect(await take(10)).toBeDefined();
});
