// Writes a store of the current format version to test/fixtures/v<log>-<manifest>, with what must be
// read from it beside. To be run once for each new format version: fixtures are never rewritten.
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const { open } = await import(pathToFileURL(join(root, "dist", "index.js")).href);
const { annotate, annotationsOf, modelOf, pairs, fill, patch, stateOf, tablesOf } = await import(
  "../test/fixtures/tables.mjs"
);

/** The built package does not tell them. */
function versionIn(folder) {
  const source = readFileSync(join(root, "src", folder, "format.ts"), "utf8");
  return /^export const [A-Z]+_FORMAT_VERSION = (\d+);$/m.exec(source)[1];
}

const tables = tablesOf(Number(versionIn("log")));
const name = `v${versionIn("log")}-${versionIn("manifest")}`;
const target = join(root, "test", "fixtures", name);
if (existsSync(target)) {
  console.error(`${target} is there already: what a released version wrote is never rewritten`);
  process.exit(1);
}
const work = join(root, ".tmp", name);
rmSync(work, { recursive: true, force: true });
const options = {
  tables,
  environment: "fixture",
  writerId: "make-fixture",
  backend: "portable",
  segmentBytes: 64 * 1024,
  blobs: true,
};

/** Copied while it is open: as a process that was killed would leave it. */
function copyStore(to) {
  mkdirSync(join(target, to), { recursive: true });
  for (const file of readdirSync(work)) {
    if (file !== "LOCK") copyFileSync(join(work, file), join(target, to, file));
  }
}

/** Resolves when the background has nothing more to do: what is copied then belongs together. */
async function quiet() {
  for (;;) {
    await store.flush();
    const { flushes, merges, archives } = store.stats().background;
    const busy = [flushes, merges, archives].some(({ running }) => running);
    if (!busy) return;
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

const store = await open(work, {
  ...options,
  history: { keepBytes: 50_000 },
  finalSnapshotMillis: 0,
});
const snapshots = {};
// Runs of two tiers, a few archives, and segments that are used again.
for (let round = 1; round <= 9; round++) {
  await fill(store);
  await patch(store, 20);
  await quiet();
  // Of rows that runs have.
  await patch(store, 7);
  if (round % 4 !== 0) continue;
  // A tail of log for the snapshot to keep.
  for (let n = 0; n < 20; n++) await store.table(pairs).put(["tail", n], { n: round });
  const { name: snapshot } = await store.snapshot(`round-${round}`);
  snapshots[snapshot] = stateOf(store, tables);
}
await fill(store);
await patch(store, 33);
await annotate(store);
// The second one is the difference to the first, and part of what is in packs is of no use.
for (const seed of [1, 2, 3]) await store.blobs.put("model", modelOf(seed));
await store.blobs.put("notes", Buffer.from("a blob that compresses, ".repeat(200)));
await store.blobs.drop("model", { version: 2 });
await store.blobs.collect();
await quiet();
copyStore("crashed");
const expected = stateOf(store, tables);
const annotations = await annotationsOf(store);
await store.close();
copyStore("closed");
const write = (file, value) =>
  writeFileSync(join(target, file), `${JSON.stringify(value, null, 1)}\n`);
write("expected.json", expected);
write("snapshots.json", snapshots);
write("annotations.json", annotations);
