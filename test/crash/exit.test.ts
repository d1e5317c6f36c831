/** Ends that a program brings about itself, with writes on their way: a crash like any other. */
import { once } from "node:events";
import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { fileURLToPath } from "node:url";
import { Worker } from "node:worker_threads";
import { afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { open } from "../../src/index.js";
import { Random } from "../sim/random.js";
import { ensureBuilt } from "../support/built.js";
import { diskOf, KILL_BACKENDS, type KillBackend } from "./disks.js";
import { runVictim } from "./victim.js";
import { Acknowledged, checkWriters, WRITER_TABLES, WRITERS } from "./writer-checks.js";

const CHILD = fileURLToPath(new URL("writers-child.mjs", import.meta.url));
const WORKER = new URL("writers-worker.mjs", import.meta.url);
const TERMINATIONS = 5;
const EXITS = 5;
const LONG = { timeout: 240_000 };
/** After every one of so many ends a new store is begun, so that the log stays short. */
const ENDS_A_STORE = 5;

let directory: string;
let random: Random;
let seed: number;
beforeAll(ensureBuilt);
beforeEach(() => {
  directory = mkdtempSync(`${tmpdir()}/holdfast-exit-`);
  seed = Math.floor(Math.random() * 2 ** 31);
  random = new Random(seed);
});
afterEach(() => rmSync(directory, { recursive: true }));

function workload(backend: KillBackend) {
  const options = { backend, segmentBytes: 2 * 1024 * 1024, framesInFlight: 8 };
  return { directory, options, writers: WRITERS, largest: 10_000 };
}

async function look(backend: KillBackend, acknowledged: Acknowledged): Promise<void> {
  const store = await open(directory, { backend, tables: WRITER_TABLES, onWarning: () => {} });
  try {
    checkWriters(store, acknowledged);
  } finally {
    await store.close();
  }
}

/**
 * Without a lock of the kernel, what a terminated worker has claimed is its process's until that has
 * ended: nobody can tell that the thread is gone.
 */
async function unlock(): Promise<void> {
  const again = open(directory, { backend: "portable", tables: WRITER_TABLES });
  await expect(again).rejects.toMatchObject({
    code: "LOCKED",
    data: { holder: { pid: process.pid } },
  });
  rmSync(`${directory}/LOCK`);
}

/** Runs a worker until it has made so many writes durable, and terminates it. */
async function terminateAfter(
  backend: KillBackend,
  count: number,
  acknowledged: Acknowledged,
): Promise<void> {
  const shared = new SharedArrayBuffer(4 * WRITERS);
  const workerData = { ...workload(backend), shared, announceAt: count };
  const worker = new Worker(WORKER, { workerData });
  await once(worker, "message");
  expect(await worker.terminate()).toBe(1);
  for (const [writer, counter] of new Int32Array(shared).entries()) {
    acknowledged.durable(writer, counter);
  }
}

describe.each(KILL_BACKENDS)("on %s", (backend) => {
  test(
    "worker.terminate() with writes in flight loses nothing that was durable",
    LONG,
    async () => {
      if (diskOf(backend) === undefined) return console.warn(`SKIPPED: terminate on ${backend}`);
      for (let end = 0; end < TERMINATIONS; end += ENDS_A_STORE) {
        const acknowledged = new Acknowledged();
        for (let i = 0; i < ENDS_A_STORE; i++) {
          await terminateAfter(backend, 1 + random.below(150), acknowledged);
          if (backend === "portable") await unlock();
        }
        // Each worker has opened what the one before it left, and gone on from there.
        await look(backend, acknowledged);
        expect(acknowledged.total, `seed ${seed}`).toBeGreaterThan(0);
        rmSync(directory, { recursive: true });
        mkdirSync(directory);
      }
    },
  );

  test("process.exit() with writes in flight loses nothing that was durable", async () => {
    if (diskOf(backend) === undefined) return console.warn(`SKIPPED: exit on ${backend}`);
    const acknowledged = new Acknowledged();
    for (let end = 0; end < EXITS; end++) {
      const exitAfter = 1 + random.below(600);
      const ending = await runVictim({
        args: [CHILD, JSON.stringify({ ...workload(backend), exitAfter })],
        directory,
        plan: undefined,
        onLine: (line) => acknowledged.line(line),
      });
      expect(ending.code, ending.errors).toBe(0);
      await look(backend, acknowledged);
    }
    expect(acknowledged.total, `seed ${seed}`).toBeGreaterThanOrEqual(EXITS);
  });
});
