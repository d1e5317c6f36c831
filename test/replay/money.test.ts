import { describe, expect, test } from "vitest";
import type { Decimal } from "../../src/codec/decimal.js";
import { ZERO } from "../../src/replay/exact.js";
import {
  afterFill,
  averagePrice,
  type Contract,
  FLAT,
  feeOf,
  type PositionFigures,
  unrealised,
  valueAt,
} from "../../src/replay/money.js";
import fc from "../support/properties.js";
import { d } from "./helpers.js";

const LINEAR: Contract = { kind: "linear", contractSize: d(1) };
const INVERSE: Contract = { kind: "inverse", contractSize: d(100) };

function play(contract: Contract, fills: readonly (readonly [number | string, number | string])[]) {
  return fills.reduce<PositionFigures>(
    (position, [quantity, price]) => afterFill(contract, position, d(quantity), d(price), ZERO),
    FLAT,
  );
}

/** [quantity, entry value, realised] */
const figures = ({ quantity, entryValue, realised }: PositionFigures) =>
  [quantity, entryValue, realised].map((decimal) => decimal.toNumber());

describe("a linear position", () => {
  test.each([
    ["opens", [[2, 100]], [2, 200, 0]],
    [
      "grows at average cost",
      [
        [2, 100],
        [2, 110],
      ],
      [4, 420, 0],
    ],
    [
      "realises its share when it shrinks",
      [
        [4, 105],
        [-1, 110],
      ],
      [3, 315, 5],
    ],
    [
      "realises all when it closes",
      [
        [4, 105],
        [-4, 100],
      ],
      [0, 0, -20],
    ],
    [
      "turns",
      [
        [2, 100],
        [-5, 110],
      ],
      [-3, -330, 20],
    ],
    [
      "is short",
      [
        [-2, 100],
        [1, 90],
      ],
      [-1, -100, 10],
    ],
    [
      "turns from short",
      [
        [-2, 100],
        [3, 90],
      ],
      [1, 90, 20],
    ],
  ] as const)("%s", (_name, fills, expected) => {
    expect(figures(play(LINEAR, fills))).toEqual(expected);
  });

  test("knows its average price and its open profit", () => {
    const position = play(LINEAR, [
      [2, 100],
      [1, 103],
    ]);
    expect(averagePrice(LINEAR, position)?.toNumber()).toBe(101);
    expect(unrealised(LINEAR, position, d(110)).toNumber()).toBe(27);
    expect(averagePrice(LINEAR, FLAT)).toBeUndefined();
  });
});

describe("an inverse position", () => {
  test("earns in the base currency: contracts x size x (1/entry - 1/exit)", () => {
    const closed = play(INVERSE, [
      [50, 50_000],
      [-50, 62_500],
    ]);
    expect(figures(closed)).toEqual([0, 0, 0.02]);
    const short = play(INVERSE, [
      [-50, 62_500],
      [50, 50_000],
    ]);
    expect(short.realised.toNumber()).toBe(0.02);
  });

  test("has its prices in the quote currency", () => {
    const long = play(INVERSE, [
      [50, 50_000],
      [50, 50_000],
    ]);
    expect(averagePrice(INVERSE, long)?.toNumber()).toBe(50_000);
    expect(unrealised(INVERSE, long, d(62_500)).toNumber()).toBe(0.04);
  });
});

test("fees are rounded half to even at the eighth digit", () => {
  expect(feeOf(d("-0.00005"), d("0.0001")).toString()).toBe("0.00000000");
  expect(feeOf(d("0.00015"), d("0.0001")).toString()).toBe("0.00000002");
});

const aFill = fc.tuple(
  fc.integer({ min: -50_000, max: 50_000 }).filter((quantity) => quantity !== 0),
  fc.integer({ min: 5_000_000, max: 7_000_000 }),
);

describe.each([
  ["linear", LINEAR],
  ["inverse", INVERSE],
])("any %s fills", (_name, contract) => {
  test("no money comes or goes by rounding: what was earned is what was paid and got", () => {
    fc.assert(
      fc.property(fc.array(aFill, { maxLength: 60 }), (raw) => {
        let position = FLAT;
        let paid: Decimal = ZERO;
        for (const [lots, cents] of raw) {
          const quantity = d(lots).mul(d("0.00001"), 8);
          const price = d(cents).mul(d("0.01"), 8);
          position = afterFill(contract, position, quantity, price, ZERO);
          paid = paid.add(valueAt(contract, quantity, price));
        }
        expect(position.realised.add(paid).equals(position.entryValue)).toBe(true);
      }),
    );
  });
});
