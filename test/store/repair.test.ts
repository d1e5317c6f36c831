/** A store repairs files of its runs by itself, and says what it cannot repair. */
import { mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { beforeAll, describe, expect, test } from "vitest";
import type { Disk } from "../../src/disk/disk.js";
import { portableDisk } from "../../src/disk/portable.js";
import {
  defineTable,
  integer,
  type OpenOptions,
  open,
  type Store,
  string,
} from "../../src/index.js";
import { ensureBuilt } from "../support/built.js";
import { onEveryDisk } from "./places.js";

const wide = defineTable({
  name: "wide",
  version: 1,
  key: integer(),
  fields: { text: string() },
});

const ROWS = 600;
/** Several files a run, and every read goes to them. */
const BOUNDS = {
  fileBytes: 8192,
  runsPerTier: 4,
  rowBytes: 0,
  blockBytes: 0,
  startDelayMillis: 0,
} as const;

const textOf = (n: number): string => `${n} ${(n * 7919) % 1000} `.repeat(8);

async function fill(store: Store, more: number): Promise<void> {
  for (let part = 0; part < 3; part++) {
    await store.transact((transaction) => {
      for (let i = part; i < ROWS; i += 3) transaction.put(wide, i, { text: textOf(i) });
    });
    await store.flush();
  }
  await store.transact((transaction) => transaction.delete(wide, 9));
  for (let i = 0; i < more; i++) {
    void store.table(wide).put(20_000 + i, { text: "more".repeat(500) });
    if (i % 20 === 0) await store.flush();
  }
  await store.flush();
}

/** Opens it anew, so that nothing is in memory. */
async function reopened(
  disk: Disk,
  openIt: (options: OpenOptions) => Promise<Store>,
  options: OpenOptions,
  more = 0,
) {
  const first = await openIt({ tables: [wide], bounds: BOUNDS, ...options });
  await fill(first, more);
  await first.close();
  const warnings: string[] = [];
  const onWarning = ({ code, message }: { code: string; message: string }): void => {
    if (code !== "PORTABLE_DISK") warnings.push(`${code}: ${message}`);
  };
  const store = await openIt({ tables: [wide], bounds: BOUNDS, onWarning, ...options });
  // What a merge has read already would come through unharmed.
  const isIdle = (): boolean => {
    const { merges, archives } = store.stats().background;
    return !merges.running && !archives.running;
  };
  const { directory } = store.stats();
  for (let before = "", now = "new"; before !== now; ) {
    before = now;
    await until(isIdle, disk);
    await new Promise<void>((resolve) => void disk.scheduler.after(20, resolve, true));
    now = (await runFiles(disk, directory)).join();
  }
  return { store, warnings };
}

async function runFiles(disk: Disk, directory: string): Promise<string[]> {
  return (await disk.list(directory)).filter((name) => name.endsWith(".run"));
}

/** Damages the first block of rows of each of these files. */
async function damage(disk: Disk, directory: string, names: readonly string[]): Promise<void> {
  for (const name of names) {
    const file = await disk.open(`${directory}/${name}`, { write: true });
    const byte = (await file.read(150, 1))[0] as number;
    await file.write(150, Uint8Array.of(byte ^ 0x20));
    await file.sync();
    await file.close();
  }
}

/** Reads every row; gives the keys that cannot be read. */
function unreadable(store: Store): number[] {
  const keys: number[] = [];
  for (let i = 0; i < ROWS; i++) {
    try {
      expect(store.table(wide).get(i)?.text).toBe(i === 9 ? undefined : textOf(i));
    } catch (error) {
      if ((error as { code?: string }).code !== "CORRUPT_RUN") throw error;
      expect(error).toMatchObject({
        data: { file: expect.any(String), offset: expect.any(Number) },
      });
      keys.push(i);
    }
  }
  return keys;
}

async function until(condition: () => boolean, disk: Disk): Promise<void> {
  for (let i = 0; i < 2000 && !condition(); i++) {
    await new Promise<void>((resolve) => void disk.scheduler.after(5, resolve, true));
  }
  expect(condition()).toBe(true);
}

onEveryDisk((place) => {
  describe("a damaged file of a run", () => {
    test("is found by a read, and made anew from the log", async () => {
      const { store, warnings } = await reopened(place().disk, (options) => place().open(options), {
        history: "all",
      });
      const { disk, directory } = place();
      const [first, second] = await runFiles(disk, directory);
      const damaged = [first, second] as string[];
      await damage(disk, directory, damaged);
      expect(unreadable(store).length).toBeGreaterThan(0);
      expect(unreadable(store).length).toBeLessThan(ROWS / 2);
      const { background } = store.stats();
      expect(background.repairs.unrepaired).toBeGreaterThan(0);
      await until(() => store.stats().background.repairs.unrepaired === 0, place().disk);
      await until(() => unreadable(store).length === 0, place().disk);
      await until(() => !store.stats().background.repairs.running, place().disk);
      const { repairs } = store.stats().background;
      expect(warnings.filter((text) => text.startsWith("REPAIRED"))).toHaveLength(repairs.repaired);
      expect(warnings[0]).toMatch(/\.run is damaged at .*It was made anew from the log$/);
      // What was damaged is kept for people to look at.
      const bad = (await disk.list(directory)).filter((name) => name.endsWith(".bad"));
      expect(bad.length).toBe(repairs.repaired);
      expect(damaged.map((name) => `${name}.bad`)).toEqual(expect.arrayContaining(bad));
      await store.close();
      const again = await place().open({ tables: [wide], bounds: BOUNDS, history: "all" });
      expect(unreadable(again)).toEqual([]);
      expect((await disk.list(directory)).filter((name) => name.endsWith(".bad"))).toEqual(bad);
    });

    test("that nothing covers is told once; the rest is read and written as before", async () => {
      const { store, warnings } = await reopened(
        place().disk,
        (options) => place().open(options),
        {},
        400,
      );
      const { disk, directory } = place();
      const names = await runFiles(disk, directory);
      let lost: number[] = [];
      for (const name of names) {
        await damage(disk, directory, [name]);
        lost = unreadable(store);
        if (lost.length > 0) break;
        // It has none of these rows: a second time undoes the first.
        await damage(disk, directory, [name]);
      }
      expect(lost.length).toBeGreaterThan(0);
      await until(() => warnings.length > 0, place().disk);
      expect(warnings[0]).toMatch(/^BACKGROUND: .*\.run is damaged at .*cannot be made anew/);
      expect(unreadable(store)).toEqual(lost);
      await store.table(wide).put(9, { text: textOf(9) });
      await store.flush();
      expect(store.table(wide).get(9)).toEqual({ text: textOf(9) });
      // Others are merged as before.
      for (let i = 0; i < 12; i++) {
        await store.table(wide).put(10_000 + i, { text: "new" });
        await store.flush();
      }
      await until(() => !store.stats().background.merges.running, place().disk);
      const { background } = store.stats();
      expect(background.merges.halted).toBe(false);
      expect(background.repairs).toMatchObject({ repaired: 0, unrepaired: 1, running: false });
      expect(background.runs).toBeLessThan(12);
      expect(warnings).toHaveLength(1);
      await store.table(wide).delete(9);
      expect(unreadable(store)).toEqual(lost);
    });

    test("is found before anybody reads it, and made anew from itself", async () => {
      const { store, warnings } = await reopened(place().disk, (options) => place().open(options), {
        bounds: { ...BOUNDS, scrubEveryMillis: 1000 },
      });
      const { disk, directory } = place();
      const [name] = await runFiles(disk, directory);
      // The index: what it says of the rows they say themselves.
      const file = await disk.open(`${directory}/${name}`, { write: true });
      await file.write((await file.size()) - 40, Uint8Array.of(0xff, 0xff, 0xff, 0xff));
      await file.sync();
      await file.close();
      await until(() => store.stats().background.repairs.repaired === 1, place().disk);
      expect(store.stats().background.scrubs.bytes).toBeGreaterThan(0);
      expect(warnings[0]).toMatch(/^REPAIRED: .*It was made anew from itself$/);
      expect(unreadable(store)).toEqual([]);
      expect(store.stats().background.scrubs.findings).toBe(1);
    });
  });

  test("a damaged archive is found by the pass over all files, and told once", async () => {
    const { store, warnings } = await reopened(
      place().disk,
      (options) => place().open(options),
      {
        history: "all",
        segmentBytes: 65_536,
        bounds: { ...BOUNDS, fileBytes: 1 << 20, scrubEveryMillis: 200 },
      },
      40,
    );
    const { disk, directory } = place();
    const scrubs = () => store.stats().background.scrubs;
    const archives = (await disk.list(directory)).filter((name) => name.endsWith(".archive"));
    expect(archives.length).toBeGreaterThan(0);
    await until(() => scrubs().lastPassMicros > 0, disk);
    expect([scrubs().findings, warnings]).toEqual([0, []]);
    const bytesBefore = scrubs().bytes;
    await damage(disk, directory, archives.slice(0, 1));
    await until(() => scrubs().findings > 0, disk);
    // Twice more over all files.
    for (let round = 0; round < 2; round++) {
      const last = scrubs().lastPassMicros;
      await until(() => scrubs().lastPassMicros > last, disk);
    }
    expect(scrubs()).toMatchObject({ findings: 1, failures: 0, halted: false });
    expect(scrubs().bytes).toBeGreaterThan(bytesBefore);
    expect(warnings).toHaveLength(1);
    expect(warnings[0]).toMatch(
      new RegExp(`^BACKGROUND: .*/${archives[0]} is damaged at 64: .*transactions 1 and \\d+`),
    );
    // What was acknowledged is where it was.
    expect(unreadable(store)).toEqual([]);
  });
});

describe("with a thread", () => {
  beforeAll(ensureBuilt);

  test("repairs are made there", async () => {
    const directory = await mkdtemp(join(tmpdir(), "holdfast-repair-"));
    const disk = portableDisk();
    const { store } = await reopened(disk, (options) => open(directory, options), {
      history: "all",
    });
    try {
      await damage(disk, directory, (await runFiles(disk, directory)).slice(0, 1));
      expect(unreadable(store).length).toBeGreaterThan(0);
      await until(() => store.stats().background.repairs.repaired > 0, disk);
      expect(unreadable(store)).toEqual([]);
      expect(store.stats().background.where).toBe("thread");
      expect((await readdir(directory)).filter((name) => name.endsWith(".bad"))).toHaveLength(1);
    } finally {
      await store.close();
      await rm(directory, { recursive: true });
    }
  });
});
