/** `patch`: what becomes of rows, what the log gets, and who has to put the two together again. */
import { describe, expect, test } from "vitest";
import { applyPatch } from "../../src/codec/row-patch.js";
import {
  bigInt64Array,
  bytes,
  defineTable,
  float64Array,
  int32Array,
  integer,
  type LoggedTransaction,
  list,
  nullable,
  type Store,
  slice,
  string,
} from "../../src/index.js";
import { SimulatedMachine } from "../sim/disk.js";
import { Random } from "../sim/random.js";
import fc from "../support/properties.js";
import { openOn } from "../support/simulated-store.js";

const fields = {
  window: float64Array({ lengthMax: 5_000 }),
  counts: int32Array(),
  ids: nullable(bigInt64Array()),
  blob: bytes(),
  tags: list(string()),
  seen: integer(),
};
const features = defineTable({
  name: "features",
  version: 1,
  key: integer(),
  fields,
  patches: true,
});
const plain = defineTable({ name: "plain", version: 1, key: integer(), fields });

const row = (n: number, length = 1_000) => ({
  window: new Float64Array(length).fill(n),
  counts: new Int32Array(8).fill(n),
  ids: null,
  blob: new Uint8Array(64).fill(n),
  tags: ["a"],
  seen: n,
});

const ROOMY = { frameBytesMax: 256 * 1024, segmentBytes: 1024 * 1024, history: "all" } as const;
const TABLES = { tables: [features, plain], ...ROOMY };

async function opened() {
  const machine = new SimulatedMachine({ seed: 1 });
  const store = await openOn(machine, TABLES);
  return { machine, store };
}

async function collect<T>(items: AsyncIterable<T>): Promise<T[]> {
  const all: T[] = [];
  for await (const item of items) all.push(item);
  return all;
}

/** What the log has got by some work. */
function loggedBy(store: Store, work: () => unknown): number {
  const before = store.stats().log.logicalBytes;
  work();
  return store.stats().log.logicalBytes - before;
}

describe("what the log gets", () => {
  test("only what differs, however it is given; nothing where nothing does", async () => {
    const { machine, store } = await opened();
    const table = store.table(features);
    await machine.run(table.put(1, row(1)));
    const window = new Float64Array(1_000).fill(1);
    window[700] = 7;
    const cases = [
      { seen: 2 },
      { window: slice(10, Float64Array.of(5, 1, 1)) },
      { window },
      { window: [slice(0, Float64Array.of(9)), slice(999, Float64Array.of(9))] },
      { blob: slice(3, Uint8Array.of(0xff)), counts: slice(0, Int32Array.of(-1)) },
      { ids: BigInt64Array.of(1n), tags: ["b"] },
    ];
    for (const change of cases)
      expect(loggedBy(store, () => table.patch(1, change))).toBeLessThan(90);
    const { lastSequence } = store;
    expect(await machine.run(table.patch(1, { seen: 2, tags: ["b"], window: undefined }))).toBe(
      true,
    );
    expect(store.lastSequence).toBe(lastSequence);
    expect(await machine.run(table.patch(2, { seen: 2 }))).toBe(false);
    expect(store.lastSequence).toBe(lastSequence);
    const found = table.get(1);
    expect([0, 10, 700, 999].map((i) => found?.window[i])).toEqual([9, 1, 7, 9]);
    expect(found).toMatchObject({ seen: 2, ids: BigInt64Array.of(1n), tags: ["b"] });
    expect([found?.blob[3], found?.counts[0]]).toEqual([0xff, -1]);
    await machine.run(store.close());
  });

  test("the whole row, where a patch is no shorter or the table has none", async () => {
    const { machine, store } = await opened();
    await machine.run(store.table(plain).put(1, row(1)));
    await machine.run(store.table(features).put(1, row(1, 2)));
    expect(loggedBy(store, () => store.table(plain).patch(1, { seen: 2 }))).toBeGreaterThan(8_000);
    const every = { ...row(9, 3), ids: BigInt64Array.of(9n), tags: ["x"] };
    await machine.run(store.table(features).patch(1, every));
    await machine.run(store.durable());
    const kinds = (await machine.run(collect(store.transactions())))
      .flatMap(({ operations }: LoggedTransaction) => operations)
      .map(({ kind, table }) => `${kind} ${table}`);
    expect(kinds.slice(-2)).toEqual(["put plain", "put features"]);
    expect(store.table(features).get(1)).toEqual(every);
    await machine.run(store.close());
  });

  test("who reads the log is told the fields, and the parts of them", async () => {
    const { machine, store } = await opened();
    await machine.run(store.table(features).put(1, row(1)));
    const change = {
      seen: 3,
      window: [slice(4, Float64Array.of(7)), slice(90, Float64Array.of(8))],
    };
    await machine.run(store.table(features).patch(1, change, { reason: "why" }));
    const [last] = (await machine.run(collect(store.transactions()))).slice(-1);
    expect(last).toMatchObject({
      reason: "why",
      operations: [{ kind: "patch", table: "features", version: 1, key: 1, fields: change }],
    });
    const [, patched] = await machine.run(collect(store.table(features).history(1)));
    expect(patched).toMatchObject({ before: { seen: 1 }, after: { seen: 3 }, afterIsKnown: true });
    const [after] = [patched].map((change) => change?.after);
    expect((after as { window: Float64Array }).window[90]).toBe(8);
    await machine.run(store.close());
  });
});

test.each([
  [{ sen: 1 }, /field "sen": unknown field/],
  [{ seen: "x" }, /field "seen": expected a safe integer/],
  [{ seen: slice(0, Uint8Array.of(1)) }, /field "seen": expected a safe integer/],
  [
    { window: slice(999, Float64Array.of(1, 2)) },
    /it has 1000, and the slice goes from 999 to 1001/,
  ],
  [{ window: slice(0, Float32Array.of(1) as never) }, /a slice of it has a Float64Array/],
  [{ window: [slice(0, Float64Array.of(1)), 5] }, /expected slices and nothing else/],
  [{ window: new Float64Array(5_001) }, /at most 5000 numbers/],
  [{ ids: slice(0, BigInt64Array.of(1n)) }, /it is null, and has no parts/],
])("refused, and nothing has changed: %#", async (change, message) => {
  const { machine, store } = await opened();
  await machine.run(store.table(features).put(1, row(1)));
  const { lastSequence } = store;
  const done = machine.run(store.table(features).patch(1, change as never));
  await expect(done).rejects.toMatchObject({ code: "INVALID_ROW", data: { key: 1 } });
  await expect(done).rejects.toThrow(message);
  expect(store.lastSequence).toBe(lastSequence);
  expect(store.table(features).get(1)).toEqual(row(1));
  expect(() => slice(-1, Uint8Array.of(1))).toThrow(/offset of a slice/);
  expect(() => slice(0, [1] as never)).toThrow(/typed array/);
  await machine.run(store.close());
});

test("checks see the whole row; views, transactions and callers keep what they had", async () => {
  const machine = new SimulatedMachine({ seed: 1 });
  const checks = { small: ({ seen }: { seen: number }) => seen < 10 };
  const checked = defineTable({
    name: "c",
    version: 1,
    key: integer(),
    fields,
    checks,
    patches: true,
  });
  const store = await openOn(machine, { tables: [checked], ...ROOMY });
  const table = store.table(checked);
  await machine.run(table.put(1, row(1)));
  await expect(machine.run(table.patch(1, { seen: 10 }))).rejects.toMatchObject({
    code: "CHECK_FAILED",
  });
  const view = store.view();
  const held = table.get(1);
  const given = Float64Array.of(5);
  expect(table.patchSync(1, { window: slice(0, given) })).toBe(true);
  given[0] = 6;
  expect([view.table(checked).get(1)?.window[0], held?.window[0]]).toEqual([1, 1]);
  expect(table.get(1)?.window[0]).toBe(5);
  const failed = store.transact((tx) => {
    expect(tx.patch(checked, 1, { seen: 2, window: slice(0, Float64Array.of(7)) })).toBe(true);
    expect(tx.patch(checked, 1, { window: slice(1, Float64Array.of(8)) })).toBe(true);
    expect(tx.get(checked, 1)?.window.slice(0, 2)).toEqual(Float64Array.of(7, 8));
    throw new Error("no");
  });
  await expect(machine.run(failed)).rejects.toThrow("no");
  expect(table.get(1)).toMatchObject({ seen: 1 });
  expect(table.get(1)?.window.slice(0, 2)).toEqual(Float64Array.of(5, 1));
  view.release();
  await machine.run(store.close());
});

describe("another version of the table", () => {
  const next = defineTable({
    ...{ name: "features", version: 2, key: integer(), patches: true },
    fields: { ...fields, more: nullable(string()) },
  });

  test("a row of before is put whole, then patched; merges leave rows as they are", async () => {
    const machine = new SimulatedMachine({ seed: 1 });
    const bounds = { runsPerTier: 2, fileBytes: 64 * 1024 };
    const store = await openOn(machine, { ...TABLES, bounds });
    await machine.run(store.table(features).put(1, row(1)));
    await machine.run(store.table(features).put(2, row(2)));
    await machine.run(store.flush());
    // In the log: a patch of version 1, of a row that the run has.
    await machine.run(store.table(features).patch(2, { seen: 22 }));
    const before = store.lastSequence;
    const table = await machine.run(store.table(features).evolve(next));
    expect(loggedBy(store, () => table.patch(1, { seen: 5 }))).toBeGreaterThan(8_000);
    expect(loggedBy(store, () => table.patch(1, { seen: 6 }))).toBeLessThan(90);
    for (let i = 0; i < 6; i++) {
      await machine.run(table.put(10 + i, { ...row(i), more: null }));
      await machine.run(store.flush());
    }
    expect(table.get(2)).toMatchObject({ seen: 22, more: null });
    const past = await machine.run(store.at(before));
    const [, old] = [
      ...past.table(past.tables.find(({ name }) => name === "features") as never).values(),
    ];
    expect(old).toMatchObject({ seen: 22 });
    await machine.run(past.close());
    machine.crash("power");
    const again = await openOn(machine, { tables: [next], ...ROOMY });
    expect(again.table(next).get(1)).toMatchObject({ seen: 6, more: null });
    expect(again.table(next).get(2)).toMatchObject({ seen: 22, more: null });
    await machine.run(again.close());
  });

  test("patches belong to the version", async () => {
    const machine = new SimulatedMachine({ seed: 1 });
    const store = await openOn(machine, TABLES);
    await machine.run(store.close());
    const without = defineTable({ name: "features", version: 1, key: integer(), fields });
    const refused = openOn(machine, { ...TABLES, tables: [without] });
    await expect(refused).rejects.toMatchObject({ code: "SCHEMA_MISMATCH" });
    await expect(refused).rejects.toThrow(/stored with patches: true, declared with false/);
  });
});

const seeds = Number(process.env.HOLDFAST_SEEDS ?? 4);

test.each(Array.from({ length: seeds }, (_, i) => i + 1))(
  "seed %i: rows are those of the model, through runs, merges, crashes and copies",
  async (seed) => {
    const machine = new SimulatedMachine({ seed });
    const random = new Random(seed);
    const options = { ...TABLES, bounds: { runsPerTier: 2, fileBytes: 32 * 1024 } };
    let model = new Map<number, ReturnType<typeof row>>();
    for (let life = 0; life < 3; life++) {
      let store = await openOn(machine, options);
      expect(new Map(store.table(features).entries())).toEqual(model);
      for (let i = 0; i < 120; i++) {
        const key = random.below(6);
        const before = model.get(key);
        const done = step(store, random, key, before, model);
        if (random.chance(0.6)) await machine.run(done);
        if (random.chance(0.08)) await machine.run(store.flush());
        if (random.chance(0.02)) await machine.run(store.snapshot());
        if (!random.chance(0.02)) continue;
        // Memory forgets rows, and the next patch is of what a run has.
        await machine.run(store.close());
        machine.crash("kill");
        store = await openOn(machine, options);
      }
      await machine.run(store.durable());
      const at = await machine.run(store.at(store.lastSequence));
      expect(new Map(at.table(features).entries())).toEqual(model);
      await machine.run(at.close());
      expect(new Map(store.table(features).entries())).toEqual(model);
      machine.crash("power");
      model = new Map(model);
    }
  },
);

/** A put, a patch or a deletion, in the store and in the model. */
function step(
  store: Store,
  random: Random,
  key: number,
  before: ReturnType<typeof row> | undefined,
  model: Map<number, ReturnType<typeof row>>,
): Promise<unknown> {
  const table = store.table(features);
  const choice = random.below(10);
  if (before === undefined || choice === 0) {
    const put = row(random.below(100), random.below(600));
    model.set(key, put);
    return table.put(key, put);
  }
  if (choice === 1) {
    model.delete(key);
    return table.delete(key);
  }
  const change: Record<string, unknown> = {};
  const after: Record<string, unknown> = { ...before };
  if (random.chance(0.5)) change.seen = random.below(70_000);
  if (random.chance(0.2)) change.tags = ["t".repeat(random.below(40))];
  if (random.chance(0.2)) {
    change.ids = random.chance(0.3) ? null : BigInt64Array.of(BigInt(random.below(9)), 2n ** 62n);
  }
  if (random.chance(0.2)) change.counts = new Int32Array(random.below(12)).fill(random.below(99));
  Object.assign(after, change);
  if (before.window.length > 0 && random.chance(0.6)) {
    const offset = random.below(before.window.length);
    const values = new Float64Array(Math.min(before.window.length - offset, 3)).fill(
      -random.below(9),
    );
    const window = new Float64Array(before.window);
    window.set(values, offset);
    change.window = random.chance(0.5) ? slice(offset, values) : window;
    after.window = window;
  }
  model.set(key, after as ReturnType<typeof row>);
  return table.patch(key, change);
}

test("a patch fits a row of the length that it says, and no other", () => {
  // [7, [1, true]] of [1, false, "abc"]: the second field.
  const patch = Uint8Array.of(0x92, 7, 0x92, 1, 0xc3);
  const base = Uint8Array.of(0x93, 1, 0xc2, 0xa3, 97, 98, 99);
  const made = Uint8Array.of(0x93, 1, 0xc3, 0xa3, 97, 98, 99);
  const apply = (row: Uint8Array, again = false) =>
    applyPatch(row, 0, row.length, patch, 0, patch.length, false, again);
  expect(apply(base)).toEqual(made);
  const longer = Uint8Array.of(0x93, 1, 0xc2, 0xa4, 97, 98, 99, 100);
  expect(apply(longer)).toBe("it is of a row of 7 bytes, and this one has 8");
  expect(apply(longer, true)).toEqual(Uint8Array.of(0x93, 1, 0xc3, 0xa4, 97, 98, 99, 100));
  expect(apply(Uint8Array.of(0x91, 0xa5, 97, 98, 99, 97, 98))).toBe("the row has no field 1");
});

test("any bytes are a patch that fits, or a reason; and what is there is never read beyond", () => {
  fc.assert(
    fc.property(
      fc.uint8Array({ maxLength: 60 }),
      fc.uint8Array({ maxLength: 60 }),
      fc.boolean(),
      (base, patch, again) => {
        const copy = new Uint8Array(base);
        const made = applyPatch(base, 0, base.length, patch, 0, patch.length, false, again);
        expect(base).toEqual(copy);
        expect(typeof made === "string" || made instanceof Uint8Array).toBe(true);
      },
    ),
  );
});
