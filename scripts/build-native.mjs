// Compiles the addon when its sources are newer than what was built from them.
//
//   node scripts/build-native.mjs              quiet; where it cannot be compiled, only warns
//   node scripts/build-native.mjs --required   the same, but fails
//   node scripts/build-native.mjs --sanitize   with address and undefined-behaviour checks, in a
//                                              folder of its own: see native/README.md
import { spawnSync } from "node:child_process";
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  renameSync,
  rmSync,
  statSync,
} from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const native = join(root, "native");
const required = process.argv.includes("--required");
const sanitize = process.argv.includes("--sanitize");

/** Where the package runs without the addon, that is a warning and no failure. */
function giveUp(reason, detail = "") {
  const outcome = required || sanitize ? "" : "; holdfast will use the slower portable disk";
  console.warn(`holdfast: the native addon was not built: ${reason}${outcome}`);
  if (detail !== "") console.warn(detail);
  process.exit(required || sanitize ? 1 : 0);
}

function newestSource() {
  const sources = readdirSync(native)
    .filter((name) => /\.(cc|h|gyp)$/.test(name))
    .map((name) => join(native, name));
  return Math.max(...[...sources, fileURLToPath(import.meta.url)].map(modifiedAt));
}

function modifiedAt(path) {
  return existsSync(path) ? statSync(path).mtimeMs : 0;
}

/** The headers that came with this Node.js, if they did, so that nothing has to be downloaded. */
function headersArguments() {
  const prefix = dirname(dirname(process.execPath));
  const there = existsSync(join(prefix, "include", "node", "node_api.h"));
  return there ? [`--nodedir=${prefix}`] : [];
}

function compile(directory, defines) {
  let gyp;
  try {
    gyp = createRequire(import.meta.url).resolve("node-gyp/bin/node-gyp.js");
  } catch {
    giveUp("node-gyp is not installed");
  }
  const run = spawnSync(
    process.execPath,
    [gyp, "rebuild", "--jobs=max", `--directory=${directory}`, ...headersArguments(), ...defines],
    { encoding: "utf8", maxBuffer: 1 << 28 },
  );
  if (run.error) giveUp(run.error.message);
  if (run.status !== 0) giveUp("the compiler failed", `${run.stdout}\n${run.stderr}`);
  // gyp leaves a copy where node-gyp-build looks for the shipped library.
  rmSync(join(directory, "build", "Release", "holdfast_test.node"), { force: true });
}

/** The name under which node-gyp-build finds it in an installed package. */
function prebuiltPath() {
  const musl = process.report?.getReport().header.glibcVersionRuntime === undefined;
  const folder = join(native, "prebuilds", `${process.platform}-${process.arch}`);
  return join(folder, `holdfast.${musl ? "musl" : "glibc"}.node`);
}

/** node-gyp builds where binding.gyp is, so the checked build gets a folder with its own. */
function sanitizedFolder() {
  const folder = join(root, ".tmp", "native-sanitize");
  mkdirSync(folder, { recursive: true });
  for (const name of readdirSync(native)) {
    if (/\.(cc|h|gyp)$/.test(name)) copyFileSync(join(native, name), join(folder, name));
  }
  return folder;
}

if (process.platform !== "linux") giveUp(`it needs Linux, and this is ${process.platform}`);

if (sanitize) {
  compile(sanitizedFolder(), ["--", "-Dsanitize=1"]);
} else {
  const built = join(native, "build", "Release", "holdfast.node");
  const seam = join(native, "build", "Release", "seam", "holdfast_test.node");
  const newest = newestSource();
  if (modifiedAt(built) < newest || modifiedAt(seam) < newest) compile(native, []);
  const prebuilt = prebuiltPath();
  if (modifiedAt(prebuilt) < modifiedAt(built)) {
    mkdirSync(dirname(prebuilt), { recursive: true });
    // Under another name first: a program that has the old one open must not see it change.
    const fresh = `${prebuilt}.${process.pid}`;
    copyFileSync(built, fresh);
    renameSync(fresh, prebuilt);
  }
}
