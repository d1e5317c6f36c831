/** Several stores in one process, of the same definitions: nothing is shared. */
import { expect, test } from "vitest";
import { realDisks } from "../support/disks.js";
import { makeRealPlace, onEveryDisk } from "./places.js";
import { stateOf } from "./state.js";
import { orders, quotes, tables } from "./tables.js";

onEveryDisk((place) => {
  test("two stores with the same tables know nothing of each other", async () => {
    const other = await makeRealPlace(realDisks().get("portable")!);
    try {
      const a = await place().open({ tables });
      const b = await other.open({ tables });
      await a.table(orders).put(1, { amount: 1 });
      await b.table(orders).put(2, { amount: 2 });
      // A transaction of one store may write to the other: it is not nested in it.
      const written: Promise<void>[] = [];
      await a.transact((transaction) => {
        transaction.put(orders, 3, { amount: 3 });
        written.push(b.table(orders).put(4, { amount: 4 }));
      });
      await Promise.all(written);
      await a.table(quotes).put(["a", 1], { price: 1 });
      expect([...a.table(orders).keys()]).toEqual([1, 3]);
      expect([...b.table(orders).keys()]).toEqual([2, 4]);
      expect(b.stats().unloggedRows).toBe(0);
      const state = stateOf(b);
      await b.close();
      expect(a.table(orders).get(1)).toEqual({ amount: 1, note: "" });
      await a.table(orders).put(5, { amount: 5 });
      expect(stateOf(await other.open({ tables }))).toEqual(state);
    } finally {
      await other.dispose();
    }
  });
});
