// The addon under AddressSanitizer and UndefinedBehaviorSanitizer: a build of its own, and on it the
// tests of the native disk, the contract of every disk, and fuzzing of what is native.
//
//   npm run test:sanitized [-- --fuzz-seconds 3]
import { execFileSync, spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import { dirname, isAbsolute, join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const { values } = parseArgs({ options: { "fuzz-seconds": { type: "string", default: "3" } } });

function skip(why) {
  console.warn(`SKIPPED: the addon under sanitizers: ${why}`);
  process.exit(0);
}

/** gcc answers with the bare name where it does not have the library. */
function runtimeOf(name) {
  try {
    const path = execFileSync("gcc", [`-print-file-name=${name}`], { encoding: "utf8" }).trim();
    return isAbsolute(path) && existsSync(path) ? path : undefined;
  } catch {
    return undefined;
  }
}

function run(what, command, args, env = {}) {
  const started = performance.now();
  const { status, signal, error } = spawnSync(command, args, {
    cwd: root,
    stdio: "inherit",
    env: { ...process.env, ...env },
  });
  const seconds = ((performance.now() - started) / 1000).toFixed(1);
  if (status !== 0) {
    console.error(`${what} failed after ${seconds} s: ${error?.message ?? signal ?? status}`);
    process.exit(1);
  }
  console.log(`${what}: ${seconds} s`);
}

if (process.platform !== "linux") skip(`it needs Linux, and this is ${process.platform}`);
const runtimes = ["libasan.so", "libubsan.so"].map(runtimeOf);
if (runtimes.includes(undefined)) skip("gcc has no libasan or no libubsan here");

run("build", process.execPath, [join(root, "scripts", "build-native.mjs"), "--sanitize"]);
const folder = join(root, ".tmp", "native-sanitize");
const sanitized = {
  HOLDFAST_NATIVE_FOLDER: folder,
  LD_PRELOAD: runtimes.join(" "),
  // Node.js leaves memory behind when it ends, and SIGBUS is the addon's own to handle.
  ASAN_OPTIONS: "detect_leaks=0:handle_sigbus=0:allocator_may_return_null=1",
  UBSAN_OPTIONS: "halt_on_error=1:print_stacktrace=1",
  HOLDFAST_FUZZ_SECONDS: values["fuzz-seconds"],
};
run(
  "tests",
  process.execPath,
  [
    join(root, "node_modules", "vitest", "vitest.mjs"),
    "run",
    ...["test/disk/native.test.ts", "test/contract", "test/fuzz/native.test.ts"],
    ...["test/fuzz/run.test.ts", "test/fuzz/columns.test.ts", "test/columns"],
  ],
  sanitized,
);
