// A worker thread of many writers: see writers.mjs. What is durable goes to shared memory, where it
// is seen at once, also when the thread is terminated right after.
import { workerData } from "node:worker_threads";
import { runWriters } from "./writers.mjs";

const { shared, ...rest } = workerData;
const counters = new Int32Array(shared);
const store = (writer, counter) => Atomics.store(counters, writer, counter);

await runWriters({
  ...rest,
  found: store,
  report: (writer, counter) => {
    store(writer, counter);
    // The last element counts all of them, for whoever waits.
    Atomics.add(counters, counters.length - 1, 1);
    Atomics.notify(counters, counters.length - 1);
  },
});
