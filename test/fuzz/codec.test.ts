import { codecPlans } from "./codec-targets.js";
import { fuzzSuite } from "./suite.js";

fuzzSuite("fuzz-codec", codecPlans, ["row", "row-without-schema", "key", "schema", "claims"]);
