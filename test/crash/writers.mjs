// Many writers at once on one store, each of which writes its next row when the last one is durable.
// Run by writers-child.mjs and writers-worker.mjs; what it leaves is checked by writer-checks.ts,
// which says what the tables are for.
import { createHash, randomBytes, randomInt } from "node:crypto";
import { setImmediate as nextTurn } from "node:timers/promises";
import { bytes, defineTable, integer, open, string } from "../../dist/index.js";
import { keepTakingSnapshots } from "./snapshots.mjs";

/** Rows of a writer that are kept; older ones are deleted in the transaction that adds one. */
const KEPT = 16;
/** Writers below this one write several tables at once, the others one row. */
const FIRST_PLAIN = 48;

const payload = { counter: integer(), payload: bytes(), digest: string() };
const table = (name, tier, key, fields) => defineTable({ name, version: 1, tier, key, fields });
const counters = table("counters", "critical", integer(), { counter: integer(), sum: integer() });
const rows = table("rows", "critical", [integer(), integer()], payload);
const mirrors = table("mirrors", "important", integer(), { counter: integer() });
const plain = table("plain", "critical", integer(), payload);

/** Small ones, some of several blocks, and a few of many. */
function makeRow(counter, largest) {
  const dice = randomInt(100);
  const size = dice < 60 ? 200 : dice < 84 ? 12_000 : dice < 96 ? largest / 8 : largest;
  const content = randomBytes(randomInt(1, Math.floor(size)));
  const digest = createHash("sha256").update(content).digest("hex");
  return { counter, payload: content, digest };
}

/**
 * Opens the store, tells `found` of each writer what there is, then writes for ever. `report` is
 * called when a write is known to be durable, and before the writer goes on. With `snapshotMillis` it
 * takes snapshots beside that, so often.
 */
export async function runWriters(workload) {
  const { directory, options, writers, largest, snapshotMillis, found, report, say } = workload;
  const store = await open(directory, { ...options, tables: [counters, rows, mirrors, plain] });
  const last = (writer) => {
    const table = writer < FIRST_PLAIN ? counters : plain;
    return store.table(table).get(writer)?.counter ?? 0;
  };
  const write = (writer, counter) => {
    const row = makeRow(counter, largest);
    if (writer >= FIRST_PLAIN) return store.table(plain).put(writer, row);
    return store.transact((tx) => {
      tx.put(rows, [writer, counter], row);
      tx.delete(rows, [writer, counter - KEPT]);
      tx.update(counters, writer, (before) => ({ counter, sum: (before?.sum ?? 0) + counter }));
      tx.put(mirrors, writer, { counter });
    });
  };
  const run = async (writer) => {
    // One after the other, so that they do not all share one frame: what completes together goes on
    // together, and frames that are in flight side by side stay so.
    for (let turn = 0; turn < writer; turn++) await nextTurn();
    for (let counter = last(writer) + 1; ; counter++) {
      await write(writer, counter);
      report(writer, counter);
    }
  };
  for (let writer = 0; writer < writers; writer++) found(writer, last(writer));
  if (snapshotMillis !== undefined) void keepTakingSnapshots(store, snapshotMillis, say);
  await Promise.all(Array.from({ length: writers }, (_, writer) => run(writer)));
}
