/** The history read from beside the writer, and what is no longer there. */
import { expect, test } from "vitest";
import { isHoldfastError, openHistory } from "../../src/index.js";
import { SimulatedMachine } from "../sim/disk.js";
import { DIRECTORY, ModelledStore, numbers, SMALL, stateOf } from "./model.js";

async function collect<T>(items: AsyncIterable<T>): Promise<T[]> {
  const all: T[] = [];
  for await (const item of items) all.push(item);
  return all;
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

async function beside(machine: SimulatedMachine) {
  return machine.run(openHistory(DIRECTORY, { ...SMALL, disk: machine.boot() }));
}

async function write(modelled: ModelledStore, transactions: number): Promise<void> {
  const work = async (): Promise<void> => {
    for (let i = 0; i < transactions; i++) await modelled.transact();
    await modelled.store.durable();
  };
  await modelled.machine.run(Promise.resolve().then(work));
}

test("another program follows the log while it is written, flushed and archived", async () => {
  const modelled = new ModelledStore(new SimulatedMachine({ seed: 3 }), 3);
  const { machine } = modelled;
  await modelled.open();
  const history = await beside(machine);
  const stop = new AbortController();
  const seen: number[] = [];
  const follow = async (): Promise<void> => {
    for await (const { sequence } of history.changes({ from: 1, signal: stop.signal })) {
      expect(sequence).toBe(seen.length + 1);
      expect(sequence).toBeLessThanOrEqual(modelled.store.durableSequence);
      seen.push(sequence);
      if (sequence === 400) stop.abort();
    }
  };
  const following = follow();
  for (let round = 0; modelled.store.lastSequence < 400; round++) {
    await write(modelled, 40);
    if (round % 3 === 2) await machine.run(modelled.store.flush());
  }
  await machine.run(following);
  expect(seen.at(-1)).toBe(400);
  expect(modelled.store.stats().background.archiveFiles).toBeGreaterThan(0);
  for (const n of [0, 1, 57, 200, 400]) {
    const past = await machine.run(history.at(n));
    expect(stateOf(past)).toEqual(modelled.states[n]);
    await machine.run(past.close());
  }
  await machine.run(modelled.store.close());
});

test("what is older than the history that is kept is refused, and the oldest is named", async () => {
  const options = { history: "none" } as const;
  const modelled = new ModelledStore(new SimulatedMachine({ seed: 4 }), 4, options);
  const { machine } = modelled;
  await modelled.open();
  for (let round = 0; round < 12; round++) {
    await write(modelled, 60);
    await machine.run(modelled.store.flush());
  }
  const { store } = modelled;
  const [first] = await machine.run(collect(store.transactions({ limit: 1 })));
  const oldestSequence = first?.sequence as number;
  expect(oldestSequence).toBeGreaterThan(100);
  const gone = { code: "HISTORY_GONE", sequence: 7, oldestSequence };
  expect(await machine.run(refusal(collect(store.transactions({ gte: 7 }))))).toEqual(gone);
  expect(await machine.run(refusal(collect(store.changes({ from: 7 }))))).toEqual(gone);
  expect(await machine.run(refusal(collect(store.table(numbers).history(1, { gte: 7 }))))).toEqual(
    gone,
  );
  expect(await machine.run(refusal(store.at(7)))).toMatchObject({ code: "HISTORY_GONE" });
  const history = await beside(machine);
  expect(await machine.run(refusal(collect(history.transactions({ gte: 7 }))))).toEqual(gone);
  expect(await machine.run(refusal(store.at({ time: 1 })))).toMatchObject({ code: "HISTORY_GONE" });
  const now = await machine.run(store.at(store.durableSequence));
  expect(stateOf(now)).toEqual(modelled.states.at(-1));
  await machine.run(now.close());
  await machine.run(store.close());
});

test("times: the last transaction that is not later", async () => {
  const modelled = new ModelledStore(new SimulatedMachine({ seed: 5 }), 5);
  const { machine } = modelled;
  await modelled.open();
  const { store } = modelled;
  for (let round = 0; round < 4; round++) {
    await write(modelled, 60);
    await machine.run(store.flush());
  }
  const all = await machine.run(collect(store.transactions()));
  for (const { sequence, timeMicros } of all.filter((_, i) => i % 17 === 0)) {
    const last = all.filter((one) => one.timeMicros <= timeMicros).at(-1)?.sequence;
    const past = await machine.run(store.at({ time: timeMicros }));
    expect(past.sequence).toBe(last);
    await machine.run(past.close());
    const range = { gte: { time: timeMicros }, limit: 1 };
    const [first] = await machine.run(collect(store.transactions(range)));
    expect(first?.sequence).toBe(all.find((one) => one.timeMicros >= timeMicros)?.sequence);
    expect(sequence).toBeLessThanOrEqual(last as number);
  }
  const before = await machine.run(store.at({ time: 0 }));
  expect(before.sequence).toBe(0);
  expect(stateOf(before).size).toBe(0);
  await machine.run(before.close());
  await machine.run(store.close());
});

test("bad arguments are refused; a store that closes ends those who follow it", async () => {
  const modelled = new ModelledStore(new SimulatedMachine({ seed: 6 }), 6);
  const { machine } = modelled;
  await modelled.open();
  const { store } = modelled;
  await write(modelled, 5);
  const invalid = { code: "INVALID_ARGUMENT" };
  expect(await refusal(store.at(99))).toMatchObject(invalid);
  expect(await refusal(store.at(-1))).toMatchObject(invalid);
  expect(await refusal(store.at({ time: Number.NaN }))).toMatchObject(invalid);
  expect(await refusal(store.at("none"))).toMatchObject({ code: "SNAPSHOT_NOT_FOUND" });
  const unknown = { from: 3 } as object;
  expect(await refusal(collect(store.transactions(unknown)))).toMatchObject(invalid);
  expect(await refusal(collect(store.transactions({ limit: -1 })))).toMatchObject(invalid);
  const following = collect(store.changes({ tables: [numbers] }));
  const rest = machine.run(store.close());
  await rest;
  expect(await machine.run(following)).toEqual([]);
  expect(() => store.transactions()).toThrow(expect.objectContaining({ code: "CLOSED" }));
});

test("a follower is woken whenever something becomes durable, also just before it waits", async () => {
  const modelled = new ModelledStore(new SimulatedMachine({ seed: 7 }), 7);
  const { machine } = modelled;
  await modelled.open();
  const { store } = modelled;
  const work = async (): Promise<void> => {
    for (let steps = 0; steps < 60; steps++) {
      const sequence = store.lastSequence + 1;
      const changes = store.changes({ from: sequence });
      const next = changes.next();
      for (let i = 0; i < steps; i++) await undefined;
      store.table(numbers).putSync(steps, { value: steps, text: "" });
      const { value } = await next;
      expect(value?.sequence, `after ${steps} steps`).toBe(sequence);
      await changes.return();
    }
  };
  await machine.run(work());
  await machine.run(store.close());
});
