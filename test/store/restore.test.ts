/** Restoring a snapshot, cut short at every operation, with every failure of the disk. */
import { expect, test } from "vitest";
import { isHoldfastError, open, type Store } from "../../src/index.js";
import type { Manifest } from "../../src/manifest/format.js";
import { readManifestSlots } from "../../src/manifest/manifest.js";
import { restoreSnapshot } from "../../src/store/restore.js";
import { SimulatedMachine } from "../sim/disk.js";
import { SimulatedCrash } from "../sim/driver.js";
import type { CrashKind } from "../sim/events.js";
import type { Operation } from "../sim/faults.js";
import { DIRECTORY, items, openOn } from "../support/simulated-store.js";

const TO = "/data/restored";
const NAME = "kept";

/** Key and text of every row, as JSON. */
type Rows = readonly string[];

function rowsOf(store: Store): Rows {
  return [...store.table(items).entries()].map((entry) => JSON.stringify(entry));
}

/** A machine with a closed store whose snapshot has three runs and a tail, and what it holds. */
async function storeWithSnapshot(): Promise<{ machine: SimulatedMachine; rows: Rows }> {
  const machine = new SimulatedMachine({ seed: 5 });
  const options = { recoveryBudgetMillis: 60_000, finalSnapshotMillis: 0 };
  const store = await openOn(machine, options);
  const work = async (): Promise<Rows> => {
    for (let i = 0; i < 120; i++) {
      await store.table(items).put(i % 70, { value: i, text: "x".repeat(100 + i) });
      if (i % 6 === 0) await store.table(items).delete((i * 5) % 70);
      if (i % 30 === 29 && i < 110) await store.flush();
    }
    // The transactions behind the snapshot begin in the very frame in which it ends.
    const last = store.table(items).put(500, { value: 1, text: "the last one" });
    const snapshot = store.snapshot(NAME);
    const rows = rowsOf(store);
    const behind = store.table(items).put(501, { value: 2, text: "too late" });
    await Promise.all([last, snapshot, behind]);
    for (let i = 0; i < 40; i++) await store.table(items).put(i, { value: -i, text: "" });
    await store.flush();
    return rows;
  };
  const rows = await machine.run(work());
  await machine.run(store.close());
  machine.crash("kill");
  return { machine, rows };
}

async function restore(machine: SimulatedMachine): Promise<void> {
  const disk = machine.boot();
  const work = async (): Promise<void> => {
    const { newest } = await readManifestSlots(disk, DIRECTORY);
    await restoreSnapshot({
      disk,
      directory: DIRECTORY,
      manifest: newest as Manifest,
      name: NAME,
      to: TO,
      writerId: "tester",
      segmentBytes: 64 * 1024,
      // Several files, and a log that does not fit into memory at once.
      target: { fileBytes: 2048, arenaBytes: 1024 },
    });
  };
  await machine.run(work());
}

function filesIn(machine: SimulatedMachine, directory: string): string[] {
  return machine.files().filter((path) => path.startsWith(`${directory}/`));
}

function openAt(machine: SimulatedMachine): Promise<Store> {
  const options = { tables: [items], environment: "test", segmentBytes: 64 * 1024 };
  const opening = open(TO, { disk: machine.boot(), onWarning: () => {}, ...options });
  return machine.run(opening);
}

/** What opening finds: nothing at all, or the rows of a store. */
async function found(machine: SimulatedMachine): Promise<Rows | "nothing"> {
  const copy = machine.fork(machine.seed);
  const store = await openAt(copy);
  const rows = rowsOf(store);
  const { created, lastSequence } = store.recovery;
  expect(lastSequence === 0).toBe(created);
  await copy.run(store.close());
  return created ? "nothing" : rows;
}

test("what the snapshot held is there, and the source is as it was", async () => {
  const { machine, rows } = await storeWithSnapshot();
  const before = filesIn(machine, DIRECTORY).map((path) => [path, machine.read(path)]);
  await restore(machine);
  machine.crash("kill");
  expect(await found(machine)).toEqual(rows);
  expect(filesIn(machine, DIRECTORY).map((path) => [path, machine.read(path)])).toEqual(before);
  expect(filesIn(machine, TO).filter((path) => path.endsWith(".run")).length).toBeGreaterThan(3);
});

test.each<CrashKind>(["power", "kill"])(
  "cut short by %s anywhere: all or nothing",
  async (kind) => {
    const { machine: origin, rows } = await storeWithSnapshot();
    const whole = origin.fork(1);
    const start = whole.operations;
    await restore(whole);
    const operations = whole.operations - start;
    expect(operations).toBeGreaterThan(100);
    const outcomes = { nothing: 0, whole: 0 };
    for (let at = 1; at <= operations; at++) {
      const machine = origin.fork(at);
      machine.crashAfter(at, kind);
      const outcome = await restore(machine).catch((error: unknown) => error);
      if (outcome !== undefined) expect(outcome, `at ${at}`).toBeInstanceOf(SimulatedCrash);
      machine.crash(kind);
      const state = await found(machine);
      if (state !== "nothing") expect(state, `at ${at}`).toEqual(rows);
      outcomes[state === "nothing" ? "nothing" : "whole"]++;
      if (at % 7 !== 0 || state !== "nothing") continue;
      // It can be begun again on what is left.
      await restore(machine);
      expect(await found(machine), `again after ${at}`).toEqual(rows);
    }
    expect(outcomes.nothing).toBeGreaterThan(50);
    expect(outcomes.whole).toBeGreaterThan(0);
  },
);

test("a write, sync or read that fails: an error, and no store", async () => {
  const { machine: origin, rows } = await storeWithSnapshot();
  const fail = async (operation: Operation, path: string): Promise<number> => {
    for (let at = 1; ; at++) {
      const machine = origin.fork(at);
      const fault = machine.addFault({ operation, error: "EIO", path, at });
      const outcome = await restore(machine).then(
        () => undefined,
        (error: unknown) => error,
      );
      if (fault.fired === 0) return at - 1;
      machine.removeFaults();
      const where = `${operation} ${at}`;
      if (outcome !== undefined) {
        const isKnown = isHoldfastError(outcome) || (outcome as { code?: string }).code === "EIO";
        expect(isKnown, `${where}: ${String(outcome)}`).toBe(true);
      }
      const state = await found(machine);
      // What was read a second time went well, and so did all but giving the lock back.
      if (state !== "nothing") expect(state, where).toEqual(rows);
      if (outcome === undefined) expect(state, where).toEqual(rows);
      if (state === "nothing") {
        await restore(machine);
        expect(await found(machine), where).toEqual(rows);
      }
    }
  };
  for (const operation of ["open", "write", "sync", "zeroFill", "syncDirectory"] as const) {
    expect(await fail(operation, TO), operation).toBeGreaterThan(0);
  }
  for (const operation of ["open", "read", "map", "copy"] as const) {
    expect(await fail(operation, DIRECTORY), operation).toBeGreaterThan(0);
  }
});

test("a full disk: DISK_FULL, and no store", async () => {
  const { machine } = await storeWithSnapshot();
  machine.capacityBytes = usedBytes(machine) + 6000;
  await expect(restore(machine)).rejects.toMatchObject({ code: "DISK_FULL" });
  machine.capacityBytes = Number.POSITIVE_INFINITY;
  expect(await found(machine)).toBe("nothing");
});

function usedBytes(machine: SimulatedMachine): number {
  return machine.files().reduce((sum, path) => sum + machine.read(path).length, 0);
}
