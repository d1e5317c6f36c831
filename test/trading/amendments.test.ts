/** Amendments: asked for and answered, counted by the limits, and settled after a crash. */
import { describe, expect, test } from "vitest";
import { Decimal, isHoldfastError } from "../../src/index.js";
import {
  amendments,
  type Broker,
  type BrokerOrder,
  exposures,
  type SubmitResult,
} from "../../src/trading/index.js";
import fc from "../support/properties.js";
import { type Desk, fundedDesk, openDesk, PERP, VENUE } from "./helpers.js";

const ID = "mine";

/** A desk with an open order for 4 at 100. */
async function begin(more: { reduceOnly?: boolean } = {}): Promise<Desk> {
  const desk = await fundedDesk();
  await desk.run(
    desk.trading.transact((t) => {
      t.mark(PERP, 100);
      t.placeOrder({ symbol: PERP, side: "buy", quantity: 4, price: 100, clientId: ID, ...more });
      t.orderAccepted(ID, { venueId: "V1" });
    }),
  );
  return desk;
}

const openBuys = ({ store }: Desk) => `${store.table(exposures).get(PERP)?.openBuys}`;
const fill = (tradeId: string, quantity: number) =>
  ({ symbol: PERP, tradeId, clientId: ID, side: "buy", price: 100, quantity }) as const;

/** The order as "filled of quantity at price, status". */
function shown({ trading }: Desk): string {
  const { filled, quantity, price, status } = trading.order(ID)!;
  return `${filled.toNumber()} of ${quantity.toNumber()} at ${price?.toNumber()}, ${status}`;
}

describe("an amendment", () => {
  test("leaves the order as it is until it is answered, and the larger quantity counts", async () => {
    const desk = await begin();
    const { trading, run } = desk;
    const wanted = await run(
      trading.transact((t) => t.amendOrder(ID, { quantity: 6, price: "101.5" })),
    );
    expect([wanted.quantity.toNumber(), wanted.price?.toNumber()]).toEqual([6, 101.5]);
    expect(shown(desk)).toBe("0 of 4 at 100, open");
    expect(openBuys(desk)).toBe("6.00000000");
    expect(trading.amendment(ID)?.quantity.toNumber()).toBe(6);
    await run(trading.transact((t) => t.orderAmended(ID, { venueId: "V2" })));
    expect(shown(desk)).toBe("0 of 6 at 101.5, open");
    expect(trading.order(ID)?.venueId).toBe("V2");
    expect([openBuys(desk), trading.amendment(ID)]).toEqual(["6.00000000", undefined]);
    // Said again, nothing changes; the fill may name either id of the venue.
    await run(trading.transact((t) => t.orderAmended(ID, { venueId: "V2" })));
    const { clientId: _, ...byVenueId } = fill("1", 1);
    await run(trading.applyFill({ ...byVenueId, venueId: "V1" }));
    expect(shown(desk)).toBe("1 of 6 at 101.5, partial");
  });

  test("that is answered already changes the order at once, if no limit refuses it", async () => {
    const desk = await begin();
    const { trading, run } = desk;
    const amend = (quantity: number) =>
      run(trading.transact((t) => t.amendOrder(ID, { quantity }, { answered: true })));
    await run(trading.transact((t) => t.setSymbolLimits(PERP, { maxPosition: 6 })));
    expect((await amend(6)).quantity.toNumber()).toBe(6);
    expect([shown(desk), openBuys(desk)]).toEqual(["0 of 6 at 100, open", "6.00000000"]);
    expect(trading.amendment(ID)).toBeUndefined();
    await expect(amend(7)).rejects.toMatchObject({ code: "RISK_LIMIT" });
    await amend(1);
    expect([shown(desk), openBuys(desk)]).toEqual(["0 of 1 at 100, open", "1.00000000"]);
  });

  test("that is refused leaves nothing", async () => {
    const desk = await begin();
    const { trading, run } = desk;
    await run(trading.transact((t) => t.amendOrder(ID, { quantity: 9 })));
    await run(trading.transact((t) => t.amendRejected(ID, { reason: "no" })));
    expect([shown(desk), openBuys(desk)]).toEqual(["0 of 4 at 100, open", "4.00000000"]);
    expect([...trading.riskEvents(PERP)].at(-1)?.detail).toBe(`${ID} was not amended: no`);
    await run(trading.transact((t) => t.amendRejected(ID)));
    expect([...trading.riskEvents(PERP)]).toHaveLength(1);
  });

  test("that lowers the quantity counts when the venue has said so", async () => {
    const desk = await begin();
    const { trading, run } = desk;
    await run(trading.transact((t) => t.amendOrder(ID, { quantity: 1 })));
    expect(openBuys(desk)).toBe("4.00000000");
    await run(trading.transact((t) => t.orderAmended(ID)));
    expect([shown(desk), openBuys(desk)]).toEqual(["0 of 1 at 100, open", "1.00000000"]);
  });

  test("down to what is filled completes the order", async () => {
    const desk = await begin();
    const { trading, run } = desk;
    await run(trading.applyFill(fill("1", 2)));
    await run(trading.transact((t) => t.orderAmended(ID, { quantity: 2 })));
    expect([shown(desk), openBuys(desk)]).toEqual(["2 of 2 at 100, filled", "0.00000000"]);
    const less = trading.transact((t) => t.orderAmended(ID, { quantity: 1 }));
    await expect(run(less)).resolves.toMatchObject({ status: "filled" });
  });

  test.each([
    ["cancelled", "orderCancelled"],
    ["expired", "orderExpired"],
  ] as const)("ends with its order: %s", async (status, what) => {
    const desk = await begin();
    const { trading, run } = desk;
    await run(trading.transact((t) => t.amendOrder(ID, { quantity: 7 })));
    await run(trading.transact((t) => t[what](ID)));
    expect([openBuys(desk), trading.amendment(ID)]).toEqual(["0.00000000", undefined]);
    // A late answer changes nothing.
    await run(trading.transact((t) => t.orderAmended(ID, { quantity: 7 })));
    expect(shown(desk)).toBe(`0 of 4 at 100, ${status}`);
  });
});

describe("fills before the answer", () => {
  test("beyond the old quantity say that it was carried out", async () => {
    const desk = await begin();
    const { trading, run } = desk;
    await run(trading.transact((t) => t.amendOrder(ID, { quantity: 6, price: 101 })));
    await run(trading.applyFill(fill("1", 5)));
    expect([shown(desk), openBuys(desk)]).toEqual(["5 of 6 at 101, partial", "1.00000000"]);
    await expect(run(trading.applyFill(fill("2", 2)))).rejects.toMatchObject({
      code: "ORDER_TRANSITION",
    });
  });

  test("of all of the old quantity leave it open, until the answer is no", async () => {
    const desk = await begin();
    const { trading, run } = desk;
    await run(trading.transact((t) => t.amendOrder(ID, { quantity: 6 })));
    await run(trading.applyFill(fill("1", 4)));
    expect([shown(desk), openBuys(desk)]).toEqual(["4 of 4 at 100, partial", "2.00000000"]);
    await run(trading.transact((t) => t.amendRejected(ID)));
    expect([shown(desk), openBuys(desk)]).toEqual(["4 of 4 at 100, filled", "0.00000000"]);
    expect(trading.workingOrders()).toEqual([]);
  });
});

describe("refused", () => {
  const refused: [string, object, string, RegExp][] = [
    ["another member", { side: "sell" }, "INVALID_ARGUMENT", /no "side" can be changed/],
    ["nothing", {}, "INVALID_ARGUMENT", /like that already/],
    ["no change", { price: 100 }, "INVALID_ARGUMENT", /like that already/],
    ["less than is filled", { quantity: 2 }, "INVALID_ARGUMENT", /too few/],
    ["a price that is none", { price: 0 }, "INVALID_ARGUMENT", /above zero/],
    ["what its type has not", { stopPrice: 9 }, "INVALID_ARGUMENT", /no stopPrice/],
    ["beyond maxPosition", { quantity: 11 }, "RISK_LIMIT", /maxPosition/],
    ["beyond maxOrderValue", { price: 300 }, "RISK_LIMIT", /maxOrderValue/],
  ];
  test.each(refused)("%s", async (_, change, code, message) => {
    const desk = await begin();
    const { trading, run } = desk;
    await run(trading.applyFill(fill("1", 2)));
    await run(
      trading.transact((t) => t.setSymbolLimits(PERP, { maxPosition: 10, maxOrderValue: 1100 })),
    );
    const error = await run(trading.transact((t) => t.amendOrder(ID, change))).catch((e) => e);
    expect(isHoldfastError(error) && error.code).toBe(code);
    expect(error.message).toMatch(message);
    expect([trading.amendment(ID), openBuys(desk)]).toEqual([undefined, "2.00000000"]);
    // All that the limit leaves, with what is filled.
    await run(trading.transact((t) => t.amendOrder(ID, { quantity: 10 })));
  });

  test("a second one before the first is answered, and one of an order that is not open", async () => {
    const { trading, run } = await begin();
    await run(trading.transact((t) => t.amendOrder(ID, { quantity: 5 })));
    const again = () => run(trading.transact((t) => t.amendOrder(ID, { quantity: 6 })));
    await expect(again()).rejects.toMatchObject({ code: "ORDER_TRANSITION" });
    await run(trading.transact((t) => t.orderCancelled(ID)));
    await expect(again()).rejects.toMatchObject({ code: "ORDER_TRANSITION" });
  });

  test("while trading is halted, but what makes the order smaller", async () => {
    const desk = await begin();
    const { trading, run } = desk;
    await run(trading.transact((t) => t.halt("enough")));
    for (const change of [{ price: 90 }, { quantity: 5 }, { quantity: 3, price: 101 }]) {
      const amending = run(trading.transact((t) => t.amendOrder(ID, change)));
      await expect(amending).rejects.toMatchObject({ code: "TRADING_HALTED" });
    }
    await run(trading.transact((t) => t.amendOrder(ID, { quantity: 3 })));
  });

  test("a limit that is broken already does not refuse what makes the order smaller", async () => {
    const { trading, run } = await begin();
    const limits = { maxPosition: 1, maxOrderQuantity: 1, maxOrderValue: 1, maxOpenOrders: 0 };
    await run(trading.transact((t) => t.setSymbolLimits(PERP, limits)));
    await run(trading.transact((t) => t.amendOrder(ID, { quantity: 3, price: 99 })));
  });
});

/** A venue with one order, that answers an amendment as it is told. */
class OneOrder implements Broker {
  readonly venue = VENUE;
  /** Undefined: the answer is lost. */
  answer: SubmitResult | undefined;
  carriesOut = true;
  theirs: BrokerOrder = {
    ...{ clientId: ID, venueId: "V1", symbol: PERP, side: "buy" },
    ...{ quantity: "4", price: "100", filled: "0", status: "open" },
  };

  async submit() {
    return { status: "rejected", reason: "closed" } as const;
  }
  async amend({ quantity, price }: { quantity: Decimal; price: Decimal | null }) {
    if (this.carriesOut) this.theirs = { ...this.theirs, quantity, price: price ?? undefined };
    if (this.answer === undefined) throw new Error("no answer");
    return this.answer;
  }
  async cancel() {}
  async order() {
    return this.theirs;
  }
  async openOrders() {
    return this.theirs.status === "open" ? [this.theirs] : [];
  }
  async positions() {
    return [];
  }
  async balances() {
    return [{ currency: "USD", total: 10_000 }];
  }
  async fillsSince() {
    return [];
  }
}

describe("with a broker", () => {
  const WARN = { policy: "WARN_ONLY", unsentAfterMillis: 1000 } as const;

  test("the answer is booked", async () => {
    const desk = await begin();
    const { trading, run } = desk;
    const broker = new OneOrder();
    broker.answer = { status: "accepted", venueId: "V2" };
    await run(trading.amend(broker, ID, { price: 102 }));
    expect(shown(desk)).toBe("0 of 4 at 102, open");
    broker.answer = { status: "rejected", reason: "too close" };
    await run(trading.amend(broker, ID, { price: 103 }));
    expect([shown(desk), trading.amendment(ID)]).toEqual(["0 of 4 at 102, open", undefined]);
  });

  test("one that cannot, or is of another venue, is asked nothing", async () => {
    const { trading, run } = await begin();
    const broker = new OneOrder();
    const { amend: _, ...cannot } = broker;
    const refused = { code: "INVALID_ARGUMENT" };
    const change = { price: 102 };
    await expect(run(trading.amend({ ...cannot, amend: undefined } as never, ID, change)))
      .rejects //
      .toMatchObject(refused);
    const other = Object.assign(new OneOrder(), { venue: "elsewhere" });
    await expect(run(trading.amend(other, ID, change))).rejects.toMatchObject(refused);
    expect(trading.amendment(ID)).toBeUndefined();
  });

  test("after a crash, what the venue has carried out is found", async () => {
    const first = await begin();
    const broker = new OneOrder();
    await first.run(first.trading.amend(broker, ID, { price: 102, quantity: 5 }));
    expect(shown(first)).toBe("0 of 4 at 100, open");
    const desk = await openDesk(first.kill());
    const { trading, run } = desk;
    const { discrepancies } = await run(trading.recover(broker, WARN));
    expect(discrepancies).toMatchObject([
      {
        kind: "order-state",
        subject: ID,
        ours: "4.00000000 at 100.00000000",
        theirs: "5.00000000 at 102.00000000",
        action: "resolved",
      },
    ]);
    expect([shown(desk), openBuys(desk)]).toEqual(["0 of 5 at 102, open", "5.00000000"]);
    expect((await run(trading.reconcile(broker, WARN))).discrepancies).toEqual([]);
  });

  test("what it has not carried out may be on its way, for as long as an order may", async () => {
    const desk = await begin();
    const { trading, run, machine } = desk;
    const broker = new OneOrder();
    broker.carriesOut = false;
    await run(trading.amend(broker, ID, { quantity: 5 }));
    const soon = await run(trading.reconcile(broker, WARN));
    expect(soon.discrepancies).toMatchObject([{ kind: "order-state", action: "unresolved" }]);
    expect(openBuys(desk)).toBe("5.00000000");
    machine.jumpClock(2_000_000);
    const late = await run(trading.reconcile(broker, WARN));
    expect(late.discrepancies).toMatchObject([{ action: "resolved", detail: "not amended" }]);
    expect([openBuys(desk), trading.amendment(ID)]).toEqual(["4.00000000", undefined]);
  });

  test("a price is not guessed where the venue does not tell it", async () => {
    const { trading, run, machine } = await begin();
    const broker = new OneOrder();
    await run(trading.amend(broker, ID, { price: 102 }));
    const { price: _, ...theirs } = broker.theirs;
    broker.theirs = theirs;
    machine.jumpClock(9_000_000);
    const { discrepancies } = await run(trading.reconcile(broker, WARN));
    expect(discrepancies).toMatchObject([{ kind: "order-state", action: "unresolved" }]);
    expect(trading.amendment(ID)?.price?.toNumber()).toBe(102);
  });

  test("an order that was made smaller and filled is complete", async () => {
    const desk = await begin();
    const { trading, run } = desk;
    const broker = new OneOrder();
    await run(trading.amend(broker, ID, { quantity: 2 }));
    await run(trading.applyFill(fill("1", 2)));
    expect(shown(desk)).toBe("2 of 4 at 100, partial");
    broker.theirs = { ...broker.theirs, filled: "2", status: "filled" };
    await run(trading.reconcile(broker, WARN));
    expect([shown(desk), openBuys(desk)]).toEqual(["2 of 2 at 100, filled", "0.00000000"]);
  });
});

test("whatever is asked and answered, what is open is what the orders and amendments say", async () => {
  const event = fc.oneof(
    fc.record({ ask: fc.integer({ min: 1, max: 12 }) }),
    fc.record({ fill: fc.integer({ min: 1, max: 4 }) }),
    fc.constant({ answer: "yes" as const }),
    fc.constant({ answer: "no" as const }),
    fc.record({ told: fc.integer({ min: 1, max: 12 }) }),
    fc.constant({ cancel: true }),
  );
  await fc.assert(
    fc.asyncProperty(fc.array(event, { maxLength: 15 }), async (events) => {
      const desk = await begin();
      const { trading, run, store } = desk;
      for (const [index, one] of events.entries()) {
        const work = trading.transact((t) => {
          if ("ask" in one) t.amendOrder(ID, { quantity: one.ask });
          else if ("fill" in one) t.applyFill(fill(`${index}`, one.fill));
          else if ("told" in one) t.orderAmended(ID, { quantity: one.told });
          else if ("cancel" in one) t.orderCancelled(ID);
          else if (one.answer === "yes") t.orderAmended(ID);
          else t.amendRejected(ID);
        });
        await run(work).catch((error) => {
          if (!isHoldfastError(error)) throw error;
        });
        let open = Decimal.of(0, 8);
        for (const { quantity, filled } of trading.workingOrders()) {
          const asked = trading.amendment(ID)?.quantity ?? quantity;
          open = open.add(Decimal.max(asked, quantity).sub(filled));
        }
        expect(openBuys(desk)).toBe(`${open}`);
        const working = trading.workingOrders().length;
        expect(store.table(exposures).get(PERP)?.openOrders).toBe(working);
        if (working === 0) expect(store.table(amendments).count()).toBe(0);
      }
    }),
    { numRuns: 25 },
  );
});
