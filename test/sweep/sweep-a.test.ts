/** The sweep over failing operations: one half of the scenarios. */
import { expect, test } from "vitest";
import { SCENARIOS } from "./scenarios.js";
import { sweep } from "./sweep-suite.js";

/** Of this half. */
const RUNS_MIN = 16_400;

test("whatever operation fails, nothing is silent and nothing acknowledged is lost", {
  timeout: 900_000,
}, async () => {
  expect(SCENARIOS.length).toBeGreaterThanOrEqual(70);
  await sweep(0, 2, RUNS_MIN);
});
