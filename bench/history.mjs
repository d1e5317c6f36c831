/**
 * What it takes to look back: `node bench/history.mjs [DIRECTORY] [TRANSACTIONS]`. Rows of four fields,
 * 20,000 keys; a snapshot after each quarter.
 */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { decimal, defineTable, integer, open, string } from "../dist/index.js";

const parent = process.argv[2] ?? tmpdir();
const total = Number(process.argv[3] ?? 400_000);
const directory = mkdtempSync(join(parent, "holdfast-history-"));
const orders = defineTable({
  name: "orders",
  version: 1,
  tier: "important",
  key: integer(),
  fields: { price: decimal(2), quantity: decimal(8), side: string(), count: integer() },
});

async function timed(what, work) {
  const since = performance.now();
  const result = await work();
  console.log(
    `${what.padEnd(44)} ${(performance.now() - since).toFixed(1).padStart(9)} ms  ${result}`,
  );
}

const store = await open(directory, {
  tables: [orders],
  history: "all",
  backgroundBytesPerSecond: 1e9,
  environment: "bench",
});
const table = store.table(orders);
await timed(`${total} transactions`, async () => {
  for (let i = 0; i < total; i++) {
    const key = (i * 7919) % 20_000;
    const row = {
      price: `${60_000 + (i % 500)}.${10 + (i % 90)}`,
      quantity: `0.${100 + (i % 900)}`,
      side: i % 3 === 0 ? "buy" : "sell",
      count: i,
    };
    // One in a thousand says why it is.
    if (i % 1_000 !== 7) await table.put(key, row);
    else await table.put(key, row, { reason: "bench", tags: { signal: `s-${i % 7}` } });
    if (i % 500 === 499) await store.durable();
    if (i % (total / 4) === total / 4 - 1) await store.snapshot();
  }
  await store.flush();
  return "";
});
const last = store.lastSequence;
for (const [what, n] of [
  ["at, now", last],
  ["at, 1,000 behind a snapshot", total / 2 + 1_000],
  ["at, an eighth behind a snapshot", Math.floor((total * 5) / 8)],
  ["at, the last before a snapshot", total / 2],
]) {
  await timed(what, async () => {
    const past = await store.at(n);
    const { sequence } = past;
    await past.close();
    return `sequence ${sequence}`;
  });
}
await timed("history of a key, all of it", async () => {
  let changes = 0;
  for await (const _ of table.history(7)) changes++;
  return `${changes} changes`;
});
await timed("transactions, all", async () => {
  let count = 0;
  for await (const _ of store.transactions()) count++;
  return `${count}`;
});
await timed("transactions with a tag, all looked at", async () => {
  let count = 0;
  for await (const _ of store.transactions({ tags: { signal: "s-3" } })) count++;
  return `${count}`;
});
await timed("diff of two snapshots", async () => {
  let count = 0;
  for await (const _ of store.diff(total / 2, (total * 3) / 4)) count++;
  return `${count} rows`;
});
await timed("rollback to the middle", async () => {
  const { transactions, tables } = await store.rollback(total / 2, { reason: "bench" });
  return `${transactions} transactions, ${tables[0]?.changed} rows`;
});
await store.close();
rmSync(directory, { recursive: true });
