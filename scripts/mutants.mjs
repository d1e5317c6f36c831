// Plants the bugs of test/mutants/list.json, one after the other, in a copy of the tree, and runs the
// test that has to catch each. One that survives, or cannot be planted any more, is a failure.
//
//   npm run test:mutants -- [--only TEXT | --only N,M,... | --only N-M]
import { spawn } from "node:child_process";
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

/** A mutant may well wait for ever. */
const RUN_MILLIS_MAX = 120_000;

const { values } = parseArgs({ options: { only: { type: "string" } } });
const all = JSON.parse(readFileSync(join(root, "test/mutants/list.json"), "utf8"));
const mutants = all.map((mutant, index) => ({ ...mutant, number: index + 1 })).filter(isWanted);
if (mutants.length === 0) {
  process.stderr.write(`no mutant is ${values.only}\n`);
  process.exit(1);
}

const tree = mkdtempSync(join(tmpdir(), "holdfast-mutants-"));
process.on("exit", () => {
  endGroup();
  rmSync(tree, { recursive: true, force: true });
});
for (const signal of ["SIGINT", "SIGTERM"]) process.on(signal, () => process.exit(130));
for (const name of COPIED) cpSync(join(root, name), join(tree, name), { recursive: true });
symlinkSync(join(root, "node_modules"), join(tree, "node_modules"));

/** By its number in the list, by a range of numbers, or by a part of its name. */
function isWanted({ name, number }) {
  const { only } = values;
  if (only === undefined) return true;
  if (!/^[\d,-]+$/.test(only)) return name.includes(only);
  return only.split(",").some((part) => {
    const [from, to = from] = part.split("-").map(Number);
    return number >= from && number <= to;
  });
}

/** Of a title that stands for itself. */
const literally = (title) => title.replace(/[.*+?^${}()|[\]\\]/g, "\\$&");

/** The processes of the test that is running, all of them; undefined between two. */
let group;
function endGroup() {
  if (group === undefined) return;
  try {
    process.kill(-group, "SIGKILL");
  } catch {
    // They have all ended by themselves.
  }
}

/** Runs to its end, or to the end of its time: then nothing that it has started goes on. */
function runProcess(args, env) {
  return new Promise((resolve) => {
    const child = spawn(process.execPath, args, {
      cwd: tree,
      env,
      stdio: "ignore",
      detached: true,
    });
    group = child.pid;
    const timer = setTimeout(endGroup, RUN_MILLIS_MAX);
    child.on("close", () => {
      clearTimeout(timer);
      endGroup();
      group = undefined;
      resolve();
    });
  });
}

/** Runs tests in the copy; which of them failed, and how many passed. */
async function runTests(files, titles, seeds) {
  const output = join(tree, "result.json");
  rmSync(output, { force: true });
  const args = [join(root, "node_modules/vitest/vitest.mjs"), "run", ...files];
  args.push("--reporter=json", `--outputFile=${output}`);
  if (titles.length > 0) args.push("-t", titles.map(literally).join("|"));
  // A mutant may well wait for ever: a test of these takes a second or two.
  args.push(`--testTimeout=${seeds === undefined ? 15_000 : 100_000}`);
  const env = { ...process.env, ...(seeds !== undefined && { HOLDFAST_SEEDS: String(seeds) }) };
  await runProcess(args, env);
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

async function plant(mutant) {
  const path = join(tree, mutant.file);
  const text = readFileSync(path, "utf8");
  const found = text.split(mutant.from).length - 1;
  if (found !== 1) return `its place is there ${found} times`;
  writeFileSync(
    path,
    text.replace(mutant.from, () => mutant.to),
  );
  const { filter, seeds } = mutant;
  const result = await runTests([mutant.test], filter === undefined ? [] : [filter], seeds);
  writeFileSync(path, text);
  if (result.failed.length > 0) return { by: result.failed[0], count: result.failed.length };
  return result.passed === 0 ? "no test ran" : "SURVIVED";
}

/** Without a mutant all of it passes: those with a title at once, then the others. */
async function assertSound() {
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
    const { failed, passed } = await runTests([...new Set(files)], wanted, seeds);
    if (failed.length === 0 && passed > 0) continue;
    process.stdout.write(`without a mutant: ${passed} passed, failed: ${failed.join("; ")}\n`);
    process.exit(1);
  }
}

const start = performance.now();
await assertSound();
const seconds = ((performance.now() - start) / 1000).toFixed(0);
process.stdout.write(`${mutants.length} mutants; without one the tests pass, in ${seconds} s\n`);

const begun = performance.now();
let bad = 0;
for (const mutant of mutants) {
  const since = performance.now();
  const outcome = await plant(mutant);
  const seconds = `${((performance.now() - since) / 1000).toFixed(1)} s`;
  const caught = typeof outcome !== "string";
  if (!caught) bad++;
  const told = caught ? `${mutant.test}: ${outcome.by} (${outcome.count})` : `*** ${outcome} ***`;
  const number = `${String(mutant.number).padStart(2)}. [${mutant.rule}] ${mutant.name}`;
  process.stdout.write(`${number}\n    ${mutant.file}\n    ${told}, ${seconds}\n`);
}
const total = ((performance.now() - begun) / 1000).toFixed(0);
process.stdout.write(`${mutants.length - bad} of ${mutants.length} caught, in ${total} s\n`);
process.exitCode = bad === 0 ? 0 : 1;
