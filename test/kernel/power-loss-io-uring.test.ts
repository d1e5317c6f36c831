/** Power losses of a real file system on this back end; see power-loss.ts. */
import { powerLossSuite } from "./power-loss-suite.js";

powerLossSuite("io_uring");
