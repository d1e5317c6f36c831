/** Profit and loss, against a second computation that is slow, plain, and knows no cost. */
import { describe, expect, test } from "vitest";
import { Decimal } from "../../src/index.js";
import {
  afterFill,
  averagePriceOf,
  FLAT,
  foldFills,
  type PositionFill,
  unrealisedOf,
} from "../../src/trading/index.js";
import fc from "../support/properties.js";

const d = (text: string | number) => Decimal.of(String(text), 8);
const LINEAR = { kind: "linear", multiplier: d(1) } as const;
const INVERSE = { kind: "inverse", multiplier: d(100) } as const;

interface Unit {
  readonly numerator: bigint;
  readonly denominator: bigint;
}

/** Fractions of bigints: no rounding at all. */
const add = (a: Unit, b: Unit): Unit => ({
  numerator: a.numerator * b.denominator + b.numerator * a.denominator,
  denominator: a.denominator * b.denominator,
});
const scale = (a: Unit, by: bigint, over = 1n): Unit => ({
  numerator: a.numerator * by,
  denominator: a.denominator * over,
});

/**
 * The oracle: average cost by its definition, fill by fill, in fractions. Quantities are whole lots,
 * prices whole ticks. Gives the profit realised, exactly.
 */
function slowProfit(fills: readonly { buy: boolean; ticks: number; lots: number }[]) {
  let held = 0n;
  let average: Unit = { numerator: 0n, denominator: 1n };
  let realised: Unit = { numerator: 0n, denominator: 1n };
  for (const { buy, ticks, lots } of fills) {
    const price: Unit = { numerator: BigInt(ticks), denominator: 1n };
    // Lot by lot: each one either closes or opens.
    for (let lot = 0; lot < lots; lot++) {
      const change = buy ? 1n : -1n;
      if (held * change >= 0n) {
        const size = held < 0n ? -held : held;
        average = scale(add(scale(average, size), price), 1n, size + 1n);
      } else {
        const profit = add(price, scale(average, -1n));
        realised = add(realised, held > 0n ? profit : scale(profit, -1n));
      }
      held += change;
    }
  }
  return { held, realised };
}

const fillsOf = fc.array(
  fc.record({
    buy: fc.boolean(),
    ticks: fc.integer({ min: 1, max: 5000 }),
    lots: fc.integer({ min: 1, max: 6 }),
  }),
  { maxLength: 12 },
);

const toFill = ({ buy, ticks, lots }: { buy: boolean; ticks: number; lots: number }) =>
  ({ side: buy ? "buy" : "sell", price: d(ticks), quantity: d(lots) }) satisfies PositionFill;

test("profit is that of average cost, to within a rounding of the eighth digit for each fill", () => {
  fc.assert(
    fc.property(fillsOf, (fills) => {
      const position = foldFills(fills.map(toFill), LINEAR);
      const { held, realised } = slowProfit(fills);
      expect(position.quantity.toString()).toBe(`${held}.00000000`);
      const exact = (realised.numerator * 10n ** 8n * 10n) / realised.denominator;
      const off = BigInt(position.realised.coefficient) * 10n - exact;
      expect(off < 0n ? -off : off).toBeLessThanOrEqual(10n * BigInt(fills.length + 1));
    }),
  );
});

test.each([
  ["linear", LINEAR],
  ["inverse", INVERSE],
] as const)(
  "%s: profit realised and open together are the value of what was traded, to the last digit",
  (_, contract) => {
    const amount = (max: number) =>
      fc.integer({ min: 1, max }).map((units) => Decimal.fromCoefficient(units, 8));
    const worth = (quantity: Decimal, price: Decimal) =>
      contract.kind === "linear"
        ? quantity.mul(price, 8, "half-even")
        : quantity.mul(d(-100), 8, "half-even").div(price, 8, "half-even");
    const fill = fc.record({
      side: fc.constantFrom("buy" as const, "sell" as const),
      price: amount(10 ** 13),
      quantity: amount(10 ** 10),
    });
    fc.assert(
      fc.property(fc.array(fill, { maxLength: 30 }), amount(10 ** 13), (fills, price) => {
        const position = foldFills(fills, contract);
        let [cash, held] = [Decimal.of(0, 8), Decimal.of(0, 8)];
        for (const { side, price, quantity } of fills) {
          const value = worth(quantity, price);
          cash = side === "buy" ? cash.sub(value) : cash.add(value);
          held = side === "buy" ? held.add(quantity) : held.sub(quantity);
        }
        expect(position.quantity.equals(held)).toBe(true);
        const now = cash.add(worth(held, price));
        expect(`${position.realised.add(unrealisedOf(position, price, contract))}`).toBe(`${now}`);
      }),
    );
  },
);

describe("afterFill", () => {
  const of = (...fills: [side: "buy" | "sell", quantity: string, price: string][]) => {
    const list = fills.map(([side, quantity, price]) => ({
      side,
      quantity: d(quantity),
      price: d(price),
    }));
    const position = foldFills(list, LINEAR);
    const average = averagePriceOf(position, LINEAR);
    return [position.quantity, average, position.realised].map((value) => value?.toNumber());
  };

  test.each([
    ["opens", of(["buy", "2", "100"]), [2, 100, 0]],
    ["adds at the average", of(["buy", "1", "100"], ["buy", "3", "120"]), [4, 115, 0]],
    ["closes a part", of(["buy", "4", "100"], ["sell", "1", "130"]), [3, 100, 30]],
    ["closes all", of(["buy", "4", "100"], ["sell", "4", "99"]), [0, undefined, -4]],
    ["turns", of(["buy", "1", "100"], ["sell", "3", "110"]), [-2, 110, 10]],
    ["covers a short", of(["sell", "2", "50"], ["buy", "1", "40"]), [-1, 50, 10]],
  ])("%s", (_, found, expected) => expect(found).toEqual(expected));

  test("of contracts that are ten of the base", () => {
    const ten = { kind: "linear", multiplier: d(10) } as const;
    const long = afterFill(FLAT, { side: "buy", price: d(5), quantity: d(2) }, ten);
    expect(long.cost.toNumber()).toBe(100);
    expect(averagePriceOf(long, ten)?.toNumber()).toBe(5);
    expect(unrealisedOf(long, d(6), ten).toNumber()).toBe(20);
  });

  test("inverse: what is earned is contracts x size x (1/entry - 1/exit), in the base currency", () => {
    const long = foldFills([{ side: "buy", price: d(50_000), quantity: d(50) }], INVERSE);
    expect(averagePriceOf(long, INVERSE)?.toNumber()).toBe(50_000);
    expect(unrealisedOf(long, d(62_500), INVERSE).toNumber()).toBe(0.04 / 2);
    const closed = afterFill(long, { side: "sell", price: d(62_500), quantity: d(50) }, INVERSE);
    expect(closed.realised.toNumber()).toBe(0.02);
    expect(closed.cost.isZero()).toBe(true);
    const short = foldFills([{ side: "sell", price: d(62_500), quantity: d(50) }], INVERSE);
    const covered = afterFill(short, { side: "buy", price: d(50_000), quantity: d(50) }, INVERSE);
    expect(covered.realised.toNumber()).toBe(0.02);
  });
});
