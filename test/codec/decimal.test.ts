import { inspect } from "node:util";
import { describe, expect, test } from "vitest";
import { isHoldfastError } from "../../src/base/errors.js";
import { DECIMAL_SCALE_MAX, Decimal, type Rounding } from "../../src/codec/decimal.js";
import fc from "../support/properties.js";
import { coefficients } from "./arbitraries.js";

const LIMIT = 10n ** 38n;
const ROUNDINGS: readonly Rounding[] = [
  "half-even",
  "half-up",
  "half-down",
  "down",
  "up",
  "floor",
  "ceiling",
];

const scales = fc.integer({ min: 0, max: DECIMAL_SCALE_MAX });

/** An exact value as a bigint over a power of ten: the arithmetic to compare with. */
interface Reference {
  readonly coefficient: bigint;
  readonly scale: number;
}

const references: fc.Arbitrary<Reference> = fc.record({ coefficient: coefficients, scale: scales });

function of({ coefficient, scale }: Reference): Decimal {
  return Decimal.fromCoefficient(coefficient, scale);
}

/** The result, or undefined where it is refused. */
function tried(run: () => Decimal): Decimal | undefined {
  try {
    return run();
  } catch (error) {
    if (!isHoldfastError(error, "INVALID_ARGUMENT")) throw error;
    return undefined;
  }
}

/** Holds a result against what it should be, and its form against the one form there is. */
function expectValue(result: Decimal | undefined, coefficient: bigint, scale: number): void {
  if (coefficient >= LIMIT || coefficient <= -LIMIT) {
    expect(result).toBeUndefined();
    return;
  }
  expect(result).toBeDefined();
  expect(BigInt(result!.coefficient)).toBe(coefficient);
  expect(result!.scale).toBe(scale);
  expect(Object.is(result!.coefficient, -0)).toBe(false);
  expect(typeof result!.coefficient).toBe(
    Number.isSafeInteger(Number(coefficient)) ? "number" : "bigint",
  );
}

/** numerator / denominator, rounded: by its definition, not by the code under test. */
function rounded(numerator: bigint, denominator: bigint, rounding: Rounding): bigint {
  const sign = numerator < 0n !== denominator < 0n ? -1n : 1n;
  const [top, bottom] = [numerator, denominator].map((value) => (value < 0n ? -value : value)) as [
    bigint,
    bigint,
  ];
  const low = top / bottom;
  const rest = top - low * bottom;
  const up = {
    down: false,
    up: rest > 0n,
    floor: rest > 0n && sign < 0n,
    ceiling: rest > 0n && sign > 0n,
    "half-up": 2n * rest >= bottom,
    "half-down": 2n * rest > bottom,
    "half-even": 2n * rest > bottom || (2n * rest === bottom && low % 2n === 1n),
  }[rounding];
  return sign * (up ? low + 1n : low);
}

describe("arithmetic agrees with bigints", () => {
  test("add and sub", () => {
    fc.assert(
      fc.property(references, references, (a, b) => {
        const scale = Math.max(a.scale, b.scale);
        const x = a.coefficient * 10n ** BigInt(scale - a.scale);
        const y = b.coefficient * 10n ** BigInt(scale - b.scale);
        expectValue(
          tried(() => of(a).add(of(b))),
          x + y,
          scale,
        );
        expectValue(
          tried(() => of(a).sub(of(b))),
          x - y,
          scale,
        );
        const order = of(a).compare(of(b));
        expect(order).toBe(x < y ? -1 : x > y ? 1 : 0);
        expect(of(a).equals(of(b))).toBe(order === 0);
        expect(Decimal.min(of(a), of(b)).compare(Decimal.max(of(a), of(b)))).toBeLessThan(1);
      }),
      { numRuns: 3000 },
    );
  });

  test("mul, rounded, of numbers whose product is none that a float holds", () => {
    // Of few digits and of many, with ends that make halves.
    const coefficient = fc
      .tuple(fc.integer({ min: 0, max: 15 }), fc.maxSafeInteger(), fc.constantFrom(0, 5, 50_000))
      .map(([digits, any, end]) => BigInt(Math.trunc(any / 10 ** digits) + end))
      .filter((value) => value <= BigInt(Number.MAX_SAFE_INTEGER));
    const places = fc.integer({ min: 4, max: 9 });
    const reference = fc.record({ coefficient, scale: places });
    fc.assert(
      fc.property(reference, reference, places, fc.constantFrom(...ROUNDINGS), (a, b, to, how) => {
        fc.pre(a.scale + b.scale > to);
        const power = 10n ** BigInt(a.scale + b.scale - to);
        expectValue(
          of(a).mul(of(b), to, how),
          rounded(a.coefficient * b.coefficient, power, how),
          to,
        );
      }),
      { numRuns: 3000 },
    );
    expect(() =>
      of({ coefficient: 2n ** 52n, scale: 8 }).mul(
        of({ coefficient: 9n, scale: 8 }),
        8,
        "x" as never,
      ),
    ).toThrow("unknown rounding");
  });

  test("mul", () => {
    fc.assert(
      fc.property(
        references,
        references,
        scales,
        fc.constantFrom(...ROUNDINGS),
        (a, b, to, how) => {
          const product = a.coefficient * b.coefficient;
          const scale = a.scale + b.scale;
          const exact = tried(() => of(a).mul(of(b)));
          if (scale > DECIMAL_SCALE_MAX) expect(exact).toBeUndefined();
          else expectValue(exact, product, scale);
          const expected =
            to >= scale
              ? product * 10n ** BigInt(to - scale)
              : rounded(product, 10n ** BigInt(scale - to), how);
          expectValue(
            tried(() => of(a).mul(of(b), to, how)),
            expected,
            to,
          );
        },
      ),
      { numRuns: 3000 },
    );
  });

  test("div", () => {
    fc.assert(
      fc.property(
        references,
        references,
        scales,
        fc.constantFrom(...ROUNDINGS),
        (a, b, to, how) => {
          fc.pre(b.coefficient !== 0n);
          const numerator = a.coefficient * 10n ** BigInt(to + b.scale);
          const denominator = b.coefficient * 10n ** BigInt(a.scale);
          expectValue(
            tried(() => of(a).div(of(b), to, how)),
            rounded(numerator, denominator, how),
            to,
          );
          const exact = tried(() => of(a).div(of(b), to));
          if (numerator % denominator !== 0n) expect(exact).toBeUndefined();
          else expectValue(exact, numerator / denominator, to);
        },
      ),
      { numRuns: 3000 },
    );
  });

  test("div, where the quotient is at a tie or next to one", () => {
    const safe = 2n ** 53n - 1n;
    fc.assert(
      fc.property(
        fc.bigInt({ min: 1n, max: 10n ** 13n }),
        fc.bigInt({ min: 0n, max: 10n ** 12n }),
        fc.integer({ min: -3, max: 3 }),
        fc.integer({ min: 0, max: 8 }),
        fc.boolean(),
        fc.constantFrom(...ROUNDINGS),
        (b, quotient, off, power, negative, how) => {
          // The dividend next to quotient + 1/2, as near as a digit of it comes.
          const unit = 10n ** BigInt(power);
          const nearest = ((2n * quotient + 1n) * b) / (2n * unit) + BigInt(off);
          const a = negative ? -nearest : nearest;
          fc.pre(nearest >= 0n && nearest <= safe);
          const ours = Decimal.fromCoefficient(a, 0).div(Decimal.fromCoefficient(b, 0), power, how);
          expectValue(ours, rounded(a * unit, b, how), power);
        },
      ),
      { numRuns: 3000 },
    );
  });

  test("rescale and round", () => {
    fc.assert(
      fc.property(references, scales, fc.constantFrom(...ROUNDINGS), (a, to, how) => {
        const divisor = 10n ** BigInt(Math.max(0, a.scale - to));
        const raised = a.coefficient * 10n ** BigInt(Math.max(0, to - a.scale));
        expectValue(
          tried(() => of(a).rescale(to, how)),
          rounded(raised, divisor, how),
          to,
        );
        expectValue(
          tried(() => of(a).round(to)),
          rounded(raised, divisor, "half-even"),
          to,
        );
        const exact = tried(() => of(a).rescale(to));
        if (raised % divisor !== 0n) expect(exact).toBeUndefined();
        else expectValue(exact, raised / divisor, to);
      }),
      { numRuns: 3000 },
    );
  });

  test("negate, abs, sign and zero", () => {
    fc.assert(
      fc.property(references, (a) => {
        const { coefficient } = a;
        expectValue(of(a).negate(), -coefficient, a.scale);
        expectValue(of(a).abs(), coefficient < 0n ? -coefficient : coefficient, a.scale);
        expect(of(a).sign()).toBe(coefficient < 0n ? -1 : coefficient > 0n ? 1 : 0);
        expect(of(a).isZero()).toBe(coefficient === 0n);
      }),
    );
  });
});

describe("as text", () => {
  test("comes back as it was", () => {
    fc.assert(
      fc.property(references, (a) => {
        const text = of(a).toString();
        expect(text).toMatch(a.scale === 0 ? /^-?\d+$/ : new RegExp(`^-?\\d+\\.\\d{${a.scale}}$`));
        expectValue(Decimal.of(text), a.coefficient, a.scale);
        expect(JSON.stringify({ a: of(a) })).toBe(`{"a":"${text}"}`);
        expect(Object.is(of(a).toNumber() + 0, Number(text) + 0)).toBe(true);
      }),
      { numRuns: 3000 },
    );
  });

  test("in exponent form is the same value", () => {
    fc.assert(
      fc.property(references, fc.integer({ min: -60, max: 60 }), (a, exponent) => {
        const power = exponent - a.scale;
        const parsed = tried(() => Decimal.of(`${a.coefficient}e${power}`));
        let { coefficient } = a;
        let scale = -power;
        while (scale > DECIMAL_SCALE_MAX && coefficient % 10n === 0n && coefficient !== 0n) {
          coefficient /= 10n;
          scale--;
        }
        if (coefficient === 0n) expect(parsed?.isZero()).toBe(true);
        else if (scale > DECIMAL_SCALE_MAX) expect(parsed).toBeUndefined();
        else
          expectValue(parsed, coefficient * 10n ** BigInt(Math.max(0, -scale)), Math.max(0, scale));
      }),
      { numRuns: 2000 },
    );
  });

  test.each([
    ["61737.63", "61737.63"],
    ["-0.5", "-0.5"],
    ["3.844E-5", "0.00003844"],
    ["1e3", "1000"],
    ["1.5e+2", "150"],
    ["+7", "7"],
    ["-0.00", "0.00"],
    ["007.10", "7.10"],
    ["9007199254740993", "9007199254740993"],
    ["900719925474099.3", "900719925474099.3"],
    ["1.00000000000000000000000", "1.000000000000000000"],
    ["0e9999", "0"],
    ["0e-9999", "0.000000000000000000"],
    ["99999999999999999999999999999999999999", "99999999999999999999999999999999999999"],
  ])("%s is %s", (text, expected) => {
    expect(Decimal.of(text).toString()).toBe(expected);
  });

  test.each([
    "",
    "-",
    "+",
    ".",
    ".5",
    "5.",
    "1.2.3",
    "1e",
    "e5",
    "NaN",
    "Infinity",
    " 1",
    "1 ",
    "1_000",
    "0x10",
    "１",
    "--1",
    "1-",
    "1e5.5",
    "1e99999",
  ])("%j is refused", (text) => {
    expect(() => Decimal.of(text)).toThrow(/is not a decimal number/);
  });

  test.each([
    ["1e-19", /more than 18 digits after its point/],
    ["1e39", /more than 38 digits/],
    ["1e9999", /more than 38 digits/],
    ["1".repeat(39), /more than 38 digits/],
    ["1".repeat(5000), /is not a decimal number/],
  ])("%s is refused for its size", (text, message) => {
    expect(() => Decimal.of(text)).toThrow(message);
  });
});

test("numbers that are not safe integers are refused: a float is not exact", () => {
  for (const value of [1.5, Number.NaN, Infinity, 2 ** 53]) {
    expect(() => Decimal.of(value)).toThrow(/a float is not exact, pass a string/);
    expect(() => Decimal.fromCoefficient(value, 2)).toThrow(/safe integer or a bigint/);
  }
  expect(Decimal.of(-5).toString()).toBe("-5");
  expect(Object.is(Decimal.of(-0).coefficient, 0)).toBe(true);
  for (const value of [null, undefined, true, {}]) {
    expect(() => Decimal.of(value as never)).toThrow(/expected a decimal, a string or an integer/);
  }
});

test("scales and roundings that are none are refused", () => {
  for (const scale of [-1, 19, 1.5, Number.NaN, "2" as never]) {
    expect(() => Decimal.ONE.rescale(scale)).toThrow(/a scale is an integer from 0 to 18/);
    expect(() => Decimal.fromCoefficient(1, scale)).toThrow(/a scale is/);
    expect(() => Decimal.ONE.div(Decimal.ONE, scale, "down")).toThrow(/a scale is/);
  }
  expect(() => Decimal.of("1.5").round(0, "nearest" as never)).toThrow(/unknown rounding/);
  expect(() => Decimal.ONE.div(Decimal.ZERO, 2, "down")).toThrow(/division of 1 by zero/);
  expect(() => Decimal.ONE.div(Decimal.of(3), 2)).toThrow(/1 \/ 3 is not exact at scale 2/);
});

test("is brought to a scale, keeps its digits and shows itself", () => {
  expect(Decimal.of("1.5", 8).toString()).toBe("1.50000000");
  expect(Decimal.of("1.50").toString()).toBe("1.50");
  expect(Decimal.of(5n, 2).toString()).toBe("5.00");
  expect(Decimal.of(Decimal.ONE)).toBe(Decimal.ONE);
  expect(inspect({ price: Decimal.of("1.50") })).toBe("{ price: Decimal(1.50) }");
  expect(Decimal.of("1.5").equals(Decimal.of("1.50"))).toBe(true);
  expect(Decimal.of("2").round(0)).toBeInstanceOf(Decimal);
});
