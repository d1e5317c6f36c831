import { describe, expect, test } from "vitest";
import { type Action, decide } from "../../src/replay/strategy.js";
import type { OpenQuote, StrategyView } from "../../src/replay/strategy-view.js";

/** Best prices 1000 and 1002 with ticks of 1, half spread 10, amends beyond 5, orders of 100. */
const VIEW: StrategyView = {
  event: 5_000,
  bid: 1_000,
  ask: 1_002,
  position: 0,
  quotes: [],
  halted: false,
  lastTakeEvent: 0,
  tick: 1,
  orderQuantity: 100,
  maxPosition: 1_000,
  halfSpread: 10,
  amendDistance: 5,
};

function quotesAt(
  buys: readonly number[],
  sells: readonly number[],
  placedEvent = 4_900,
): OpenQuote[] {
  const quote = (side: "buy" | "sell", id: number) => (price: number, level: number) => ({
    id: id + level,
    side,
    level,
    price,
    placedEvent,
  });
  return [...buys.map(quote("buy", 1)), ...sells.map(quote("sell", 11))];
}

const SETTLED = quotesAt([991, 971], [1_011, 1_031]);

/** Actions as short text. */
function actions(changes: Partial<StrategyView>): string[] {
  return decide({ ...VIEW, ...changes }).map(short);
}

function short(action: Action): string {
  switch (action.type) {
    case "place":
      return `${action.side} ${action.quantity} at ${action.price}`;
    case "amend":
      return `move ${action.id} to ${action.price}`;
    case "cancel":
      return `cancel ${action.id}`;
    case "take":
      return `take ${action.side} ${action.quantity} at ${action.price}`;
  }
}

describe("the market maker", () => {
  test("quotes both sides around the middle", () => {
    expect(actions({})).toEqual([
      "buy 100 at 991",
      "sell 100 at 1011",
      "buy 100 at 971",
      "sell 100 at 1031",
    ]);
  });

  test("leaves quotes where they are while the middle drifts little", () => {
    expect(actions({ quotes: SETTLED })).toEqual([]);
    expect(actions({ quotes: SETTLED, bid: 1_005, ask: 1_007 })).toEqual([]);
  });

  test("moves them when it drifts further", () => {
    expect(actions({ quotes: SETTLED, bid: 1_006, ask: 1_008 })).toEqual([
      "move 1 to 997",
      "move 11 to 1017",
      "move 2 to 977",
      "move 12 to 1037",
    ]);
  });

  test("shifts them against its position", () => {
    expect(actions({ position: 300 })).toEqual([
      "buy 100 at 985",
      "sell 100 at 1005",
      "buy 100 at 965",
      "sell 100 at 1025",
    ]);
    expect(actions({ position: -399 })[0]).toBe("buy 100 at 997");
  });

  test("never takes by a quote, and keeps to the grid of ticks", () => {
    const view = { position: -300, halfSpread: 2, tick: 4, bid: 1_000, ask: 1_004 };
    expect(actions(view).slice(0, 2)).toEqual(["buy 100 at 1000", "sell 100 at 1004"]);
    expect(actions({ ...view, position: -3_900, maxPosition: 9_999 })[0]).toBe("buy 100 at 1000");
  });

  test("withdraws a quote that has rested for long", () => {
    expect(actions({ quotes: quotesAt([991], [], 3_000) })[0]).toBe("cancel 1");
    expect(actions({ quotes: quotesAt([991], [], 3_001) })[0]).toBe("sell 100 at 1011");
  });

  test("places nothing that could lead past the largest position", () => {
    const full = { position: 801, lastTakeEvent: 4_999 };
    expect(actions(full).filter((action) => action.startsWith("buy"))).toEqual([]);
    expect(actions({ ...full, position: 800 }).filter((a) => a.startsWith("buy"))).toHaveLength(2);
    expect(actions({ ...full, position: -801 }).filter((a) => a.startsWith("sell"))).toEqual([]);
  });

  test("takes when it holds too much, and then pauses", () => {
    expect(actions({ position: 400 }).at(-1)).toBe("take sell 200 at 1000");
    expect(actions({ position: -400 }).at(-1)).toBe("take buy 200 at 1002");
    expect(actions({ position: 399 }).at(-1)).not.toMatch(/^take/);
    expect(actions({ position: 400, lastTakeEvent: 4_901 }).at(-1)).not.toMatch(/^take/);
  });

  test("when halted, withdraws all and closes the position", () => {
    expect(actions({ halted: true, quotes: SETTLED, position: -30 })).toEqual([
      "cancel 1",
      "cancel 2",
      "cancel 11",
      "cancel 12",
      "take buy 30 at 1002",
    ]);
    expect(actions({ halted: true })).toEqual([]);
  });

  test("is a function of what it sees", () => {
    const view = { ...VIEW, position: 450, quotes: SETTLED, bid: 1_100, ask: 1_103 };
    const frozen = Object.freeze(view);
    expect(decide(frozen)).toEqual(decide(structuredClone(view)));
  });
});
