/** A backup holds what the store held, survives the loss of the store, and harms nothing. */
import { mkdtempSync, readdirSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { listBackups, restoreBackup, type Store, verifyBackup } from "../../src/index.js";
import { openRuns, type State, stateOf, steps } from "../cli/run-stores.js";

let place = "";
let to = "";
beforeEach(() => {
  place = mkdtempSync(join(tmpdir(), "holdfast-backup-"));
  to = join(place, "backups");
});
afterEach(() => rmSync(place, { recursive: true, force: true }));

async function filled(options: object = {}): Promise<Store> {
  const store = await openRuns(join(place, "store"), options);
  for (let round = 0; round < 3; round++) {
    await steps(store, round * 60, round * 60 + 60);
    await store.flush();
  }
  await steps(store, 180, 200);
  return store;
}

/** What a store made of a backup holds. */
async function restored(name?: string): Promise<State> {
  const directory = join(place, `restored-${name ?? "newest"}`);
  await restoreBackup(to, directory, name === undefined ? {} : { name });
  const store = await openRuns(directory);
  const state = stateOf(store);
  await store.close();
  return state;
}

const inodes = (name: string) =>
  new Map(
    readdirSync(join(to, name)).map((file) => [file, statSync(join(to, name, file)).ino] as const),
  );

test("each backup is whole; a file that never changes is copied once", async () => {
  const store = await filled({ history: "all" });
  const first = await store.backup(to);
  const atFirst = stateOf(store);
  expect(first).toMatchObject({ name: "backup-000001", sequence: store.lastSequence, removed: [] });
  expect(first.verifiedMicros).toBeGreaterThan(0);
  await steps(store, 200, 230);
  await store.flush();
  const second = await store.backup(to);
  const atSecond = stateOf(store);
  expect(second.name).toBe("backup-000002");
  expect(second.copiedBytes).toBeLessThan(first.copiedBytes);
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
