// One generation of the program of takeover.mjs: takes the store over, writes without pause, and is
// taken over in its turn. Times are CLOCK_MONOTONIC, which all processes of a machine share.
import { defineTable, integer, open, string } from "../dist/index.js";

const [directory, rows, fill] = process.argv.slice(2);
const now = () => Number(process.hrtime.bigint() / 1000n);
const orders = defineTable({
  name: "orders",
  version: 1,
  key: integer(),
  fields: { price: integer(), quantity: integer(), note: string() },
});

const row = (i) => ({ price: i, quantity: i % 100, note: `order ${i} of the tape` });
const store = await open(directory, { tables: [orders], takeover: true, handover: true });
const openedMicros = now();
const table = store.table(orders);

for (let i = 0; fill === "fill" && i < Number(rows); i += 500) {
  await store.transact((tx) => {
    for (let j = i; j < i + 500; j++) tx.put(orders, j, row(j));
  });
}

let lastAckMicros = 0;
let writes = 0;
let firstAckMicros = 0;
let refusedMicros = 0;
try {
  for (;;) {
    await table.put(writes % Number(rows), row(store.lastSequence));
    lastAckMicros = now();
    if (writes++ === 0) {
      firstAckMicros = lastAckMicros;
      process.stdout.write(`${JSON.stringify({ openedMicros, firstAckMicros })}\n`);
    }
  }
} catch (error) {
  if (error.code !== "HANDED_OVER") throw error;
  refusedMicros = now();
}
const { sequence } = await store.handedOver;
const releasedMicros = now();
const done = { writes, sequence, lastAckMicros, refusedMicros, releasedMicros };
process.stdout.write(`${JSON.stringify(done)}\n`);
