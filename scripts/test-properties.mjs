// Every test whose outcome depends on a seed, again and again, each time from other seeds. One that
// fails prints the seed that replays it.
//
//   npm run test:properties -- [--times 20]
import { spawnSync } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const { values } = parseArgs({ options: { times: { type: "string", default: "20" } } });

/** The tests that draw from a seed of the run, or from a file beside them that does. */
const files = readdirSync(join(root, "test"), { recursive: true })
  .filter((name) => name.endsWith(".test.ts") && !name.startsWith("fuzz"))
  .filter((name) => drawsFromSeed(readFileSync(join(root, "test", name), "utf8")))
  .map((name) => join("test", name));

function drawsFromSeed(source) {
  return /support\/(properties|seed)\.js|\.\/(arbitraries|fixtures|sampling)\.js/.test(source);
}

console.log(`${files.length} files, ${values.times} times`);
for (let time = 1; time <= Number(values.times); time++) {
  const vitest = join(root, "node_modules", "vitest", "vitest.mjs");
  const run = spawnSync(process.execPath, [vitest, "run", "--reporter=dot", ...files], {
    cwd: root,
    stdio: "inherit",
    env: { ...process.env, HOLDFAST_SEED: "random" },
  });
  if (run.status !== 0) {
    process.exitCode = run.status ?? 1;
    break;
  }
}
