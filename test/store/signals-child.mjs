// Opens stores that close on signals, writes, says so, and goes on until it is ended.
import { join } from "node:path";
import { defineTable, integer, open } from "../../dist/index.js";

const [, , directory, mode] = process.argv;
const rows = defineTable({ name: "rows", version: 1, key: integer(), fields: { n: integer() } });
const options = {
  tables: [rows],
  environment: "test",
  onWarning: () => {},
  closeOnSignals: ["SIGTERM", "SIGINT"],
  checkpoints: {},
  finalSnapshotMillis: 600_000,
};
const stores = [];
for (const name of ["a", "b"]) stores.push(await open(join(directory, name), options));
for (const store of stores) {
  for (let n = 0; n < 20; n++) await store.table(rows).put(n, { n });
}
if (mode === "own") {
  process.on("SIGTERM", async () => {
    // They are being closed already: this waits for the same.
    await Promise.all(stores.map((store) => store.close()));
    process.exit(7);
  });
}
if (mode === "closed") {
  await Promise.all(stores.map((store) => store.close()));
  if (process.listenerCount("SIGTERM") !== 0) process.exit(8);
}
console.log("ready");
setInterval(() => {}, 1000);
