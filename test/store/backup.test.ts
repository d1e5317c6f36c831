/** A backup holds what the store held, survives the loss of the store, and harms nothing. */
import {
  appendFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { afterEach, beforeEach, expect, test } from "vitest";
import { portableDisk } from "../../src/disk/portable.js";
import {
  backupStore,
  listBackups,
  open,
  restoreBackup,
  type Store,
  type StoreWarning,
  verifyBackup,
} from "../../src/index.js";
import {
  BACKUP_RECORD_NAME,
  type BackupRecord,
  readBackupRecord,
  writeRecord,
} from "../../src/store/backup-record.js";
import { openRuns, type State, stateOf, steps } from "../cli/run-stores.js";

let place = "";
let to = "";
beforeEach(() => {
  place = mkdtempSync(join(tmpdir(), "holdfast-backup-"));
  to = join(place, "backups");
});
afterEach(() => rmSync(place, { recursive: true, force: true }));

/** The background on this thread, which costs less, unless it is another that is wanted. */
const inline = () => ({ disk: portableDisk() });

async function filled(options: object = {}): Promise<Store> {
  const store = await openRuns(join(place, "store"), { ...inline(), ...options });
  for (let round = 0; round < 2; round++) {
    const writes = [];
    for (let i = 0; i < 50; i++) writes.push(steps(store, round * 50 + i, round * 50 + i + 1));
    await Promise.all(writes);
    await store.flush();
  }
  await Promise.all([steps(store, 100, 105), steps(store, 105, 110)]);
  return store;
}

/** What a store made of a backup holds. */
async function restored(name?: string): Promise<State> {
  const directory = join(place, `restored-${name ?? "newest"}`);
  await restoreBackup(to, directory, name === undefined ? {} : { name });
  const store = await openRuns(directory, inline());
  const state = stateOf(store);
  await store.close();
  return state;
}

const inodes = (name: string) =>
  new Map(
    readdirSync(join(to, name)).map((file) => [file, statSync(join(to, name, file)).ino] as const),
  );

test("each backup is whole; a file that never changes is copied once", async () => {
  // On its thread.
  const store = await filled({ history: "all", disk: undefined });
  const first = await store.backup(to);
  const atFirst = stateOf(store);
  expect(first).toMatchObject({ name: "backup-000001", sequence: store.lastSequence, removed: [] });
  expect(first.verifiedMicros).toBeGreaterThan(0);
  await steps(store, 200, 230);
  await store.flush();
  const second = await store.backup(to);
  const atSecond = stateOf(store);
  expect(second.name).toBe("backup-000002");
  expect(second.copiedFiles).toBeLessThan(second.files);
  const [one, two] = [inodes("backup-000001"), inodes("backup-000002")];
  const shared = [...two].filter(([name, inode]) => one.get(name) === inode);
  expect(shared.length).toBeGreaterThan(0);
  const source = new Set(
    readdirSync(join(place, "store")).map((name) => statSync(join(place, "store", name)).ino),
  );
  for (const inode of [...one.values(), ...two.values()]) expect(source.has(inode)).toBe(false);
  expect(store.snapshots()).toEqual([]);
  expect(store.stats().backups).toMatchObject({ done: 2, failures: 0, last: second });
  await store.close();
  rmSync(join(place, "store"), { recursive: true });
  expect(await restored("backup-000001")).toEqual(atFirst);
  expect(await restored()).toEqual(atSecond);
  expect((await listBackups(to)).map(({ name }) => name)).toEqual([
    "backup-000001",
    "backup-000002",
  ]);
  expect((await verifyBackup(to)).name).toBe("backup-000002");
  expect(readdirSync(to).sort()).toEqual([
    "LOCK",
    "backup-000001",
    "backup-000002",
    "backups.json",
  ]);
});

/** Makes it older; `verified`: as if it had never been. */
async function age(name: string, days: number, verified = true): Promise<void> {
  const directory = join(to, name);
  const record = (await readBackupRecord(portableDisk(), directory)) as BackupRecord;
  const createdMicros = record.createdMicros - days * 86_400_000_000;
  const { verifiedMicros } = record;
  const aged = { ...record, createdMicros, verifiedMicros: verified ? verifiedMicros : null };
  await writeRecord(portableDisk(), directory, BACKUP_RECORD_NAME, aged);
}

test("old backups go, but neither the newest nor the newest that was verified", async () => {
  const store = await filled();
  for (let i = 0; i < 3; i++) await store.backup(to);
  await age("backup-000001", 40);
  await age("backup-000002", 40);
  await age("backup-000003", 40, false);
  const made = await store.backup(to, { verify: false });
  expect(made).toMatchObject({ name: "backup-000004", verifiedMicros: undefined });
  expect(made.removed).toEqual(["backup-000001", "backup-000003"]);
  expect((await store.backup(to, { keepForDays: 50 })).removed).toEqual([]);
  expect((await store.backup(to)).removed).toEqual(["backup-000002"]);
  await store.close();
  for (const { name } of await listBackups(to)) await verifyBackup(to, { name });
});

test("a file that has gone bad is found, is not restored, and is copied anew by the next backup", async () => {
  const store = await filled({ history: "all" });
  await store.backup(to);
  const files = readdirSync(join(to, "backup-000001"));
  for (const end of [".run", ".archive", ".log"]) {
    const file = join(to, "backup-000001", files.find((name) => name.endsWith(end)) as string);
    const bytes = readFileSync(file);
    bytes[bytes.length - 100] = (bytes[bytes.length - 100] as number) ^ 4;
    writeFileSync(file, bytes);
  }
  await expect(verifyBackup(to)).rejects.toMatchObject({ code: "CORRUPT_BACKUP" });
  await expect(restoreBackup(to, join(place, "back"))).rejects.toMatchObject({
    code: expect.stringMatching(/CORRUPT_BACKUP|CORRUPT_LOG/),
  });
  expect(existsSync(join(place, "back", "manifest.0"))).toBe(false);
  await store.backup(to);
  const state = stateOf(store);
  await store.close();
  await verifyBackup(to);
  expect(await restored()).toEqual(state);
});

test("a record that is damaged is told, and its backup is neither used nor removed", async () => {
  const store = await filled();
  await store.backup(to);
  appendFileSync(join(to, "backup-000001", BACKUP_RECORD_NAME), " ");
  expect(await listBackups(to)).toMatchObject([{ damage: "it fails its checksum" }]);
  const named = { name: "backup-000001" };
  await expect(verifyBackup(to, named)).rejects.toMatchObject({ code: "CORRUPT_BACKUP" });
  expect(await store.backup(to)).toMatchObject({ name: "backup-000002", removed: [] });
  await store.close();
  expect(await listBackups(to)).toHaveLength(2);
  expect((await verifyBackup(to)).name).toBe("backup-000002");
  // Files as they were written, but not what the store had.
  const directory = join(to, "backup-000002");
  const record = (await readBackupRecord(portableDisk(), directory)) as BackupRecord;
  const digest = `${record.digest?.slice(1)}0`;
  await writeRecord(portableDisk(), directory, BACKUP_RECORD_NAME, { ...record, digest });
  await expect(verifyBackup(to)).rejects.toMatchObject({
    code: "CORRUPT_BACKUP",
    message: expect.stringContaining("its digest is"),
  });
});

test("only in a directory of its own, and only of one store", async () => {
  const store = await filled();
  const backup = (directory: string) => store.backup(directory);
  const foreign = { code: "BACKUP_FOREIGN" };
  const wrong = { code: "INVALID_ARGUMENT" };
  for (const name of ["store", "store/backups"]) {
    await expect(backup(join(place, name))).rejects.toMatchObject(wrong);
  }
  await expect(backup(place)).rejects.toMatchObject(foreign);
  await expect(backup("")).rejects.toMatchObject(wrong);
  await expect(store.backup(to, { keepForDays: 0 })).rejects.toMatchObject(wrong);
  await expect(store.backup(to, { often: true } as never)).rejects.toMatchObject(wrong);
  mkdirSync(to);
  writeFileSync(join(to, "notes.txt"), "mine");
  await expect(backup(to)).rejects.toMatchObject(foreign);
  expect(readdirSync(to)).toEqual(["notes.txt"]);
  rmSync(to, { recursive: true });
  await backup(to);
  await store.fork(join(place, "fork"));
  const fork = await openRuns(join(place, "fork"), inline());
  await expect(fork.backup(to)).rejects.toMatchObject(foreign);
  await fork.close();
  const missing = { code: "BACKUP_NOT_FOUND" };
  await expect(listBackups(join(place, "none"))).rejects.toMatchObject(missing);
  await expect(verifyBackup(to, { name: "backup-7" })).rejects.toMatchObject(missing);
  await expect(open(join(to, "backup-000001"))).rejects.toMatchObject(wrong);
  // What others have put there since stays.
  mkdirSync(join(to, "backup-000009"));
  writeFileSync(join(to, "backup-000009", "notes.txt"), "mine");
  expect((await backup(to)).name).toBe("backup-000010");
  expect(existsSync(join(to, "backup-000009", "notes.txt"))).toBe(true);
  await store.close();
});

test("from beside a writer that merges, archives and goes on: the state of one transaction", async () => {
  const store = await filled({ history: "all", bounds: { runsPerTier: 2 } });
  let writing = true;
  const writer = (async () => {
    for (let i = 200; writing; i += 10) {
      await steps(store, i, i + 10);
      await store.flush();
    }
  })();
  const made = [];
  for (let i = 0; i < 3; i++) made.push(await backupStore(join(place, "store"), to));
  writing = false;
  await writer;
  for (const { name, sequence } of made) {
    const past = await store.at(sequence);
    const state = await restored(name);
    expect(state).toEqual(stateOf(past as never));
    await past.close();
  }
  await store.close();
});

test("closing the store, or the signal, ends one that is under way; the next one clears up", async () => {
  const store = await filled();
  await store.backup(to);
  const stop = new AbortController();
  const given = store.backup(to, { signal: stop.signal });
  stop.abort(new RangeError("enough"));
  await expect(given).rejects.toThrow("enough");
  const cut = store.backup(to);
  await Promise.all([expect(cut).rejects.toMatchObject({ code: "CLOSED" }), store.close()]);
  expect((await listBackups(to)).map(({ name }) => name)).toEqual(["backup-000001"]);
  const again = await openRuns(join(place, "store"), inline());
  expect(again.snapshots()).toEqual([]);
  await again.backup(to);
  const state = stateOf(again);
  await again.close();
  expect(await restored()).toEqual(state);
});

test("a damaged file of the store is told, made anew, and backed up then", async () => {
  const store = await filled({ history: "all" });
  const path = join(place, "store");
  const file = readdirSync(path).find((name) => name.endsWith(".run")) as string;
  const bytes = readFileSync(join(path, file));
  bytes[150] = (bytes[150] as number) ^ 4;
  writeFileSync(join(path, file), bytes);
  await expect(store.backup(to)).rejects.toMatchObject({ code: "CORRUPT_RUN" });
  expect(await listBackups(to)).toEqual([]);
  await until(() => store.stats().background.repairs.repaired === 1);
  const state = stateOf(store);
  await store.backup(to);
  await store.close();
  expect(await restored()).toEqual(state);
});

async function until(done: () => boolean): Promise<void> {
  while (!done()) await sleep(5);
}

test("by itself: when none is there, and when the newest is old enough", async () => {
  const backup = { to, everyHours: 2 };
  const store = await openRuns(join(place, "store"), { backup });
  await steps(store, 0, 20);
  await until(() => store.stats().backups.done === 1);
  const { last } = store.stats().backups;
  const next = (last?.createdMicros ?? 0) + 7_200_000_000;
  await until(() => store.stats().backups.nextMicros === next);
  await store.close();
  const early = await openRuns(join(place, "store"), { backup });
  await until(() => early.stats().backups.nextMicros === next);
  await early.close();
  await age("backup-000001", 1);
  const late = await openRuns(join(place, "store"), { backup });
  await until(() => late.stats().backups.done === 1);
  await late.close();
  expect(await listBackups(to)).toHaveLength(2);
});

test("by itself: a failure is a warning and in the figures, and it is tried again", async () => {
  writeFileSync(to, "in the way");
  const warnings: StoreWarning[] = [];
  const onWarning = (warning: StoreWarning) => void warnings.push(warning);
  const store = await openRuns(join(place, "store"), { backup: { to }, onWarning });
  await until(() => store.stats().backups.failures === 1);
  await until(() => store.stats().backups.nextMicros !== undefined);
  expect(store.stats().backups).toMatchObject({ done: 0, error: { message: expect.any(String) } });
  expect(warnings.map(({ code }) => code)).toContain("BACKUP");
  rmSync(to);
  await store.backup(to);
  expect(store.stats().backups).toMatchObject({ done: 1, failures: 1, error: undefined });
  await store.close();
});
