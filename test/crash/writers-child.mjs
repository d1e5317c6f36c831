// A process of many writers: see writers.mjs.
//
//   node writers-child.mjs '{"directory", "options", "writers", "largest", "exitAfter"?}'
//
// Says on descriptor 3 "= WRITER COUNTER" for what it found, then "WRITER COUNTER" for whatever has
// become durable, before it goes on. With `exitAfter` it ends itself after so many of these, with
// writes on their way.
import { writeSync } from "node:fs";
import { runWriters } from "./writers.mjs";

const { exitAfter = Number.POSITIVE_INFINITY, ...rest } = JSON.parse(process.argv[2]);
let reported = 0;

function say(line) {
  let left = Buffer.from(`${line}\n`);
  while (left.length > 0) {
    try {
      left = left.subarray(writeSync(3, left));
    } catch (error) {
      if (error.code !== "EAGAIN") throw error;
    }
  }
}

await runWriters({
  ...rest,
  found: (writer, counter) => say(`= ${writer} ${counter}`),
  report: (writer, counter) => {
    say(`${writer} ${counter}`);
    if (++reported === exitAfter) process.exit(0);
  },
});
