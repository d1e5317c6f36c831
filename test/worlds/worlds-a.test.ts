/** Small worlds, exhaustively: the even half of the workloads. */
import { test } from "vitest";
import { runWorlds } from "./worlds-suite.js";

test(
  "whatever a power cut leaves of up to three operations, what was acknowledged is there",
  { timeout: 900_000 },
  () => runWorlds(0),
);
