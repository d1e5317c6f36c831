/** A log that is made into runs and used again, cut short at every operation. */
import { describe, expect, test } from "vitest";
import { readManifestSlots } from "../../src/manifest/manifest.js";
import { SimulatedCrash, SimulatedMachine } from "../sim/disk.js";
import {
  DIRECTORY,
  dropSnapshot,
  expectNamedFiles,
  flush,
  merge,
  openRunning,
  put,
  type RunningLog,
  snapshot,
  strays,
} from "./running-log.js";

/** About a third of a segment, so that frames begin elsewhere in each life of one. */
const BYTES = 8_000;

/** What was promised so far; a crash may come at any time. */
interface Promised {
  acknowledged: number;
  runsThrough: number;
  snapshots: Set<string>;
}

async function history(log: RunningLog, promised: Promised): Promise<void> {
  const more = async (count: number): Promise<void> => {
    for (let i = 0; i < count; i++) {
      promised.acknowledged = await put(log, BYTES + 700 * (promised.acknowledged % 9));
    }
  };
  const run = async (): Promise<void> => {
    await flush(log);
    promised.runsThrough = log.ledger.current.state.runsThrough;
  };
  await more(9);
  await run();
  await more(5);
  await snapshot(log, "kept");
  promised.snapshots.add("kept");
  await more(4);
  await run();
  await merge(log);
  await more(9);
  await run();
  promised.snapshots.delete("kept");
  await dropSnapshot(log, "kept");
  await more(8);
  await merge(log);
  await run();
  await more(6);
}

async function newest(machine: SimulatedMachine) {
  const found = (await machine.run(readManifestSlots(machine.boot(), DIRECTORY))).newest;
  if (found === undefined) throw new Error("no manifest");
  return found;
}

/** Opens it and looks whether all that was promised is there. */
async function check(machine: SimulatedMachine, promised: Promised): Promise<RunningLog> {
  const before = await newest(machine);
  expectNamedFiles(machine, before);
  const log = await machine.run(openRunning(machine.boot()));
  const { state, snapshots } = log.ledger.current;
  expect(state.runsThrough).toBeGreaterThanOrEqual(promised.runsThrough);
  expect(log.opened.lastSequence).toBeGreaterThanOrEqual(promised.acknowledged);
  const [first] = log.replayed;
  if (first !== undefined) expect(first).toBe(state.runsThrough + 1);
  expect(log.replayed).toHaveLength(log.opened.lastSequence - state.runsThrough);
  for (const name of promised.snapshots) expect(snapshots.map((one) => one.name)).toContain(name);
  expectNamedFiles(machine, log.ledger.current);
  return log;
}

test("segments are used again, and the directory stays as small as what it holds", async () => {
  const machine = new SimulatedMachine({ seed: 1 });
  const log = await machine.run(openRunning(machine.boot()));
  const promised = { acknowledged: 0, runsThrough: 0, snapshots: new Set<string>() };
  await machine.run(Promise.resolve().then(() => history(log, promised)));
  await machine.run(log.close());
  const manifest = await newest(machine);
  expect(manifest.segments.some(({ recycled }) => recycled)).toBe(true);
  expect(manifest.segments.length).toBeLessThan(7);
  expect(manifest.files).toHaveLength(2);
  expect(strays(machine, manifest)).toEqual([]);
  expect(log.failures).toEqual([]);
  machine.crash("kill");
  const again = await check(machine, promised);
  expect(again.opened.report).toMatchObject({ runs: 2, runFiles: 2, tail: "end", tornBytes: 0 });
});

describe.each(["power", "kill"] as const)("cut short by %s", (kind) => {
  test("at every operation, all that was promised is there, and it goes on", async () => {
    let recycledSeen = 0;
    for (let n = 1; ; n++) {
      const machine = new SimulatedMachine({ seed: n });
      const promised: Promised = { acknowledged: 0, runsThrough: 0, snapshots: new Set() };
      const first = await machine.run(openRunning(machine.boot()));
      machine.crashAfter(n, kind);
      const done = await machine.run(Promise.resolve().then(() => history(first, promised))).then(
        () => true,
        (error: unknown) => {
          expect(error).toBeInstanceOf(SimulatedCrash);
          return false;
        },
      );
      machine.crashAfter(Number.POSITIVE_INFINITY);
      machine.crash(kind);
      const log = await check(machine, promised);
      if (log.ledger.current.segments.some(({ recycled }) => recycled)) recycledSeen++;
      // What it goes on with is not mixed up with what was there before.
      promised.acknowledged = log.opened.lastSequence;
      const more = async (): Promise<void> => {
        for (let i = 0; i < 6; i++) promised.acknowledged = await put(log, 9_000);
      };
      await machine.run(Promise.resolve().then(more));
      machine.crash("power");
      const last = await check(machine, promised);
      expect(last.opened.lastSequence).toBe(promised.acknowledged);
      // Nothing was on its way: what an earlier life left is not taken for a write cut short.
      expect(last.opened.report, `operation ${n}`).toMatchObject({ tail: "end", tornBytes: 0 });
      expect(strays(machine, last.opened.keeper.current)).toEqual([]);
      if (done) break;
      expect(n).toBeLessThan(5000);
    }
    expect(recycledSeen).toBeGreaterThan(100);
  }, 180_000);
});
