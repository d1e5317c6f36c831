// The tests on real files and file systems in their long forms: short lives that are killed, power
// losses, fill levels of a disk, fights for the lock. Without arguments, as in a night.
//
//   node scripts/test-kernel.mjs [--lives 6700] [--losses 3400] [--levels 2000] [--tries 400]
//                                [--seed N]
//
// `--lives` and `--losses` are for each back end.
import { spawnSync } from "node:child_process";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const { values } = parseArgs({
  options: {
    lives: { type: "string", default: "6700" },
    losses: { type: "string", default: "3400" },
    levels: { type: "string", default: "2000" },
    tries: { type: "string", default: "400" },
    seed: { type: "string" },
  },
});

const seeds = values.seed !== undefined && {
  HOLDFAST_KILL_SEED: values.seed,
  HOLDFAST_POWER_SEED: values.seed,
};
const run = spawnSync(
  process.execPath,
  [
    join(root, "node_modules", "vitest", "vitest.mjs"),
    ...["run", "test/crash/short-lives", "test/kernel", "--disable-console-intercept"],
  ],
  {
    cwd: root,
    stdio: "inherit",
    env: {
      ...process.env,
      HOLDFAST_SHORT_LIVES: values.lives,
      HOLDFAST_POWER_LOSSES: values.losses,
      HOLDFAST_FULL_LEVELS: values.levels,
      HOLDFAST_LOCK_TRIES: values.tries,
      ...seeds,
    },
  },
);
process.exitCode = run.status ?? 1;
