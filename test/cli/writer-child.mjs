// A process that has a store open: see stores.ts, which starts it.
//
//   node writer-child.mjs <directory> <hold|write>
//
// hold: says READY and keeps the store until it is killed. write: puts rows for ever.
import { defineTable, integer, open, string } from "../../dist/index.js";

const [directory, what] = process.argv.slice(2);
const positions = defineTable({
  name: "positions",
  version: 1,
  tier: "critical",
  key: string(),
  fields: { quantity: integer() },
});
const store = await open(directory, {
  tables: [positions],
  environment: "test",
  segmentBytes: 64 * 1024,
  writerId: "child",
});
await store.table(positions).put("first", { quantity: 0 });
process.stdout.write("READY\n");
if (what === "hold") process.stdin.resume();
for (let i = 0; what === "write"; i++) {
  await store.table(positions).put(`P${i % 100}`, { quantity: i });
}
