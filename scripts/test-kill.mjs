// The kill -9 tests in their long form: test/crash/kill.test.ts, as often as is asked for.
//
//   npm run test:kill -- [--cycles 70] [--backend io_uring,threads,portable] [--seed N]
import { spawnSync } from "node:child_process";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const { values } = parseArgs({
  options: {
    cycles: { type: "string", default: "70" },
    backend: { type: "string", default: "io_uring,threads,portable" },
    seed: { type: "string" },
  },
});

const run = spawnSync(
  process.execPath,
  [
    join(root, "node_modules", "vitest", "vitest.mjs"),
    ...["run", "test/crash/kill.test.ts", "--disable-console-intercept"],
  ],
  {
    cwd: root,
    stdio: "inherit",
    env: {
      ...process.env,
      HOLDFAST_KILL_CYCLES: values.cycles,
      HOLDFAST_KILL_BACKENDS: values.backend,
      ...(values.seed !== undefined && { HOLDFAST_KILL_SEED: values.seed }),
    },
  },
);
process.exitCode = run.status ?? 1;
