/** Checks on a table and across tables: they refuse a transaction, and change nothing themselves. */
import { describe, expect, test } from "vitest";
import {
  type Change,
  defineTable,
  integer,
  type StoreCheck,
  string,
  type Transaction,
} from "../../src/index.js";
import { onEveryDisk } from "./places.js";
import { stateOf } from "./state.js";

const balances = defineTable({
  name: "balances",
  version: 1,
  key: string(),
  fields: { amount: integer() },
  checks: {
    "not negative": (row) => row.amount >= 0 || `the balance would be ${row.amount}`,
    "house is odd": (row, key) => key !== "house" || row.amount % 2 === 1,
  },
});
const positions = defineTable({
  name: "positions",
  version: 1,
  key: string(),
  fields: { size: integer() },
});
const limits = defineTable({
  name: "limits",
  version: 1,
  key: string(),
  fields: { max: integer() },
});
const log = defineTable({ name: "log", version: 1, key: integer(), fields: { text: string() } });
const tables = [balances, positions, limits, log];

let seen: readonly Change[] = [];
let runs = 0;
/** What the risk check does besides, when a test wants it to. */
let misbehave: ((transaction: Transaction) => unknown) | undefined;

const risk: StoreCheck = {
  name: "risk limit",
  tables: [positions, limits],
  holds(transaction, changes) {
    seen = changes;
    runs++;
    misbehave?.(transaction);
    let total = 0;
    for (const [, { size }] of transaction.entries(positions)) total += Math.abs(size);
    const max = transaction.get(limits, "total")?.max ?? Number.POSITIVE_INFINITY;
    return total <= max || `positions of ${total} where ${max} is allowed`;
  },
};

onEveryDisk((place) => {
  const open = () => place().open({ tables, checks: [risk] });

  describe("a check on a table", () => {
    test("refuses every way of putting, naming check, table and key", async () => {
      const store = await place().open({ tables });
      const table = store.table(balances);
      await table.put("a", { amount: 5 });
      const { lastSequence } = store;
      const refusal = {
        code: "CHECK_FAILED",
        message: expect.stringMatching(
          /^table "balances", key "a": check "not negative" failed: the balance would be -1$/,
        ),
        data: { table: "balances", key: "a", check: "not negative" },
      };
      await expect(table.put("a", { amount: -1 })).rejects.toMatchObject(refusal);
      await expect(
        table.update("a", (row) => ({ amount: (row?.amount ?? 0) - 6 })),
      ).rejects.toMatchObject(refusal);
      const transfer = store.transact((transaction) => {
        transaction.put(balances, "b", { amount: 6 });
        transaction.update(balances, "a", (row) => ({ amount: (row?.amount ?? 0) - 6 }));
      });
      await expect(transfer).rejects.toMatchObject(refusal);
      expect(() => table.putSync("a", { amount: -1 })).toThrow(expect.objectContaining(refusal));
      await expect(table.put("house", { amount: 2 })).rejects.toThrow(/"house is odd" failed$/);
      expect(stateOf(store, [balances])).toEqual({ balances: [["a", { amount: 5 }]] });
      expect(store.lastSequence).toBe(lastSequence);
    });

    test("must not write, and what it throws takes the transaction back", async () => {
      let inside: ((key: number) => void) | undefined;
      const nosy = defineTable({
        name: "nosy",
        version: 1,
        key: integer(),
        fields: { value: integer() },
        checks: {
          nosy: (_, key) => {
            inside?.(key);
            return true;
          },
        },
      });
      const store = await place().open({ tables: [nosy, log] });
      await store.table(log).put(1, { text: "first" });
      const { lastSequence } = store;
      const state = stateOf(store, [nosy, log]);
      let leaked: Transaction | undefined;
      await store.transact((transaction) => {
        leaked = transaction;
      });
      const attempts: [() => void, string][] = [
        [() => leaked?.put(log, 2, { text: "written by a check" }), "INVALID_ARGUMENT"],
        [() => leaked?.delete(log, 1), "INVALID_ARGUMENT"],
        [() => leaked?.update(log, 1, () => ({ text: "x" })), "INVALID_ARGUMENT"],
        [() => void store.table(log).put(2, { text: "x" }), "NESTED_TRANSACTION"],
        [() => store.table(log).deleteSync(1), "NESTED_TRANSACTION"],
      ];
      for (const [attempt, code] of attempts) {
        inside = attempt;
        const refusal = expect.objectContaining({ code });
        await expect(store.table(nosy).put(1, { value: 1 })).rejects.toEqual(refusal);
        expect(() => store.table(nosy).putSync(1, { value: 1 })).toThrow(refusal);
        const work = (transaction: Transaction): void => {
          transaction.put(log, 3, { text: "x" });
          transaction.put(nosy, 1, { value: 1 });
        };
        await expect(store.transact(work)).rejects.toEqual(refusal);
        expect(stateOf(store, [nosy, log])).toEqual(state);
        expect(store.lastSequence).toBe(lastSequence);
      }
      // Caught inside the check, the refusal must still have kept the write out.
      inside = () => {
        expect(() => leaked?.put(log, 2, { text: "x" })).toThrow("must not write");
      };
      await store.table(nosy).put(1, { value: 1 });
      expect(stateOf(store, [log])).toEqual({ log: state.log });
    });
  });

  describe("a check across tables", () => {
    test("refuses transactions that break it, and lets those pass that do not", async () => {
      misbehave = undefined;
      await using store = await open();
      await store.table(limits).put("total", { max: 10 });
      await store.table(positions).put("x", { size: 7 });
      const { lastSequence } = store;
      const refusal = {
        code: "CHECK_FAILED",
        message: 'check "risk limit" failed: positions of 11 where 10 is allowed',
        data: { check: "risk limit" },
      };
      await expect(store.table(positions).put("y", { size: -4 })).rejects.toMatchObject(refusal);
      expect(() => store.table(positions).putSync("y", { size: 4 })).toThrow(
        expect.objectContaining(refusal),
      );
      await expect(store.table(limits).put("total", { max: 6 })).rejects.toThrow("risk limit");
      const swap = (x: number, y: number) => (transaction: Transaction) => {
        transaction.put(positions, "y", { size: y });
        transaction.put(positions, "x", { size: x });
        transaction.put(balances, "a", { amount: 1 });
      };
      await expect(store.transact(swap(7, 4))).rejects.toMatchObject(refusal);
      expect(store.lastSequence).toBe(lastSequence);
      expect(store.table(balances).count()).toBe(0);
      await store.transact(swap(6, 4));
      expect(store.table(positions).get("y")).toEqual({ size: 4 });
      expect(store.lastSequence).toBe(lastSequence + 1);
      await store.table(limits).delete("total");
      await store.table(positions).put("z", { size: 1000 });
    });

    test("runs only for what it concerns, and is told every key once", async () => {
      misbehave = undefined;
      await using store = await open();
      await store.table(positions).put("gone", { size: 1 });
      expect(seen).toEqual([{ table: "positions", key: "gone", kind: "put" }]);
      runs = 0;
      await store.table(balances).put("a", { amount: 1 });
      await store.transact((transaction) => transaction.count(positions));
      await store.table(positions).update("x", () => undefined);
      expect(runs).toBe(0);
      await store.transact((transaction) => {
        transaction.put(positions, "x", { size: 1 });
        transaction.put(balances, "x", { amount: 1 });
        transaction.put(positions, "x", { size: 2 });
        transaction.delete(positions, "gone");
        transaction.put(positions, "gone", { size: 3 });
        transaction.delete(positions, "gone");
      });
      expect(runs).toBe(1);
      expect(seen).toEqual([
        { table: "positions", key: "x", kind: "put" },
        { table: "balances", key: "x", kind: "put" },
        { table: "positions", key: "gone", kind: "delete" },
      ]);
    });

    test("must not write, by any way", async () => {
      misbehave = undefined;
      await using store = await open();
      await store.table(positions).put("x", { size: 1 });
      const state = stateOf(store, tables);
      const { lastSequence } = store;
      const attempts: [(transaction: Transaction) => unknown, string][] = [
        [(transaction) => transaction.put(balances, "a", { amount: 1 }), "INVALID_ARGUMENT"],
        [(transaction) => transaction.delete(positions, "x"), "INVALID_ARGUMENT"],
        [(t) => t.update(positions, "x", () => ({ size: 0 })), "INVALID_ARGUMENT"],
        [() => store.table(balances).put("a", { amount: 1 }), "NESTED_TRANSACTION"],
      ];
      for (const [attempt, code] of attempts) {
        misbehave = attempt;
        const refusal = expect.objectContaining({ code });
        await expect(store.table(positions).put("x", { size: 2 })).rejects.toEqual(refusal);
        expect(stateOf(store, tables)).toEqual(state);
        expect(store.lastSequence).toBe(lastSequence);
      }
    });

    test("that is not true refuses: false, and a promise too", async () => {
      for (const result of [false, Promise.resolve(true)]) {
        const holds = (() => result) as unknown as StoreCheck["holds"];
        await using store = await place().open({
          tables,
          checks: [{ name: "never", tables: [log], holds }],
        });
        await expect(store.table(log).put(1, { text: "x" })).rejects.toThrow(
          /^check "never" failed$/,
        );
        expect(store.table(log).count()).toBe(0);
      }
    });
  });
});
