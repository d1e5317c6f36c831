// What the tests of the native disk run in other processes and in workers: plain JavaScript on the
// bare addon, so that it needs no build of the sources. Arguments: what to do, the folder, the back
// end. Says how far it is in lines of text, to its parent.
import { closeSync, openSync, writeSync } from "node:fs";
import { createRequire } from "node:module";
import { fileURLToPath } from "node:url";
import { isMainThread, parentPort, workerData } from "node:worker_threads";

const require = createRequire(import.meta.url);
const native =
  process.env.HOLDFAST_NATIVE_FOLDER ?? fileURLToPath(new URL("../../native", import.meta.url));
const addon = require(`${native}/build/Release/seam/holdfast_test.node`);

const [task, folder, backend, method] = isMainThread ? process.argv.slice(2) : workerData;
const METHODS = ["direct-dsync", "buffered-dsync", "buffered-fdatasync"];

function say(line) {
  if (isMainThread) writeSync(1, `${line}\n`);
  else parentPort.postMessage(line);
}

async function lock() {
  const taken = await addon.lock(`${folder}/lock`);
  return typeof taken === "number" ? undefined : taken[0];
}

/** A queue that counts, with its log open. */
async function openQueue(slotBytes, slotCount, onReady = () => {}) {
  const held = await lock();
  if (held === undefined) throw new Error("the lock is held");
  const completions = new Int32Array(slotCount * 2);
  const queue = addon.openQueue(
    slotBytes,
    slotCount,
    backend !== "threads",
    held,
    completions,
    (count) => {
      for (let i = 0; i < count; i++) onReady(completions[2 * i], completions[2 * i + 1]);
      return false;
    },
  );
  const log = await addon.openLog(queue, `${folder}/log`, METHODS.indexOf(method));
  if (log < 0) throw new Error(`openLog: ${log}`);
  const fill = (value) => {
    for (let slot = 0; slot < slotCount; slot++)
      new Uint8Array(addon.slot(queue, slot)).fill(value);
  };
  return { held, queue, log, fill };
}

const TASKS = {
  /** Says whether the lock could be had. */
  async "try-lock"() {
    say((await lock()) === undefined ? "held" : "taken");
  },

  /** Holds the lock until it is killed. */
  async "hold-lock"() {
    globalThis.kept = await lock();
    say(globalThis.kept === undefined ? "held" : "taken");
    setInterval(() => {}, 1000);
  },

  /** Submits much at once and stands still until it is killed. */
  async zombie() {
    const slotBytes = 4 * 1024 * 1024;
    const slotCount = 64;
    const { queue, log, fill } = await openQueue(slotBytes, slotCount);
    fill(Number(process.argv[6]));
    for (let i = 0; i < slotCount; i++) addon.submit(queue, log, i, slotBytes, i * slotBytes);
    say("submitted");
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0);
  },

  /** Ends the process with writes in flight. */
  async "exit-in-flight"() {
    const { queue, log, fill } = await openQueue(1024 * 1024, 8);
    fill(1);
    for (let i = 0; i < 8; i++) addon.submit(queue, log, i, 1024 * 1024, i * 1024 * 1024);
    process.exit(7);
  },

  /** Leaves everything open with a write in flight: must tell of it, and then end by itself. */
  async idle() {
    const { queue, log } = await openQueue(4096, 2, (slot, error) => {
      say(`completed ${slot} ${error}`);
    });
    addon.submit(queue, log, 1, 4096, 0);
  },

  /** Writes without end, from the event loop, until it is terminated. */
  async "write-for-ever"() {
    const slotBytes = 256 * 1024;
    const again = (slot) =>
      addon.submit(opened.queue, opened.log, slot, slotBytes, slot * slotBytes);
    const opened = await openQueue(slotBytes, 8, (slot) => again(slot));
    opened.fill(3);
    for (let slot = 0; slot < 8; slot++) again(slot);
    say("writing");
  },

  /** A SIGBUS that is not ours must do what it always does. */
  async "foreign-fault"() {
    closeSync(openSync(`${folder}/empty`, "w"));
    await addon.map([`${folder}/empty`]);
    say("mapped");
    process.kill(process.pid, "SIGBUS");
    setInterval(() => {}, 1000);
  },
};

await TASKS[task]();
