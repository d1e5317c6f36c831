// The process of one contender: opens its store once, and runs blocks of work when it is told to.
import { Session } from "node:inspector/promises";
import { memoryOf } from "../procfs.mjs";
import { Rows } from "./tables.mjs";
import { underLoad } from "./workloads/backup.mjs";
import { gets, load, scan } from "./workloads/reading.mjs";
import { replay } from "./workloads/replay.mjs";
import { batches, fill, put, putSync, writers } from "./workloads/writing.mjs";
import { load as loadRecords, ycsb } from "./workloads/ycsb.mjs";

const WORKLOADS = {
  ...{ putSync, put, writers, batches, fill, load, gets, scan },
  ...{ replay, loadRecords, ycsb, underLoad },
};

export async function openContext({ adapter, directory, options }) {
  const { open } = await import(adapter);
  const store = await open(directory, options);
  return { store, directory, rows: new Rows(store.decimal) };
}

let context;
/** Of the profiler, while one runs; how often it looks, in microseconds. */
let session;
const SAMPLING_MICROS = 200;

export const CALLS = {
  async open(params) {
    context = await openContext(params);
    return {
      onlySync: context.store.onlySync === true,
      hasSync: context.store.putSync !== undefined,
    };
  },
  run: ({ workload, params }) => WORKLOADS[workload](context, params),
  async startProfile() {
    session = new Session();
    session.connect();
    await session.post("Profiler.enable");
    await session.post("Profiler.setSamplingInterval", { interval: SAMPLING_MICROS });
    await session.post("Profiler.start");
  },
  async stopProfile() {
    const { profile } = await session.post("Profiler.stop");
    session.disconnect();
    return profile;
  },
  memory: async () => memoryOf(process.pid),
  async close() {
    await context.store.close();
  },
};

/** Serves the bench, if this process was forked for that. */
function serve() {
  process.on("message", async ({ id, call, params }) => {
    try {
      const value = await CALLS[call](params);
      process.send({ id, value });
    } catch (error) {
      process.send({ id, error: error instanceof Error ? error.stack : String(error) });
    }
  });
  process.on("disconnect", () => process.exit(1));
}

if (process.argv[2] === "serve") serve();
