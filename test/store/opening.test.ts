/** Opening again: what is found, what is refused, and that a refusal changes nothing. */
import { afterEach, describe, expect, test, vi } from "vitest";
import {
  boolean,
  bytes,
  decimal,
  defineTable,
  enumeration,
  float64,
  int64,
  integer,
  list,
  map,
  nullable,
  record,
  string,
  timestamp,
  withDefault,
} from "../../src/index.js";
import { filesOf, onEveryDisk } from "./places.js";
import { digestOf, stateOf } from "./state.js";
import { accounts, events, nested, orders, quotes, tables } from "./tables.js";

const everything = defineTable({
  name: "everything",
  version: 3,
  key: [string(), int64()],
  fields: {
    text: string(),
    flag: boolean(),
    whole: integer(),
    long: int64(),
    real: float64({ allowNonFinite: true }),
    price: decimal(4),
    time: timestamp(),
    raw: bytes(),
    side: enumeration(["buy", "sell"]),
    levels: list(list(decimal(2))),
    tags: map(nullable(integer())),
    inner: record({ deep: record({ price: nullable(decimal(1)) }) }),
    count: withDefault(integer(), 7),
  },
});

const row = {
  text: "é😀",
  flag: true,
  whole: -(2 ** 53) + 1,
  long: -(2n ** 63n),
  real: Number.NEGATIVE_INFINITY,
  price: "-12345678.0001",
  time: 1_700_000_000_000_001,
  raw: Uint8Array.of(0, 255),
  side: "sell" as const,
  levels: [["1.5", "2.25"], []],
  tags: { b: 1, a: null, constructor: 3 },
  inner: { deep: { price: null } },
};

afterEach(() => vi.unstubAllEnvs());

onEveryDisk((place) => {
  describe("opening again", () => {
    test("gives the same state, decoded from the log", async () => {
      const all = [...tables, everything];
      let store = await place().open({ tables: all });
      await store.table(everything).put(["k", 1n], row);
      const kept = store.table(everything).get(["k", 1n]);
      for (let i = 0; i < 300; i++) {
        void store.table(orders).put(i % 50, { amount: i, note: `${i}` });
        if (i % 7 === 0) void store.table(orders).delete((i * 3) % 50);
        void store.table(events).put(BigInt(-i), { text: `${i}` });
        void store.table(quotes).put([`${i % 3}`, i % 4], { price: i });
      }
      await store.durable();
      const state = digestOf(store);
      const sequence = store.lastSequence;
      for (let epoch = 2; epoch < 5; epoch++) {
        await store.close();
        store = await place().open({ tables: all });
        expect(digestOf(store)).toBe(state);
        expect(store.table(everything).get(["k", 1n])).toEqual(kept);
        expect(`${kept?.price}`).toBe("-12345678.0001");
        expect(store.recovery).toMatchObject({
          created: false,
          epoch,
          lastSequence: sequence,
          transactionsReplayed: place().inRuns ? 0 : sequence,
          tail: "end",
        });
        expect([store.lastSequence, store.durableSequence]).toEqual([sequence, sequence]);
      }
    });

    test("keeps the tables that the code does not declare, and takes new ones", async () => {
      let store = await place().open({ tables: [orders] });
      await store.table(orders).put(1, { amount: 1 });
      await store.close();
      store = await place().open({ tables: [accounts] });
      // Those of a table that is only in runs are not known yet.
      const known = (rows: number) => (place().inRuns ? undefined : rows);
      expect(store.stats().tables).toEqual({ orders: known(1), accounts: 0 });
      expect(() => store.table(orders)).toThrow('table "orders" is not among the tables');
      await store.table(accounts).put("a", { balance: 1 });
      await store.close();
      store = await place().open();
      expect(store.stats().tables).toEqual({ orders: known(1), accounts: known(1) });
      const { lastSequence } = store;
      await store.close();
      store = await place().open({ tables: [accounts, orders] });
      expect(store.lastSequence).toBe(lastSequence);
      expect(store.table(orders).get(1)).toEqual({ amount: 1, note: "" });
      expect(store.table(accounts).get("a")).toEqual({ balance: 1 });
    });

    test("takes another tier for a table: that is a matter of the code", async () => {
      let store = await place().open({ tables: [orders] });
      await store.table(orders).put(1, { amount: 1 });
      await store.close();
      const { amount, note } = { amount: integer(), note: withDefault(string(), "") };
      const cached = defineTable({
        name: "orders",
        version: 1,
        tier: "cached",
        key: integer(),
        fields: { amount, note },
      });
      store = await place().open({ tables: [cached] });
      await store.table(cached).put(2, { amount: 2 });
      expect(store.stats().unloggedRows).toBe(1);
      expect(store.table(cached).get(1)?.amount).toBe(1);
    });
  });

  describe("a schema that differs", () => {
    const define = (version: number, fields: Parameters<typeof defineTable>[0]["fields"]) =>
      defineTable({ name: "orders", version, key: integer(), fields });
    const note = withDefault(string(), "");
    const DIFFERENT: [string, ReturnType<typeof define>, RegExp[]][] = [
      ["a field more", define(1, { amount: integer(), note, more: integer() }), [/"more" is not/]],
      ["a field less", define(1, { amount: integer() }), [/stored field "note" is not declared/]],
      ["another type", define(1, { amount: float64(), note }), [/"amount": stored .*integer/]],
      ["another default", define(1, { amount: integer(), note: string() }), [/"note": stored/]],
      ["another order", define(1, { note, amount: integer() }), [/order/]],
      ["an older version", define(1, { amount: integer() }), [/version 1, but they differ/]],
      [
        "another key",
        defineTable({
          name: "orders",
          version: 1,
          key: [integer(), string()],
          fields: { amount: integer(), note },
        }) as unknown as ReturnType<typeof define>,
        [/key: stored .*integer/],
      ],
    ];

    test("is refused with the differences named, and the directory as it was", async () => {
      let store = await place().open({ tables });
      await store.table(orders).put(1, { amount: 1 });
      await store.close();
      const files = await filesOf(place());
      for (const [name, definition, messages] of DIFFERENT) {
        const added = defineTable({
          ...nested,
          key: string(),
          fields: { a: integer() },
          checks: {},
          name: "added",
        });
        const error = await place()
          .open({ tables: [added, definition] })
          .catch((reason: unknown) => reason);
        expect(error, name).toMatchObject({ code: "SCHEMA_MISMATCH", data: { table: "orders" } });
        for (const message of messages) expect((error as Error).message).toMatch(message);
        expect(await filesOf(place()), name).toEqual(files);
      }
      store = await place().open({ tables });
      expect(store.table(orders).count()).toBe(1);
      expect(store.stats().epoch).toBe(2);
    });
  });

  describe("an environment", () => {
    test("is kept: another one is refused, with nothing changed, unless it is allowed", async () => {
      let store = await place().open({ tables, environment: "prod" });
      await store.table(orders).put(1, { amount: 1 });
      const state = stateOf(store);
      await store.close();
      const files = await filesOf(place());
      const refusal = {
        code: "WRONG_ENVIRONMENT",
        message: expect.stringMatching(/"prod".*"test".*allowEnvironmentChange/),
      };
      await expect(place().open({ tables, environment: "test" })).rejects.toMatchObject(refusal);
      await expect(place().open({ tables })).rejects.toMatchObject({ code: "WRONG_ENVIRONMENT" });
      expect(await filesOf(place())).toEqual(files);
      const allowed = { tables, environment: "test", allowEnvironmentChange: true };
      store = await place().open(allowed);
      expect(store.stats().environment).toBe("test");
      expect(stateOf(store)).toEqual(state);
      await store.close();
      const back = place().open({ tables, environment: "prod" });
      await expect(back).rejects.toMatchObject({ code: "WRONG_ENVIRONMENT" });
      expect((await place().open({ tables, environment: "test" })).lastSequence).toBe(2);
    });

    test("and the writer come from the environment of the process where no option says so", async () => {
      vi.stubEnv("HOLDFAST_ENV", "staging");
      vi.stubEnv("HOLDFAST_WRITER_ID", "engine-7");
      let store = await place().open({ tables });
      expect(store.stats()).toMatchObject({ environment: "staging", writerId: "engine-7" });
      await store.close();
      const other = place().open({ tables, environment: "prod" });
      await expect(other).rejects.toMatchObject({ code: "WRONG_ENVIRONMENT" });
      store = await place().open({ tables, environment: "staging", writerId: "me" });
      expect(store.stats().writerId).toBe("me");
      await store.close();
      vi.stubEnv("HOLDFAST_ENV", "");
      await expect(place().open({ tables })).rejects.toThrow('this is "default"');
    });
  });
});
