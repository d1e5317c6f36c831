import { runPlans } from "./run-targets.js";
import { fuzzSuite } from "./suite.js";

fuzzSuite("fuzz-run", runPlans, [
  "run-header",
  "run-footer",
  "entries",
  "block",
  "lz",
  "properties",
  "run-file",
]);
