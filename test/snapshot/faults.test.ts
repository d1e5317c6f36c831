import { beforeAll, describe, expect, test } from "vitest";
import type { Disk } from "../../src/disk/disk.js";
import type { FlushResult, Job, MergeResult, ResultOf } from "../../src/snapshot/jobs.js";
import { readArchive } from "../../src/snapshot/read-archive.js";
import { runJob } from "../../src/snapshot/run-job.js";
import { SimulatedCrash } from "../sim/driver.js";
import { OPERATIONS } from "../sim/faults.js";
import type { SimulatedMachine } from "../sim/machine.js";
import { DIRECTORY, STORE_ID } from "./log.js";
import { contextOn, rowsOf, sorted } from "./rows.js";
import { again, contentsOf, makeStage, type Stage } from "./stage.js";

let stage: Stage;

beforeAll(async () => {
  stage = await makeStage();
});

const KINDS = ["flush", "merge", "archive"] as const;
type Kind = (typeof KINDS)[number];

/** Does the job on a machine as it is now, and checks what it has made. */
async function succeeds(machine: SimulatedMachine, job: Job): Promise<void> {
  const disk = machine.boot();
  const result = await machine.run(runJob(job, contextOn(disk)));
  await isRight(machine, disk, job, result);
}

async function isRight(
  machine: SimulatedMachine,
  disk: Disk,
  job: Job,
  result: ResultOf<Job>,
): Promise<void> {
  if (job.kind === "archive") {
    const { archive } = result as ResultOf<typeof job>;
    const options = { disk, directory: DIRECTORY, storeId: STORE_ID, archive, visit: () => {} };
    const { records } = await machine.run(readArchive(options));
    expect(records).toBe(archive.lastSequence);
    return;
  }
  const { files } = result as FlushResult | MergeResult;
  const id = files[0]?.id as number;
  const ids = files.map((file) => file.id);
  expect(ids.length).toBeGreaterThan(1);
  const made = { id, tier: 0, firstSequence: 1, lastSequence: 1, files: ids };
  const runs = job.kind === "flush" ? [made, ...stage.runs] : [made];
  const sequence = job.kind === "flush" ? 120 : 80;
  const rows = await machine.run(rowsOf(disk, runs, [...files, ...stage.merge.files]));
  expect(sorted(rows)).toEqual(sorted(stage.log.modelAt(sequence)));
}

/** A reopening removes what it does not know, by name; everything else must be as it was. */
function leavesOnlyStrays(machine: SimulatedMachine, before: Map<string, string>): string[] {
  const after = contentsOf(machine);
  for (const [path, content] of before) expect(after.get(path), path).toBe(content);
  const strays = [...after.keys()].filter((path) => !before.has(path));
  for (const path of strays) expect(path).toMatch(/\/\d{16}\.(run|archive)$/);
  return strays;
}

describe.each(KINDS)("%s", (kind: Kind) => {
  test.each(["power", "kill"] as const)("%s ends it at each operation", async (how) => {
    const before = contentsOf(stage.machine);
    let crashes = 0;
    let strays = 0;
    for (let at = 1; ; at++) {
      const machine = stage.machine.fork(at);
      machine.crashAfter(at, how);
      const job = stage[kind];
      const outcome = await machine
        .run(runJob(job, contextOn(machine.boot())))
        .catch((error: unknown) => error);
      if (!(outcome instanceof SimulatedCrash)) break;
      crashes++;
      strays += leavesOnlyStrays(machine, before).length;
      await succeeds(machine, again(job));
    }
    expect(crashes).toBeGreaterThan(10);
    expect(strays).toBeGreaterThan(5);
  });

  test("what it has made is there whenever the power goes afterwards", async () => {
    for (let seed = 1; seed <= 20; seed++) {
      const machine = stage.machine.fork(seed);
      const job = stage[kind];
      const result = await machine.run(runJob(job, contextOn(machine.boot())));
      machine.crash("power");
      await isRight(machine, machine.boot(), job, result);
    }
  });

  test.each(["EIO", "ENOSPC"])("%s at each operation leaves nothing behind", async (code) => {
    const before = contentsOf(stage.machine);
    const codes = new Set<string>();
    for (let at = 1; ; at++) {
      const machine = stage.machine.fork(at);
      const fault = machine.addFault({ operation: OPERATIONS, error: code, at });
      const disk = machine.boot();
      const job = stage[kind];
      const running = machine.run(runJob(job, contextOn(disk)));
      const outcome = await running.catch((error: unknown) => error);
      if (outcome instanceof Error) {
        expect(outcome).toMatchObject({ name: "HoldfastError" });
        codes.add((outcome as { code?: string }).code ?? outcome.name);
        expect(leavesOnlyStrays(machine, before)).toEqual([]);
      } else {
        machine.removeFaults();
        await isRight(machine, disk, job, outcome as ResultOf<Job>);
      }
      if (fault.fired === 0) break;
      await succeeds(machine, again(job));
    }
    expect(codes.size).toBeGreaterThan(0);
    // What a read of the archive fails with is IO, whatever the system says.
    codes.delete("IO");
    expect([...codes]).toEqual(code === "EIO" ? [] : ["DISK_FULL"]);
  });

  test("a full disk, with room for more and more", async () => {
    const before = contentsOf(stage.machine);
    let refused = 0;
    const machine = stage.machine.fork(1);
    const used = machine.files().reduce((sum, path) => sum + machine.read(path).length, 0);
    for (let room = 0; ; room += 1500) {
      machine.capacityBytes = used + room;
      const running = machine.run(runJob(stage[kind], contextOn(machine.boot())));
      const outcome = await running.catch((error: unknown) => error);
      if (!(outcome instanceof Error)) break;
      refused++;
      expect(outcome).toMatchObject({ code: "DISK_FULL" });
      expect(leavesOnlyStrays(machine, before)).toEqual([]);
    }
    expect(refused).toBeGreaterThan(2);
  });

  test("cancelled at each step it leaves nothing behind", async () => {
    const before = contentsOf(stage.machine);
    let cancelled = 0;
    for (let at = 0; ; at++) {
      const machine = stage.machine.fork(7);
      const disk = machine.boot();
      const abort = new AbortController();
      const running = runJob(stage[kind], contextOn(disk, abort.signal)).catch((e: unknown) => e);
      for (let step = 0; step < at; step++) await machine.step();
      abort.abort();
      const outcome = await machine.run(running);
      if (!(outcome instanceof Error)) {
        await isRight(machine, disk, stage[kind], outcome as ResultOf<Job>);
        break;
      }
      cancelled++;
      expect(outcome).toMatchObject({ code: "CLOSED" });
      expect(leavesOnlyStrays(machine, before)).toEqual([]);
    }
    expect(cancelled).toBeGreaterThan(10);
  });
});

test("a merge of a range of keys: behind the first, up to the second", async () => {
  const machine = stage.machine.fork(1);
  const disk = machine.boot();
  const afterKey = Buffer.from("\0\x01key 10", "latin1");
  const throughKey = Buffer.from("\0\x01key 3", "latin1");
  const job = { ...stage.merge, afterKey, throughKey };
  const { files } = await machine.run(runJob(job, contextOn(disk)));
  const run = { id: 1, tier: 1, firstSequence: 1, lastSequence: 80 };
  const ids = files.map((file) => file.id);
  const rows = await machine.run(rowsOf(disk, [{ ...run, files: ids }], files));
  const wanted = sorted(stage.log.modelAt(80)).filter(
    ([key]) => key > "\0\x01key 10" && key <= "\0\x01key 3",
  );
  expect(wanted.length).toBeGreaterThan(10);
  expect(sorted(rows)).toEqual(wanted);
});

test("tombstones are kept where older runs may have the key", async () => {
  const machine = stage.machine.fork(1);
  const job = { ...stage.merge, dropTombstones: false };
  const kept = await machine.run(runJob(job, contextOn(machine.boot())));
  expect(kept.files.reduce((sum, file) => sum + file.tombstones, 0)).toBeGreaterThan(0);
  const dropped = await machine.run(runJob(again(stage.merge), contextOn(machine.boot())));
  expect(dropped.files.reduce((sum, file) => sum + file.tombstones, 0)).toBe(0);
});
