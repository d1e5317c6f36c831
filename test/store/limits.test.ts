/** What is too large is refused with its code, and nothing was written. */
import { describe, expect, test } from "vitest";
import {
  FRAME_BYTES_MAX,
  KEY_BYTES_MAX,
  ROW_BYTES_MAX,
  TRANSACTION_OPERATIONS_MAX,
} from "../../src/base/limits.js";
import {
  bytes,
  defineTable,
  enumeration,
  integer,
  list,
  type Store,
  string,
  type Transaction,
} from "../../src/index.js";
import { onEveryDisk, onEveryDiskWithStore } from "./places.js";
import { digestOf, stateOf } from "./state.js";

const blobs = defineTable({ name: "blobs", version: 1, key: integer(), fields: { raw: bytes() } });
const cache = defineTable({
  ...blobs,
  name: "cache",
  tier: "cached",
  key: integer(),
  fields: { raw: bytes() },
  checks: {},
});
const texts = defineTable({ name: "texts", version: 1, key: string(), fields: { n: integer() } });
const lists = defineTable({
  name: "lists",
  version: 1,
  key: integer(),
  fields: { parts: list(string()) },
});
const tables = [blobs, cache, texts, lists];

/** The largest that a row with one field of bytes can hold: array header, bin 32 header. */
const RAW_BYTES_MAX = ROW_BYTES_MAX - 6;
const raw = (length: number, fill = 7) => ({ raw: new Uint8Array(length).fill(fill) });

function traceOf(store: Store) {
  const { transactions, logicalBytes } = store.stats().log;
  const keys = { blobs: [...store.table(blobs).keys()], texts: stateOf(store, [texts]) };
  return { keys, transactions, logicalBytes, lastSequence: store.lastSequence };
}

onEveryDiskWithStore({ tables, segmentBytes: 16 * 1024 * 1024 }, (store) => {
  describe("a row", () => {
    test("of the largest size is taken", async () => {
      await store().table(blobs).put(1, raw(RAW_BYTES_MAX));
      store().table(blobs).putSync(1, raw(RAW_BYTES_MAX, 8));
      expect(store().table(blobs).get(1)?.raw).toHaveLength(RAW_BYTES_MAX);
      await store().table(cache).put(1, raw(RAW_BYTES_MAX));
      await store().table(cache).put(2, raw(RAW_BYTES_MAX));
      await store().durable();
      expect(store().stats().unloggedRows).toBe(0);
    });

    test.each([
      ["a byte more", RAW_BYTES_MAX + 1, "TOO_LARGE", {}],
      ["a value too long for any row", ROW_BYTES_MAX + 1, "INVALID_ROW", { field: "raw" }],
      ["more than a frame", FRAME_BYTES_MAX + 5000, "INVALID_ROW", { field: "raw" }],
    ])("of %s is refused, with its table and key", async (_, length, code, field) => {
      const before = traceOf(store());
      const refusal = { code, data: { table: "blobs", key: 9, ...field } };
      const table = store().table(blobs);
      await expect(table.put(9, raw(length))).rejects.toMatchObject(refusal);
      expect(() => table.putSync(9, raw(length))).toThrow(expect.objectContaining(refusal));
      await expect(table.update(9, () => raw(length))).rejects.toMatchObject(refusal);
      await expect(store().table(cache).put(9, raw(length))).rejects.toMatchObject({
        data: { table: "cache", key: 9 },
      });
      expect(store().table(cache).has(9)).toBe(false);
      expect(traceOf(store())).toEqual(before);
    });
  });

  test("a row of more than a frame, in values that are each small enough, is refused too", async () => {
    const before = traceOf(store());
    const parts = Array.from({ length: 5 }, () => "x".repeat(1_000_000));
    const put = store().table(lists).put(9, { parts });
    await expect(put).rejects.toMatchObject({
      code: "TOO_LARGE",
      data: { table: "lists", key: 9 },
    });
    expect(traceOf(store())).toEqual(before);
  });

  test("a key of the largest size is taken, and a larger one refused", async () => {
    const largest = "é".repeat(KEY_BYTES_MAX / 2);
    await store().table(texts).put(largest, { n: 1 });
    expect(store().table(texts).get(largest)).toEqual({ n: 1 });
    const before = traceOf(store());
    const put = store().table(texts).put(`${largest}x`, { n: 1 });
    await expect(put).rejects.toMatchObject({ code: "INVALID_KEY", data: { table: "texts" } });
    expect(() => store().table(texts).get(`${largest}x`)).toThrow(/at most 1024/);
    expect(traceOf(store())).toEqual(before);
  });

  describe("a transaction", () => {
    test("larger than a frame is refused, and never happened", async () => {
      await store().table(blobs).put(1, raw(10));
      const before = traceOf(store());
      const work = (transaction: Transaction): void => {
        transaction.put(blobs, 1, raw(20));
        for (let i = 100; i < 105; i++) transaction.put(blobs, i, raw(RAW_BYTES_MAX));
      };
      await expect(store().transact(work)).rejects.toMatchObject({ code: "TOO_LARGE" });
      expect(() => store().transactSync(work)).toThrow(
        expect.objectContaining({ code: "TOO_LARGE" }),
      );
      expect(traceOf(store())).toEqual(before);
      expect(store().table(blobs).get(1)?.raw).toHaveLength(10);
      await store().table(blobs).put(1, raw(30));
      expect(store().lastSequence).toBe(before.lastSequence + 1);
    });

    test("of too many operations is refused, and never happened", async () => {
      const before = traceOf(store());
      const work = (count: number) => (transaction: Transaction) => {
        for (let i = 0; i < count; i++) transaction.put(texts, "k", { n: i % 100 });
      };
      const refused = store().transact(work(TRANSACTION_OPERATIONS_MAX + 1));
      await expect(refused).rejects.toMatchObject({ code: "TOO_LARGE" });
      expect(traceOf(store())).toEqual(before);
      await store().transact(work(TRANSACTION_OPERATIONS_MAX));
      expect(store().table(texts).get("k")).toEqual({ n: (TRANSACTION_OPERATIONS_MAX - 1) % 100 });
      expect(store().lastSequence).toBe(before.lastSequence + 1);
    });
  });
});

onEveryDisk((place) => {
  test("a transaction that does not fit the rest of a frame moves to the next, whole", async () => {
    const options = { tables, frameBytesMax: 64 * 1024, segmentBytes: 1024 * 1024 };
    let store = await place().open(options);
    const frames = store.stats().log.frames;
    const promises: Promise<unknown>[] = [];
    for (let i = 0; i < 10; i++) {
      promises.push(store.table(blobs).put(i, raw(9_000, i)));
      promises.push(
        store.transact((transaction) => {
          for (let j = 0; j < 5; j++) transaction.put(blobs, 100 + i * 5 + j, raw(9_000, j));
          transaction.put(texts, `${i}`, { n: i });
        }),
      );
      // As far as the one of 45 KB goes, nothing of a refused one stays in the frame it was moved to.
      const refused = store.transact((transaction) => {
        for (let j = 0; j < 8; j++) transaction.put(blobs, 1000 + j, raw(9_000));
      });
      await expect(refused).rejects.toMatchObject({ code: "TOO_LARGE" });
    }
    await Promise.all(promises);
    expect(store.lastSequence).toBe(21);
    expect(store.stats().log.frames - frames).toBeGreaterThanOrEqual(10);
    const state = digestOf(store, tables);
    expect(store.table(blobs).count()).toBe(60);
    await store.close();
    store = await place().open(options);
    expect(digestOf(store, tables)).toBe(state);
    expect(store.recovery.transactionsReplayed).toBe(place().inRuns ? 0 : 21);
  });

  test("rows larger than a segment are as safe as others", async () => {
    const options = { tables, segmentBytes: 64 * 1024 };
    let store = await place().open(options);
    for (let i = 0; i < 4; i++) {
      await store.table(blobs).put(i, raw(200_000 + i, i));
      store.table(blobs).putSync(10 + i, raw(100_000 + i, i));
      await store.table(blobs).put(20 + i, raw(10, i));
    }
    const state = digestOf(store, tables);
    await store.close();
    store = await place().open(options);
    expect(digestOf(store, tables)).toBe(state);
  });

  test("a schema that no log could hold is refused before anything is written", async () => {
    const values = Array.from({ length: 12_000 }, (_, i) => `${i}`.padStart(100, "x"));
    const huge = defineTable({
      name: "huge",
      version: 1,
      key: integer(),
      fields: { kind: enumeration(values) },
    });
    const refusal = { code: "TOO_LARGE", data: { table: "huge" } };
    await expect(place().open({ tables: [...tables, huge] })).rejects.toMatchObject(refusal);
    const store = await place().open({ tables });
    expect(store.recovery.created).toBe(true);
    await store.close();
    await expect(place().open({ tables: [...tables, huge] })).rejects.toMatchObject(refusal);
    expect((await place().open({ tables })).lastSequence).toBe(1);
  });

  test("schemas of many frames are declared, and read back", async () => {
    const wide = Array.from({ length: 12 }, (_, t) =>
      defineTable({
        name: `wide${t}`,
        version: 1,
        key: integer(),
        fields: {
          kind: enumeration(Array.from({ length: 20 }, (_, i) => `${i}`.padStart(1000, "x"))),
        },
      }),
    );
    const options = { tables: wide, frameBytesMax: 64 * 1024 };
    let store = await place().open(options);
    expect(store.lastSequence).toBeGreaterThan(1);
    const value = "0".padStart(1000, "x");
    await store.table(wide[11]!).put(1, { kind: value });
    await store.close();
    store = await place().open(options);
    expect(store.table(wide[11]!).get(1)).toEqual({ kind: value });
    expect(Object.keys(store.stats().tables)).toHaveLength(12);
  });
});
