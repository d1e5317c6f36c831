/** Going back: against a model, beside writers, in parts, across crashes, and where it is refused. */
import { describe, expect, test } from "vitest";
import {
  defineTable,
  integer,
  isHoldfastError,
  type LoggedTransaction,
  type OpenOptions,
  open,
  type RollbackInfo,
  type RowDifference,
  type Store,
  string,
} from "../../src/index.js";
import { SimulatedMachine } from "../sim/disk.js";
import { DIRECTORY, ModelledStore, numbers, SMALL, type State, stateOf } from "./model.js";

const SEEDS = Number(process.env.HOLDFAST_HISTORY_SEEDS ?? 2);
const seeds = Array.from({ length: SEEDS }, (_, i) => i + 1);

async function collect<T>(items: AsyncIterable<T>): Promise<T[]> {
  const all: T[] = [];
  for await (const item of items) all.push(item);
  return all;
}

function sorted(state: State | undefined): (readonly [string, string])[] {
  return [...(state as State)].sort(([a], [b]) => (a < b ? -1 : 1));
}

async function refusal(work: Promise<unknown>): Promise<unknown> {
  try {
    await work;
  } catch (error) {
    if (isHoldfastError(error)) return { code: error.code, ...error.data };
    throw error;
  }
  return "nothing was refused";
}

async function write(modelled: ModelledStore, transactions: number): Promise<void> {
  const { machine, random } = modelled;
  const work = async (): Promise<void> => {
    for (let i = 0; i < transactions; i++) {
      await modelled.transact();
      if (random.chance(0.05)) await modelled.upkeep();
    }
    await modelled.store.durable();
  };
  await machine.run(Promise.resolve().then(work));
}

/** The states that the model does not know: of the transactions of a rollback. */
async function learn({ machine, store, states }: ModelledStore): Promise<void> {
  while (states.length <= store.lastSequence) {
    const past = await machine.run(store.at(states.length));
    states.push(stateOf(past));
    await machine.run(past.close());
  }
}

async function assertEvery({ machine, store, states }: ModelledStore): Promise<void> {
  for (const [n, state] of states.entries()) {
    const past = await machine.run(store.at(n));
    expect(sorted(stateOf(past)), `at(${n})`).toEqual(sorted(state));
    await machine.run(past.close());
  }
}

/** That the last transactions are the parts of one rollback, each marked. */
function assertMarked(transactions: LoggedTransaction[], info: RollbackInfo): void {
  const parts = transactions.filter(({ tags }) => tags?.["holdfast.rollback"] === String(info.to));
  expect(parts.map(({ sequence }) => sequence).slice(-info.transactions)[0]).toBe(
    info.firstSequence,
  );
  expect(parts.at(-1)?.sequence).toBe(info.lastSequence);
  expect(parts.at(-1)?.tags?.["holdfast.part"]).toBe(
    `${info.transactions} of ${info.transactions}`,
  );
}

describe.each(seeds)("seed %i", (seed) => {
  test("back, on, and back again: every state of before stays in the history", async () => {
    const modelled = new ModelledStore(new SimulatedMachine({ seed }), seed);
    const { machine, random, states } = modelled;
    await modelled.open();
    for (let round = 0; round < 3; round++) {
      await write(modelled, 20 + random.below(20));
      const to = random.below(modelled.store.lastSequence);
      const before = modelled.store.lastSequence;
      const rows: RowDifference[] = [];
      const options = { reason: `round ${round}`, onRow: (row: RowDifference) => rows.push(row) };
      const asked = await machine.run(modelled.store.rollback(to, { ...options, check: true }));
      expect(modelled.store.lastSequence).toBe(before);
      expect(asked).toMatchObject({ to, transactions: 0, lastSequence: undefined });
      const differences = await machine.run(collect(modelled.store.diff(before, to)));
      expect(rows).toEqual(differences);
      const info = await machine.run(modelled.store.rollback(to, options));
      expect(info.tables).toEqual(asked.tables);
      expect(info.atomic).toBe(asked.atomic);
      expect(sorted(stateOf(modelled.store))).toEqual(sorted(states[to]));
      await learn(modelled);
      const told = await machine.run(collect(modelled.store.transactions({ gt: before })));
      if (info.transactions > 0) assertMarked(told, info);
      expect(told.every(({ reason }) => reason === `round ${round}`)).toBe(true);
      const again = await machine.run(modelled.store.rollback(to, options));
      expect(again).toMatchObject({ transactions: 0, tables: [] });
    }
    await machine.run(modelled.store.close());
    await modelled.open();
    await assertEvery(modelled);
    await machine.run(modelled.store.close());
  });

  test("what others write meanwhile is taken back as well", async () => {
    const modelled = new ModelledStore(new SimulatedMachine({ seed }), seed);
    const { machine, states } = modelled;
    await modelled.open();
    await write(modelled, 60);
    const { store } = modelled;
    let done = false;
    const work = async (): Promise<RollbackInfo> => {
      const rolledBack = store.rollback(20, { reason: "beside writers" }).finally(() => {
        done = true;
      });
      for (let i = 0; i < 200 && !done; i++) await modelled.transact();
      return rolledBack;
    };
    const info = await machine.run(Promise.resolve().then(work));
    const past = await machine.run(store.at(info.lastSequence as number));
    expect(sorted(stateOf(past))).toEqual(sorted(states[20]));
    await machine.run(past.close());
    await machine.run(store.close());
  });

  test("cut short by a crash it is whole, or not begun, or goes on when it is asked for again", async () => {
    const modelled = new ModelledStore(new SimulatedMachine({ seed }), seed);
    const { machine, random, states } = modelled;
    await modelled.open();
    const wide = { value: 0, text: "x".repeat(400) };
    const fill = async (): Promise<void> => {
      for (let key = 0; key < 40; key++) {
        await modelled.store.table(numbers).put(100 + key, wide);
        states.push(stateOf(modelled.store));
      }
    };
    await machine.run(fill());
    const to = modelled.store.lastSequence;
    await write(modelled, 30);
    const clear = async (): Promise<void> => {
      for (let key = 0; key < 40; key++) {
        await modelled.store.table(numbers).delete(100 + key);
        states.push(stateOf(modelled.store));
      }
    };
    await machine.run(clear());
    const last = modelled.store.lastSequence;
    for (let crash = 0; crash < 4; crash++) {
      const { store } = modelled;
      const before = store.lastSequence;
      const over = new AbortController();
      const rolled = store.rollback(to, { reason: "crashes" });
      rolled.catch(() => {}).finally(() => over.abort());
      const until = async (): Promise<void> => {
        if (random.chance(0.3)) return;
        const following = { from: before + 1, signal: over.signal };
        for await (const { sequence } of store.changes(following)) {
          if (sequence > before + random.below(3)) break;
        }
      };
      await machine.run(until());
      machine.crash(random.chance(0.5) ? "kill" : "power");
      await modelled.open();
    }
    const info = await machine.run(modelled.store.rollback(to, { reason: "crashes" }));
    expect(info.to).toBe(to);
    expect(sorted(stateOf(modelled.store))).toEqual(sorted(states[to]));
    states.length = last + 1;
    await learn(modelled);
    await assertEvery(modelled);
    const parts = await machine.run(collect(modelled.store.transactions({ gt: last })));
    expect(parts.length).toBeGreaterThan(1);
    expect(parts.every(({ reason }) => reason === "crashes")).toBe(true);
    await machine.run(modelled.store.close());
  });
});

async function opened(machine: SimulatedMachine, options: OpenOptions = {}): Promise<Store> {
  return machine.run(open(DIRECTORY, { ...SMALL, disk: machine.boot(), ...options }));
}

test("more than one transaction holds goes in parts that name the first one", async () => {
  const machine = new SimulatedMachine({ seed: 1 });
  const store = await opened(machine);
  const fill = async (value: number): Promise<void> => {
    for (let key = 0; key < 100; key++) {
      await store.table(numbers).put(key, { value, text: "x".repeat(500) });
    }
  };
  await machine.run(fill(1));
  const to = store.lastSequence;
  await machine.run(fill(2));
  const last = store.lastSequence;
  const info = await machine.run(store.rollback(to, { reason: "parts", tags: { ticket: "7" } }));
  expect(info.atomic).toBe(false);
  expect(info.transactions).toBeGreaterThan(5);
  expect(info.firstSequence).toBe(last + 1);
  const tags = { ticket: "7", "holdfast.rollback": String(to) };
  const told = await machine.run(collect(store.transactions({ tags })));
  expect(told).toHaveLength(info.transactions);
  expect(told.map((one) => one.causedBy)).toEqual([
    undefined,
    ...told.slice(1).map(() => info.firstSequence),
  ]);
  expect(told.map((one) => one.tags?.["holdfast.part"])).toEqual(
    told.map((_, i) => (i + 1 < told.length ? `${i + 1}` : `${i + 1} of ${i + 1}`)),
  );
  expect([...store.table(numbers).values()].every(({ value }) => value === 1)).toBe(true);
  await machine.run(store.close());
});

test("to a snapshot whose log is gone; a table of later just loses its rows", async () => {
  const machine = new SimulatedMachine({ seed: 2 });
  const options = { history: "none" as const, tables: [numbers] };
  let store = await opened(machine, options);
  const table = store.table(numbers);
  const fill = async (value: number): Promise<void> => {
    for (let key = 0; key < 200; key++) await table.put(key, { value, text: "x".repeat(300) });
    await store.flush();
  };
  await machine.run(fill(1));
  await machine.run(store.snapshot("before"));
  await machine.run(fill(2));
  await machine.run(fill(3));
  await machine.run(store.close());
  const later = defineTable({ name: "later", version: 1, key: string(), fields: { n: integer() } });
  store = await opened(machine, { ...options, tables: [numbers, later] });
  await machine.run(store.table(later).put("a", { n: 1 }));
  const info = await machine.run(store.rollback("before", { reason: "snapshot" }));
  expect(info.tables).toEqual([
    { table: "numbers", added: 0, removed: 0, changed: 200 },
    { table: "later", added: 0, removed: 1, changed: 0 },
  ]);
  expect(store.table(later).count()).toBe(0);
  expect([...store.table(numbers).values()].every(({ value }) => value === 1)).toBe(true);
  await machine.run(store.close());
});

test("checks have no say, and rows of cached tables come back too", async () => {
  const machine = new SimulatedMachine({ seed: 3 });
  const cached = defineTable({
    name: "cached",
    version: 1,
    tier: "cached",
    key: string(),
    fields: { n: integer() },
  });
  let floor = 0;
  const check = {
    name: "floor",
    tables: [cached],
    holds: (t: { get(table: typeof cached, key: string): { n: number } | undefined }) =>
      (t.get(cached, "a")?.n ?? floor) >= floor,
  };
  const store = await opened(machine, { tables: [cached], checks: [check] });
  const table = store.table(cached);
  await machine.run(table.put("a", { n: 1 }));
  const to = await machine.run(store.durable());
  await machine.run(table.put("a", { n: 5 }));
  floor = 3;
  expect(await machine.run(refusal(table.put("a", { n: 1 })))).toMatchObject({
    code: "CHECK_FAILED",
  });
  const info = await machine.run(store.rollback(to, { reason: "checks" }));
  expect(table.get("a")).toEqual({ n: 1 });
  const past = await machine.run(store.at(info.lastSequence as number));
  expect(past.table(cached).get("a")).toEqual({ n: 1 });
  await machine.run(past.close());
  await machine.run(store.close());
});

describe("a version of later", () => {
  const one = defineTable({ name: "t", version: 1, key: string(), fields: { a: integer() } });
  const evolved = (down?: (row: { a: number }) => { a: number }) =>
    defineTable({
      name: "t",
      version: 2,
      key: string(),
      fields: { a: integer(), b: integer() },
      previous: one,
      up: (row) => ({ a: row.a, b: 1 }),
      ...(down !== undefined && { down }),
    });

  async function evolve(history: "all" | "none", down?: (row: { a: number }) => { a: number }) {
    const machine = new SimulatedMachine({ seed: 4 });
    const two = evolved(down);
    let store = await opened(machine, { tables: [one], history });
    await machine.run(store.table(one).put("k", { a: 1 }));
    await machine.run(store.snapshot("one"));
    const to = store.lastSequence;
    await machine.run(store.close());
    store = await opened(machine, { tables: [two], history });
    await machine.run(store.table(two).put("k", { a: 2, b: 2 }));
    return { machine, store, to, two };
  }

  test.each(["all", "none"] as const)("without `down` is refused, history %s", async (history) => {
    const { machine, store, to } = await evolve(history);
    const last = store.lastSequence;
    for (const point of history === "all" ? [to, "one"] : ["one"]) {
      expect(await machine.run(refusal(store.rollback(point, { reason: "no" })))).toEqual({
        code: "SCHEMA_MISMATCH",
        table: "t",
        version: 2,
      });
    }
    expect(store.lastSequence).toBe(last);
    await machine.run(store.close());
  });

  test("with `down` the rows of then come back as rows of the version in force", async () => {
    const { machine, store, to, two } = await evolve("all", ({ a }) => ({ a }));
    await machine.run(store.rollback(to, { reason: "there is a way" }));
    expect(store.table(two).get("k")).toEqual({ a: 1, b: 1 });
    await machine.run(store.close());
  });
});

test("what is refused, and what ends it", async () => {
  const machine = new SimulatedMachine({ seed: 5 });
  const store = await opened(machine);
  await machine.run(store.table(numbers).put(1, { value: 1, text: "" }));
  const ask = (to: number, options: unknown) =>
    machine.run(refusal(store.rollback(to, options as { reason: string })));
  const invalid = { code: "INVALID_ARGUMENT" };
  expect(await ask(1, undefined)).toEqual(invalid);
  expect(await ask(1, { reason: "" })).toEqual(invalid);
  expect(await ask(1, { reason: "x", tags: { "holdfast.part": "1" } })).toEqual(invalid);
  expect(await ask(1, { reason: "x", check: 1 })).toEqual(invalid);
  expect(await ask(1, { reason: "x", onRow: 1 })).toEqual(invalid);
  expect(await ask(1, { reason: "x", signal: 1 })).toEqual(invalid);
  expect(await ask(99, { reason: "x" })).toEqual({ ...invalid, sequence: 99 });
  const stopped = AbortSignal.abort(new Error("not today"));
  await expect(machine.run(store.rollback(0, { reason: "x", signal: stopped }))).rejects.toThrow(
    "not today",
  );
  const both = machine.run(
    Promise.allSettled([
      store.rollback(0, { reason: "first" }),
      store.rollback(0, { reason: "second" }),
    ]),
  );
  expect((await both).map(({ status }) => status)).toEqual(["fulfilled", "rejected"]);
  await machine.run(store.close());
  expect(await ask(0, { reason: "x" })).toEqual({ code: "CLOSED" });
});
