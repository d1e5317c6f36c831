// Puts one version after another, each with the row that refers to it, until it is killed.
import { writeSync } from "node:fs";
import { defineTable, integer, open, string } from "../../dist/index.js";
import { contentOf } from "./kill-content.mjs";

const runs = defineTable({
  name: "runs",
  version: 1,
  key: string(),
  fields: { step: integer(), version: integer() },
});
const store = await open(process.argv[2], { environment: "test", blobs: true, tables: [runs] });
let step = store.table(runs).get("live")?.step ?? 0;
for (;;) {
  step++;
  const prepared = await store.blobs.prepare("m", contentOf(step));
  await store.transact((tx) => {
    const before = tx.get(runs, "live");
    const { version } = tx.blobs.put(prepared, { pinned: true });
    tx.put(runs, "live", { step, version });
    if (before !== undefined) {
      tx.blobs.unpin("m", before.version);
      tx.blobs.drop("m", { version: before.version });
    }
  });
  writeSync(1, `${step}\n`);
  if (step % 5 === 0) await store.blobs.collect();
}
