/** Recovery: what each policy does about what differs, that it is idempotent, and what it reports. */
import { describe, expect, test } from "vitest";
import type { Store } from "../../src/index.js";
import {
  type Broker,
  type BrokerOrder,
  type FillInput,
  type ReconcileOptions,
  RecoveryReport,
  rebuild,
  recoveryReports,
} from "../../src/trading/index.js";
import fc from "../support/properties.js";
import { type Desk, fundedDesk, openDesk, PERP, SYMBOL, stateOf, VENUE } from "./helpers.js";

const WARN = { policy: "WARN_ONLY" } as const;
const SYNC = { policy: "SYNC_TO_BROKER" } as const;
const HALT = { policy: "HALT_AND_ALERT" } as const;

async function reasonsOf(store: Store, tags: Record<string, string>) {
  const reasons: (string | undefined)[] = [];
  for await (const { reason } of store.transactions({ tags })) reasons.push(reason);
  return reasons;
}

/** A venue that says what a test wants it to say. */
class Said implements Broker {
  readonly venue = VENUE;
  orders: BrokerOrder[] = [];
  fills: FillInput[] = [];
  held: { symbol: string; quantity: string | number; averagePrice?: string }[] = [];
  money: Record<string, string | number> = { USD: 10_000 };
  cancelled: (string | null)[] = [];
  failing = false;

  async submit() {
    return { status: "accepted", venueId: "V1" } as const;
  }
  async cancel({ venueId }: { venueId: string | null }) {
    this.cancelled.push(venueId);
    this.orders = this.orders.map((order) =>
      order.venueId === venueId ? { ...order, status: "cancelled" } : order,
    );
  }
  async order(_: string, clientId: string) {
    return this.orders.find((order) => order.clientId === clientId);
  }
  async openOrders() {
    if (this.failing) throw new RangeError("the venue is away");
    return this.orders.filter(({ status }) => status === "open");
  }
  async positions() {
    return this.held;
  }
  async balances() {
    return Object.entries(this.money).map(([currency, total]) => ({ currency, total }));
  }
  async fillsSince(time: number) {
    return this.fills.filter((fill) => (fill.time ?? 0) >= time);
  }
}

async function begin(place = true) {
  const desk = await fundedDesk();
  const { trading, run, machine } = desk;
  const venue = new Said();
  const order = place
    ? await run(trading.placeOrder({ symbol: PERP, side: "buy", price: 100, quantity: 4 }))
    : undefined;
  const theirs = (more: Partial<BrokerOrder> = {}): BrokerOrder => ({
    ...{ clientId: order?.clientId, venueId: "V1", symbol: PERP, side: "buy" },
    ...{ quantity: 4, filled: 0, status: "open", ...more },
  });
  const fill = (tradeId: string, more: Partial<FillInput> = {}): FillInput => ({
    ...{ symbol: PERP, tradeId, clientId: order?.clientId, side: "buy" },
    ...{ price: 100, quantity: 1, time: machine.nowMicros(), ...more },
  });
  return { ...desk, venue, order, theirs, fill };
}

/** The program dies and the next one recovers. */
async function restart(desk: Desk, venue: Broker, options: ReconcileOptions) {
  const next = await openDesk(desk.kill());
  const report = await next.run(next.trading.recover(venue, options));
  return { ...next, report };
}

const found = (report: RecoveryReport) => report.discrepancies.map((d) => `${d.kind} ${d.action}`);

describe("an intent whose outcome nobody knows", () => {
  test("is open if the venue has it", async () => {
    const { venue, theirs, order, ...desk } = await begin();
    venue.orders = [theirs()];
    const { report, trading } = await restart(desk, venue, HALT);
    expect(found(report)).toEqual(["unknown-intent resolved"]);
    expect(trading.order(order?.clientId ?? "")).toMatchObject({ status: "open", venueId: "V1" });
    expect(trading.portfolio().halted).toBe("no");
  });

  test("has its fills, whatever part of it was filled meanwhile", async () => {
    const { venue, theirs, fill, order, ...desk } = await begin();
    venue.orders = [theirs({ filled: 4, status: "filled" })];
    venue.fills = [fill("a", { quantity: 3 }), fill("b")];
    venue.held = [{ symbol: PERP, quantity: 4 }];
    const { report, trading } = await restart(desk, venue, HALT);
    expect(found(report)).toEqual(["missed-fill applied", "missed-fill applied"]);
    expect(trading.order(order?.clientId ?? "")?.status).toBe("filled");
    expect(report.discrepancies[0]?.sequence).toBeGreaterThan(0);
  });

  test("stays unknown while it may be under way, and was never sent when it cannot be any more", async () => {
    const { venue, order, ...desk } = await begin();
    const first = await restart(desk, venue, { ...HALT, unsentAfterMillis: 5000 });
    expect(found(first.report)).toEqual(["unknown-intent unresolved"]);
    expect(first.trading.order(order?.clientId ?? "")?.status).toBe("unknown");
    first.machine.jumpClock(5_000_000);
    const again = first.trading.reconcile(venue, { ...HALT, unsentAfterMillis: 5000 });
    expect(found(await first.run(again))).toEqual(["unknown-intent resolved"]);
    expect(first.trading.order(order?.clientId ?? "")?.status).toBe("unsent");
    expect(first.trading.workingOrders()).toEqual([]);
  });

  test("is left alone while it is being sent", async () => {
    const { venue, order, trading, run } = await begin();
    expect((await run(trading.reconcile(venue, SYNC))).clean).toBe(true);
    expect(trading.order(order?.clientId ?? "")?.status).toBe("intent");
  });
});

describe("what the policies do", () => {
  async function differing(options: ReconcileOptions) {
    const { venue, ...desk } = await begin(false);
    venue.money = { USD: "9000", EUR: 5 };
    venue.held = [{ symbol: PERP, quantity: -2, averagePrice: "90" }];
    const result = await restart(desk, venue, options);
    return { ...result, venue };
  }

  test("WARN_ONLY reports, and changes nothing", async () => {
    const { report, trading } = await differing(WARN);
    const reported = ["position reported", "balance reported", "balance reported"];
    expect(found(report)).toEqual(reported);
    expect(trading.position(PERP).quantity.isZero()).toBe(true);
    expect(trading.portfolio().halted).toBe("no");
  });

  test("SYNC_TO_BROKER makes ours what the venue says, each in a transaction with its reason", async () => {
    const { report, trading, run, venue, store } = await differing(SYNC);
    const corrected = ["position corrected", "balance corrected", "balance corrected"];
    expect(found(report)).toEqual(corrected);
    expect(new Set(report.discrepancies.map(({ sequence }) => sequence)).size).toBe(3);
    const { quantity, averagePrice } = trading.position(PERP);
    expect(`${quantity} ${averagePrice}`).toBe("-2.00000000 90.00000000");
    expect([...trading.riskEvents(PERP)].map(({ detail }) => detail)).toEqual([
      "sell 2.00000000: recover with paper",
    ]);
    await run(store.durable());
    const reasons = await run(reasonsOf(store, { correction: "recover", venue: VENUE }));
    expect(reasons).toHaveLength(3);
    expect(reasons[0]).toBe(`position ${PERP}: recover with paper`);
    expect((await run(trading.reconcile(venue, HALT))).clean).toBe(true);
    expect(`${rebuild(store).positions.get(PERP)?.quantity}`).toBe("-2.00000000");
  });

  test("HALT_AND_ALERT takes no more orders, not even those that reduce, until somebody has looked", async () => {
    const alerts: RecoveryReport[] = [];
    const onAlert = (report: RecoveryReport) => void alerts.push(report);
    const { report, trading, run, store } = await differing({ ...HALT, onAlert });
    expect(report.open).toHaveLength(3);
    expect(alerts).toEqual([report]);
    const order = { symbol: SYMBOL, side: "buy", price: 1, quantity: 1 } as const;
    const refused = expect(run(trading.placeOrder(order))).rejects;
    await refused.toMatchObject({ code: "TRADING_HALTED" });
    await run(trading.transact((t) => t.resume("a deposit that was not told")));
    await run(trading.placeOrder(order));
    const saved = store.table(recoveryReports).get(report.number);
    expect(saved && `${new RecoveryReport(report.number, saved)}`).toBe(`${report}`);
    expect(`${report}`).toContain("balance USD: ours 10000.00000000, theirs 9000.00000000: halted");
  });

  test("whatever differs: after SYNC_TO_BROKER nothing does, and twice is as good as once", async () => {
    const quantity = fc.integer({ min: -5, max: 5 });
    await fc.assert(
      fc.asyncProperty(quantity, quantity, quantity, async (ours, its, money) => {
        const { venue, trading, run, store } = await begin(false);
        if (ours !== 0) {
          const side = ours > 0 ? "buy" : "sell";
          await run(
            trading.transact((t) => {
              const more = { symbol: PERP, side, price: 100, quantity: Math.abs(ours) } as const;
              const { clientId } = t.placeOrder(more);
              t.applyFill({ ...more, clientId, tradeId: "t" });
            }),
          );
        }
        venue.held = its === 0 ? [] : [{ symbol: PERP, quantity: its, averagePrice: "80" }];
        venue.money = { USD: 10_000 + money };
        const first = await run(trading.reconcile(venue, SYNC));
        expect(first.open).toEqual([]);
        expect(trading.position(PERP).quantity.toNumber()).toBe(its);
        expect(trading.position(PERP).realised.isZero()).toBe(true);
        const state = stateOf(store);
        expect((await run(trading.reconcile(venue, SYNC))).clean).toBe(true);
        const same = ["trading.recoveryReports", "trading.reconciled", "trading.counters"];
        for (const [name, rows] of Object.entries(stateOf(store, [...same, "trading.sessions"]))) {
          expect(rows, name).toBe(state[name]);
        }
      }),
      { numRuns: 20 },
    );
  });
});

test("fills of others are booked and told; those of before we began, and of what we do not trade, are not", async () => {
  const { venue, fill, run, trading } = await begin(false);
  const foreign = { clientId: undefined, venueId: "V9" };
  venue.fills = [
    fill("old", { ...foreign, time: 1 }),
    fill("new", foreign),
    fill("other", { ...foreign, symbol: "DOGE" }),
  ];
  venue.held = [{ symbol: PERP, quantity: 1 }];
  const report = await run(trading.reconcile(venue, HALT));
  expect(found(report).sort()).toEqual(["foreign-fill applied", "foreign-fill unresolved"]);
  expect(trading.position(PERP).quantity.toNumber()).toBe(1);
});

test("orders: of others, lost, filled without a fill, and cancelled as the options want", async () => {
  const { venue, theirs, order, run, trading } = await begin();
  const clientId = order?.clientId ?? "";
  await run(trading.transact((t) => t.orderAccepted(clientId, { venueId: "V1" })));
  const foreign = theirs({ clientId: undefined, venueId: "V7" });
  venue.orders = [theirs({ filled: 2 }), foreign];
  const warned = await run(trading.reconcile(venue, WARN));
  expect(found(warned)).toEqual(["foreign-order reported", "order-filled reported"]);
  venue.orders = [theirs(), foreign];
  const cancelling = { ...HALT, cancelOpen: true, cancelForeign: true };
  const report = await run(trading.reconcile(venue, cancelling));
  expect(venue.cancelled).toEqual(["V1", "V7"]);
  expect(trading.order(clientId)?.status).toBe("cancelled");
  expect(report.open).toEqual([]);
  const lost = await run(trading.placeOrder({ symbol: PERP, side: "buy", price: 1, quantity: 1 }));
  await run(trading.transact((t) => t.orderAccepted(lost.clientId)));
  expect(found(await run(trading.reconcile(venue, SYNC)))).toEqual(["order-lost corrected"]);
  expect(trading.order(lost.clientId)).toMatchObject({ status: "cancelled" });
});

test("what a venue says that no row can hold is reported, and the rest is booked", async () => {
  const { venue, theirs, fill, order, run, trading } = await begin();
  const clientId = order?.clientId ?? "";
  await run(trading.transact((t) => t.orderAccepted(clientId)));
  const odd = "\ud800";
  const long = "x".repeat(2_000_000);
  venue.fills = [fill(odd), fill(long), fill("good")];
  venue.orders = [theirs({ filled: 1, venueId: long }), theirs({ clientId: odd, venueId: "V9" })];
  venue.held = [
    { symbol: PERP, quantity: 1 },
    { symbol: odd, quantity: 1 },
  ];
  venue.money = { USD: 10_000, [odd]: 1, [long]: 2 };
  const report = await run(trading.reconcile(venue, SYNC));
  expect(found(report).sort()).toEqual([
    "balance unresolved",
    "balance unresolved",
    "foreign-fill unresolved",
    "foreign-fill unresolved",
    "foreign-order reported",
    "missed-fill applied",
    "order-state unresolved",
    "position unresolved",
  ]);
  for (const { subject, detail } of report.discrepancies) {
    expect(Math.max(subject.length, detail.length)).toBeLessThanOrEqual(200);
  }
  expect(trading.order(clientId)).toMatchObject({ status: "partial", venueId: null });
});

test("a state that was left alone for long is told to be stale", async () => {
  const { venue, ...desk } = await begin(false);
  desk.machine.jumpClock(3_700_000_000);
  const { report, run, trading } = await restart(desk, venue, HALT);
  expect(found(report)).toEqual(["stale reported"]);
  expect(report.open).toEqual([]);
  expect((await run(trading.reconcile(venue, HALT))).clean).toBe(true);
});

test("a venue that fails makes it reject, and it can be called again; what cannot be meant is refused", async () => {
  const { venue, run, trading } = await begin(false);
  venue.failing = true;
  await expect(run(trading.reconcile(venue, HALT))).rejects.toThrow("the venue is away");
  venue.failing = false;
  expect((await run(trading.reconcile(venue, HALT))).clean).toBe(true);
  for (const options of [{ policy: "HOPE" }, { ...HALT, colour: 1 }]) {
    const wrong = run(trading.reconcile(venue, options as never));
    await expect(wrong).rejects.toMatchObject({ code: "INVALID_ARGUMENT" });
  }
});
