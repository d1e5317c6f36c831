/** Replay begins where the runs end: what is read then, what is not, and what is missed if it goes. */
import { expect, test } from "vitest";
import { segmentFileName } from "../../src/log/format.js";
import { archiveFileName } from "../../src/manifest/archive-name.js";
import type { Manifest } from "../../src/manifest/format.js";
import { ManifestKeeper } from "../../src/manifest/keeper.js";
import { readManifestSlots } from "../../src/manifest/manifest.js";
import { runFileName } from "../../src/run/format.js";
import { SimulatedMachine } from "../sim/disk.js";
import { framesOf } from "../sim/frames.js";
import {
  DIRECTORY,
  dropSnapshot,
  flush,
  openRunning,
  put,
  type RunningLog,
  snapshot,
} from "./running-log.js";

function start(seed = 1) {
  const machine = new SimulatedMachine({ seed });
  return machine.run(openRunning(machine.boot())).then((log) => ({ machine, log }));
}

function during<T>(machine: SimulatedMachine, work: () => Promise<T>): Promise<T> {
  return machine.run(Promise.resolve().then(work));
}

function puts(machine: SimulatedMachine, log: RunningLog, count: number): Promise<void> {
  return during(machine, async () => {
    for (let i = 0; i < count; i++) await put(log, 9_000);
  });
}

/** Ends the program, with all that it wrote. */
function stop(machine: SimulatedMachine, seed = 2): SimulatedMachine {
  machine.crash("kill");
  return machine.fork(seed);
}

async function manifestOn(machine: SimulatedMachine): Promise<Manifest> {
  const { newest } = await machine.run(readManifestSlots(machine.boot(), DIRECTORY));
  return newest as Manifest;
}

async function editManifest(machine: SimulatedMachine, edit: (m: Manifest) => Manifest) {
  const disk = machine.boot();
  const { newest, newestSlot } = await machine.run(readManifestSlots(disk, DIRECTORY));
  const keeper = new ManifestKeeper(disk, DIRECTORY, newest as Manifest, newestSlot);
  await machine.run(keeper.publish(edit));
  machine.crash("kill");
}

async function refusal(machine: SimulatedMachine) {
  const files = machine.files().map((path) => [path, machine.read(path)]);
  try {
    await machine.run(openRunning(machine.boot()));
  } catch (error) {
    const same = files.filter(([path]) => !String(path).endsWith("LOCK"));
    for (const [path, bytes] of same) expect(machine.read(path as string)).toEqual(bytes);
    const { code, data } = error as { code: string; data: { file: string } };
    return { code, file: data.file };
  }
  return { code: "it opened" };
}

/** A snapshot holds what came before the first run; there is more behind it. */
async function heldStore(): Promise<SimulatedMachine> {
  const { machine, log } = await start();
  await puts(machine, log, 9);
  await during(machine, () => snapshot(log, "held"));
  await puts(machine, log, 6);
  await during(machine, () => flush(log));
  await puts(machine, log, 3);
  return stop(machine);
}

test("only what is behind the runs is handed out, and segments before it are not read", async () => {
  const machine = await heldStore();
  const { state, segments } = await manifestOn(machine);
  const before = segments.filter(({ id }) => id < state.replayFrom.segmentId);
  expect(before.length).toBeGreaterThan(1);
  for (const { id } of before) {
    machine.addReadError(`${DIRECTORY}/${segmentFileName(id)}`, 0, 65536);
  }
  const fault = { error: "EIO", times: Number.POSITIVE_INFINITY } as const;
  for (const { id } of before) {
    machine.addFault({ ...fault, operation: ["sync", "read"], path: segmentFileName(id) });
  }
  machine.addFault({ ...fault, operation: ["open", "read", "sync"], path: ".run" });
  const log = await machine.run(openRunning(machine.boot()));
  expect(log.replayed).toEqual([16, 17, 18]);
  expect(log.opened.report).toMatchObject({
    runs: 1,
    runFiles: 1,
    transactionsReplayed: 3,
    operationsReplayed: 3,
    lastSequence: 18,
  });
  expect(log.opened.report.bytesRead).toBeGreaterThan(3 * 9_000);
});

test("records that are in runs already are passed over, frame by frame", async () => {
  const machine = await heldStore();
  await editManifest(machine, (m) => ({
    ...m,
    state: {
      ...m.state,
      runs: m.state.runs.map((r) => ({ ...r, lastSequence: 17 })),
      runsThrough: 17,
    },
  }));
  const log = await machine.run(openRunning(machine.boot()));
  expect(log.replayed).toEqual([18]);
  expect(log.opened.lastSequence).toBe(18);
});

test("a log that ends before its runs has lost its end", async () => {
  const machine = await heldStore();
  const frames = framesOf(machine, DIRECTORY, await manifestOn(machine));
  const last = frames.at(-1)!;
  await editManifest(machine, (m) => ({
    ...m,
    durableThrough: 0,
    state: {
      ...m.state,
      runs: m.state.runs.map((r) => ({ ...r, lastSequence: 18 })),
      runsThrough: 18,
    },
  }));
  machine.mutate(last.path, (bytes) => bytes.fill(0, last.offset));
  expect(await refusal(machine)).toEqual({ code: "CORRUPT_LOG", file: last.path });
});

test("so has one whose segments all are sealed, and say so", async () => {
  const { machine, log } = await start();
  await puts(machine, log, 3);
  const copy = stop(machine);
  await copy.run(openRunning(copy.boot()));
  copy.crash("kill");
  await editManifest(copy, (m) => ({
    ...m,
    segments: m.segments.filter(({ state }) => state === "sealed"),
    state: {
      runs: [{ id: 1, tier: 0, firstSequence: 1, lastSequence: 4, files: [] }],
      runsThrough: 4,
      replayFrom: m.state.replayFrom,
    },
  }));
  for (const { path } of copy.files().map((path) => ({ path }))) {
    if (path.endsWith("2.log") || path.endsWith("3.log")) copy.tree.remove(path);
  }
  copy.tree.commitAll();
  expect(await refusal(copy)).toMatchObject({ code: "CORRUPT_LOG" });
});

test("a segment before replay that is missing, or shorter, is missed while it is listed", async () => {
  for (const harm of ["missing", "shorter"] as const) {
    const machine = await heldStore();
    const { segments } = await manifestOn(machine);
    const file = `${DIRECTORY}/${segmentFileName(segments[0]!.id)}`;
    if (harm === "missing") machine.tree.remove(file);
    else machine.mutate(file, (bytes) => bytes.subarray(0, 5000));
    machine.tree.commitAll();
    const code = harm === "missing" ? "MISSING_FILE" : "CORRUPT_LOG";
    expect(await refusal(machine)).toEqual({ code, file });
  }
});

test("a run file or an archive that is missing is missed before anything is changed", async () => {
  const machine = await heldStore();
  const [file] = (await manifestOn(machine)).files;
  const path = `${DIRECTORY}/${runFileName(file!.id)}`;
  machine.tree.remove(path);
  machine.tree.commitAll();
  expect(await refusal(machine)).toEqual({ code: "MISSING_FILE", file: path });

  const other = await heldStore();
  const archive = {
    id: 99,
    firstSequence: 1,
    lastSequence: 1,
    lastMicros: 1,
    bytes: 1,
    epoch: 1,
    alignment: 4096,
  };
  await editManifest(other, (m) => ({ ...m, archives: [archive] }));
  const missing = `${DIRECTORY}/${archiveFileName(99)}`;
  expect(await refusal(other)).toEqual({ code: "MISSING_FILE", file: missing });
});

test("what nothing names is removed: runs, archives, and segments of the past", async () => {
  const { machine, log } = await start();
  await puts(machine, log, 12);
  await during(machine, () => flush(log));
  await puts(machine, log, 2);
  await during(machine, () => log.ledger.settled());
  const copy = stop(machine);
  const { segments } = await manifestOn(copy);
  const oldest = Math.min(...segments.map(({ id }) => id));
  expect(oldest).toBeGreaterThan(1);
  // A retired one still has its frames, under its own name.
  const names = [runFileName(77), archiveFileName(1), segmentFileName(1)];
  const retired = machine.read(`${DIRECTORY}/${segmentFileName(oldest)}`);
  for (const name of names) copy.tree.createFile(`${DIRECTORY}/${name}`).replace(retired);
  copy.tree.commitAll();
  const again = await copy.run(openRunning(copy.boot()));
  for (const name of names) expect(again.opened.report.removedFiles).toContain(name);
  for (const name of names) expect(copy.files()).not.toContain(`${DIRECTORY}/${name}`);
});

test("a segment of the past is removed though one that a snapshot holds is older", async () => {
  const { machine, log } = await start();
  await puts(machine, log, 4);
  await during(machine, () => snapshot(log, "held"));
  await puts(machine, log, 18);
  await during(machine, () => flush(log));
  await during(machine, () => log.ledger.settled());
  const copy = stop(machine);
  const manifest = await manifestOn(copy);
  const [gone] = [3].filter((id) => manifest.segments.every((one) => one.id !== id));
  expect(gone).toBe(3);
  const bytes = copy.read(`${DIRECTORY}/${segmentFileName(manifest.segments[0]!.id)}`);
  copy.tree.createFile(`${DIRECTORY}/${segmentFileName(3)}`).replace(bytes);
  copy.tree.commitAll();
  const again = await copy.run(openRunning(copy.boot()));
  expect(again.opened.report.removedFiles).toContain(segmentFileName(3));
});

test("an unknown segment with frames behind all others is a manifest older than the log", async () => {
  const { machine, log } = await start();
  await puts(machine, log, 12);
  const copy = stop(machine);
  const path = `${DIRECTORY}/${segmentFileName(2)}`;
  await editManifest(copy, (m) => ({ ...m, segments: m.segments.filter(({ id }) => id < 2) }));
  expect(await refusal(copy)).toEqual({ code: "CORRUPT_MANIFEST", file: path });
});

test("a segment that has nothing behind the place of replay is sealed, and not written over", async () => {
  const { machine, log } = await start();
  await puts(machine, log, 3);
  await during(machine, () => flush(log));
  const { replayFrom } = log.ledger.current.state;
  const copy = stop(machine);
  const again = await copy.run(openRunning(copy.boot()));
  expect(again.replayed).toEqual([]);
  expect(again.opened.lastSequence).toBe(3);
  expect(again.opened.active.id).not.toBe(replayFrom.segmentId);
  const sealed = again.opened.keeper.current.segments.find((s) => s.id === replayFrom.segmentId);
  expect(sealed).toMatchObject({ state: "sealed", bytes: replayFrom.offset, lastSequence: 3 });
  await puts(copy, again, 2);
  const third = stop(copy);
  expect((await third.run(openRunning(third.boot()))).replayed).toEqual([4, 5]);
});

/** A store whose log goes on in a segment that was another one before. */
async function recycledStore(): Promise<SimulatedMachine> {
  const { machine, log } = await start();
  for (let round = 0; round < 4; round++) {
    await puts(machine, log, 7);
    await during(machine, () => flush(log));
  }
  for (let i = 0; i < 20; i++) {
    await puts(machine, log, 1);
    const { segmentId } = log.writer.durableEnd;
    if (log.ledger.current.segments.some((s) => s.id === segmentId && s.recycled)) break;
  }
  await puts(machine, log, 1);
  return stop(machine);
}

test("a flipped bit in the last header of a recycled segment is set aside, whole", async () => {
  const origin = await recycledStore();
  const manifest = await manifestOn(origin);
  const last = framesOf(origin, DIRECTORY, manifest).at(-1)!;
  const { segments } = manifest;
  expect(segments.find(({ id }) => last.path.endsWith(segmentFileName(id)))?.recycled).toBe(true);
  for (let byte = 0; byte < 96; byte++) {
    const machine = origin.fork(byte + 1);
    machine.flipBit(last.path, last.offset + byte, byte % 8);
    const whole = machine.read(last.path).slice(last.offset, last.offset + last.payloadBytes + 96);
    const { opened } = await machine.run(openRunning(machine.boot()));
    expect(opened.report).toMatchObject({ tail: "torn", lastSequence: last.firstSequence - 1 });
    const aside = machine.read(`${DIRECTORY}/${opened.report.tornFiles[0]}`);
    expect(aside.subarray(0, whole.length)).toEqual(whole);
  }
});

test("the same in a frame that anything proves is damage", async () => {
  const origin = await recycledStore();
  const frames = framesOf(origin, DIRECTORY, await manifestOn(origin));
  const last = frames.at(-1)!;
  const before = frames.at(-2)!;
  const byLater = origin.fork(3);
  byLater.flipBit(before.path, before.offset + 40);
  expect(await refusal(byLater)).toEqual({ code: "CORRUPT_LOG", file: before.path });
  // Even where nothing is left that looks like a frame.
  const byManifest = origin.fork(4);
  byManifest.mutate(last.path, (bytes) => bytes.fill(7, last.offset, last.offset + 4096));
  await editManifest(byManifest, (m) => ({ ...m, durableThrough: last.firstSequence }));
  expect(await refusal(byManifest)).toEqual({ code: "CORRUPT_LOG", file: last.path });
});

test("a recycled segment that an opening takes is known as one for as long as it is used", async () => {
  const { machine, log } = await start();
  await puts(machine, log, 14);
  await during(machine, () => flush(log));
  const isSpare = (m: Manifest) => m.segments.some((s) => s.recycled && s.state === "spare");
  for (let i = 0; i < 20 && !isSpare(log.ledger.now); i++) {
    await puts(machine, log, 1);
    // Time for the next one to be prepared.
    await machine.run(new Promise<void>((done) => void log.disk.scheduler.after(50, done, true)));
  }
  let copy = stop(machine);
  for (let round = 0; round < 3; round++) {
    const again = await copy.run(openRunning(copy.boot()));
    expect(again.opened.report).toMatchObject({ tail: "end", tornBytes: 0 });
    const { id } = again.opened.active;
    const entry = again.ledger.current.segments.find((segment) => segment.id === id);
    if (round === 0) expect(entry).toMatchObject({ state: "active", recycled: true });
    // Ends in the middle of what was there.
    await during(copy, () => put(again, 3_000));
    copy = stop(copy, round + 3);
  }
});

test("a snapshot that is dropped gives back what only it held", async () => {
  const machine = await heldStore();
  const log = await machine.run(openRunning(machine.boot()));
  const held = log.ledger.current.segments.length;
  await during(machine, () => dropSnapshot(log, "held"));
  expect(log.ledger.current.segments.length).toBeLessThan(held);
});
