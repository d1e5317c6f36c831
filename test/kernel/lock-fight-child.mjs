// Tries to get a store again and again, as a process or as a worker thread. Whoever has it is alone:
// says so in a file that only one can make, adds one to a row, and lets go.
//
//   node lock-fight-child.mjs '{"directory", "witness", "backend", "tries"}'
//
// Gives, as a line of JSON or as a message: how often it won, and how often it was refused.
import { closeSync, openSync, unlinkSync } from "node:fs";
import { isMainThread, parentPort, workerData } from "node:worker_threads";
import { defineTable, integer, open } from "../../dist/index.js";

const { directory, witness, backend, tries } = isMainThread
  ? JSON.parse(process.argv[2])
  : workerData;
const wins = defineTable({
  name: "wins",
  version: 1,
  key: integer(),
  fields: { count: integer() },
});
const options = { backend, tables: [wins], segmentBytes: 64 * 1024, finalSnapshotMillis: 0 };
const result = { won: 0, refused: 0 };

for (let n = 0; n < tries; n++) {
  let store;
  try {
    store = await open(directory, { ...options, onWarning: () => {} });
  } catch (error) {
    if (error.code !== "LOCKED") throw error;
    result.refused++;
    await new Promise((resolve) => setTimeout(resolve, Math.random() * 10));
    continue;
  }
  closeSync(openSync(witness, "wx"));
  await store.table(wins).update(0, (row) => ({ count: (row?.count ?? 0) + 1 }));
  unlinkSync(witness);
  await store.close();
  result.won++;
}
if (isMainThread) console.log(JSON.stringify(result));
else parentPort.postMessage(result);
