import { logPlans } from "./log-targets.js";
import { fuzzSuite } from "./suite.js";

fuzzSuite("fuzz-log-a", logPlans, ["segment-header", "frame", "manifest"]);
