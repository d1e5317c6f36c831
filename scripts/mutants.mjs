// Plants the bugs of test/mutants/list.json, one after the other, in a copy of the tree, and runs the
// test that has to catch each. One that survives, or cannot be planted any more, is a failure.
//
//   npm run test:mutants -- [--only TEXT]
import { spawnSync } from "node:child_process";
import { cpSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const COPIED = [
  "src",
  "test",
  "native",
  "dist",
  "package.json",
  "tsconfig.json",
  "vitest.config.ts",
];

const { values } = parseArgs({ options: { only: { type: "string" } } });
const all = JSON.parse(readFileSync(join(root, "test/mutants/list.json"), "utf8"));
const mutants = all.filter(({ name }) => values.only === undefined || name.includes(values.only));

const tree = mkdtempSync(join(tmpdir(), "holdfast-mutants-"));
process.on("exit", () => rmSync(tree, { recursive: true, force: true }));
for (const signal of ["SIGINT", "SIGTERM"]) process.on(signal, () => process.exit(130));
for (const name of COPIED) cpSync(join(root, name), join(tree, name), { recursive: true });
symlinkSync(join(root, "node_modules"), join(tree, "node_modules"));

/** Of a title that stands for itself. */
const literally = (title) => title.replace(/[.*+?^${}()|[\]\\]/g, "\\$&");

/** Runs tests in the copy; which of them failed, and how many passed. */
function runTests(files, titles, seeds) {
  const output = join(tree, "result.json");
  rmSync(output, { force: true });
  const args = [join(root, "node_modules/vitest/vitest.mjs"), "run", ...files];
  args.push("--reporter=json", `--outputFile=${output}`);
  if (titles.length > 0) args.push("-t", titles.map(literally).join("|"));
  // A mutant may well wait for ever: a test of these takes a second or two.
  args.push(`--testTimeout=${seeds === undefined ? 15_000 : 100_000}`);
  const env = { ...process.env, ...(seeds !== undefined && { HOLDFAST_SEEDS: String(seeds) }) };
  spawnSync(process.execPath, args, { cwd: tree, env, stdio: "ignore", timeout: 120_000 });
  let result;
  try {
    result = JSON.parse(readFileSync(output, "utf8"));
  } catch {
    return { failed: [], passed: 0 };
  }
  const tests = result.testResults.flatMap(({ assertionResults }) => assertionResults);
  const named = (status) => tests.filter((one) => one.status === status).map((one) => one.fullName);
  return { failed: named("failed"), passed: named("passed").length };
}

function plant(mutant) {
  const path = join(tree, mutant.file);
  const text = readFileSync(path, "utf8");
  const found = text.split(mutant.from).length - 1;
  if (found !== 1) return `its place is there ${found} times`;
  writeFileSync(
    path,
    text.replace(mutant.from, () => mutant.to),
  );
  const { filter, seeds } = mutant;
  const result = runTests([mutant.test], filter === undefined ? [] : [filter], seeds);
  writeFileSync(path, text);
  if (result.failed.length > 0) return { by: result.failed[0], count: result.failed.length };
  return result.passed === 0 ? "no test ran" : "SURVIVED";
}

/** Without a mutant all of it passes: those with a title at once, then the others. */
function assertSound() {
  const named = mutants.filter(({ filter }) => filter !== undefined);
  const rest = mutants.filter(({ filter }) => filter === undefined);
  const titles = [...new Set(named.map(({ filter }) => filter))];
  const runs = [[named.map(({ test }) => test), titles, undefined]];
  for (const { test, seeds } of rest) {
    if (!runs.some(([files, , known]) => files[0] === test && known === seeds)) {
      runs.push([[test], [], seeds]);
    }
  }
  for (const [files, wanted, seeds] of runs) {
    if (files.length === 0) continue;
    const { failed, passed } = runTests([...new Set(files)], wanted, seeds);
    if (failed.length === 0 && passed > 0) continue;
    process.stdout.write(`without a mutant: ${passed} passed, failed: ${failed.join("; ")}\n`);
    process.exit(1);
  }
}

const start = performance.now();
assertSound();
const seconds = ((performance.now() - start) / 1000).toFixed(0);
process.stdout.write(`${mutants.length} mutants; without one the tests pass, in ${seconds} s\n`);

const begun = performance.now();
let bad = 0;
for (const [index, mutant] of mutants.entries()) {
  const since = performance.now();
  const outcome = plant(mutant);
  const seconds = `${((performance.now() - since) / 1000).toFixed(1)} s`;
  const caught = typeof outcome !== "string";
  if (!caught) bad++;
  const told = caught ? `${mutant.test}: ${outcome.by} (${outcome.count})` : `*** ${outcome} ***`;
  const number = `${String(index + 1).padStart(2)}. [${mutant.rule}] ${mutant.name}`;
  process.stdout.write(`${number}\n    ${mutant.file}\n    ${told}, ${seconds}\n`);
}
const total = ((performance.now() - begun) / 1000).toFixed(0);
process.stdout.write(`${mutants.length - bad} of ${mutants.length} caught, in ${total} s\n`);
process.exitCode = bad === 0 ? 0 : 1;
