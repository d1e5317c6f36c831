/** Writes faster than runs can be made of it, waiting for each write; says how it ended. */
import { defineTable, integer, open, string } from "../../dist/index.js";

const table = defineTable({ name: "t", version: 1, key: integer(), fields: { text: string() } });
const levels = new Set();
const store = await open(process.argv[2], {
  tables: [table],
  onWarning: ({ code }) => levels.add(code),
});
const row = { text: "x".repeat(2000) };
// Nothing else keeps this process alive: neither a timer nor a request.
for (let n = 0; n < 200_000; n += 2000) {
  await store.transact((transaction) => {
    for (let i = n; i < n + 1900; i++) transaction.put(table, i, row);
  });
}
await store.close();
console.log(`done ${[...levels].join()}`);
