/** Options under which the background of a killed process is always at work, drawn from a seed. */
import type { OpenOptions } from "../../src/index.js";
import type { Random } from "../sim/random.js";

/** Plain data: it goes to another process. */
export type EagerOptions = Pick<
  OpenOptions,
  "recoveryBudgetMillis" | "snapshotEveryMillis" | "finalSnapshotMillis" | "history" | "bounds"
>;

export function eagerBackground(random: Random): EagerOptions {
  return {
    recoveryBudgetMillis: 1,
    snapshotEveryMillis: random.pick([5, 20, 50]),
    finalSnapshotMillis: random.pick([0, 1000]),
    history: random.pick(["none", "none", "all", { keepBytes: 2_000_000 }]),
    bounds: {
      fileBytes: random.pick([64 * 1024, 1024 * 1024]),
      arenaBytes: random.pick([128 * 1024, 4 * 1024 * 1024]),
      runsPerTier: 2 + random.below(3),
      rowBytes: random.pick([100_000, 10_000_000]),
    },
  };
}
