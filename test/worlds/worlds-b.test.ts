/** Small worlds, exhaustively: the odd half of the workloads. */
import { test } from "vitest";
import { runWorlds } from "./worlds-suite.js";

test.skipIf(process.env.HOLDFAST_WORLD !== undefined)(
  "whatever a power cut leaves of up to three operations, what was acknowledged is there",
  { timeout: 900_000 },
  () => runWorlds(1),
);
