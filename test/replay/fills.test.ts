import { describe, expect, test } from "vitest";
import type { Aggressor, TradeEvent } from "../../src/replay/events.js";
import { type Resting, takenOf, touchedBy } from "../../src/replay/fills.js";
import { d } from "./helpers.js";

function resting(
  id: number,
  side: "buy" | "sell",
  price: number,
  ahead: number,
  filled = 0,
): Resting {
  const order = { side, price: d(price), quantity: d(10), filled: d(filled) };
  return { id, order, ahead: d(ahead) };
}

function trade(price: number, quantity: number, aggressor: Aggressor): TradeEvent {
  return { kind: "trade", timeMicros: 0, price: d(price), quantity: d(quantity), aggressor };
}

/** [id, filled, ahead] of every order touched. */
const touches = (event: TradeEvent, ...orders: Resting[]) =>
  touchedBy(event, orders).map(({ id, quantity, ahead }) => [
    id,
    quantity.toNumber(),
    ahead.toNumber(),
  ]);

describe("a trade at the price of a buy order", () => {
  test("uses up what stands ahead", () => {
    expect(touches(trade(100, 3, "sell"), resting(1, "buy", 100, 5))).toEqual([[1, 0, 2]]);
  });
  test("fills with what is left beyond it", () => {
    expect(touches(trade(100, 8, "sell"), resting(1, "buy", 100, 5))).toEqual([[1, 3, 0]]);
  });
  test("fills no more than is open", () => {
    expect(touches(trade(100, 50, "sell"), resting(1, "buy", 100, 5, 4))).toEqual([[1, 6, 0]]);
  });
  test("does nothing when buyers took, or when nobody knows who did", () => {
    expect(touches(trade(100, 50, "buy"), resting(1, "buy", 100, 0))).toEqual([]);
    expect(touches(trade(100, 50, "unknown"), resting(1, "buy", 100, 0))).toEqual([]);
  });
});

describe("a trade beyond the price", () => {
  test("fills whatever stands ahead, at most by its quantity", () => {
    expect(touches(trade(99, 4, "sell"), resting(1, "buy", 100, 500))).toEqual([[1, 4, 0]]);
    expect(touches(trade(101, 40, "buy"), resting(1, "sell", 100, 500))).toEqual([[1, 10, 0]]);
  });
  test("also where nobody knows who took", () => {
    expect(touches(trade(99, 4, "unknown"), resting(1, "buy", 100, 5))).toEqual([[1, 4, 0]]);
    expect(touches(trade(101, 4, "unknown"), resting(1, "sell", 100, 5))).toEqual([[1, 4, 0]]);
  });
});

test("a trade short of the price does nothing", () => {
  expect(touches(trade(101, 4, "sell"), resting(1, "buy", 100, 0))).toEqual([]);
  expect(touches(trade(99, 4, "buy"), resting(1, "sell", 100, 0))).toEqual([]);
});

test("several orders share a trade: best price first, then the older", () => {
  const orders = [
    resting(3, "buy", 99, 0),
    resting(2, "buy", 100, 0),
    resting(1, "buy", 99, 0),
    resting(4, "sell", 101, 0),
  ];
  expect(touches(trade(98, 25, "sell"), ...orders)).toEqual([
    [2, 10, 0],
    [1, 10, 0],
    [3, 5, 0],
  ]);
});

test.each([
  ["buy", 100, 3, 3],
  ["buy", 100, 30, 10],
  ["buy", 101, 3, 0],
  ["sell", 100, 3, 3],
  ["sell", 99, 3, 0],
] as const)(
  "a taking %s limited to 100, best price %d, %d shown, gets %d",
  (side, best, shown, taken) => {
    expect(takenOf(d(10), d(100), d(best), d(shown), side === "buy").toNumber()).toBe(taken);
  },
);
