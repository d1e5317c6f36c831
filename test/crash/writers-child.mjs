// A process of many writers: see writers.mjs.
//
//   node writers-child.mjs '{"directory", "options", "writers", "largest", "snapshotMillis"?,
//     "exitAfter"?}'
//
// Says on descriptor 3 "= WRITER COUNTER" for what it found, then "WRITER COUNTER" for whatever has
// become durable, before it goes on; and what becomes of its snapshots, see snapshots.mjs. With
// `exitAfter` it ends itself after so many acknowledgements, with writes on their way.
import { say } from "./say.mjs";
import { runWriters } from "./writers.mjs";

const { exitAfter = Number.POSITIVE_INFINITY, ...rest } = JSON.parse(process.argv[2]);
let reported = 0;

await runWriters({
  ...rest,
  found: (writer, counter) => say(`= ${writer} ${counter}`),
  say,
  report: (writer, counter) => {
    say(`${writer} ${counter}`);
    if (++reported === exitAfter) process.exit(0);
  },
});
