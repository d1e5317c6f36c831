/** Transactions: all or nothing, on every disk. */
import { beforeEach, describe, expect, test } from "vitest";
import type { Store, Transaction } from "../../src/index.js";
import { onEveryDisk, onEveryDiskWithStore } from "./places.js";
import { stateOf } from "./state.js";
import { accounts, events, orders, quotes, tables } from "./tables.js";

const refused = (code: string) => expect.objectContaining({ code });

/** What must be the same before and after something that never happened. */
function traceOf(store: Store) {
  const { log, unloggedRows } = store.stats();
  // Seals are written when the store is idle, whatever happens here.
  const frames = log.frames - log.sealFrames;
  const { logicalBytes, transactions } = log;
  const { lastSequence } = store;
  return { state: stateOf(store), lastSequence, frames, logicalBytes, transactions, unloggedRows };
}

onEveryDiskWithStore({ tables }, (store) => {
  // Cached rows of the test before would else be logged in the middle of this one.
  beforeEach(() => store().durable());

  describe("a transaction", () => {
    test("writes several tables with one sequence and resolves with its result", async () => {
      const { lastSequence } = store();
      const result = await store().transact((transaction) => {
        transaction.put(orders, 1, { amount: 10 });
        transaction.put(accounts, "a", { balance: 5 });
        transaction.put(events, 1n, { text: "done" });
        transaction.put(quotes, ["a", 1], { price: 3 });
        return "result";
      });
      expect(result).toBe("result");
      expect(store().lastSequence).toBe(lastSequence + 1);
      expect(store().durableSequence).toBe(lastSequence + 1);
      expect(store().table(orders).get(1)).toEqual({ amount: 10, note: "" });
      expect(store().table(accounts).get("a")).toEqual({ balance: 5 });
      expect(store().table(events).get(1n)).toEqual({ text: "done" });
      expect(store().table(quotes).get(["a", 1])).toEqual({ price: 3 });
    });

    test("sees its own writes by every way of reading", () => {
      store().transactSync((transaction) => {
        for (const key of [...transaction.keys(orders)]) transaction.delete(orders, key);
        transaction.put(orders, 2, { amount: 2 });
        transaction.put(orders, 1, { amount: 1 });
        transaction.put(orders, 3, { amount: 3 });
        expect(transaction.delete(orders, 2)).toBe(true);
        expect(transaction.delete(orders, 2)).toBe(false);
        expect(transaction.get(orders, 1)?.amount).toBe(1);
        expect(transaction.get(orders, 2)).toBeUndefined();
        expect(transaction.has(orders, 2)).toBe(false);
        expect(transaction.count(orders)).toBe(2);
        expect([...transaction.keys(orders)]).toEqual([1, 3]);
        expect([...transaction.values(orders, { reverse: true })].map((r) => r.amount)).toEqual([
          3, 1,
        ]);
        expect([...transaction.entries(orders, { gt: 1 })]).toEqual([[3, { amount: 3, note: "" }]]);
        const updated = transaction.update(orders, 1, (row) => ({
          amount: (row?.amount ?? 0) + 9,
        }));
        expect(updated).toEqual({ amount: 10, note: "" });
        expect(transaction.update(orders, 1, () => undefined)).toBe(updated);
        expect(transaction.update(orders, 9, () => undefined)).toBeUndefined();
      });
      expect(store().table(orders).count()).toBe(2);
    });

    test("that throws leaves no trace", async () => {
      await store().table(orders).put(1, { amount: 1 });
      await store().table(quotes).put(["a", 1], { price: 3 });
      await store().durable();
      const before = traceOf(store());
      const failing = (transaction: Transaction): void => {
        transaction.put(orders, 1, { amount: 100 });
        transaction.delete(orders, 1);
        transaction.put(orders, 1, { amount: 101 });
        transaction.put(orders, 77, { amount: 102 });
        transaction.put(accounts, "new", { balance: 1 });
        transaction.put(quotes, ["a", 1], { price: 4 });
        transaction.delete(quotes, ["a", 1]);
        throw new RangeError("on purpose");
      };
      await expect(store().transact(failing)).rejects.toThrow(RangeError);
      expect(() => store().transactSync(failing)).toThrow(RangeError);
      expect(traceOf(store())).toEqual(before);
    });

    test("that writes nothing takes no sequence", async () => {
      const before = traceOf(store());
      expect(await store().transact((transaction) => transaction.count(orders))).toBeTypeOf(
        "number",
      );
      await store().transact((transaction) => void transaction.delete(orders, 123_456));
      expect(traceOf(store())).toEqual(before);
    });

    test("of an async function is refused with nothing written, whatever it does later", async () => {
      const before = traceOf(store());
      let later: unknown;
      const work = async (transaction: Transaction): Promise<void> => {
        transaction.put(orders, 1, { amount: 55 });
        await Promise.resolve();
        try {
          transaction.put(orders, 1, { amount: 56 });
        } catch (error) {
          later = error;
          throw error;
        }
      };
      await expect(store().transact(work)).rejects.toThrow("must be synchronous");
      expect(later).toEqual(refused("INVALID_ARGUMENT"));
      expect(() => store().transactSync(work)).toThrow(refused("INVALID_ARGUMENT"));
      await new Promise((resolve) => setImmediate(resolve));
      expect(traceOf(store())).toEqual(before);
    });

    test("is of no use once it is over, whether it succeeded or not", async () => {
      const leaked: Transaction[] = [];
      await store().transact((transaction) => leaked.push(transaction));
      await store()
        .transact((transaction) => {
          leaked.push(transaction);
          throw new Error("on purpose");
        })
        .catch(() => {});
      const before = traceOf(store());
      for (const transaction of leaked) {
        for (const use of [
          () => transaction.get(orders, 1),
          () => transaction.has(orders, 1),
          () => transaction.count(orders),
          () => transaction.keys(orders),
          () => transaction.values(orders),
          () => transaction.entries(orders),
          () => transaction.put(orders, 1, { amount: 1 }),
          () => transaction.update(orders, 1, () => ({ amount: 1 })),
          () => transaction.delete(orders, 1),
        ]) {
          expect(use).toThrow(refused("INVALID_ARGUMENT"));
        }
      }
      expect(traceOf(store())).toEqual(before);
    });
  });

  describe("inside a transaction", () => {
    /** Writes that are not the transaction's own. */
    const NESTED: Record<string, () => unknown> = {
      transact: () => store().transact(() => 1),
      transactSync: () => store().transactSync(() => 1),
      put: () => store().table(orders).put(2, { amount: 2 }),
      "put to a cached table": () => store().table(quotes).put(["b", 2], { price: 2 }),
      putSync: () => store().table(orders).putSync(2, { amount: 2 }),
      update: () =>
        store()
          .table(orders)
          .update(2, () => ({ amount: 2 })),
      delete: () => store().table(orders).delete(1),
      deleteSync: () => store().table(orders).deleteSync(1),
      close: () => store().close(),
    };

    test.each(Object.entries(NESTED))("%s takes the outer one back", async (_, nested) => {
      store().table(orders).putSync(1, { amount: 1 });
      const before = traceOf(store());
      const outer = store().transact((transaction) => {
        transaction.put(orders, 1, { amount: 99 });
        nested();
        transaction.put(orders, 3, { amount: 3 });
      });
      await expect(outer).rejects.toEqual(refused("NESTED_TRANSACTION"));
      expect(traceOf(store())).toEqual(before);
      await store().table(orders).put(1, { amount: 2 });
      expect(store().table(orders).get(1)?.amount).toBe(2);
    });

    test("the function of an update cannot write by the store either", async () => {
      const before = traceOf(store());
      const update = store()
        .table(orders)
        .update(1, () => {
          void store().table(accounts).put("x", { balance: 1 });
          return { amount: 1 };
        });
      await expect(update).rejects.toEqual(refused("NESTED_TRANSACTION"));
      expect(traceOf(store())).toEqual(before);
    });

    test("reads by the store are allowed, and see what was written so far", () => {
      store().transactSync((transaction) => {
        transaction.put(orders, 1, { amount: 4711 });
        expect(store().table(orders).get(1)?.amount).toBe(4711);
      });
    });

    test("waiting for what was there before is allowed", async () => {
      let waited: Promise<number> | undefined;
      await store().transact((transaction) => {
        transaction.put(orders, 1, { amount: 1 });
        transaction.put(quotes, ["a", 1], { price: 8 });
        waited = store().durable(store().lastSequence);
      });
      expect(await waited).toBeGreaterThanOrEqual(store().lastSequence - 1);
    });
  });
});

onEveryDisk((place) => {
  test("several tables are all there or not at all after reopening", async () => {
    const store = await place().open({ tables });
    await store.transact((transaction) => {
      transaction.put(orders, 1, { amount: 1 });
      transaction.put(accounts, "a", { balance: 1 });
      transaction.put(quotes, ["a", 1], { price: 1 });
    });
    await store
      .transact((transaction) => {
        transaction.put(orders, 2, { amount: 2 });
        transaction.delete(accounts, "a");
        throw new Error("on purpose");
      })
      .catch(() => {});
    const state = stateOf(store);
    const { lastSequence } = store;
    await store.close();
    const again = await place().open({ tables });
    expect(stateOf(again)).toEqual(state);
    expect(again.lastSequence).toBe(lastSequence);
    expect(again.recovery.transactionsReplayed).toBe(place().inRuns ? 0 : lastSequence);
  });
});
