#!/usr/bin/env node
/**
 * `npm run test:coverage`: runs the tests of vitest.coverage.config.ts, prints how many branches of
 * each folder they take, and every one that they do not. Fails if there is one, or if a test fails.
 */
import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, relative } from "node:path";
import { fileURLToPath } from "node:url";

const root = fileURLToPath(new URL("..", import.meta.url));
const directory = mkdtempSync(join(tmpdir(), "holdfast-coverage-"));

/** Of a file's coverage as istanbul has it: all branches, and those that were never taken. */
function branchesOf({ path, branchMap, b: counts }) {
  const name = relative(root, path);
  const lines = readFileSync(path, "utf8").split("\n");
  const all = Object.entries(branchMap).flatMap(([id, { type, loc, locations }]) =>
    locations.map(({ start }, i) => {
      // Of an `else` that is not written there is no place.
      const line = start.line ?? loc.start.line;
      const what = `${name}:${line}: ${type} ${i}: ${lines[line - 1]?.trim()}`;
      return { folder: name.split("/")[1], what, taken: counts[id][i] > 0 };
    }),
  );
  return all;
}

try {
  const options = ["--coverage.enabled", `--coverage.reportsDirectory=${directory}`];
  const vitest = join(root, "node_modules/vitest/vitest.mjs");
  const run = ["run", "-c", "vitest.coverage.config.ts", ...options];
  const { status } = spawnSync(process.execPath, [vitest, ...run], {
    cwd: root,
    stdio: "inherit",
    // Few seeds, always the same: what they take does not depend on the day.
    env: {
      ...process.env,
      HOLDFAST_SEEDS: process.env.HOLDFAST_SEEDS ?? "120",
      HOLDFAST_REPAIR_SEEDS: process.env.HOLDFAST_REPAIR_SEEDS ?? "80",
    },
  });
  const coverage = JSON.parse(readFileSync(join(directory, "coverage-final.json"), "utf8"));
  const branches = Object.values(coverage).flatMap(branchesOf);
  for (const { what } of branches.filter(({ taken }) => !taken)) console.log(what);
  for (const folder of new Set(branches.map((branch) => branch.folder))) {
    const of = branches.filter((branch) => branch.folder === folder);
    const taken = of.filter((branch) => branch.taken).length;
    console.log(`src/${folder}: ${taken} of ${of.length} branches`);
  }
  process.exitCode = status === 0 && branches.every(({ taken }) => taken) ? 0 : 1;
} finally {
  rmSync(directory, { recursive: true, force: true });
}
