// A process with as many large frames on their way as there may be. Says on
// descriptor 3 the number of each row that has become durable, and then puts another one.
//
//   node zombie-child.mjs '{"directory", "options", "rowBytes"}'
import { writeSync } from "node:fs";
import { bytes, defineTable, integer, open } from "../../dist/index.js";

const { directory, options, rowBytes } = JSON.parse(process.argv[2]);
const large = defineTable({
  name: "large",
  version: 1,
  tier: "critical",
  key: integer(),
  fields: { content: bytes() },
});
const store = await open(directory, { ...options, tables: [large] });
const content = new Uint8Array(rowBytes).fill(0xee);
let key = 0;

async function run() {
  for (;;) {
    const mine = key++;
    await store.table(large).put(mine, { content });
    writeSync(3, `${mine}\n`);
  }
}

const runners = [];
for (let i = 0; i < options.framesInFlight; i++) {
  runners.push(run());
  // Each in a turn of its own, so that each has a frame of its own.
  await new Promise(setImmediate);
}
await Promise.all(runners);
