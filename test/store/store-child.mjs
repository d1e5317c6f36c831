// A process with a store of its own: see processes.test.ts, which starts it.
//
//   node store-child.mjs <portable|io_uring|threads> <directory> <hold|idle|write>
//
// hold: says OPEN and keeps the store until it is killed. idle: opens it and does nothing more.
// write: puts important and cached rows, waits for none of them and does nothing more.
import { defineTable, integer, open } from "../../dist/index.js";

const [backend, directory, what] = process.argv.slice(2);
const make = (name, tier) =>
  defineTable({ name, tier, version: 1, key: integer(), fields: { value: integer() } });
const important = make("important", "important");
const cached = make("cached", "cached");

const store = await open(directory, {
  backend,
  tables: [important, cached],
  segmentBytes: 256 * 1024,
  writerId: "child",
  flushDelayMicros: 20_000,
  cachedDelayMicros: 40_000,
});
process.stdout.write("OPEN\n");
if (what === "hold") process.stdin.resume();
if (what === "write") {
  for (let i = 0; i < 100; i++) {
    store.table(important).put(i, { value: i });
    store.table(cached).put(i % 10, { value: i });
  }
}
