/**
 * A backup that is cut short, or meets a disk that fails or is full, leaves the store and the earlier
 * backups as they were; the next one is whole.
 */
import { expect, test } from "vitest";
import {
  backupStore,
  isHoldfastError,
  listBackups,
  open,
  restoreBackup,
  verifyBackup,
} from "../../src/index.js";
import type { CrashKind, SimulatedMachine } from "../sim/disk.js";
import { compareStates, type State } from "../sim/model.js";
import { DEFINITIONS, DIRECTORY, TABLE_NAMES } from "../sim/tables.js";
import { Program, SMALL, stateOf } from "../support/program.js";
import { seedOfRun } from "../support/seed.js";

const BACKUPS = "/data/backups";
const RESTORED = "/data/restored";
const tables = TABLE_NAMES.map((name) => DEFINITIONS.plain[name]);
const options = { ...SMALL, history: "all" } as const;

/** Of all operations that a crash, or a fault, can come at, one in so many; nightly all of them. */
const all = process.env.HOLDFAST_SWEEP === "all";
const CRASH_STEP = all ? 1 : 83;
const FAULT_STEP = all ? 1 : 17;
const LONG = { timeout: all ? 3_600_000 : 180_000 };

/** A store that was closed, whose backup has become one of several: some files are old, some new. */
const base = (async () => {
  const { SimulatedMachine } = await import("../sim/disk.js");
  const machine = new SimulatedMachine({ seed: 1, latencyMicros: 20 });
  const program = new Program(machine, options);
  const rows = async (from: number): Promise<void> => {
    for (let n = from; n < from + 4; n++) await program.put("orders", n, 9_000);
    await program.put("notes", from);
    await program.flush();
    await program.rest();
  };
  const work = async (): Promise<void> => {
    await program.open();
    await rows(0);
    await backupStore(DIRECTORY, BACKUPS, { disk: machine.boot() });
    await rows(4);
    await program.put("notes", 1);
    await program.durable();
    await program.close();
  };
  await machine.run(Promise.resolve().then(work));
  machine.crash("kill");
  return machine;
})();

const backup = (machine: SimulatedMachine) =>
  machine.run(backupStore(DIRECTORY, BACKUPS, { disk: machine.boot() }));

async function stateIn(machine: SimulatedMachine, directory: string): Promise<State> {
  const disk = machine.boot();
  const store = await machine.run(open(directory, { ...options, disk, tables }));
  const state = stateOf(store);
  await machine.run(store.close());
  return state;
}

/** All that must be true whatever has become of the second backup. */
async function check(machine: SimulatedMachine, expected: State, where: string): Promise<void> {
  const disk = machine.boot();
  const before = await machine.run(listBackups(BACKUPS, { disk }));
  expect(before[0]?.name, where).toBe("backup-000001");
  for (const { name, damage } of before) {
    expect(damage, where).toBeUndefined();
    await machine.run(verifyBackup(BACKUPS, { disk, name }));
  }
  const made = await backup(machine);
  expect(made.verifiedMicros, where).toBeGreaterThan(0);
  const names = await machine.run(disk.list(BACKUPS));
  const after = await machine.run(listBackups(BACKUPS, { disk }));
  const known = ["LOCK", "backups.json", ...after.map(({ name }) => name)];
  expect(names.sort(), where).toEqual(known.sort());
  await machine.run(restoreBackup(BACKUPS, RESTORED, { disk }));
  expect(compareStates(expected, await stateIn(machine, RESTORED)), where).toBeUndefined();
  expect(compareStates(expected, await stateIn(machine, DIRECTORY)), where).toBeUndefined();
}

test.each<CrashKind>(["power", "kill"])("cut short by %s", LONG, async (kind) => {
  const whole = (await base).fork(1);
  const before = whole.operations;
  await backup(whole);
  const operations = whole.operations - before;
  expect(operations).toBeGreaterThan(100);
  const expected = await stateIn(whole, DIRECTORY);
  for (let at = 1 + (seedOfRun(5) % CRASH_STEP); at <= operations; at += CRASH_STEP) {
    const machine = (await base).fork(at);
    machine.crashAfter(at, kind);
    await backup(machine).catch(() => {});
    machine.crashAfter(Number.POSITIVE_INFINITY);
    await check(machine, expected, `operation ${at}`);
  }
});

const OPERATIONS = ["open", "read", "write", "sync", "map", "link", "rename", "list"] as const;

test.each(OPERATIONS)("an error of %s, in the store or its backups", LONG, async (operation) => {
  const expected = await stateIn((await base).fork(1), DIRECTORY);
  let met = 0;
  for (const path of [DIRECTORY, BACKUPS]) {
    for (let at = 1 + (seedOfRun(0) % FAULT_STEP); ; at += FAULT_STEP) {
      const machine = (await base).fork(at);
      const fault = machine.addFault({ operation, path, at, error: "EIO" });
      const failure = await backup(machine).then(
        () => undefined,
        (error: unknown) => error,
      );
      if (fault.fired === 0) break;
      met++;
      const where = `${operation} ${at} in ${path}`;
      machine.removeFaults();
      if (failure !== undefined) expect(isHoldfastError(failure), where).toBe(true);
      await check(machine, expected, where);
    }
  }
  expect(met).toBeGreaterThan(0);
});

test("no room in the place of the backups: DISK_FULL, and what is there stays", async () => {
  const expected = await stateIn((await base).fork(1), DIRECTORY);
  for (const room of [0, 5_000, 30_000, 90_000]) {
    const machine = (await base).fork(1);
    const used = machine.files().reduce((sum, path) => sum + machine.read(path).length, 0);
    machine.capacityBytes = used + room;
    await expect(backup(machine), String(room)).rejects.toMatchObject({ code: "DISK_FULL" });
    machine.capacityBytes = Number.POSITIVE_INFINITY;
    await check(machine, expected, `${room} bytes of room`);
  }
});

test("old backups that cannot be removed are told, and the new one counts", async () => {
  const machine = (await base).fork(1);
  machine.jumpClock(40 * 86_400_000_000);
  machine.addFault({ operation: "remove", path: "backup-000001/", error: "EIO", times: 1e9 });
  const made = await backup(machine);
  expect(made).toMatchObject({ removed: [], notRemoved: expect.stringContaining("EIO") });
  machine.removeFaults();
  expect((await backup(machine)).removed).toEqual(["backup-000001"]);
});

test("an open store whose backups fail goes on, and the next one is whole", async () => {
  const machine = (await base).fork(1);
  const disk = machine.boot();
  const store = await machine.run(open(DIRECTORY, { ...options, disk, tables }));
  for (const error of ["EIO", "ENOSPC"]) {
    machine.addFault({ operation: ["write", "sync"], path: BACKUPS, at: 6, error });
    const code = error === "EIO" ? "IO" : "DISK_FULL";
    await expect(machine.run(store.backup(BACKUPS)), error).rejects.toMatchObject({ code });
    machine.removeFaults();
    expect(store.stats()).toMatchObject({ state: "open", backups: { error: { code } } });
    await machine.run(store.table(DEFINITIONS.plain.orders).delete(1));
  }
  await machine.run(store.backup(BACKUPS));
  expect(store.snapshots()).toEqual([]);
  const expected = stateOf(store);
  await machine.run(store.close());
  await machine.run(restoreBackup(BACKUPS, RESTORED, { disk: machine.boot() }));
  expect(compareStates(expected, await stateIn(machine, RESTORED))).toBeUndefined();
});
