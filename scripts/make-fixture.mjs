// Writes a store of the current format version to test/fixtures/v<log>-<manifest>, with what must be
// read from it beside. To be run once for each new format version: fixtures are never rewritten.
import { copyFileSync, existsSync, mkdirSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const load = (path) => import(pathToFileURL(join(root, "dist", path)).href);
const { open } = await load("index.js");
const { LOG_FORMAT_VERSION } = await load("log/format.js");
const { MANIFEST_FORMAT_VERSION } = await load("manifest/format.js");
const { everything, pairs, fill, stateOf } = await import("../test/fixtures/tables.mjs");

const name = `v${LOG_FORMAT_VERSION}-${MANIFEST_FORMAT_VERSION}`;
const target = join(root, "test", "fixtures", name);
if (existsSync(target)) {
  console.error(`${target} is there already: what a released version wrote is never rewritten`);
  process.exit(1);
}
const work = join(root, ".tmp", name);
rmSync(work, { recursive: true, force: true });
const options = {
  tables: [everything, pairs],
  environment: "fixture",
  writerId: "make-fixture",
  backend: "portable",
  segmentBytes: 64 * 1024,
};

/** Copied while it is open: as a process that was killed would leave it. */
function copyStore(to) {
  mkdirSync(join(target, to), { recursive: true });
  for (const file of readdirSync(work)) {
    if (file !== "LOCK") copyFileSync(join(work, file), join(target, to, file));
  }
}

const store = await open(work, options);
await fill(store);
copyStore("crashed");
const expected = stateOf(store);
await store.close();
copyStore("closed");
writeFileSync(join(target, "expected.json"), `${JSON.stringify(expected, null, 1)}\n`);
