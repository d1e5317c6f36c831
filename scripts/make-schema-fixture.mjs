// Writes a store whose tables went from version to version to test/fixtures/schemas-<generation>,
// with what must be read from it beside. To be run once for each new generation of what the
// description of a schema can say: fixtures are never rewritten.
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
const { open } = await import(pathToFileURL(join(root, "dist", "index.js")));
/** The built package does not tell it. */
const source = readFileSync(join(root, "src", "codec", "schema-description.ts"), "utf8");
const generation = /^export const SCHEMA_GENERATION = (\d+);$/m.exec(source)[1];
const known = await import("../test/fixtures/schemas.mjs");

const { accounts1, accounts2, orders1, orders2, orders3, orderOf, stateOf } = known;
const { addFeatures, features } = known;

const name = `schemas-${generation}`;
const target = join(root, "test", "fixtures", name);
if (existsSync(target)) {
  console.error(`${target} is there already: what a released version wrote is never rewritten`);
  process.exit(1);
}
const work = join(root, ".tmp", name);
rmSync(work, { recursive: true, force: true });
const options = {
  environment: "fixture",
  writerId: "make-schema-fixture",
  backend: "portable",
  segmentBytes: 64 * 1024,
  finalSnapshotMillis: 0,
};

let store = await open(work, { ...options, tables: [orders1, accounts1] });
for (let i = 0; i < 20; i++) await store.table(orders1).put(i, orderOf(i));
await store.table(accounts1).put("a", { balance: 7 });
await store.flush();
await store.snapshot("first");
await store.close();
store = await open(work, { ...options, tables: [orders2, accounts2, features] });
await addFeatures(store);
for (let i = 15; i < 25; i++) {
  const row = { quantity: BigInt(i), price: i / 8, parent: null, legs: [{ amount: `${i}.5` }] };
  await store.table(orders2).put(i, row);
}
await store.flush();
// There and back, and there again: "migrated", and "back" of a version that the store left.
await store.migrate();
await store.migrate({ back: [accounts1] });
const orders = await store.table(orders2).evolve(orders3);
await orders.put(30, { price: "1.5", quantity: 30n, venue: "XLON", legs: [] });
// The manifest says all of it, and the log has a little more.
await store.snapshot("last");
await orders.put(31, { price: "1.75", quantity: 31n, venue: "XLON", legs: [] });
const expected = stateOf(store, [orders3, accounts1]);
// As a process that was killed would leave it.
mkdirSync(join(target, "store"), { recursive: true });
for (const file of readdirSync(work)) {
  if (file !== "LOCK") copyFileSync(join(work, file), join(target, "store", file));
}
await store.close();
writeFileSync(join(target, "expected.json"), `${JSON.stringify(expected, null, 1)}\n`);
