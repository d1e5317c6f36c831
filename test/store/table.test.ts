/** What a table does with single rows, on every disk. */
import { beforeEach, describe, expect, test } from "vitest";
import type { Store } from "../../src/index.js";
import { onEveryDisk, onEveryDiskWithStore } from "./places.js";
import { accounts, events, nested, orders, quotes, tables } from "./tables.js";

async function clear(store: Store): Promise<void> {
  await store.transact((transaction) => {
    for (const table of tables) {
      for (const key of [...transaction.keys(table as typeof orders)]) {
        transaction.delete(table as typeof orders, key);
      }
    }
  });
}

onEveryDiskWithStore({ tables }, (store) => {
  beforeEach(() => clear(store()));

  describe("a row", () => {
    test("that is not there is undefined", () => {
      const table = store().table(orders);
      expect(table.get(1)).toBeUndefined();
      expect(table.has(1)).toBe(false);
      expect(table.count()).toBe(0);
      expect([...table.entries()]).toEqual([]);
    });

    test("is there as soon as put was called, and replaced by the next", async () => {
      const table = store().table(orders);
      const first = table.put(1, { amount: 5, note: "a" });
      expect(table.get(1)).toEqual({ amount: 5, note: "a" });
      const second = table.put(1, { amount: 6 });
      expect(table.get(1)).toEqual({ amount: 6, note: "" });
      expect(table.has(1)).toBe(true);
      expect(table.count()).toBe(1);
      expect(await Promise.all([first, second])).toEqual([undefined, undefined]);
    });

    test("is durable when putSync and deleteSync return, whatever the tier", () => {
      const { durableSequence } = store();
      store().table(orders).putSync(1, { amount: 1 });
      expect(store().durableSequence).toBe(durableSequence + 1);
      store().table(events).putSync(1n, { text: "x" });
      expect(store().durableSequence).toBe(durableSequence + 2);
      store().table(quotes).putSync(["x", 1], { price: 1 });
      expect(store().durableSequence).toBe(durableSequence + 3);
      expect(store().table(quotes).deleteSync(["x", 1])).toBe(true);
      expect(store().durableSequence).toBe(durableSequence + 4);
      expect(store().table(quotes).deleteSync(["x", 1])).toBe(false);
      expect(store().lastSequence).toBe(durableSequence + 4);
      expect(store().table(quotes).count()).toBe(0);
    });

    test("is gone once deleted, and delete tells if it was there", async () => {
      const table = store().table(accounts);
      await table.put("a", { balance: 1 });
      const deleting = table.delete("a");
      expect(table.get("a")).toBeUndefined();
      expect(await deleting).toBe(true);
      const { lastSequence } = store();
      expect(await table.delete("a")).toBe(false);
      expect(store().lastSequence).toBe(lastSequence);
      expect(table.count()).toBe(0);
    });

    test("is updated from what it was, or left as it is", async () => {
      const table = store().table(orders);
      const made = await table.update(1, (row) => ({ amount: (row?.amount ?? 40) + 1 }));
      expect(made).toEqual({ amount: 41, note: "" });
      const more = table.update(1, (row) => ({ amount: (row?.amount ?? 40) + 1, note: "x" }));
      expect(table.get(1)).toEqual({ amount: 42, note: "x" });
      expect(await more).toBe(table.get(1));
      const { lastSequence } = store();
      expect(await table.update(1, () => undefined)).toEqual({ amount: 42, note: "x" });
      expect(await table.update(2, () => undefined)).toBeUndefined();
      expect(store().lastSequence).toBe(lastSequence);
      expect(table.has(2)).toBe(false);
    });

    test("stays as it is when an update throws", async () => {
      const table = store().table(orders);
      await table.put(1, { amount: 1 });
      const failing = table.update(1, () => {
        throw new RangeError("no");
      });
      await expect(failing).rejects.toThrow(RangeError);
      expect(table.get(1)).toEqual({ amount: 1, note: "" });
    });

    test("of a wrong type is refused, with its table, key and field, and changes nothing", async () => {
      const table = store().table(orders);
      await table.put(7, { amount: 1 });
      const { lastSequence } = store();
      const wrong = { amount: "1" } as unknown as { amount: number };
      const place = { table: "orders", key: 7, field: "amount" };
      await expect(table.put(7, wrong)).rejects.toMatchObject({ code: "INVALID_ROW", data: place });
      await expect(table.update(7, () => wrong)).rejects.toMatchObject({ data: place });
      expect(() => table.putSync(7, wrong)).toThrow('table "orders", key 7, field "amount"');
      expect(table.get(7)).toEqual({ amount: 1, note: "" });
      expect(store().lastSequence).toBe(lastSequence);
    });

    test("with a key of a wrong type is refused by every method", async () => {
      const table = store().table(orders);
      const key = "7" as unknown as number;
      const refusal = { code: "INVALID_KEY", data: { table: "orders", key: "7" } };
      for (const read of [
        () => table.get(key),
        () => table.has(key),
        () => table.entries({ gte: key }),
        () => table.keys({ lt: key }),
        () => table.values({ gt: null as unknown as number }),
        () => table.putSync(key, { amount: 1 }),
        () => table.deleteSync(key),
      ]) {
        expect(read).toThrow(expect.objectContaining({ code: "INVALID_KEY" }));
      }
      await expect(table.put(key, { amount: 1 })).rejects.toMatchObject(refusal);
      await expect(table.update(key, () => undefined)).rejects.toMatchObject(refusal);
      await expect(table.delete(key)).rejects.toMatchObject(refusal);
      expect(table.count()).toBe(0);
    });
  });

  describe("a row and its caller", () => {
    const input = () => ({
      raw: Uint8Array.of(1, 2, 3),
      numbers: [1, 2],
      blobs: [Uint8Array.of(4)],
      tags: { a: "x" } as Record<string, string>,
      inner: { values: ["v"], blob: Uint8Array.of(5) },
    });
    const plain = () => ({ ...input(), tags: Object.assign(Object.create(null), { a: "x" }) });

    test("share nothing that can change", async () => {
      const table = store().table(nested);
      const given = input();
      await table.put("k", given);
      given.raw[0] = 99;
      given.numbers.push(3);
      (given.blobs[0] as Uint8Array)[0] = 99;
      given.tags.b = "y";
      given.inner.values[0] = "changed";
      given.inner.blob[0] = 99;
      expect(table.get("k")).toEqual(plain());
    });

    test("cannot change what they read: objects are frozen, bytes are copies", async () => {
      const table = store().table(nested);
      await table.put("k", input());
      const reads = [
        () => table.get("k"),
        () => [...table.values()][0],
        () => [...table.entries()][0]?.[1],
      ];
      for (const read of reads) {
        const row = read();
        if (row === undefined) throw new Error("the row is missing");
        for (const part of [row, row.numbers, row.blobs, row.tags, row.inner, row.inner.values]) {
          expect(Object.isFrozen(part)).toBe(true);
        }
        row.raw.fill(77);
        row.blobs[0]?.fill(77);
        row.inner.blob?.fill(77);
        expect(read()).toEqual(plain());
      }
      const updated = await table.update("k", (row) => row && { ...row, numbers: [9] });
      updated?.raw.fill(77);
      expect(table.get("k")).toEqual({ ...plain(), numbers: [9] });
    });

    test("have keys that are frozen copies", async () => {
      const table = store().table(quotes);
      const key: [string, number] = ["a", 1];
      await table.put(key, { price: 1 });
      key[0] = "b";
      expect([...table.keys()]).toEqual([["a", 1]]);
      expect(Object.isFrozen([...table.keys()][0])).toBe(true);
      expect(table.get(["b", 1])).toBeUndefined();
    });
  });

  test("a table is one handle, and only of a definition that the store was opened with", () => {
    expect(store().table(orders)).toBe(store().table(orders));
    expect(store().table(orders).name).toBe("orders");
    const refusal = expect.objectContaining({ code: "INVALID_ARGUMENT" });
    expect(() => store().table({ ...orders })).toThrow(refusal);
    expect(() => store().table(undefined as unknown as typeof orders)).toThrow(refusal);
  });
});

onEveryDisk((place) => {
  test("rows that were read back from the log are as safe from their readers", async () => {
    const store = await place().open({ tables });
    const row = {
      raw: Uint8Array.of(1),
      numbers: [1],
      blobs: [],
      tags: {},
      inner: { values: [], blob: null },
    };
    await store.table(nested).put("k", row);
    await store.close();
    const table = (await place().open({ tables })).table(nested);
    const read = table.get("k");
    read?.raw.fill(9);
    expect(Object.isFrozen(read)).toBe(true);
    expect(table.get("k")?.raw).toEqual(Uint8Array.of(1));
    expect(table.get("k")?.numbers).toEqual([1]);
  });
});
