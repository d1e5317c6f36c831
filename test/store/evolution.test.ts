/** Opening with another version of a table: what is read, what is refused, and that it is whole. */
import { describe, expect, test } from "vitest";
import {
  Decimal,
  decimal,
  defineTable,
  float64,
  int64,
  integer,
  isHoldfastError,
  nullable,
  open,
  string,
  was,
  withDefault,
} from "../../src/index.js";
import { filesOf, onEveryDisk } from "./places.js";

const v1 = defineTable({
  name: "orders",
  version: 1,
  key: string(),
  fields: { price: float64(), qty: integer(), note: string() },
});
/** By the rules alone. */
const v2 = defineTable({
  name: "orders",
  version: 2,
  key: string(),
  fields: {
    quantity: was(int64(), "qty"),
    price: float64(),
    venue: withDefault(string(), "XNAS"),
    parent: nullable(string()),
  },
  drops: ["note"],
});
/** By code. */
const v3 = defineTable({
  name: "orders",
  version: 3,
  key: string(),
  fields: { price: decimal(2), quantity: int64(), venue: string(), id: string() },
  checks: { positive: (row) => row.quantity >= 0n || `it is ${row.quantity}` },
  previous: v2,
  up: (row, key) => {
    if (row.venue === "bad") throw new TypeError("no such venue");
    const { quantity, venue } = row;
    return { price: row.price.toFixed(2), quantity, venue, id: `${key}!` };
  },
  down: ({ price, quantity, venue }) => ({ price: Number(price), quantity, venue, parent: null }),
});
const v4 = defineTable({
  name: "orders",
  version: 4,
  key: string(),
  fields: { price: decimal(4), quantity: int64(), venue: nullable(string()), id: string() },
  previous: v3,
});

const rowV1 = (i: number) => ({ price: i / 4, qty: i, note: `note ${i}` });
const rowV2 = (i: number, venue = "XNAS") => ({
  quantity: BigInt(i),
  price: i / 4,
  venue,
  parent: null,
});
const rowV3 = (i: number, key: string, venue = "XNAS") => ({
  price: Decimal.of((i / 4).toFixed(2)),
  quantity: BigInt(i),
  venue,
  id: `${key}!`,
});

onEveryDisk((place) => {
  describe("a newer version", () => {
    test("reads rows of all older ones, wherever they are, 1 to 4", async () => {
      const key = (i: number) => `k${String(i).padStart(3, "0")}`;
      let store = await place().open({ tables: [v1] });
      for (let i = 0; i < 40; i++) void store.table(v1).put(key(i), rowV1(i));
      await store.durable();
      await store.flush();
      await store.close();

      store = await place().open({ tables: [v2] });
      expect(store.table(v2).get(key(3))).toEqual(rowV2(3));
      for (let i = 20; i < 60; i++) void store.table(v2).put(key(i), rowV2(i, "XLON"));
      await store.durable();
      await store.close();

      // Version 3 is never in force: its `up` is a step on the way all the same.
      store = await place().open({ tables: [v4] });
      for (let i = 50; i < 70; i++) {
        const row = { ...rowV3(i, key(i), "XETR"), id: "own" };
        void store.table(v4).put(key(i), { ...row, price: `${i}.5` });
      }
      await store.durable();
      const wanted = Array.from({ length: 70 }, (_, i) => {
        const venue = i < 20 ? "XNAS" : i < 50 ? "XLON" : "XETR";
        const row = rowV3(i, key(i), venue);
        if (i < 50) return [key(i), { ...row, price: row.price.rescale(4) }];
        return [key(i), { ...row, id: "own", price: Decimal.of(`${i}.5000`) }];
      });
      const check = (): void => {
        expect([...store.table(v4).entries()]).toEqual(wanted);
        expect([...store.table(v4).entries({ reverse: true })]).toEqual(wanted.toReversed());
        for (const [k, row] of wanted) expect(store.table(v4).get(k as string)).toEqual(row);
        using view = store.view();
        expect([...view.table(v4).values()]).toEqual(wanted.map(([, row]) => row));
        for (const [k, row] of wanted) expect(view.table(v4).get(k as string)).toEqual(row);
      };
      check();
      await store.close();
      store = await place().open({ tables: [v4] });
      check();
      await store.flush();
      check();
    });

    test("reads a named snapshot of before", async () => {
      let store = await place().open({ tables: [v1] });
      await store.table(v1).put("a", rowV1(1));
      await store.flush();
      await store.table(v1).put("b", rowV1(2));
      await store.snapshot("old");
      await store.close();
      store = await place().open({ tables: [v3] });
      await store.table(v3).put("a", rowV3(9, "x"));
      await store.close();
      const options = { disk: place().disk, onWarning: () => {}, at: "old" };
      await using snapshot = await open(place().directory, { ...options, tables: [v4] });
      expect([...snapshot.table(v4).entries()]).toEqual(
        [["a", rowV3(1, "a")] as const, ["b", rowV3(2, "b")] as const].map(([k, row]) => [
          k,
          { ...row, price: row.price.rescale(4) },
        ]),
      );
      const older = open(place().directory, { ...options, tables: [v2] });
      await expect(older).rejects.toThrow(/newer than the code/);
    });

    test("keeps all of a resident table in memory, and lets what cannot be read lie", async () => {
      const resident = defineTable({ ...v3, ...keep(), resident: true });
      let store = await place().open({ tables: [v2] });
      await store.table(v2).put("a", rowV2(1));
      await store.table(v2).put("b", rowV2(2, "bad"));
      await store.table(v2).put("c", rowV2(-3));
      await store.flush();
      await store.close();
      for (const [table, before] of [
        [resident, v2],
        [v3, v2],
      ] as const) {
        store = await place().open({ tables: [table] });
        expect(store.table(table).count()).toBe(3);
        expect(store.table(table).get("a")).toEqual(rowV3(1, "a"));
        const thrown = catchError(() => store.table(table).get("b"));
        expect(thrown).toMatchObject({
          code: "MIGRATION_FAILED",
          data: { table: "orders", key: "b", version: 2 },
          cause: expect.objectContaining({ message: "no such venue" }),
        });
        expect(String(thrown)).toMatch(
          /table "orders", key "b": its row of version 2 .* 3: no such/,
        );
        // What it returns is checked as a put is.
        expect(catchError(() => store.table(table).get("c"))).toMatchObject({
          code: "MIGRATION_FAILED",
          data: { key: "c" },
          cause: expect.objectContaining({ code: "CHECK_FAILED" }),
        });
        expect(catchError(() => [...store.table(table).values()])).toMatchObject({
          code: "MIGRATION_FAILED",
        });
        expect([...store.table(table).keys()]).toEqual(["a", "b", "c"]);
        expect(before.version).toBe(2);
        await store.close();
      }
      store = await place().open({ tables: [v3] });
      expect(await store.table(v3).delete("b")).toBe(true);
      await store.table(v3).put("c", rowV3(3, "c"));
      expect([...store.table(v3).keys()]).toEqual(["a", "c"]);
      expect(store.table(v3).get("c")).toEqual(rowV3(3, "c"));
    });

    test("is declared in the log, with those it is made of, before its first row", async () => {
      let store = await place().open({ tables: [v1] });
      await store.table(v1).put("a", rowV1(1));
      await store.close();
      store = await place().open({ tables: [v4, other] });
      // All of it is one transaction.
      expect(store.lastSequence).toBe(3);
      await store.close();
      store = await place().open({ tables: [v4] });
      expect(store.lastSequence).toBe(3);
      await store.close();
    });
  });

  describe("a running store", () => {
    test("evolves a table without a pause, and with what is read and written meanwhile", async () => {
      let store = await place().open({ tables: [v1, other] });
      const old = store.table(v1);
      for (const [i, key] of ["a", "b", "c", "d"].entries()) await old.put(key, rowV1(i));
      await store.flush();
      // Decoded, packed, and only in a run.
      expect(old.get("a")).toEqual(rowV1(0));
      await old.put("b", rowV1(11));
      const view = store.view();
      const rows = old.entries();
      expect(rows.next().value).toEqual(["a", rowV1(0)]);
      const before = store.lastSequence;
      const evolving = old.evolve(v2);
      // In force at once, durable when it resolves.
      const now = store.table(v2);
      const put = now.put("c", rowV2(22, "XLON"));
      expect(await evolving).toBe(now);
      expect(store.durableSequence).toBeGreaterThan(before);
      await put;
      const wanted = [
        ["a", rowV2(0)],
        ["b", rowV2(11)],
        ["c", rowV2(22, "XLON")],
        ["d", rowV2(3)],
      ];
      expect([...now.entries()]).toEqual(wanted);
      expect([...view.table(v2).values()]).toEqual([0, 11, 2, 3].map((i) => rowV2(i)));
      view.release();
      const gone = expect.objectContaining({
        code: "SCHEMA_MISMATCH",
        message: expect.stringContaining("was evolved from version 1 to version 2"),
      });
      const CALLS = [
        () => old.get("a"),
        () => old.count(),
        () => rows.next(),
        () => old.put("a", rowV1(1)),
        () => old.putSync("a", rowV1(1)),
        () => old.deleteSync("a"),
        () => store.transactSync((tx) => tx.get(v1, "a")),
        () => store.view().table(v1),
      ];
      for (const call of CALLS) expect(call).toThrow(gone);
      await expect(old.delete("a")).rejects.toEqual(gone);
      await expect(old.update("a", () => rowV1(1))).rejects.toEqual(gone);
      await expect(old.evolve(v2)).rejects.toEqual(gone);
      // What is taken back is what was there, in whatever version.
      await now.evolve(v3);
      const failing = store.transact((tx) => {
        tx.put(v3, "d", rowV3(7, "x"));
        tx.delete(v3, "b");
        throw new RangeError("no");
      });
      await expect(failing).rejects.toThrow("no");
      expect(store.table(v3).get("d")).toEqual(rowV3(3, "d"));
      expect(store.table(v3).get("b")).toEqual(rowV3(11, "b"));
      const { lastSequence } = store;
      await store.close();
      store = await place().open({ tables: [v3, other] });
      expect(store.lastSequence).toBe(lastSequence);
      expect([...store.table(v3).keys()]).toEqual(["a", "b", "c", "d"]);
      expect(store.table(v3).get("c")).toEqual(rowV3(22, "c", "XLON"));
      await store.close();
      await expect(place().open({ tables: [v2] })).rejects.toThrow(/newer than the code/);
    });

    test("keeps rows of a cached table that are in no log yet", async () => {
      const cached1 = defineTable({
        ...v1,
        key: string(),
        fields: fieldsV1(),
        checks: {},
        tier: "cached",
      });
      const cached2 = defineTable({
        ...v2,
        ...{ key: string(), fields: fieldsV2(), drops: ["note"], checks: {}, tier: "cached" },
      });
      let store = await place().open({ tables: [cached1] });
      await store.table(cached1).put("a", rowV1(1));
      await store.table(cached1).evolve(cached2);
      await store.table(cached2).put("b", rowV2(2));
      expect(store.table(cached2).get("a")).toEqual(rowV2(1));
      await store.close();
      store = await place().open({ tables: [cached2] });
      expect([...store.table(cached2).entries()]).toEqual([
        ["a", rowV2(1)],
        ["b", rowV2(2)],
      ]);
    });

    test("refuses what cannot be, and goes on with what it had", async () => {
      const check = { name: "some", tables: [v2], holds: () => true };
      const store = await place().open({ tables: [v2, other], checks: [check] });
      await store.table(v2).put("a", rowV2(1));
      await expect(store.table(v2).evolve(v3)).rejects.toThrow(
        /check "some" of the store is about/,
      );
      const { lastSequence } = store;
      const otherTable = store.table(other);
      await expect(otherTable.evolve(v2 as never)).rejects.toThrow(/another version of it/);
      const worse = defineTable({
        ...other,
        key: string(),
        fields: { b: string() },
        version: 2,
        checks: {},
      });
      await expect(otherTable.evolve(worse)).rejects.toMatchObject({ code: "SCHEMA_MISMATCH" });
      expect(() =>
        store.transactSync(() => void otherTable.evolve(worse).catch(() => {})),
      ).not.toThrow();
      expect(store.lastSequence).toBe(lastSequence);
      expect(store.table(v2).get("a")).toEqual(rowV2(1));
      await otherTable.put("x", { a: 1 });
    });
  });

  describe("is refused, and nothing is changed", () => {
    const define = (version: number, fields: Parameters<typeof defineTable>[0]["fields"]) =>
      defineTable({ name: "orders", version, key: string(), fields });
    const REFUSED: [string, unknown, RegExp[]][] = [
      [
        "a store that is newer",
        v1,
        [
          /holds version 2, the code declares version 1: it is newer than the code/,
          /--back orders=1/,
        ],
      ],
      [
        "a version that needs an up",
        define(3, { price: integer(), quantity: int64(), size: string() }),
        [
          /version 2 do not become rows of version 3/,
          /field "price": stored float64\(\), declared integer\(\): any other type/,
          /stored field "venue" is not declared .* drops: \["venue"\]/,
          /stored field "parent" is not declared/,
          /field "size" is not stored: declared string\(\), for which there must be a default/,
          /const v2 = defineTable\(\{\n {2}name: "orders",\n {2}version: 2,\n {2}key: string\(\),/,
          /venue: withDefault\(string\(\), "XNAS"\),/,
          /previous: v2,\n {2}up: \(row, key\) => \(\{\n {4}price: \/\* integer\(\), from row.price/,
          / {4}quantity: row.quantity,\n {4}size: \/\* string\(\), new \*\/,\n {2}\}\),\n/,
        ],
      ],
      [
        "another definition of a stored version",
        define(2, { price: float64() }),
        [/both are version 2, but they differ/],
      ],
      [
        "one on the way",
        defineTable({
          name: "orders",
          version: 3,
          key: string(),
          fields: { price: float64() },
          previous: define(2, { price: float64() }),
        }),
        [/the code's definition of version 2, but they differ/],
      ],
      [
        "another key",
        defineTable({ ...v3, ...keep(), key: integer(), previous: undefined, up: undefined }),
        [/another key: stored .*string.*, declared .*integer/],
      ],
      [
        "an up from a version that the store has passed",
        defineTable({
          name: "orders",
          version: 3,
          key: string(),
          fields: { price: float64() },
          previous: v1,
          up: ({ price }) => ({ price }),
        }),
        [/its `up` is from version 1/],
      ],
      [
        "a step that was declared otherwise",
        defineTable({
          name: "orders",
          version: 2,
          key: string(),
          fields: { ...fieldsV2(), venue: was(withDefault(string(), "XNAS"), "note") },
        }),
        [/version 2 was declared with another `was`, `drops` or `up`/],
      ],
    ];

    test("with the differences named", async () => {
      let store = await place().open({ tables: [v1] });
      await store.table(v1).put("a", rowV1(1));
      await store.close();
      store = await place().open({ tables: [v2] });
      await store.close();
      const files = await filesOf(place());
      for (const [name, definition, messages] of REFUSED) {
        const opened = await place()
          .open({ tables: [other, definition as typeof v1] })
          .catch((error: unknown) => error);
        expect(opened, name).toMatchObject({ code: "SCHEMA_MISMATCH", data: { table: "orders" } });
        for (const message of messages) expect((opened as Error).message, name).toMatch(message);
        expect(await filesOf(place()), name).toEqual(files);
      }
      store = await place().open({ tables: [v2] });
      expect(store.table(v2).get("a")).toEqual(rowV2(1));
    });

    test("where an `up` that rows were promised is gone", async () => {
      let store = await place().open({ tables: [v2] });
      await store.table(v2).put("a", rowV2(1));
      await store.close();
      store = await place().open({ tables: [v3] });
      await store.close();
      const without = defineTable({ ...v3, ...keep(), previous: undefined, up: undefined });
      await expect(place().open({ tables: [without] })).rejects.toThrow(
        /they need its `up`, which the code has not/,
      );
      // A new store has no rows that would need it.
      store = await place().open({ tables: [v3] });
      expect(store.table(v3).get("a")).toEqual(rowV3(1, "a"));
    });
  });
});

const other = defineTable({ name: "other", version: 1, key: string(), fields: { a: integer() } });

function fieldsV1() {
  return { price: float64(), qty: integer(), note: string() };
}

function fieldsV2() {
  return {
    quantity: was(int64(), "qty"),
    price: float64(),
    venue: withDefault(string(), "XNAS"),
    parent: nullable(string()),
  };
}

/** What is made anew when a definition of version 3 is spread. */
function keep() {
  return {
    key: string(),
    fields: { price: decimal(2), quantity: int64(), venue: string(), id: string() },
    checks: { positive: v3.checks[0]?.holds as (row: { quantity: bigint }) => boolean | string },
    previous: v2,
    up: v3.step.up as never,
  };
}

function catchError(run: () => unknown): unknown {
  try {
    run();
  } catch (error) {
    if (isHoldfastError(error)) return error;
    throw error;
  }
  return undefined;
}
