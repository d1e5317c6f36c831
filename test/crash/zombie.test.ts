/**
 * Writes that outlive their process: the kernel still carries out what a killed process had
 * submitted. Whoever opens the store next must wait for that, or they would land on what it reads
 * and cuts off.
 */
import { mkdir, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { fileURLToPath } from "node:url";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import type { Disk } from "../../src/disk/disk.js";
import { bytes, defineTable, integer, open } from "../../src/index.js";
import { segmentFileName } from "../../src/log/format.js";
import { ensureBuilt } from "../support/built.js";
import { diskOf, KILL_BACKENDS, type KillBackend, LockWatch } from "./disks.js";
import { LOCK_MILLIS_MAX } from "./rounds.js";
import { runVictim } from "./victim.js";

const CHILD = fileURLToPath(new URL("zombie-child.mjs", import.meta.url));
const TRIALS = 2;
const MIB = 1024 * 1024;
const OPTIONS = {
  segmentBytes: 64 * MIB,
  framesInFlight: 16,
  // The segment stays what it is: nothing of it goes into runs.
  recoveryBudgetMillis: 60_000,
  finalSnapshotMillis: 0,
};
const ROW_BYTES = MIB - 4096;
/** Commits of the successor between two looks at the old segments. */
const COMMITS = 20;
/** The first segment of a store: large enough for all that is in flight. */
const SEGMENT = (store: string) => `${store}/${segmentFileName(1)}`;
const PIECE_BYTES = 4 * MIB;
const SMALL = new Uint8Array(10);

const large = defineTable({
  name: "large",
  version: 1,
  tier: "critical",
  key: integer(),
  fields: { content: bytes() },
});

let directory: string;
beforeAll(ensureBuilt);
beforeEach(async () => {
  directory = await mkdtemp(`${tmpdir()}/holdfast-zombie-`);
});
afterEach(() => rm(directory, { recursive: true }));

const seen: string[] = [];
afterAll(() => console.log(seen.join("\n")));

/** The segment that was being written, from its end on: the last writes would land there. */
async function readSegment(disk: Disk): Promise<Buffer> {
  const file = await disk.open(SEGMENT(directory), { direct: true });
  try {
    const content = Buffer.alloc(await file.size());
    for (let end = content.length; end > 0; end -= PIECE_BYTES) {
      const start = Math.max(0, end - PIECE_BYTES);
      content.set(await file.read(start, end - start), start);
    }
    return content;
  } finally {
    await file.close();
  }
}

/** The same but for what was cut off its end. */
function expectUnchanged(now: Buffer, before: Buffer): void {
  expect(now.length).toBeLessThanOrEqual(before.length);
  expect(now.equals(before.subarray(0, now.length))).toBe(true);
}

/** Runs a process until it has acknowledged so many rows; gives the number of the last. */
async function killAfter(backend: KillBackend, count: number): Promise<number> {
  let acknowledged = -1;
  const child = { directory, options: { ...OPTIONS, backend }, rowBytes: ROW_BYTES };
  const ending = await runVictim({
    args: [CHILD, JSON.stringify(child)],
    directory,
    plan: { when: "acknowledged", count },
    onLine: (line) => {
      acknowledged = Math.max(acknowledged, Number(line));
    },
  });
  expect(ending.signal, ending.errors).toBe("SIGKILL");
  return acknowledged;
}

describe.each(KILL_BACKENDS)("killed with large frames in flight on %s", (backend) => {
  test("it writes nothing more once the store is open again", { timeout: 180_000 }, async () => {
    const disk = diskOf(backend);
    if (disk === undefined) return console.warn(`SKIPPED: late writes on ${backend}`);
    let before: Buffer = Buffer.alloc(0);
    const locks = new LockWatch(disk, async () => {
      before = await readSegment(disk);
    });
    const expected = Buffer.alloc(ROW_BYTES, 0xee);
    let [unacknowledged, torn] = [0, 0];
    for (let trial = 1; trial <= TRIALS; trial++) {
      const acknowledged = await killAfter(backend, 4 * (1 + (trial % 3)));
      const options = { ...OPTIONS, tables: [large], onWarning: () => {} };
      const store = await open(directory, { ...options, disk: locks.disk });
      const opened = await readSegment(disk);
      expectUnchanged(opened, before);
      const table = store.table(large);
      const keys = [...table.keys()];
      // No gaps: what is there without having been acknowledged follows what was.
      expect(keys).toEqual(Array.from(keys, (_, index) => index));
      expect(keys.length).toBeGreaterThan(acknowledged);
      for (const { content } of table.values()) expect(expected.equals(content)).toBe(true);
      for (let commit = 0; commit < COMMITS; commit++) await table.put(commit, { content: SMALL });
      await store.close();
      expect((await readSegment(disk)).equals(opened)).toBe(true);
      unacknowledged += keys.length - acknowledged - 1;
      torn += store.recovery.tornBytes;
      await rm(directory, { recursive: true });
      await mkdir(directory);
    }
    expect(locks.millisMax).toBeLessThan(LOCK_MILLIS_MAX);
    seen.push(
      `late writes on ${backend}: ${TRIALS} kills, ${unacknowledged} rows landed unacknowledged, ` +
        `${torn} torn bytes, ${locks.waits} waits for the lock, of ` +
        `${locks.millisMax.toFixed(1)} ms at most`,
    );
  });
});
