// A process that asks for nonces, ten at a time, and says each on its standard output.
//
//   node nonce-child.mjs DIRECTORY POLICY
import { writeSync } from "node:fs";
import { open } from "../../dist/index.js";
import { openTrading, TRADING_TABLES } from "../../dist/trading/index.js";

const [directory, policy] = process.argv.slice(2);
const store = await open(directory, { tables: [...TRADING_TABLES] });
const nonces = { venue: { policy, block: 20 } };
const trading = await openTrading(store, { currency: "USD", nonces });
for (;;) {
  const asked = Array.from({ length: 10 }, () => trading.nonces.next("venue"));
  // As a request would carry it out of the process, before the next turn.
  for (const nonce of asked) nonce.then((value) => writeSync(1, `${value}\n`));
  await Promise.all(asked);
}
