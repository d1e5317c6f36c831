// What a model costs: durable, after small and dense updates, and read back. `npm run bench -- blobs`
import {
  closeSync,
  fdatasyncSync,
  mkdirSync,
  openSync,
  rmSync,
  writeFileSync,
  writeSync,
} from "node:fs";
import { join } from "node:path";
import { monitorEventLoopDelay } from "node:perf_hooks";
import { parseArgs } from "node:util";
import { open } from "../dist/index.js";
import { cleanUp, cleanUpOnSignals, removeAtEnd } from "./children.mjs";
import { describeMachine } from "./machine.mjs";
import { number, textTable } from "./text.mjs";

const MIB = 1024 * 1024;
const PIECE = 4 * MIB;

/** The same numbers in every run. */
function generator(seed) {
  let state = seed;
  const uniform = () => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>> 0) / 2 ** 32;
  };
  return () => {
    const radius = Math.sqrt(-2 * Math.log(uniform() + 1e-12));
    return radius * Math.cos(2 * Math.PI * uniform());
  };
}

function weights(bytes) {
  const normal = generator(12345);
  return Float32Array.from({ length: bytes / 4 }, () => normal() * 0.02);
}

/** Seconds to write so many bytes, one piece behind the other, and make them durable. */
function deviceSeconds(file, bytes) {
  const piece = Buffer.alloc(PIECE, 0x5a);
  const fd = openSync(file, "w");
  const start = performance.now();
  for (let at = 0; at < bytes; at += PIECE)
    writeSync(fd, piece, 0, Math.min(PIECE, bytes - at), at);
  fdatasyncSync(fd);
  const seconds = (performance.now() - start) / 1000;
  closeSync(fd);
  rmSync(file);
  return seconds;
}

/**
 * How late a timer of a millisecond came while `work` ran, at most and one time in a hundred, in ms:
 * nothing is added to what the thread has to do.
 */
async function watched(work) {
  const delays = monitorEventLoopDelay({ resolution: 1 });
  delays.enable();
  const start = performance.now();
  const result = await work();
  const seconds = (performance.now() - start) / 1000;
  delays.disable();
  const late = (nanoseconds) => Math.max(0, nanoseconds / 1e6 - 1);
  return {
    result,
    seconds,
    longestMillis: late(delays.max),
    p99Millis: late(delays.percentile(99)),
  };
}

/** The same of a thread that only waits, for so long: what the machine itself adds. */
const idle = (seconds) =>
  watched(() => new Promise((resolve) => setTimeout(resolve, 1000 * seconds)));

export async function blobs(args) {
  const { values } = parseArgs({
    args,
    options: {
      dir: { type: "string" },
      mebibytes: { type: "string" },
      rounds: { type: "string" },
      quick: { type: "boolean" },
      json: { type: "string" },
      check: { type: "boolean" },
    },
  });
  const size = Number(values.mebibytes ?? (values.quick ? 16 : 128)) * MIB;
  const rounds = Number(values.rounds ?? (values.quick ? 1 : 3));
  const parent = values.dir ?? ".tmp/bench";
  mkdirSync(parent, { recursive: true });
  cleanUpOnSignals();
  const directory = join(parent, `blobs-${process.pid}`);
  removeAtEnd(directory);
  mkdirSync(directory);
  const shared = new SharedArrayBuffer(size);
  const model = new Float32Array(shared);
  model.set(weights(size));
  const options = { environment: "bench", blobs: true, backgroundBytesPerSecond: 10 ** 12 };
  const puts = [];
  let devices = [];
  let store;
  for (let round = 0; round < rounds; round++) {
    devices.push(deviceSeconds(join(directory, "device"), size));
    if (store !== undefined) await store.close();
    rmSync(join(directory, "state"), { recursive: true, force: true });
    store = await open(join(directory, "state"), options);
    // The thread is there, and its code is compiled.
    await store.blobs.put("warm", new Float32Array(weights(4 * MIB)));
    puts.push(await watched(() => store.blobs.put("model", model)));
    devices.push(deviceSeconds(join(directory, "device"), size));
  }
  devices = devices.sort((a, b) => a - b);
  const device = devices[Math.floor(devices.length / 2)];
  const best = puts.sort((a, b) => a.seconds - b.seconds)[0];
  const normal = generator(777);
  // One in a hundred, scattered over all of them.
  const scattered = 2 ** 31 - 1;
  for (let i = 0, at = 1; i < model.length / 100; i++) {
    at = (at * 48271) % scattered;
    model[at % model.length] += normal() * 0.002;
  }
  const sparse = await watched(() => store.blobs.put("model", model));
  for (let i = 0; i < model.length; i++) model[i] += normal() * 0.0002;
  const dense = await watched(() => store.blobs.put("model", model));
  const reads = [];
  for (const version of [1, 2, 3]) {
    reads.push(await watched(() => store.blobs.get("model", { version })));
  }
  const nothing = await idle(Math.max(1, best.seconds));
  const last = Buffer.compare(reads[2].result, new Uint8Array(shared));
  const speed = (seconds) => size / MIB / seconds;
  const result = {
    machine: describeMachine(),
    bytes: size,
    deviceMibPerSecond: speed(device),
    put: { mibPerSecond: speed(best.seconds), partOfDevice: device / best.seconds },
    longestTurnMillis: Math.max(...puts.map((one) => one.longestMillis)),
    sparse: { part: sparse.result.storedBytes / size, mibPerSecond: speed(sparse.seconds) },
    dense: { part: dense.result.storedBytes / size, mibPerSecond: speed(dense.seconds) },
    p99TurnMillis: Math.max(...puts.map((one) => one.p99Millis)),
    longestIdleTurnMillis: nothing.longestMillis,
    longestUpdateTurnMillis: Math.max(sparse.longestMillis, dense.longestMillis),
    reads: reads.map(({ seconds, longestMillis }) => ({
      mibPerSecond: speed(seconds),
      seconds,
      longestMillis,
    })),
    readsAreWhatWasPut: last === 0,
  };
  await store.close();
  const targets = [
    ["durable put, part of the device's speed", result.put.partOfDevice, ">=", 0.5],
    ["event loop late while it is put, at most, ms", result.longestTurnMillis, "<", 2],
    ["1 % of the weights changed, part of the size", result.sparse.part, "<", 0.03],
    ["all of them changed a little, part of the size", result.dense.part, "<=", 0.75],
  ];
  const met = targets.map(([, value, sign, target]) =>
    sign === ">=" ? value >= target : sign === "<" ? value < target : value <= target,
  );
  if (values.json !== undefined) writeFileSync(values.json, JSON.stringify(result, null, 2));
  console.log(
    textTable([
      ["", "measured", "target", ""],
      ...targets.map(([what, value, sign, target], i) => [
        what,
        number(value, 3),
        `${sign} ${target}`,
        met[i] ? "" : "missed",
      ]),
    ]),
  );
  const lines = [
    ["the device: written, then fdatasync", result.deviceMibPerSecond],
    ["put", result.put.mibPerSecond],
    ["put, 1 % changed", result.sparse.mibPerSecond],
    ["put, all changed a little", result.dense.mibPerSecond],
    ...result.reads.map((one, i) => [`get of version ${i + 1}, verified`, one.mibPerSecond]),
  ];
  console.log(
    textTable([["MiB/s", ""], ...lines.map(([what, value]) => [what, number(value, 0)])]),
  );
  console.log(
    `event loop late, at most: ${number(result.longestTurnMillis, 2)} ms while it is put, ` +
      `${number(result.longestUpdateTurnMillis, 2)} ms while updates are, and ` +
      `${number(result.longestIdleTurnMillis, 2)} ms while this thread does nothing`,
  );
  if (!result.readsAreWhatWasPut) throw new Error("what was read is not what was put");
  cleanUp();
  if (values.check && met.includes(false)) process.exitCode = 1;
}
