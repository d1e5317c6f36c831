/** States of the past against a model of every one: random histories, runs, merges, crashes. */
import { describe, expect, test } from "vitest";
import type { LoggedTransaction } from "../../src/index.js";
import { SimulatedMachine } from "../sim/disk.js";
import { ModelledStore, names, numbers, type State, stateOf } from "./model.js";

const SEEDS = Number(process.env.HOLDFAST_HISTORY_SEEDS ?? 2);

async function collect<T>(items: AsyncIterable<T>): Promise<T[]> {
  const all: T[] = [];
  for await (const item of items) all.push(item);
  return all;
}

/** What the operations make of a state. */
function applied(state: State, { operations }: LoggedTransaction): State {
  const after = new Map(state);
  for (const operation of operations) {
    if (operation.kind === "declare") continue;
    const name = `${operation.table} ${JSON.stringify(operation.key)}`;
    if (operation.kind === "delete") after.delete(name);
    else if (operation.kind === "patch") {
      const row = JSON.parse(after.get(name) as string);
      after.set(name, JSON.stringify({ ...row, ...operation.fields }));
    } else after.set(name, JSON.stringify(operation.row));
  }
  return after;
}

function sorted(state: State): (readonly [string, string])[] {
  return [...state].sort(([a], [b]) => (a < b ? -1 : 1));
}

/** Writes for a while; `through` what was durable when it ended. */
async function live(modelled: ModelledStore, transactions: number): Promise<void> {
  const { machine, random } = modelled;
  const work = async (): Promise<void> => {
    for (let i = 0; i < transactions; i++) {
      const done = modelled.transact();
      if (random.chance(0.7)) await done;
      if (random.chance(0.05)) await modelled.upkeep();
    }
    await modelled.store.durable();
  };
  await machine.run(Promise.resolve().then(work));
}

/** A history of several openings, some of which end in a crash. */
async function historyOf(seed: number): Promise<ModelledStore> {
  const modelled = new ModelledStore(new SimulatedMachine({ seed }), seed);
  const { machine, random } = modelled;
  for (let opening = 0; opening < 4; opening++) {
    await modelled.open();
    await live(modelled, 20 + random.below(40));
    if (opening === 3) break;
    if (random.chance(0.5)) {
      for (let i = 0; i < 3; i++) modelled.transact().catch(() => {});
      machine.crash(random.chance(0.5) ? "kill" : "power");
    } else {
      await machine.run(modelled.store.close());
      machine.crash("kill");
    }
  }
  return modelled;
}

const seeds = Array.from({ length: SEEDS }, (_, i) => i + 1);

describe.each(seeds)("seed %i", (seed) => {
  test("at(n) is the model at every n, and the log leads from each to the next", async () => {
    const modelled = await historyOf(seed);
    const { machine, store, states } = modelled;
    const last = store.lastSequence;
    expect(states.length).toBe(last + 1);
    for (let n = 0; n <= last; n++) {
      const past = await machine.run(store.at(n));
      expect(sorted(stateOf(past)), `at(${n})`).toEqual(sorted(states[n] as State));
      await machine.run(past.close());
    }
    const transactions = await machine.run(collect(store.transactions()));
    expect(transactions.map(({ sequence }) => sequence)).toEqual(
      Array.from({ length: last }, (_, i) => i + 1),
    );
    let state: State = new Map();
    for (const transaction of transactions) {
      state = applied(state, transaction);
      const { sequence } = transaction;
      expect(sorted(state), `after ${sequence}`).toEqual(sorted(states[sequence] as State));
    }
    await machine.run(store.close());
  });

  test("history of a key, and what differs between two states", async () => {
    const modelled = await historyOf(seed);
    const { machine, store, states, random } = modelled;
    const last = store.lastSequence;
    const from = 1 + random.below(last);
    for (const key of [3, 17]) {
      const name = `numbers ${key}`;
      const changes = await machine.run(collect(store.table(numbers).history(key, { gte: from })));
      let n = from - 1;
      for (const { sequence, before, after, beforeIsKnown } of changes) {
        expect(beforeIsKnown).toBe(true);
        // Nothing has changed it meanwhile.
        for (; n < sequence; n++) {
          expect(JSON.stringify(before), `before ${sequence}`).toBe(states[n]?.get(name));
        }
        expect(JSON.stringify(after)).toBe(states[sequence]?.get(name));
      }
      for (; n < last; n++) expect(states[n]?.get(name)).toBe(states[last]?.get(name));
    }
    for (let i = 0; i < 5; i++) {
      const [a, b] = [random.below(last + 1), random.below(last + 1)];
      const found = await machine.run(collect(store.diff(a, b)));
      const told = new Map(states[a]);
      for (const { table, key, kind, before, after, fields } of found) {
        const name = `${table} ${JSON.stringify(key)}`;
        expect(JSON.stringify(before)).toBe(told.get(name));
        expect(fields.length > 0).toBe(kind === "changed");
        if (kind === "removed") told.delete(name);
        else told.set(name, JSON.stringify(after));
      }
      expect(sorted(told)).toEqual(sorted(states[b] as State));
      const one = await machine.run(collect(store.diff(a, b, { tables: [names] })));
      expect(one).toEqual(found.filter(({ table }) => table === "names"));
    }
    await machine.run(store.close());
  });

  test("changes give each sequence once across openings, also while segments are archived", async () => {
    const modelled = new ModelledStore(new SimulatedMachine({ seed }), seed);
    const { machine } = modelled;
    const seen: number[] = [];
    for (let opening = 0; opening < 4; opening++) {
      await modelled.open();
      const { store } = modelled;
      const follow = async (): Promise<void> => {
        for await (const { sequence } of store.changes({ from: seen.length + 1 })) {
          expect(sequence).toBe(seen.length + 1);
          expect(sequence).toBeLessThanOrEqual(store.durableSequence);
          seen.push(sequence);
        }
      };
      const following = follow();
      await live(modelled, 80);
      await machine.run(store.close());
      await machine.run(following);
      machine.crash("kill");
    }
    await modelled.open();
    const rest = await machine.run(collect(modelled.store.transactions({ gt: seen.length })));
    const all = [...seen, ...rest.map(({ sequence }) => sequence)];
    expect(all).toEqual(Array.from({ length: modelled.store.lastSequence }, (_, i) => i + 1));
    await machine.run(modelled.store.close());
  });
});
