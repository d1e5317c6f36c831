// A worker thread of many writers: see writers.mjs. What is durable goes to shared memory, where it
// is seen at once, also when the thread is terminated right after.
import { parentPort, workerData } from "node:worker_threads";
import { runWriters } from "./writers.mjs";

const { shared, announceAt, ...rest } = workerData;
const counters = new Int32Array(shared);
const store = (writer, counter) => Atomics.store(counters, writer, counter);
let reported = 0;

await runWriters({
  ...rest,
  found: store,
  report: (writer, counter) => {
    store(writer, counter);
    if (++reported === announceAt) parentPort.postMessage("announced");
  },
});
