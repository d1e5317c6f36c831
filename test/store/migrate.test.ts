/** All rows of older versions become rows of the version in force, while the store is in use. */
import { describe, expect, test } from "vitest";
import { defineTable, int64, integer, string, was, withDefault } from "../../src/index.js";
import { onEveryDisk } from "./places.js";

const fields1 = { count: integer(), text: string() };
const fields2 = { amount: was(int64(), "count"), text: string(), flag: withDefault(string(), "n") };
const fields3 = { amount: int64(), words: string() };
const v1 = defineTable({ name: "items", version: 1, key: integer(), fields: fields1 });
const v2 = defineTable({ name: "items", version: 2, key: integer(), fields: fields2 });
const define3 = (up: (row: { text: string; amount: bigint }) => typeof row) =>
  defineTable({
    ...{ name: "items", version: 3, key: integer(), fields: fields3, previous: v2 },
    up: (row) => ({ amount: row.amount, words: up(row).text }),
  });
const v3 = define3((row) => ({ ...row, text: `${row.text}!` }));

const ROWS = 450;
const row = (i: number) => ({ count: i, text: `row ${i} ${"x".repeat(i % 200)}` });
const asV3 = (i: number) => ({ amount: BigInt(i), words: `${row(i).text}!` });

onEveryDisk((place) => {
  describe("migrate", () => {
    const fill = async (): Promise<void> => {
      let store = await place().open({ tables: [v1] });
      for (let i = 0; i < ROWS; i++) void store.table(v1).put(i, row(i));
      await store.durable();
      await store.close();
      store = await place().open({ tables: [v2] });
      await store.table(v2).put(5, { amount: 5n, text: row(5).text });
      await store.close();
    };

    test("rewrites every row that is old, and is not needed again", async () => {
      await fill();
      let store = await place().open({ tables: [v3] });
      const table = store.table(v3);
      // Rows that were read, and so are of version 3 in memory, are old on disk all the same.
      for (let i = 0; i < 50; i++) expect(table.get(i)).toEqual(asV3(i));
      const seen: number[] = [];
      const view = store.view();
      const migrating = store.migrate({ onProgress: ({ rows }) => seen.push(rows) });
      await table.put(7, { amount: 7n, words: "mine" });
      await table.delete(8);
      const [report, ...others] = await migrating;
      expect(others).toEqual([]);
      expect(report).toMatchObject({ table: "items", version: 3, failed: 0, failures: [] });
      expect(report?.rewritten).toBeGreaterThanOrEqual(ROWS - 2);
      expect(seen.length).toBeGreaterThan(2);
      const check = (shown: Iterable<readonly [number, unknown]>, own: boolean): void => {
        const wanted = Array.from({ length: ROWS }, (_, i) => [i, asV3(i)]);
        if (own) wanted[7] = [7, { amount: 7n, words: "mine" }];
        if (own) wanted.splice(8, 1);
        expect([...shown]).toEqual(wanted);
      };
      check(table.entries(), true);
      check(view.table(v3).entries(), false);
      view.release();
      expect(await store.migrate()).toEqual([]);
      await store.close();
      // The versions of before are no longer needed, nor the code for them.
      const alone = defineTable({ name: "items", version: 3, key: integer(), fields: fields3 });
      store = await place().open({ tables: [alone] });
      check(store.table(alone).entries(), true);
      expect(await store.migrate()).toEqual([]);
      await store.close();
      const v4 = defineTable({
        ...{ name: "items", version: 4, key: integer(), previous: alone },
        fields: { ...fields3, more: withDefault(integer(), 1) },
      });
      store = await place().open({ tables: [v4] });
      expect(store.table(v4).get(9)).toEqual({ ...asV3(9), more: 1 });
    });

    test("goes on where it was stopped, and leaves rows that fail as they are", async () => {
      await fill();
      const failing = define3((one) => {
        if (one.amount % 100n === 3n) throw new RangeError(`no ${one.amount}`);
        return { ...one, text: `${one.text}!` };
      });
      let store = await place().open({ tables: [failing] });
      const stop = new AbortController();
      const stopped = store.migrate({
        signal: stop.signal,
        onProgress: ({ rows }) => {
          if (rows > 150) stop.abort(new RangeError("enough"));
        },
      });
      await expect(stopped).rejects.toThrow("enough");
      await store.close();
      store = await place().open({ tables: [failing] });
      const [report] = await store.migrate();
      expect(report?.rows).toBe(ROWS);
      expect(report?.rewritten).toBeLessThan(ROWS - 100);
      expect(report?.failed).toBe(5);
      expect(report?.failures.map(({ code, data }) => [code, data.key, data.version])).toEqual(
        Array.from({ length: 5 }, (_, i) => ["MIGRATION_FAILED", 100 * i + 3, 1]),
      );
      expect(store.table(failing).get(4)).toEqual(asV3(4));
      await store.close();
      // Not all of them are of version 3: the code is needed still.
      const alone = defineTable({ name: "items", version: 3, key: integer(), fields: fields3 });
      await expect(place().open({ tables: [alone] })).rejects.toThrow(/needs? its `up`/);
      store = await place().open({ tables: [v3] });
      const [rest] = await store.migrate();
      expect(rest).toMatchObject({ rewritten: 5, failed: 0 });
      expect([...store.table(v3).values()]).toEqual(
        Array.from({ length: ROWS }, (_, i) => asV3(i)),
      );
    });

    test("goes back with `down`, and forward again", async () => {
      await fill();
      const withDown = defineTable({
        ...{ name: "items", version: 3, key: integer(), fields: fields3, previous: v2 },
        up: ({ amount, text }) => ({ amount, words: `${text}!` }),
        down: ({ amount, words }) => ({ amount, text: words.slice(0, -1), flag: "down" }),
      });
      let store = await place().open({ tables: [withDown] });
      await store.table(withDown).put(ROWS, { amount: 1n, words: "new!" });
      const [report] = await store.migrate({ back: [v2] });
      expect(report).toMatchObject({ version: 2, failed: 0, rows: ROWS + 1 });
      expect(() => store.table(withDown).get(1)).toThrow(/was evolved from version 3 to version 2/);
      expect(store.table(v2).get(ROWS)).toEqual({ amount: 1n, text: "new", flag: "down" });
      await store.close();
      store = await place().open({ tables: [v2] });
      const rows = [...store.table(v2).values()];
      expect(rows.map(({ text }) => text).slice(0, ROWS)).toEqual(
        Array.from({ length: ROWS }, (_, i) => row(i).text),
      );
      // Rows that never were of version 3 have not passed through it.
      expect(rows.filter(({ flag }) => flag === "down")).toHaveLength(1);
      await store.table(v2).put(5, { amount: 5n, text: row(5).text });
      await store.close();
      store = await place().open({ tables: [withDown] });
      expect(store.table(withDown).get(ROWS)).toEqual({ amount: 1n, words: "new!" });
      expect(store.table(withDown).get(5)).toEqual(asV3(5));
      expect(await store.migrate()).toMatchObject([{ version: 3, rewritten: ROWS + 1 }]);
      const refused = store.migrate({ back: [v1] });
      await expect(refused).rejects.toMatchObject({ code: "INVALID_ARGUMENT" });
      await store.close();
      store = await place().open({ tables: [v3] });
      await expect(store.migrate({ back: [v2] })).rejects.toThrow(/version 3 has no `down`/);
      expect(store.table(v3).get(5)).toEqual(asV3(5));
    });
  });
});
