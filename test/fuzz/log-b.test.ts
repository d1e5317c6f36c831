import { logPlans } from "./log-targets.js";
import { fuzzSuite } from "./suite.js";

fuzzSuite("fuzz-log-b", logPlans, ["log", "replay", "archive"]);
