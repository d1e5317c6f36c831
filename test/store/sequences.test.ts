/** Sequences, durable(), and closing, on every disk. */
import { describe, expect, test } from "vitest";
import type { Store } from "../../src/index.js";
import { faultsOf } from "../support/fault-matrix.js";
import { onEveryDisk } from "./places.js";
import { stateOf } from "./state.js";
import { accounts, events, orders, quotes, tables } from "./tables.js";

const countFault = faultsOf("after-close");

const CLOSED = { name: "HoldfastError", code: "CLOSED" };

onEveryDisk((place) => {
  describe("sequences", () => {
    test("have no gaps, whatever failed in between, and go on after reopening", async () => {
      let store = await place().open({ tables });
      expect(store.lastSequence).toBe(1);
      for (let i = 1; i <= 20; i++) {
        const before = store.lastSequence;
        await store.table(orders).put(i, { amount: i });
        await store
          .table(orders)
          .put(i, { amount: Number.NaN })
          .catch(() => {});
        await store
          .transact((transaction) => {
            transaction.put(orders, i, { amount: 0 });
            throw new Error("on purpose");
          })
          .catch(() => {});
        await store.table(orders).delete(-i);
        expect(store.lastSequence).toBe(before + 1);
      }
      await store.close();
      store = await place().open({ tables });
      expect([store.lastSequence, store.durableSequence]).toEqual([21, 21]);
      await store.table(orders).put(1, { amount: 5 });
      expect(store.lastSequence).toBe(22);
    });

    test("are durable in order: a promise resolves once all before it are", async () => {
      const store = await place().open({ tables, framesInFlight: 4 });
      const resolved: number[] = [];
      const puts = Array.from({ length: 60 }, async (_, i) => {
        if (i % 5 === 0) await new Promise((resolve) => setImmediate(resolve));
        const put = store.table(orders).put(i, { amount: i });
        const sequence = store.lastSequence;
        await put;
        expect(store.durableSequence).toBeGreaterThanOrEqual(sequence);
        resolved.push(sequence);
      });
      await Promise.all(puts);
      expect(resolved).toEqual([...resolved].sort((a, b) => a - b));
      expect(store.durableSequence).toBe(store.lastSequence);
    });
  });

  describe("durable", () => {
    test("resolves with how far the log is durable", async () => {
      const store = await place().open({ tables, flushDelayMicros: 60_000_000 });
      expect(await store.durable()).toBe(1);
      expect(await store.durable(0)).toBe(1);
      await store.table(events).put(1n, { text: "a" });
      await store.table(events).put(2n, { text: "b" });
      expect(await store.durable(2)).toBe(3);
      expect(await store.durable(1)).toBe(3);
      await store.table(quotes).put(["a", 1], { price: 1 });
      expect(store.lastSequence).toBe(3);
      expect(await store.durable()).toBe(4);
      expect(store.stats().unloggedRows).toBe(0);
    });

    test("refuses sequences that are none", async () => {
      const store = await place().open({ tables });
      for (const sequence of [2, -1, 0.5, Number.NaN, Infinity, "1", null, 1n]) {
        const waiting = store.durable(sequence as number);
        await expect(waiting).rejects.toMatchObject({ code: "INVALID_ARGUMENT" });
      }
      expect(store.lastSequence).toBe(1);
    });
  });

  describe("close", () => {
    test("makes everything durable, whoever waits for it", async () => {
      let store = await place().open({ tables, flushDelayMicros: 60_000_000 });
      const put = store.table(orders).put(1, { amount: 1 });
      await store.table(events).put(1n, { text: "a" });
      await store.table(quotes).put(["a", 1], { price: 1 });
      const state = stateOf(store);
      const closing = store.close();
      expect(await Promise.allSettled([put, closing])).toMatchObject([
        { status: "fulfilled" },
        { status: "fulfilled" },
      ]);
      expect(store.stats()).toMatchObject({ state: "closed", unloggedRows: 0 });
      expect(store.durableSequence).toBe(store.lastSequence);
      store = await place().open({ tables });
      expect(store.recovery).toMatchObject({ created: false, tail: "end", tornBytes: 0 });
      expect(stateOf(store)).toEqual(state);
    });

    test("can be called any number of times", async () => {
      const store = await place().open({ tables });
      const first = store.close();
      expect(store.close()).toBe(first);
      await Promise.all([first, store.close()]);
      await store.close();
      const again = await place().open({ tables });
      expect(again.stats().epoch).toBe(2);
    });

    test("ends `await using`", async () => {
      let kept: Store | undefined;
      {
        await using store = await place().open({ tables });
        await store.table(orders).put(1, { amount: 1 });
        kept = store;
      }
      expect(kept.stats().state).toBe("closed");
      await using again = await place().open({ tables });
      expect(again.table(orders).count()).toBe(1);
    });

    test("leaves nothing of use but figures", async () => {
      const store = await place().open({ tables });
      const table = store.table(accounts);
      await table.put("a", { balance: 1 });
      const closing = store.close();
      // From the call on, not only from its end.
      for (const settled of [Promise.resolve(), closing]) {
        await settled;
        for (const read of [
          () => table.get("a"),
          () => table.has("a"),
          () => table.count(),
          () => table.entries(),
          () => table.keys(),
          () => table.values(),
          () => table.putSync("a", { balance: 2 }),
          () => table.deleteSync("a"),
          () => store.transactSync(() => 1),
        ]) {
          expect(read).toThrow(expect.objectContaining(CLOSED));
        }
        await expect(table.put("a", { balance: 2 })).rejects.toMatchObject(CLOSED);
        await expect(table.update("a", () => undefined)).rejects.toMatchObject(CLOSED);
        await expect(table.delete("a")).rejects.toMatchObject(CLOSED);
        await expect(store.transact(() => 1)).rejects.toMatchObject(CLOSED);
        await expect(store.durable()).rejects.toMatchObject(CLOSED);
        expect(store.table(accounts).name).toBe("accounts");
        expect(store.lastSequence).toBe(2);
      }
      countFault("56 use after close, and close twice", "every call", "CLOSED, each of them");
      expect(store.stats()).toMatchObject({ state: "closed", tables: { accounts: 1 } });
    });
  });
});
