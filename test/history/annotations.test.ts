/** What transactions say of themselves: written with them, found by it, and refused where it is wrong. */
import { expect, test } from "vitest";
import {
  type Annotation,
  defineTable,
  integer,
  isHoldfastError,
  type LoggedTransaction,
  open,
  openHistory,
  type Store,
  string,
} from "../../src/index.js";
import { SimulatedMachine } from "../sim/disk.js";
import { Random } from "../sim/random.js";
import { DIRECTORY, numbers, SMALL } from "./model.js";

const cached = defineTable({
  name: "cached",
  version: 1,
  tier: "cached",
  key: string(),
  fields: { n: integer() },
});

const OPTIONS = { ...SMALL, tables: [numbers, cached] };

async function collect<T>(items: AsyncIterable<T>): Promise<T[]> {
  const all: T[] = [];
  for await (const item of items) all.push(item);
  return all;
}

async function codeOf(work: () => unknown): Promise<string> {
  try {
    await work();
  } catch (error) {
    if (isHoldfastError(error)) return error.code;
    throw error;
  }
  return "nothing was refused";
}

function openIt(machine: SimulatedMachine): Promise<Store> {
  return machine.run(open(DIRECTORY, { ...OPTIONS, disk: machine.boot() }));
}

const said = ({ reason, causedBy, tags }: LoggedTransaction) => ({ reason, causedBy, tags });

test("whoever tells of the past tells them: transactions, changes, history, from beside", async () => {
  const machine = new SimulatedMachine({ seed: 1 });
  let store = await openIt(machine);
  const first = store.lastSequence;
  const table = store.table(numbers);
  const row = { value: 1, text: "" };
  const given: (Annotation | undefined)[] = [
    { reason: "é: a signal", tags: { signal: "s-1", empty: "" } },
    { causedBy: first },
    undefined,
    { reason: "r".repeat(4096) },
    { tags: Object.fromEntries(Array.from({ length: 32 }, (_, i) => [`t${i}`, "x".repeat(100)])) },
  ];
  const write = async (): Promise<void> => {
    for (const annotation of given) await table.put(1, row, annotation);
    await table.update(1, () => row, { reason: "update" });
    await store.transact((t) => t.put(numbers, 2, row), { reason: "transact" });
    await table.delete(1, { reason: "delete" });
  };
  await machine.run(write());
  table.putSync(1, row, { reason: "putSync" });
  table.deleteSync(1, { reason: "deleteSync" });
  store.transactSync((t) => t.put(numbers, 1, row), { reason: "transactSync" });
  const wanted = [
    ...given.map((one) => ({ reason: undefined, causedBy: undefined, tags: undefined, ...one })),
    ...["update", "transact", "delete", "putSync", "deleteSync", "transactSync"].map((reason) => ({
      ...{ reason, causedBy: undefined, tags: undefined },
    })),
  ];
  const range = { gt: first };
  expect((await machine.run(collect(store.transactions(range)))).map(said)).toEqual(wanted);
  const stop = new AbortController();
  const followed: LoggedTransaction[] = [];
  const follow = async (): Promise<void> => {
    for await (const one of store.changes({ from: first + 1, signal: stop.signal })) {
      if (followed.push(one) === wanted.length) stop.abort();
    }
  };
  await machine.run(follow());
  expect(followed.map(said)).toEqual(wanted);
  const history = await machine.run(collect(store.table(numbers).history(1, range)));
  expect(history.map(({ reason }) => reason)).toEqual(
    wanted.map(({ reason }) => reason).filter((reason) => reason !== "transact"),
  );
  // And in archives, after another opening, and from beside.
  await machine.run(store.flush());
  await machine.run(store.close());
  store = await openIt(machine);
  expect((await machine.run(collect(store.transactions(range)))).map(said)).toEqual(wanted);
  const beside = await machine.run(openHistory(DIRECTORY, { ...OPTIONS, disk: machine.boot() }));
  const seen = await machine.run(collect(beside.transactions(range)));
  expect(seen.map(said)).toEqual(wanted);
  await machine.run(store.close());
});

test("a search by tags and cause finds what a look at all of them finds", async () => {
  const machine = new SimulatedMachine({ seed: 2 });
  const store = await openIt(machine);
  const random = new Random(2);
  const write = async (): Promise<void> => {
    for (let i = 0; i < 200; i++) {
      const annotation: Annotation = {
        ...(random.chance(0.5) && { causedBy: 1 + random.below(store.lastSequence) }),
        ...(random.chance(0.5) && {
          tags: { a: `${random.below(3)}`, ...(random.chance(0.5) && { b: `${random.below(3)}` }) },
        }),
      };
      const row = { value: i, text: "x".repeat(random.below(400)) };
      const none = random.chance(0.2);
      await store.table(numbers).put(random.below(30), row, none ? undefined : annotation);
      if (i === 100) await store.flush();
    }
  };
  await machine.run(write());
  const all = await machine.run(collect(store.transactions()));
  for (const tags of [{ a: "1" }, { a: "2", b: "0" }, { b: "9" }]) {
    const found = await machine.run(collect(store.transactions({ tags })));
    const wanted = all.filter((one) =>
      Object.entries(tags).every(([name, value]) => one.tags?.[name] === value),
    );
    expect(found).toEqual(wanted);
    expect(await machine.run(collect(store.transactions({ tags, limit: 3 })))).toEqual(
      wanted.slice(0, 3),
    );
  }
  for (const { sequence } of all.slice(0, 5)) {
    const found = await machine.run(collect(store.transactions({ causedBy: sequence })));
    expect(found).toEqual(all.filter(({ causedBy }) => causedBy === sequence));
  }
  // And from the last one back to where it began.
  const last = all.findLast(({ causedBy }) => causedBy !== undefined) as LoggedTransaction;
  const chain = [last];
  for (let one = last; one.causedBy !== undefined; chain.push(one)) {
    one = all[one.causedBy - 1] as LoggedTransaction;
  }
  expect(await machine.run(collect(store.causes(last.sequence)))).toEqual(chain);
  await machine.run(store.close());
});

test("one over cached tables goes to the log with it; one that changes nothing leaves no trace", async () => {
  const machine = new SimulatedMachine({ seed: 3 });
  const store = await openIt(machine);
  const table = store.table(cached);
  const before = store.lastSequence;
  await machine.run(table.put("a", { n: 1 }));
  expect(store.lastSequence).toBe(before);
  await machine.run(table.put("a", { n: 2 }, { reason: "why" }));
  expect(store.lastSequence).toBe(before + 1);
  await machine.run(table.delete("b", { reason: "not there" }));
  await machine.run(store.transact(() => {}, { reason: "nothing" }));
  expect(store.lastSequence).toBe(before + 1);
  await machine.run(store.close());
});

test("what is wrong is refused, and nothing is written", async () => {
  const machine = new SimulatedMachine({ seed: 4 });
  const store = await openIt(machine);
  const row = { value: 1, text: "" };
  const { lastSequence } = store;
  const tags = (count: number) =>
    Object.fromEntries(Array.from({ length: count }, (_, i) => [`t${i}`, ""]));
  const wrong: [string, unknown][] = [
    ["INVALID_ARGUMENT", null],
    ["INVALID_ARGUMENT", "why"],
    ["INVALID_ARGUMENT", []],
    ["INVALID_ARGUMENT", { why: "x" }],
    ["INVALID_ARGUMENT", { reason: "" }],
    ["INVALID_ARGUMENT", { reason: 7 }],
    ["INVALID_ARGUMENT", { reason: "\ud800" }],
    ["TOO_LARGE", { reason: "é".repeat(2049) }],
    ["INVALID_ARGUMENT", { causedBy: 0 }],
    ["INVALID_ARGUMENT", { causedBy: 1.5 }],
    ["INVALID_ARGUMENT", { causedBy: "1" }],
    ["INVALID_ARGUMENT", { causedBy: lastSequence + 1 }],
    ["INVALID_ARGUMENT", { tags: [] }],
    ["INVALID_ARGUMENT", { tags: { a: 1 } }],
    ["INVALID_ARGUMENT", { tags: { "": "a" } }],
    ["INVALID_ARGUMENT", { tags: JSON.parse('{"__proto__":"a"}') }],
    ["INVALID_ARGUMENT", { tags: { "holdfast.rollback": "1" } }],
    ["TOO_LARGE", { tags: tags(33) }],
    ["TOO_LARGE", { tags: { ["n".repeat(129)]: "" } }],
    ["TOO_LARGE", { tags: { a: "v".repeat(1025) } }],
  ];
  for (const [code, given] of wrong) {
    const annotation = given as Annotation;
    const put = () => machine.run(store.table(numbers).put(1, row, annotation));
    expect([await codeOf(put), given]).toEqual([code, given]);
    const sync = () => store.transactSync((t) => t.put(numbers, 1, row), annotation);
    expect(await codeOf(sync)).toBe(code);
  }
  expect(store.lastSequence).toBe(lastSequence);
  expect(store.table(numbers).count()).toBe(0);
  const find = (range: object) => codeOf(() => machine.run(collect(store.transactions(range))));
  expect(await find({ tags: "a" })).toBe("INVALID_ARGUMENT");
  expect(await find({ causedBy: -1 })).toBe("INVALID_ARGUMENT");
  expect(await codeOf(() => machine.run(collect(store.causes(0))))).toBe("INVALID_ARGUMENT");
  expect(await codeOf(() => machine.run(collect(store.causes(99))))).toBe("INVALID_ARGUMENT");
  await machine.run(store.close());
});

test("with the largest rows it goes into the next frame; too much for any is refused", async () => {
  const machine = new SimulatedMachine({ seed: 5 });
  const store = await openIt(machine);
  const table = store.table(numbers);
  // A frame that is nearly full, and what does not fit it any more.
  for (let i = 0; i < 5; i++) {
    void table.put(i, { value: i, text: "x".repeat(3000) }, { reason: "w".repeat(3000) });
  }
  await machine.run(store.durable());
  const found = await machine.run(collect(store.transactions({ gt: store.lastSequence - 5 })));
  expect(found.map(({ reason }) => reason?.length)).toEqual([3000, 3000, 3000, 3000, 3000]);
  const row = { value: 1, text: "x".repeat(6000) };
  const put = () => machine.run(table.put(1, row, { reason: "w".repeat(4000) }));
  expect(await codeOf(put)).toBe("TOO_LARGE");
  await machine.run(table.put(1, row));
  await machine.run(store.close());
});
