/** The ledger and the supply: what a change of the manifest frees, and when. */
import { expect, test } from "vitest";
import { segmentFileName } from "../../src/log/format.js";
import { RETIRED_SEGMENTS_MAX } from "../../src/log/segments.js";
import type { Manifest } from "../../src/manifest/format.js";
import { readManifestSlots } from "../../src/manifest/manifest.js";
import { runFileName } from "../../src/run/format.js";
import {
  DIRECTORY,
  dropSnapshot,
  expectNamedFiles,
  flush,
  type LogKnobs,
  merge,
  openRunning,
  put,
  type RunningLog,
  snapshot,
  strays,
} from "../recovery/running-log.js";
import { SimulatedCrash, SimulatedMachine } from "../sim/disk.js";

async function start(seed = 1, knobs: LogKnobs = {}) {
  const machine = new SimulatedMachine({ seed });
  const log = await machine.run(openRunning(machine.boot(), knobs));
  return { machine, log };
}

function during<T>(machine: SimulatedMachine, work: () => Promise<T>): Promise<T> {
  return machine.run(Promise.resolve().then(work));
}

function puts(machine: SimulatedMachine, log: RunningLog, count: number): Promise<void> {
  return during(machine, async () => {
    for (let i = 0; i < count; i++) await put(log, 9_000);
  });
}

/** Lets what goes on in the background come to an end. */
function settle(machine: SimulatedMachine, millis = 100): Promise<void> {
  const { scheduler } = machine.boot();
  return machine.run(new Promise((resolve) => void scheduler.after(millis, resolve, true)));
}

function has(machine: SimulatedMachine, name: string): boolean {
  return machine.files().includes(`${DIRECTORY}/${name}`);
}

/** Two runs, and the names of their files. */
async function withTwoRuns(seed = 1) {
  const { machine, log } = await start(seed);
  for (let i = 0; i < 2; i++) {
    await puts(machine, log, 3);
    await during(machine, () => flush(log));
  }
  const names = log.ledger.current.files.map(({ id }) => runFileName(id));
  return { machine, log, names };
}

test("files that a change no longer names are removed, and not before both slots say so", async () => {
  const { machine, log, names } = await withTwoRuns();
  const fault = machine.addFault({ operation: "remove", path: ".run", stallMicros: 10 });
  await during(machine, () => merge(log));
  await settle(machine);
  expect(fault.fired).toBe(1);
  for (const name of names) expect(has(machine, name)).toBe(false);
  expectNamedFiles(machine, log.ledger.current);
});

test.each(["write", "sync", "read"] as const)(
  "after a change that failed with its n-th %s nothing is removed until another has gone through",
  async (operation) => {
    let failures = 0;
    for (let at = 1; at <= 10; at++) {
      const { machine, log, names } = await withTwoRuns(at);
      await settle(machine);
      const before = log.ledger.current;
      machine.addFault({ operation, path: "manifest", error: "EIO", at, times: 2 });
      const failed = await during(machine, () => merge(log)).then(
        () => false,
        () => true,
      );
      machine.removeFaults();
      await settle(machine);
      if (!failed) continue;
      failures++;
      expect(log.ledger.current).toBe(before);
      for (const name of names) expect(has(machine, name)).toBe(true);
      // Whatever is in force, what it names is there.
      const image = machine.fork(at);
      for (const { slots } of [await image.run(readManifestSlots(image.boot(), DIRECTORY))]) {
        for (const slot of slots) {
          if (slot.state === "valid") expectNamedFiles(image, slot.manifest);
        }
      }
      await during(machine, () => log.ledger.change((manifest) => manifest));
      await settle(machine);
      expect(log.ledger.current.state).toEqual(before.state);
      expectNamedFiles(machine, log.ledger.current);
      const runs = machine.files().filter((path) => path.endsWith(".run"));
      expect(runs).toEqual(names.map((name) => `${DIRECTORY}/${name}`));
    }
    expect(failures).toBeGreaterThan(0);
  },
);

test("what a change that failed has named never becomes part of the store", async () => {
  const { machine, log } = await withTwoRuns();
  let attempted = log.ledger.current;
  machine.addFault({ operation: "sync", path: "manifest", error: "EIO" });
  const [run] = log.ledger.current.state.runs;
  const [file] = log.ledger.current.files;
  const change = log.ledger.change((manifest) => {
    const runs = manifest.state.runs.map((one) => (one === run ? { ...one, files: [50] } : one));
    const files = [...manifest.files, { ...file!, id: 50 }];
    attempted = { ...manifest, files, state: { ...manifest.state, runs } };
    return attempted;
  });
  await expect(machine.run(change)).rejects.toMatchObject({ code: "IO" });
  const again = log.ledger.change(() => attempted);
  await expect(machine.run(again)).rejects.toThrow("belongs to a change that failed");
  await during(machine, () => log.ledger.change((manifest) => manifest));
});

/** While one change is being published, which takes a while: a merge, two snapshots, one given up. */
async function together(machine: SimulatedMachine, log: RunningLog) {
  machine.addFault({ operation: "write", path: "manifest", stallMicros: 50_000 });
  let first: Promise<unknown> | undefined;
  await new Promise<void>((begun, failed) => {
    first = log.ledger.change((manifest) => {
      begun();
      return manifest;
    });
    first.catch(failed);
  });
  const waiting = Promise.allSettled([
    first,
    merge(log),
    snapshot(log, "kept"),
    snapshot(log, "other"),
    log.ledger.change(() => {
      throw new RangeError("given up");
    }),
  ]);
  // By now the merge has written its file, and waits with the others.
  await settle(machine, 20);
  return waiting;
}

/** What of that a manifest has. */
function found({ state, snapshots }: Manifest) {
  return { runs: state.runs.length, snapshots: snapshots.map(({ name }) => name) };
}

const WITHOUT = { runs: 2, snapshots: [] };
const WITH = { runs: 1, snapshots: ["kept", "other"] };

test("changes that wait at the same time are published together, but for one that throws", async () => {
  const { machine, log } = await withTwoRuns();
  await settle(machine);
  const { generation } = log.ledger.current;
  const results = await machine.run(together(machine, log));
  expect(results.map(({ status }) => status)).toEqual([
    ...["fulfilled", "fulfilled", "fulfilled", "fulfilled"],
    "rejected",
  ]);
  expect(results.at(-1)).toMatchObject({ reason: { message: "given up" } });
  expect(log.ledger.current.generation - generation).toBe(2);
  expect(found(log.ledger.current)).toEqual(WITH);
  await settle(machine);
  expectNamedFiles(machine, log.ledger.current);
});

test("each change is applied to what the one before it has made", async () => {
  const { machine, log } = await withTwoRuns();
  await settle(machine);
  const { generation } = log.ledger.current;
  const append = (letter: string) =>
    log.ledger.change((m) => ({ ...m, environment: `${m.environment}${letter}` }));
  const letters = "abcdefghijklmnopqrstuvwxyz";
  const made = await during(machine, () => Promise.all([...letters].map(append)));
  expect(log.ledger.current.environment).toBe(`test${letters}`);
  // More than go into one group: in two, and nobody is passed over.
  expect(made.map((manifest) => manifest.generation - generation)).toEqual(
    [...letters.slice(0, 16).replace(/./g, "1"), ...letters.slice(16).replace(/./g, "2")].map(
      Number,
    ),
  );
});

test.each(["write", "sync", "read"] as const)(
  "when the n-th %s fails all of a group fail, and nothing of it is part of the store",
  async (operation) => {
    let failures = 0;
    for (let at = 1; at <= 16; at++) {
      const { machine, log, names } = await withTwoRuns(at);
      await settle(machine);
      const fault = { operation, path: "manifest", error: "EIO", at, times: 2 } as const;
      const made = await machine.run(
        (async () => {
          const waiting = together(machine, log);
          machine.addFault(fault);
          return waiting;
        })(),
      );
      machine.removeFaults();
      await settle(machine);
      const outcomes = new Set(made.slice(1, 4).map(({ status }) => status));
      expect(outcomes.size, `${operation} ${at}`).toBe(1);
      if (outcomes.has("fulfilled")) {
        expect(found(log.ledger.current)).toEqual(WITH);
        continue;
      }
      failures++;
      expect(made[4]).toMatchObject({ reason: { message: "given up" } });
      expect(found(log.ledger.current)).toEqual(WITHOUT);
      for (const name of names) expect(has(machine, name)).toBe(true);
      const image = machine.fork(at);
      const { slots } = await image.run(readManifestSlots(image.boot(), DIRECTORY));
      for (const slot of slots) {
        if (slot.state === "valid") expectNamedFiles(image, slot.manifest);
      }
      await during(machine, () => snapshot(log, "later"));
      await settle(machine);
      expect(found(log.ledger.current)).toEqual({ runs: 2, snapshots: ["later"] });
      expectNamedFiles(machine, log.ledger.current);
      const runs = machine.files().filter((path) => path.endsWith(".run"));
      expect(runs, "the merge's file is gone").toEqual(names.map((name) => `${DIRECTORY}/${name}`));
    }
    expect(failures).toBeGreaterThan(0);
  },
);

test("cut short at any operation, all of a group is there or nothing of it", async () => {
  const seen = new Set<string>();
  for (const kind of ["power", "kill"] as const) {
    for (let n = 1; ; n++) {
      const { machine, log } = await withTwoRuns(n);
      await settle(machine);
      machine.crashAfter(n, kind);
      const done = await machine.run(together(machine, log)).then(
        () => true,
        (error) => {
          expect(error).toBeInstanceOf(SimulatedCrash);
          return false;
        },
      );
      machine.crashAfter(Number.POSITIVE_INFINITY);
      if (done) break;
      const { newest } = await machine.run(readManifestSlots(machine.boot(), DIRECTORY));
      const has = found(newest as Manifest);
      expect([WITH, WITHOUT], `${kind} after operation ${n}`).toContainEqual(has);
      seen.add(`${kind} ${has.runs}`);
      expectNamedFiles(machine, newest as Manifest);
      const again = await machine.run(openRunning(machine.boot()));
      expect(found(again.ledger.current)).toEqual(has);
      expect(strays(machine, again.ledger.current)).toEqual([]);
      await puts(machine, again, 1);
      await machine.run(again.close());
    }
  }
  expect([...seen].sort()).toEqual(["kill 1", "kill 2", "power 1", "power 2"]);
});

test("one that cannot be published, whatever the disk does, fails alone, and its files go", async () => {
  const { machine, log, names } = await withTwoRuns();
  await settle(machine);
  const [file] = log.ledger.current.files;
  const [, wrong, kept] = await during(machine, () =>
    Promise.allSettled([
      log.ledger.change((m) => ({ ...m, environment: "first" })),
      log.ledger.change((m) => {
        const [run, ...others] = m.state.runs;
        const runs = [{ ...run!, files: [50, 51] }, ...others];
        return { ...m, files: [...m.files, { ...file!, id: 50 }], state: { ...m.state, runs } };
      }),
      snapshot(log, "kept"),
    ]),
  );
  expect(wrong).toMatchObject({ status: "rejected", reason: { name: "AssertionError" } });
  expect(kept).toMatchObject({ status: "fulfilled" });
  expect(found(log.ledger.current)).toEqual({ runs: 2, snapshots: ["kept"] });
  expect(log.ledger.current.environment).toBe("first");
  await settle(machine);
  expect(log.ledger.current.files.map(({ id }) => runFileName(id))).toEqual(names);
});

test("a change that its maker gives up changes nothing", async () => {
  const { machine, log } = await withTwoRuns();
  const before = log.ledger.current;
  const change = log.ledger.change(() => {
    throw new RangeError("given up");
  });
  await expect(machine.run(change)).rejects.toThrow("given up");
  expect(log.ledger.current).toBe(before);
});

test("a file that is read stays until the last reader lets it go", async () => {
  const { machine, log, names } = await withTwoRuns();
  const id = log.ledger.current.files[0]!.id;
  log.ledger.pinFile(id);
  log.ledger.pinFile(id);
  await during(machine, () => merge(log));
  await settle(machine);
  expect(names.map((name) => has(machine, name))).toEqual([true, false]);
  log.ledger.unpinFile(id);
  await settle(machine);
  expect(has(machine, names[0]!)).toBe(true);
  log.ledger.unpinFile(id);
  await settle(machine);
  expect(has(machine, names[0]!)).toBe(false);
});

test("a file that cannot be removed is of no consequence", async () => {
  const { machine, log, names } = await withTwoRuns();
  machine.addFault({ operation: "remove", path: ".run", error: "EIO", times: 9 });
  await during(machine, () => merge(log));
  await settle(machine);
  await puts(machine, log, 1);
  machine.removeFaults();
  machine.crash("kill");
  expect(names.map((name) => has(machine, name))).toEqual([true, true]);
  const again = await machine.run(openRunning(machine.boot()));
  expect(again.opened.report.removedFiles).toEqual(expect.arrayContaining(names));
});

test("a snapshot keeps its files and segments, and gives them back when it is dropped", async () => {
  const { machine, log } = await start();
  await puts(machine, log, 9);
  await during(machine, () => flush(log));
  await puts(machine, log, 9);
  await during(machine, () => snapshot(log, "kept"));
  const kept = log.ledger.current;
  await puts(machine, log, 9);
  await during(machine, () => flush(log));
  await during(machine, () => merge(log));
  await settle(machine);
  const [held] = kept.snapshots;
  const names = [
    ...kept.files.map(({ id }) => runFileName(id)),
    ...held!.segments.map((id) => segmentFileName(id)),
  ];
  for (const name of names) expect(has(machine, name), name).toBe(true);
  expectNamedFiles(machine, log.ledger.current);
  await during(machine, () => dropSnapshot(log, "kept"));
  await settle(machine);
  expect(has(machine, names[0]!)).toBe(false);
  expect(log.ledger.current.files).toHaveLength(1);
  const { segments, state } = log.ledger.current;
  expect(segments.every(({ id }) => id >= state.replayFrom.segmentId)).toBe(true);
});

test("segments that history still wants stay, until it has them", async () => {
  let wanted = true;
  const { machine, log } = await start(1, { keepForHistory: () => wanted });
  await puts(machine, log, 14);
  await during(machine, () => flush(log));
  expect(log.ledger.current.segments[0]?.id).toBe(1);
  wanted = false;
  await during(machine, () => log.ledger.change((manifest) => manifest));
  await settle(machine);
  expect(log.ledger.current.segments[0]?.id).toBeGreaterThan(1);
});

test("durableThrough never goes back, and never falls behind the runs", async () => {
  const { machine, log } = await withTwoRuns();
  const { durableThrough, state } = log.ledger.current;
  expect(durableThrough).toBe(state.runsThrough);
  await puts(machine, log, 2);
  await during(machine, () => log.ledger.change((m) => ({ ...m, durableThrough: 0 })));
  expect(log.ledger.current.durableThrough).toBe(state.runsThrough + 2);
});

test("of many segments that are retired at once few wait, and none is left at the end", async () => {
  const { machine, log } = await start();
  await puts(machine, log, 40);
  const before = log.ledger.current.segments.length;
  await during(machine, () => flush(log));
  await settle(machine);
  const listed = new Set(log.ledger.current.segments.map(({ id }) => segmentFileName(id)));
  expect(before - listed.size).toBeGreaterThan(RETIRED_SEGMENTS_MAX + 1);
  const logs = machine.files().filter((path) => path.endsWith(".log"));
  const waiting = logs.filter((path) => !listed.has(path.slice(DIRECTORY.length + 1)));
  expect(waiting).toHaveLength(RETIRED_SEGMENTS_MAX);
  await machine.run(log.close());
  const left = machine.files().filter((path) => path.endsWith(".log"));
  expect(left).toHaveLength(log.ledger.current.segments.length);
});

test("a retired segment is the next one under another name, without a byte of zeros", async () => {
  const { machine, log } = await start();
  await puts(machine, log, 14);
  await during(machine, () => flush(log));
  await settle(machine);
  const zeros = machine.addFault({
    operation: "zeroFill",
    path: ".log",
    stallMicros: 1,
    times: 99,
  });
  const next = Math.max(...log.ledger.current.segments.map(({ id }) => id)) + 1;
  await puts(machine, log, 7);
  await settle(machine);
  const entry = log.ledger.current.segments.find(({ id }) => id === next);
  expect(entry).toMatchObject({ recycled: true });
  expect(zeros.fired).toBe(0);
});

test("one that has another length than a new one is not used again", async () => {
  const { machine, log } = await start();
  await puts(machine, log, 3);
  machine.crash("kill");
  const disk = machine.boot();
  const again = await machine.run(openRunning(disk));
  // As an opening leaves it that has cut off a torn end.
  const { bytes } = again.ledger.current.segments.find(({ id }) => id === 1)!;
  const path = machine.files().find((name) => name.endsWith(segmentFileName(1)))!;
  const file = await machine.run(disk.open(path, { write: true }));
  await machine.run(file.truncate(bytes));
  await machine.run(file.sync());
  await puts(machine, again, 4);
  await during(machine, () => flush(again));
  await settle(machine);
  expect(again.ledger.current.segments.some(({ id }) => id === 1)).toBe(false);
  expect(has(machine, segmentFileName(1))).toBe(false);
  await puts(machine, again, 7);
  await settle(machine);
  expect(again.ledger.current.segments.every(({ recycled }) => !recycled)).toBe(true);
});

test("a full disk is over as soon as a segment is retired", async () => {
  const { machine, log } = await start();
  await puts(machine, log, 9);
  await settle(machine);
  const used = machine.files().reduce((sum, path) => sum + machine.read(path).length, 0);
  machine.capacityBytes = used + 4096;
  await puts(machine, log, 4);
  await settle(machine);
  expect(log.failures[0]).toBe("DISK_FULL");
  await during(machine, () => flush(log));
  await settle(machine);
  expect(log.supply.failure).toBeUndefined();
  expect(log.ledger.current.segments.some(({ recycled }) => recycled)).toBe(true);
  await puts(machine, log, 6);
});

test("a segment that cannot be renamed is no reason to use it twice", async () => {
  for (const operation of ["rename", "syncDirectory", "write", "sync"] as const) {
    const { machine, log } = await start();
    await puts(machine, log, 14);
    await during(machine, () => flush(log));
    await settle(machine);
    const names = () => machine.files().filter((path) => path.endsWith(".log"));
    const next = Math.max(...log.ledger.current.segments.map(({ id }) => id)) + 1;
    const path = operation === "syncDirectory" ? DIRECTORY : ".log";
    machine.addFault({ operation, path, error: "ENOSPC" });
    // Until the segment is full; then they are refused.
    await puts(machine, log, 7).catch((error) => expect(error.code).toBe("DISK_FULL"));
    await settle(machine);
    expect(log.failures, operation).toContain("DISK_FULL");
    // One second later it is tried again, and by then the way is free.
    await settle(machine, 2000);
    expect(log.supply.failure, operation).toBeUndefined();
    await puts(machine, log, 3);
    const listed = log.ledger.current.segments.map(
      ({ id }) => `${DIRECTORY}/${segmentFileName(id)}`,
    );
    expect(names(), operation).toEqual(expect.arrayContaining(listed));
    expect(listed).toContain(`${DIRECTORY}/${segmentFileName(next)}`);
    machine.crash("power");
    const again = await machine.run(openRunning(machine.boot()));
    expect(again.opened.lastSequence, operation).toBe(log.writer.durableSequence);
  }
});
