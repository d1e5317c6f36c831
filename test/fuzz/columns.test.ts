import { columnPlans } from "./columns-targets.js";
import { fuzzSuite } from "./suite.js";

fuzzSuite("fuzz-columns", columnPlans, ["columns"]);
