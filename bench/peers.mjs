// What the store is measured beside: in bench/package.json, so that the package itself has none of it.
import { spawnSync } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { fileURLToPath } from "node:url";

const FOLDER = fileURLToPath(new URL(".", import.meta.url));

/** Installs the peers as bench/package-lock.json has them, unless they are there. Throws why not. */
export function installPeers() {
  const lock = JSON.parse(readFileSync(`${FOLDER}package-lock.json`, "utf8"));
  const wanted = lock.packages["node_modules/lmdb"].version;
  if (installedVersion() === wanted) return wanted;
  console.error(`installing lmdb ${wanted}, to measure beside, into bench/node_modules ...`);
  const { status } = spawnSync("npm", ["ci", "--no-audit", "--no-fund"], {
    cwd: FOLDER,
    stdio: ["ignore", 2, 2],
  });
  if (status === 0 && installedVersion() === wanted) return wanted;
  throw new Error(
    `lmdb could not be installed: run "npm ci" in ${FOLDER} and look; ` +
      "or leave the part out, with --only",
  );
}

function installedVersion() {
  const path = `${FOLDER}node_modules/lmdb/package.json`;
  return existsSync(path) ? JSON.parse(readFileSync(path, "utf8")).version : undefined;
}

/** The peer, as an application would load it. */
export async function loadLmdb() {
  const require = createRequire(import.meta.url);
  return require("lmdb");
}
