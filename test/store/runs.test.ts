/** What runs add to a store: views, snapshots, tables larger than memory, a bounded directory. */
import { describe, expect, test } from "vitest";
import { defineTable, integer, open, type Store, string } from "../../src/index.js";
import { onEveryDisk, type Place } from "./places.js";
import { digestOf } from "./state.js";
import { accounts, orders, quotes, tables } from "./tables.js";

const wide = defineTable({
  name: "wide",
  version: 1,
  tier: "important",
  key: integer(),
  fields: { text: string() },
});
const held = defineTable({
  name: "held",
  version: 1,
  key: integer(),
  resident: true,
  fields: { text: string() },
});
const all = [...tables, wide, held];

/** Everything in runs at once, and next to no memory for rows. */
const EAGER = { recoveryBudgetMillis: 1, cacheBytes: 1024 * 1024 } as const;

const textOf = (n: number): { text: string } => ({ text: `${n} `.repeat(30) });

async function fill(store: Store, from: number, to: number): Promise<void> {
  for (let n = from; n < to; n += 50) {
    await store.transact((transaction) => {
      for (let i = n; i < Math.min(n + 50, to); i++) transaction.put(wide, i, textOf(i));
    });
  }
  await store.durable();
}

/** Of all files; one that goes in the meantime has none. */
async function sizeOf({ disk, directory }: Place): Promise<number> {
  let size = 0;
  for (const name of await disk.list(directory)) {
    const file = await disk.open(`${directory}/${name}`).catch(() => undefined);
    size += (await file?.size()) ?? 0;
    await file?.close();
  }
  return size;
}

onEveryDisk((place) => {
  describe("a view", () => {
    test("shows its state while rows are written, flushed and dropped from memory", async () => {
      const store = await place().open({ tables: all, ...EAGER });
      await fill(store, 0, 500);
      await store.table(orders).put(1, { amount: 1 });
      const view = store.view();
      const sequence = store.lastSequence;
      expect(view.sequence).toBe(sequence);
      for (let round = 0; round < 3; round++) {
        for (let i = 0; i < 500; i += 3) void store.table(wide).put(i, textOf(1000 + round));
        for (let i = 1; i < 500; i += 50) void store.table(wide).delete(i);
        await fill(store, 500 + round * 2000, 2500 + round * 2000);
        await store.table(orders).delete(1);
        await store.flush();
        const shown = view.table(wide);
        expect([...shown.keys()]).toEqual(Array.from({ length: 500 }, (_, i) => i));
        expect([...shown.keys({ reverse: true, limit: 3 })]).toEqual([499, 498, 497]);
        for (let i = 0; i < 500; i += 7) expect(shown.get(i)).toEqual(textOf(i));
        for (const [key, row] of shown.entries({ gte: 100, lt: 120 })) {
          expect(row).toEqual(textOf(key));
        }
        expect(shown.count()).toBe(500);
        expect(shown.has(700)).toBe(false);
        expect(view.table(orders).get(1)).toEqual({ amount: 1, note: "" });
      }
      expect(store.table(orders).get(1)).toBeUndefined();
      expect(store.stats().memory.views).toBe(1);
      const rows = view.table(wide).entries();
      rows.next();
      view.release();
      view.release();
      expect(store.stats().memory.views).toBe(0);
      const closed = expect.objectContaining({ code: "CLOSED" });
      expect(() => view.table(wide).get(1)).toThrow(closed);
      expect(() => rows.next()).toThrow(closed);
    });

    test("shows rows of cached tables as they were, too", async () => {
      const store = await place().open({ tables: all, cachedDelayMicros: 60_000_000 });
      await store.table(quotes).put(["a", 1], { price: 1 });
      {
        using view = store.view();
        await store.table(quotes).put(["a", 1], { price: 2 });
        expect(view.table(quotes).get(["a", 1])).toEqual({ price: 1 });
        expect(store.table(quotes).get(["a", 1])).toEqual({ price: 2 });
      }
      expect(store.stats().memory.views).toBe(0);
    });

    test("is refused inside a transaction, and ends with the store", async () => {
      const store = await place().open({ tables: all });
      const nested = expect.objectContaining({ code: "NESTED_TRANSACTION" });
      await store.transact(() => {
        expect(() => store.view()).toThrow(nested);
      });
      const view = store.view();
      await store.close();
      expect(() => view.table(orders).get(1)).toThrow("released");
    });
  });

  describe("a table larger than memory", () => {
    test("gives every row, by key and in order, both ways, and counts them", async () => {
      const store = await place().open({ tables: all, ...EAGER });
      const count = 9000;
      await fill(store, 0, count);
      for (let i = 0; i < count; i += 9) void store.table(wide).delete(i);
      for (let i = 4; i < count; i += 9) void store.table(wide).put(i, textOf(-i));
      await store.flush();
      for (let i = 0; i < 40; i++) await fill(store, count, count + 1);
      const expected = (i: number) => (i % 9 === 4 && i < count ? textOf(-i) : textOf(i));
      const there = Array.from({ length: count + 1 }, (_, i) => i).filter(
        (i) => i % 9 !== 0 || i === count,
      );
      const table = store.table(wide);
      expect(store.stats().memory.rowsEvicted).toBeGreaterThan(1000);
      expect(table.count()).toBe(there.length);
      expect([...table.keys()]).toEqual(there);
      expect([...table.keys({ reverse: true })]).toEqual([...there].reverse());
      for (let i = 0; i <= count; i += 11) {
        const row = i % 9 === 0 && i !== count ? undefined : expected(i);
        expect(table.get(i)).toEqual(row);
        expect(table.has(i)).toBe(row !== undefined);
      }
      expect([...table.entries({ gt: 4000, lte: 4030 })]).toEqual(
        there.filter((i) => i > 4000 && i <= 4030).map((i) => [i, expected(i)]),
      );
      // A transaction sees its own writes among them, and what it takes back is as it was.
      await store
        .transact((transaction) => {
          expect(transaction.delete(wide, 9)).toBe(false);
          expect(transaction.delete(wide, 10)).toBe(true);
          transaction.put(wide, 9, textOf(7));
          const range = { gte: 8, lt: 12 };
          expect([...transaction.keys(wide, range)]).toEqual([8, 9, 11]);
          throw new Error("on purpose");
        })
        .catch((error: Error) => expect(error.message).toBe("on purpose"));
      expect([...table.keys({ gte: 8, lt: 12 })]).toEqual([8, 10, 11]);
      const state = digestOf(store, [wide]);
      await store.close();
      const again = await place().open({ tables: all, ...EAGER });
      expect(digestOf(again, [wide])).toBe(state);
    });

    test("an iterator goes on while the runs under it are replaced", async () => {
      const store = await place().open({ tables: all, ...EAGER });
      await fill(store, 0, 3000);
      await store.flush();
      const seen: number[] = [];
      for (const key of store.table(wide).keys()) {
        seen.push(key);
        if (key % 500 !== 0 || key >= 10_000) continue;
        // What is behind is not seen, what is ahead is.
        if (key > 0) void store.table(wide).put(key - 1, textOf(1));
        void store.table(wide).delete(key + 10);
        void store.table(wide).put(10_000 + key, textOf(1));
        await store.flush();
      }
      const gone = new Set([10, 510, 1010, 1510, 2010, 2510]);
      const expected = Array.from({ length: 3000 }, (_, i) => i).filter((i) => !gone.has(i));
      const added = [0, 500, 1000, 1500, 2000, 2500].map((key) => 10_000 + key);
      expect(seen.filter((key) => key < 10_000)).toEqual(expected);
      expect(seen.filter((key) => key >= 10_000).slice(0, 6)).toEqual(added);
    });

    test("that is resident stays in memory, after an opening as well", async () => {
      let store = await place().open({ tables: all, ...EAGER });
      for (let i = 0; i < 3000; i++) void store.table(held).put(i, textOf(i));
      await store.flush();
      void store.table(held).delete(5);
      await fill(store, 0, 4000);
      await store.flush();
      for (let times = 0; times < 2; times++) {
        expect(store.stats().tables.held).toBe(2999);
        const { blockMisses, blockHits } = store.stats().memory;
        for (let i = 0; i < 3000; i++) {
          expect(store.table(held).get(i)).toEqual(i === 5 ? undefined : textOf(i));
        }
        expect(store.stats().memory).toMatchObject({ blockMisses, blockHits });
        await store.close();
        store = await place().open({ tables: all, ...EAGER });
      }
    });
  });

  describe("a snapshot", () => {
    test("is the whole state at one sequence, whatever comes after it", async () => {
      let store = await place().open({ tables: all, ...EAGER });
      await fill(store, 0, 300);
      await store.table(accounts).put("a", { balance: 1 });
      await store.table(quotes).put(["q", 1], { price: 5 });
      const before = digestOf(store);
      const one = await store.snapshot("one");
      expect(one).toMatchObject({ name: "one", sequence: store.lastSequence });
      await fill(store, 200, 900);
      await store.table(accounts).delete("a");
      await store.flush();
      const between = digestOf(store);
      const two = await store.snapshot();
      expect(two.name).toMatch(/^snapshot-\d+$/);
      expect((await store.snapshot()).name).toBe(`${two.name}-2`);
      for (let round = 0; round < 12; round++) {
        await fill(store, 0, 300);
        await store.flush();
      }
      expect(store.snapshots().map(({ name }) => name)).toEqual(["one", two.name, `${two.name}-2`]);
      await expect(store.snapshot("one")).rejects.toMatchObject({ code: "SNAPSHOT_EXISTS" });
      const look = async (at: string): Promise<string> => {
        await using snapshot = await openAt(place(), at);
        return digestOf(snapshot);
      };
      // Beside the writer, and after it; before and after an opening.
      expect(await look("one")).toBe(before);
      expect(await look(two.name)).toBe(between);
      await store.close();
      expect(await look("one")).toBe(before);
      store = await place().open({ tables: all, ...EAGER });
      expect(await look("one")).toBe(before);
      await store.dropSnapshot("one");
      await fill(store, 900, 1000);
      await store.flush();
      expect(await look(two.name)).toBe(between);
      await expect(look("one")).rejects.toMatchObject({
        code: "SNAPSHOT_NOT_FOUND",
        message: expect.stringContaining(two.name) as string,
      });
      await expect(store.dropSnapshot("one")).rejects.toMatchObject({
        code: "SNAPSHOT_NOT_FOUND",
      });
    });

    test.each(["", "a b", "-x", "x".repeat(129), "a/b", 7])("cannot be called %j", async (name) => {
      const store = await place().open({ tables: all });
      const invalid = { code: "INVALID_ARGUMENT" };
      await expect(store.snapshot(name as string)).rejects.toMatchObject(invalid);
      await expect(openAt(place(), name as string)).rejects.toMatchObject(invalid);
    });

    test("cannot be opened where there is no store", async () => {
      await expect(openAt(place(), "one")).rejects.toMatchObject({ code: "NOT_A_STORE" });
    });
  });

  describe("a directory", () => {
    test("stays small when the same keys are overwritten for ever", async () => {
      const store = await place().open({ tables: all, ...EAGER });
      let largest = 0;
      for (let round = 0; round < 40; round++) {
        await fill(store, 0, 500);
        await store.flush();
        if (round >= 10) largest = Math.max(largest, await sizeOf(place()));
      }
      expect(largest).toBeLessThan(3 * 1024 * 1024);
      const { runs, segments } = store.stats().background;
      expect(runs).toBeLessThan(20);
      expect(segments).toBeLessThanOrEqual(4);
      const { lastSequence } = store;
      await store.close();
      const again = await place().open({ tables: all, finalSnapshotMillis: 0 });
      expect(again.recovery).toMatchObject({ transactionsReplayed: 0, lastSequence });
      expect([...again.table(wide).keys()]).toHaveLength(500);
    });
  });
});

function openAt({ disk, directory }: Place, at: string) {
  return open(directory, { disk, tables: all, at });
}
