// What the store is measured beside: in bench/package.json, so that the package itself has none of it.
import { spawnSync } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { fileURLToPath, pathToFileURL } from "node:url";

const FOLDER = fileURLToPath(new URL("..", import.meta.url));
const require = createRequire(`${FOLDER}package.json`);

/** Those that no lock can have as long as a registry does not: asked for when they are wanted. */
const UNLOCKED = { "@harperfast/rocksdb-js": "2.7.1", "process-wal": "1.5.1" };

function versionOf(name) {
  const path = `${FOLDER}node_modules/${name}/package.json`;
  return existsSync(path) ? JSON.parse(readFileSync(path, "utf8")).version : undefined;
}

function lockedVersion(name) {
  const lock = JSON.parse(readFileSync(`${FOLDER}package-lock.json`, "utf8"));
  return lock.packages[`node_modules/${name}`]?.version;
}

function npm(args) {
  return spawnSync("npm", [...args, "--no-audit", "--no-fund"], {
    cwd: FOLDER,
    encoding: "utf8",
    stdio: ["ignore", "pipe", "pipe"],
  });
}

/** The line of npm's errors that says what is wrong, without addresses. */
function reasonOf({ stderr, status }) {
  const lines = (stderr ?? "").split("\n").filter((line) => /^npm (error|ERR!)/.test(line));
  const first = lines.map((line) => line.replace(/^npm (error|ERR!) /, "")).find(Boolean);
  return (first ?? `npm ended with ${status}`).replace(/https?:\/\/\S+/g, "(registry)");
}

/**
 * Installs what can be of these packages: those of bench/package-lock.json as it has them, unless they
 * are there. For each name `{ version }`, or `{ missing }` with why.
 */
export function installPeers(names) {
  const locked = names.filter((name) => UNLOCKED[name] === undefined);
  let failed;
  if (locked.some((name) => versionOf(name) !== lockedVersion(name))) {
    console.error(
      `installing ${locked.join(", ")}, to measure beside, into bench/node_modules ...`,
    );
    const run = npm(["ci"]);
    if (run.status !== 0) failed = reasonOf(run);
  }
  const result = {};
  for (const name of locked) {
    const version = versionOf(name);
    if (version === lockedVersion(name)) result[name] = { version };
    else result[name] = { missing: failed ?? "its addon could not be built here" };
  }
  for (const name of names.filter((one) => !locked.includes(one))) {
    const wanted = UNLOCKED[name];
    if (versionOf(name) !== wanted) {
      const run = npm(["install", "--no-save", "--no-package-lock", `${name}@${wanted}`]);
      if (versionOf(name) !== wanted) {
        result[name] = { missing: `not installable at ${wanted}: ${reasonOf(run)}` };
        continue;
      }
    }
    result[name] = { version: wanted };
  }
  return result;
}

/** Installs lmdb; its version. Throws why it could not be. */
export function installLmdb() {
  const { version, missing } = installPeers(["lmdb"]).lmdb;
  if (version !== undefined) return version;
  throw new Error(
    `lmdb could not be installed (${missing}): run "npm ci" in ${FOLDER} and look; ` +
      "or leave the part out, with --only",
  );
}

/** A peer, as an application would load it. */
export function requirePeer(name) {
  return require(name);
}

/** As `requirePeer`, for packages that are modules only. */
export function importPeer(name) {
  return import(pathToFileURL(require.resolve(name)).href);
}

export const loadLmdb = async () => requirePeer("lmdb");
