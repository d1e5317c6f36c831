// A process that is not root, whose store's directory loses its permissions: see read-only.test.ts.
//
//   node no-permission-child.mjs '{"directory", "backend"}'
//
// Prints one line of JSON: what became of it.
import { chmodSync } from "node:fs";
import { bytes, defineTable, integer, open } from "../../dist/index.js";

const { directory, backend } = JSON.parse(process.argv[2]);
const fields = { content: bytes() };
const blobs = defineTable({ name: "blobs", version: 1, key: integer(), fields });
const options = { backend, tables: [blobs], segmentBytes: 64 * 1024, onWarning: () => {} };
const content = new Uint8Array(4000).fill(7);
const told = (error) => ({ code: error.code, cause: rootOf(error) });
const rootOf = (error) => (error.cause === undefined ? error.code : rootOf(error.cause));

const store = await open(directory, options);
await store.table(blobs).put(0, { content });
await store.snapshot("before");
chmodSync(directory, 0o000);
let acknowledged = 1;
let refused;
while (refused === undefined) {
  try {
    await store.table(blobs).put(acknowledged, { content });
    acknowledged++;
  } catch (error) {
    refused = told(error);
  }
}
const { state } = store.stats();
await store.close().catch(() => {});
const opening = await open(directory, options).then(() => ({}), told);
chmodSync(directory, 0o700);
const again = await open(directory, options);
const found = again.table(blobs).count();
await again.close();
console.log(JSON.stringify({ acknowledged, refused, state, opening, found }));
