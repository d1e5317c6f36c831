/** The end of a log that was cut short: set aside, cut off, and never mistaken for anything else. */
import { describe, expect, test } from "vitest";
import { SimulatedCrash, SimulatedMachine } from "../sim/disk.js";
import { type FrameAt, framesOf, newestManifest } from "../sim/frames.js";
import {
  closedStore,
  DIRECTORY,
  filesOf,
  fill,
  idle,
  items,
  keysOf,
  openOn,
  refusal,
  SLOTS,
  upTo,
} from "../support/simulated-store.js";

/** A store that was killed right after the last of its writes, and where its last frame stands. */
async function killedStore(rows: number, seed = 1) {
  const machine = await closedStore(0, seed);
  const store = await openOn(machine, { sealDelayMicros: 60_000_000 });
  await fill(machine, store, 0, rows);
  machine.crash("kill");
  const copy = machine.fork(seed);
  const frames = framesOf(copy, DIRECTORY, await newestManifest(copy, copy.boot(), DIRECTORY));
  const last = frames.at(-1);
  if (last === undefined) throw new Error("no frame");
  return { machine: copy, frames, last };
}

function zero(machine: SimulatedMachine, path: string, from: number, to: number): void {
  machine.mutate(path, (bytes) => bytes.fill(0, from, to));
}

/** A store that was closed with all of its rows in the log, and none in runs. */
async function closedLog(rows: number): Promise<SimulatedMachine> {
  const machine = new SimulatedMachine({ seed: 1 });
  const store = await openOn(machine, { finalSnapshotMillis: 0 });
  await fill(machine, store, 0, rows);
  await machine.run(store.close());
  machine.crash("kill");
  return machine;
}

/** By the manifest. */
async function isProven(machine: SimulatedMachine, frame: FrameAt): Promise<boolean> {
  const { durableThrough } = await newestManifest(machine, machine.boot(), DIRECTORY);
  return durableThrough >= frame.firstSequence;
}

test("the torn bytes are kept, to the last one, and the log goes on behind them", async () => {
  const { machine, last } = await killedStore(8);
  machine.flipBit(last.path, last.offset + 100);
  const torn = machine.read(last.path).slice(last.offset, last.offset + 4096);
  const store = await openOn(machine);
  expect(store.recovery).toMatchObject({ tail: "torn", tornBytes: 4096, lastSequence: 8 });
  const [name] = store.recovery.tornFiles;
  expect(machine.read(`${DIRECTORY}/${name}`)).toEqual(torn);
  expect(machine.read(last.path)).toHaveLength(last.offset);
  expect(keysOf(store)).toEqual(upTo(7));
  await fill(machine, store, 7, 9);
  machine.crash("power");
  expect(keysOf(await openOn(machine))).toEqual(upTo(9));
});

test("a torn first frame of a segment is kept as well", async () => {
  let store40 = await killedStore(40);
  const firstOf = ({ frames, last }: typeof store40) =>
    frames.find(({ path, offset }) => path === last.path && offset === 4096)!;
  // The manifest may have been written meanwhile, and prove it.
  for (let seed = 2; await isProven(store40.machine, firstOf(store40)); seed++) {
    store40 = await killedStore(40, seed);
  }
  const { machine } = store40;
  const first = firstOf(store40);
  const { path } = first;
  // Only this frame is left of the segment.
  zero(machine, path, 8192, machine.read(path).length);
  machine.flipBit(path, 4096 + 200);
  const torn = machine.read(path).slice(4096, 8192);
  const store = await openOn(machine);
  expect(store.recovery).toMatchObject({ tail: "torn", lastSequence: first.firstSequence - 1 });
  expect(machine.read(`${DIRECTORY}/${store.recovery.tornFiles[0]}`)).toEqual(torn);
});

test("only the newest eight torn files are kept", async () => {
  const machine = await closedStore(1);
  for (let i = 0; i < 12; i++) {
    const store = await openOn(machine, { sealDelayMicros: 60_000_000 });
    await fill(machine, store, 0, 1);
    machine.crash("kill");
    const manifest = await newestManifest(machine, machine.boot(), DIRECTORY);
    const last = framesOf(machine, DIRECTORY, manifest).at(-1)!;
    machine.flipBit(last.path, last.offset + 100);
    machine.crash("kill");
  }
  await openOn(machine);
  expect(machine.files().filter((path) => path.endsWith(".torn"))).toHaveLength(8);
});

describe.each(["power", "kill"] as const)("cut short by %s", (kind) => {
  test("at every operation of a recovery, again and again, the same comes of it", async () => {
    const { machine: origin, last } = await killedStore(20);
    origin.flipBit(last.path, last.offset + 100);
    for (let n = 1; ; n++) {
      const machine = origin.fork(n);
      machine.crashAfter(n, kind);
      const untouched = await openOn(machine).then(
        (store) => keysOf(store),
        (error: unknown) => expect(error).toBeInstanceOf(SimulatedCrash),
      );
      // Twice: what the first one left is not the last word either.
      machine.crashAfter(Math.ceil(n / 2), kind);
      await openOn(machine).catch((error: unknown) => {
        expect(error).toBeInstanceOf(SimulatedCrash);
      });
      machine.crashAfter(Number.POSITIVE_INFINITY);
      machine.crash(kind);
      const store = await openOn(machine);
      expect(keysOf(store), `operation ${n}`).toEqual(upTo(19));
      if (untouched !== undefined) break;
      expect(n).toBeLessThan(500);
    }
  });

  test("at every operation of a creation, a store is made in the end", async () => {
    const origin = (await closedStore(0)).fork(1);
    for (const path of origin.files()) origin.tree.remove(path);
    origin.tree.commitAll();
    for (let n = 1; ; n++) {
      const machine = origin.fork(n);
      machine.crashAfter(n, kind);
      const made = await openOn(machine).then(
        () => true,
        (error: unknown) => {
          expect(error).toBeInstanceOf(SimulatedCrash);
          return false;
        },
      );
      machine.crashAfter(Number.POSITIVE_INFINITY);
      machine.crash(kind);
      const store = await openOn(machine);
      await fill(machine, store, 0, 2);
      machine.crash("power");
      const again = await openOn(machine);
      expect(keysOf(again)).toEqual([0, 1]);
      expect(machine.files()).not.toContain(`${DIRECTORY}/CREATING`);
      if (made) break;
      expect(n).toBeLessThan(1000);
    }
  });
});

describe("refused, with every file as it was", () => {
  async function refusedUntouched(machine: SimulatedMachine) {
    const files = filesOf(machine);
    const result = await refusal(openOn(machine));
    expect(filesOf(machine)).toEqual(files);
    return result;
  }

  test("a damaged frame that a later one proves", async () => {
    const { machine, frames } = await killedStore(10);
    const frame = frames[4]!;
    machine.flipBit(frame.path, frame.offset + 100);
    expect(await refusedUntouched(machine)).toEqual({ code: "CORRUPT_LOG", file: frame.path });
  });

  test("a damaged last frame of a store that was closed, or idle", async () => {
    const closed = await closedLog(10);
    const manifest = await newestManifest(closed, closed.boot(), DIRECTORY);
    const last = framesOf(closed, DIRECTORY, manifest).findLast(
      (f) => f.lastSequence >= f.firstSequence,
    )!;
    closed.flipBit(last.path, last.offset + 100);
    expect(await refusedUntouched(closed)).toEqual({ code: "CORRUPT_LOG", file: last.path });

    const idling = await closedStore(0);
    const store = await openOn(idling);
    await fill(idling, store, 0, 10);
    await idle(idling);
    idling.crash("power");
    const frames = framesOf(
      idling,
      DIRECTORY,
      await newestManifest(idling, idling.boot(), DIRECTORY),
    );
    const newest = frames.findLast((f) => f.lastSequence >= f.firstSequence)!;
    idling.flipBit(newest.path, newest.offset + 100);
    expect(await refusedUntouched(idling)).toEqual({ code: "CORRUPT_LOG", file: newest.path });
  });

  test("the end of a closed log wiped out, its seal included: only the manifest knows", async () => {
    const machine = await closedLog(10);
    const manifest = await newestManifest(machine, machine.boot(), DIRECTORY);
    const frame = framesOf(machine, DIRECTORY, manifest).at(-3)!;
    zero(machine, frame.path, frame.offset, machine.read(frame.path).length);
    expect(await refusedUntouched(machine)).toEqual({ code: "CORRUPT_LOG", file: frame.path });
  });

  test("a missing segment, a shorter one, and a damaged header", async () => {
    for (const harm of ["remove", "shorten", "header"] as const) {
      const { machine, frames } = await killedStore(40);
      const { path } = frames[2]!;
      if (harm === "remove") {
        machine.tree.remove(path);
        machine.tree.commitAll();
      } else if (harm === "shorten") machine.mutate(path, (bytes) => bytes.subarray(0, 20_000));
      else machine.flipBit(path, 50);
      const code = harm === "remove" ? "MISSING_FILE" : "CORRUPT_LOG";
      expect(await refusedUntouched(machine)).toEqual({ code, file: path });
    }
  });

  test("an older manifest, by one opening or by many", async () => {
    const machine = await closedStore(5);
    const older = [machine.read(SLOTS[0])];
    for (let round = 1; round < 5; round++) {
      const store = await openOn(machine);
      await fill(machine, store, 5 * round, 5 * round + 40);
      await machine.run(store.close());
      machine.crash("kill");
      older.push(machine.read(SLOTS[0]));
    }
    for (const manifest of older.slice(0, -1)) {
      const copy = machine.fork(3);
      for (const slot of SLOTS) copy.mutate(slot, () => manifest);
      expect(["CORRUPT_MANIFEST", "CORRUPT_LOG"]).toContain((await refusedUntouched(copy)).code);
    }
  });

  test("a store of another environment, until it is allowed", async () => {
    const machine = await closedStore(5);
    const files = filesOf(machine);
    const other = { environment: "prod" };
    expect(await refusal(openOn(machine, other))).toMatchObject({ code: "WRONG_ENVIRONMENT" });
    expect(filesOf(machine)).toEqual(files);
    const store = await openOn(machine, { ...other, allowEnvironmentChange: true });
    expect(keysOf(store)).toEqual(upTo(5));
    await machine.run(store.close());
    expect(await refusal(openOn(machine))).toMatchObject({ code: "WRONG_ENVIRONMENT" });
  });

  test("a directory of somebody else", async () => {
    const machine = await closedStore(0);
    for (const path of machine.files()) machine.tree.remove(path);
    machine.tree.createFile(`${DIRECTORY}/thesis.doc`).replace(new Uint8Array(10));
    machine.tree.commitAll();
    const before = machine.files();
    expect(await refusal(openOn(machine))).toMatchObject({ code: "NOT_A_STORE" });
    expect(machine.files()).toEqual(before);
  });

  test("a segment that cannot be read where something acknowledged may be", async () => {
    const { machine, frames } = await killedStore(10);
    const frame = frames[4]!;
    machine.addReadError(frame.path, frame.offset, 512);
    const result = await refusedUntouched(machine);
    expect(result.file).toBe(frame.path);
    expect(["CORRUPT_LOG", "IO"]).toContain(result.code);
  });
});

test("a segment left by a preparation that was cut short is removed", async () => {
  const machine = await closedStore(5);
  const stray = `${DIRECTORY}/0000000000000077.log`;
  machine.tree.createFile(stray).replace(new Uint8Array(65536));
  machine.tree.commitAll();
  const store = await openOn(machine);
  expect(store.recovery.removedFiles).toEqual(["0000000000000077.log"]);
  expect(machine.files()).not.toContain(stray);
  expect(keysOf(store)).toEqual(upTo(5));
});

test("a frame that was cut short in its padding, at the end of a grown file, is torn", async () => {
  const machine = await closedStore(0);
  const store = await openOn(machine, { sealDelayMicros: 60_000_000 });
  const work = async (): Promise<void> => {
    for (let key = 0; key < 30; key++) store.table(items).putSync(key, { value: key, text: "" });
  };
  await machine.run(Promise.resolve().then(work));
  expect(store.stats().log.segmentsGrown).toBeGreaterThan(0);
  machine.crash("kill");
  const manifest = await newestManifest(machine, machine.boot(), DIRECTORY);
  const last = framesOf(machine, DIRECTORY, manifest).at(-1)!;
  machine.mutate(last.path, (bytes) => bytes.subarray(0, bytes.length - 512));
  for (let round = 0; round < 3; round++) {
    const again = await openOn(machine);
    expect(keysOf(again)).toEqual(upTo(29));
    machine.crash("power");
  }
});

test("every opening has an epoch of its own, in the manifest before in any frame", async () => {
  const machine = await closedStore(2);
  for (let round = 1; round <= 4; round++) {
    const store = await openOn(machine);
    const manifest = await newestManifest(machine, machine.boot(), DIRECTORY);
    expect([store.recovery.epoch, manifest.epoch]).toEqual([round + 1, round + 1]);
    const active = manifest.segments.filter(({ state }) => state === "active");
    expect(active.map(({ epoch }) => epoch)).toEqual([round + 1]);
    machine.crash(round % 2 === 0 ? "power" : "kill");
  }
});

test("frames behind a lost one never come back, however often the store is opened", async () => {
  let holes = 0;
  for (let seed = 1; seed <= 80; seed++) {
    const machine = new SimulatedMachine({ seed });
    const first = await openOn(machine, { sealDelayMicros: 60_000_000 });
    await fill(machine, first, 0, 3);
    const { scheduler } = machine.boot();
    const pipelined = async (): Promise<void> => {
      for (let key = 3; key < 30; key++) {
        const row = { value: key, text: "" };
        first
          .table(items)
          .put(key, row)
          .catch(() => {});
        await new Promise<void>((resolve) => void scheduler.after(0, resolve, true));
      }
    };
    machine.crashAfter(2 + (seed % 9));
    await machine.run(Promise.resolve().then(pipelined)).then(
      () => machine.crash("power"),
      (error: unknown) => expect(error).toBeInstanceOf(SimulatedCrash),
    );
    machine.crashAfter(Number.POSITIVE_INFINITY);
    const second = await openOn(machine);
    if (second.recovery.why.includes("later")) holes++;
    const rows = keysOf(second);
    expect(rows).toEqual(upTo(rows.length));
    expect(rows.length).toBeGreaterThanOrEqual(first.durableSequence - 1);
    await fill(machine, second, 1000, 1001);
    for (let round = 0; round < 2; round++) {
      machine.crash("power");
      expect(keysOf(await openOn(machine)), `seed ${seed}`).toEqual([...rows, 1000]);
    }
  }
  expect(holes).toBeGreaterThan(0);
});
