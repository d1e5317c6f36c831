// A process with as many large frames on their way as there may be. Says "ready" on descriptor 3
// when it is as far, then once for each frame that has become durable, and puts another one.
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
const table = store.table(large);
const content = new Uint8Array(rowBytes).fill(0xee);
let key = table.count();

async function run() {
  for (;;) {
    const mine = key++;
    await table.put(mine, { content });
    writeSync(3, `${mine}\n`);
  }
}

const runners = Array.from({ length: options.framesInFlight }, async () => {
  // Each in a turn of its own, so that each has a frame of its own.
  await new Promise(setImmediate);
  return run();
});
await Promise.all(runners);
