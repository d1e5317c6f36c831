// How long nobody writes while a store goes from one process to the next, under load: from the last
// write that the old one had acknowledged to the first one of the new one.
//
//   node bench/takeover.mjs DIRECTORY [ROUNDS] [ROWS]     (DIRECTORY must not exist)
import { spawn } from "node:child_process";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";

const [directory, rounds = "20", rows = "100000"] = process.argv.slice(2);
if (directory === undefined) throw new Error("usage: takeover.mjs DIRECTORY [ROUNDS] [ROWS]");
const CHILD = fileURLToPath(new URL("takeover-child.mjs", import.meta.url));
/** How long each one writes before it is asked: its code is compiled by then. */
const WRITING_MILLIS = 1000;

function start(...how) {
  const child = spawn(process.execPath, [CHILD, directory, rows, ...how], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  return {
    kill: () => child.kill("SIGKILL"),
    next: async () => {
      const { value, done } = await lines.next();
      if (done) throw new Error("a process has ended without a word");
      return JSON.parse(value);
    },
  };
}

const gaps = [];
let old = start("fill");
await old.next();
for (let round = 0; round < Number(rounds); round++) {
  await new Promise((resolve) => setTimeout(resolve, WRITING_MILLIS));
  const next = start();
  const [begun, ended] = await Promise.all([next.next(), old.next()]);
  const millis = (from, to) => (to - from) / 1000;
  gaps.push({
    gap: millis(ended.lastAckMicros, begun.firstAckMicros),
    letGo: millis(ended.lastAckMicros, ended.releasedMicros),
    open: millis(ended.releasedMicros, begun.openedMicros),
    first: millis(begun.openedMicros, begun.firstAckMicros),
    writes: ended.writes,
  });
  old = next;
}
old.kill();

const text = (of) => {
  const sorted = gaps.map(of).sort((a, b) => a - b);
  const at = (q) => sorted[Math.min(sorted.length - 1, Math.floor(q * sorted.length))].toFixed(1);
  return `median ${at(0.5)}, most ${at(1)}, least ${at(0)} ms`;
};
console.log(`${gaps.length} rounds, ${rows} rows; without a writer: ${text((one) => one.gap)}`);
console.log(`  the old one lets go: ${text((one) => one.letGo)}`);
console.log(`  the new one opens: ${text((one) => one.open)}`);
console.log(`  its first write: ${text((one) => one.first)}`);
console.log(`  writes of each: ${Math.min(...gaps.map((one) => one.writes))} and more`);
