/** fast-check, with the seed of the run: a property that fails prints its seed and path. */
import fc from "fast-check";
import { seedOfRun } from "./seed.js";

fc.configureGlobal({ seed: seedOfRun(1) });

export default fc;
