/**
 * A machine that dies at any operation of a program that puts, drops and collects blobs, in
 * transactions with a table: every version that a row names is there, whole, and no pack is left
 * that nothing knows.
 */
import { expect, test } from "vitest";
import { defineTable, integer, isHoldfastError, type Store, string } from "../../src/index.js";
import { type CrashKind, SimulatedMachine } from "../sim/disk.js";
import { Random } from "../sim/random.js";
import { DIRECTORY, openOn } from "../support/simulated-store.js";
import { noise, same } from "./content.js";

const models = defineTable({
  name: "models",
  version: 1,
  key: string(),
  fields: { version: integer(), seed: integer(), changes: integer() },
});
const OPTIONS = { tables: [models], blobs: true, bounds: { startDelayMillis: 0 } } as const;
const BYTES = 600;

/** Each is like the one before of its name, or is another altogether. */
function contentOf(seed: number, changes: number): Uint8Array {
  const bytes = noise(BYTES, seed);
  for (let i = 0; i < changes; i++) bytes[(i * 37) % BYTES] = i;
  return bytes;
}

async function put(store: Store, name: string, seed: number, changes: number): Promise<void> {
  const prepared = await store.blobs.prepare(name, contentOf(seed, changes));
  await store.transact((tx) => {
    const before = tx.get(models, name);
    const { version } = tx.blobs.put(prepared, { pinned: true });
    tx.put(models, name, { version, seed, changes });
    if (before === undefined) return;
    tx.blobs.unpin(name, before.version);
    tx.blobs.drop(name, { version: before.version });
  });
}

async function work(store: Store, acknowledged: (step: number) => void): Promise<void> {
  let step = 0;
  for (let round = 0; round < 3; round++) {
    for (const [i, name] of ["a", "b", "c"].entries()) {
      await put(store, name, round === 2 ? 9 : i + 1, round * 5);
      acknowledged(++step);
    }
    await store.blobs.collect();
    if (round === 1) await store.flush();
  }
  await store.close();
}

/** Fails where a row names what is not there, or not what was put. */
async function check(store: Store): Promise<number> {
  let rows = 0;
  for (const [name, { version, seed, changes }] of store.table(models).entries()) {
    const bytes = await store.blobs.get(name, { version });
    expect(same(bytes, contentOf(seed, changes))).toBe(true);
    expect(store.blobs.versions(name)).toHaveLength(1);
    rows += 1 + (changes / 5) * 3;
  }
  return rows;
}

async function operationsOf(): Promise<number> {
  const machine = new SimulatedMachine({ seed: 1 });
  const store = await openOn(machine, OPTIONS);
  const begin = machine.operations;
  await machine.run(work(store, () => {}));
  return machine.operations - begin;
}

const all = process.env.HOLDFAST_SWEEP === "all";

test("dying at any operation", { timeout: all ? 3_600_000 : 180_000 }, async () => {
  const operations = await operationsOf();
  const random = new Random(3);
  let crashes = 0;
  for (let at = 1; at < operations; at += all ? 1 : 1 + random.below(24)) {
    const kind: CrashKind = (["kill", "power"] as const)[crashes % 2] as CrashKind;
    const machine = new SimulatedMachine({ seed: at });
    let last = 0;
    const store = await openOn(machine, OPTIONS);
    machine.crashAfter(at, kind);
    const working = async (): Promise<void> => {
      await work(store, (step) => {
        last = step;
      });
    };
    await machine.run(Promise.resolve().then(working)).catch(() => {});
    machine.crashAfter(Number.POSITIVE_INFINITY);
    crashes++;
    const again = await openOn(machine, OPTIONS);
    await machine.run(check(again));
    const rows = again.table(models).count();
    expect(rows).toBeGreaterThanOrEqual(Math.min(3, last));
    // What was dropped can be taken away now, and what is named stays.
    await machine.run(again.blobs.collect());
    await machine.run(check(again));
    const { packs, deadBytes } = again.blobs.stats();
    const names = await machine.run(machine.boot().list(DIRECTORY));
    expect(names.filter((name) => name.endsWith(".pack"))).toHaveLength(packs);
    if (rows === 0) expect({ packs, deadBytes }).toEqual({ packs: 0, deadBytes: 0 });
    await machine.run(again.close());
  }
  expect(crashes).toBeGreaterThan(5);
});

test("a disk that is full or fails: the put is refused, and what was there stays", async () => {
  for (const code of ["ENOSPC", "EIO"] as const) {
    const machine = new SimulatedMachine({ seed: 5 });
    const store = await openOn(machine, OPTIONS);
    await machine.run(put(store, "a", 1, 0));
    let refused = 0;
    for (const [i, operation] of (["open", "write", "sync", "close"] as const).entries()) {
      machine.removeFaults();
      machine.addFault({ operation, path: ".pack", error: code });
      const error = await machine.run(
        store.blobs.put("b", contentOf(i + 10, 0)).then(
          () => undefined,
          (reason: unknown) => reason,
        ),
      );
      if (error === undefined) continue;
      refused++;
      expect(isHoldfastError(error, code === "EIO" ? "IO" : "DISK_FULL")).toBe(true);
    }
    machine.removeFaults();
    expect(refused).toBeGreaterThan(2);
    const names = await machine.run(machine.boot().list(DIRECTORY));
    const packs = names.filter((name) => name.endsWith(".pack"));
    expect(packs).toHaveLength(store.blobs.stats().packs);
    await machine.run(check(store));
    await machine.run(store.close());
  }
});
