/** What replay costs, learned from openings. */

import { expect, test } from "vitest";
import {
  expectedReplayMicros,
  learnReplayCost,
  REPLAY_COST_DEFAULT,
} from "../../src/manifest/replay-cost.js";
import fc from "../support/properties.js";

const BYTES = 20 * 1024 * 1024;

test("it comes to what replays take, and stays there", () => {
  for (const factor of [0.2, 1, 3, 50]) {
    let cost = REPLAY_COST_DEFAULT;
    const micros = factor * expectedReplayMicros(cost, 100_000, BYTES);
    for (let i = 0; i < 60; i++) {
      cost = learnReplayCost(cost, { operations: 100_000, bytes: BYTES, micros });
    }
    const expected = expectedReplayMicros(cost, 100_000, BYTES);
    expect(expected / micros).toBeCloseTo(1, 2);
  }
});

test("a replay that is too small to be measured changes nothing", () => {
  const cost = { microsPerOperation: 2, microsPerKilobyte: 3 };
  const small = { operations: 999, bytes: BYTES, micros: 1_000_000 };
  expect(learnReplayCost(cost, small)).toBe(cost);
  expect(learnReplayCost(cost, { ...small, operations: 100_000, micros: 999 })).toBe(cost);
});

test("one that took a thousand times as long moves it by less than three times", () => {
  const cost = REPLAY_COST_DEFAULT;
  const micros = 1000 * expectedReplayMicros(cost, 10_000, BYTES);
  const after = learnReplayCost(cost, { operations: 10_000, bytes: BYTES, micros });
  expect(after.microsPerOperation).toBeGreaterThan(cost.microsPerOperation);
  expect(after.microsPerOperation).toBeLessThan(3 * cost.microsPerOperation);
});

test("from a cost of nothing, which a manifest may say, it comes back to figures", () => {
  const nothing = { microsPerOperation: 0, microsPerKilobyte: 0 };
  const after = learnReplayCost(nothing, { operations: 10_000, bytes: BYTES, micros: 1_000_000 });
  expect(after).toEqual({ microsPerOperation: 0.001, microsPerKilobyte: 0.001 });
});

test("whatever was measured, it stays a figure that can be counted with", () => {
  const figure = fc.double({ min: 0, max: 1e15, noNaN: true });
  fc.assert(
    fc.property(figure, figure, fc.nat(), fc.nat(), figure, (a, b, operations, bytes, micros) => {
      const before = { microsPerOperation: a, microsPerKilobyte: b };
      const after = learnReplayCost(before, { operations, bytes: bytes, micros });
      if (after === before) return;
      for (const value of Object.values(after)) {
        expect(Number.isFinite(value) && value > 0 && value <= 1_000_000).toBe(true);
      }
    }),
  );
});
