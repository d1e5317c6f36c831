/** Random transactions that may throw anywhere: what is taken back was never there. */

import { expect, test } from "vitest";
import type { Store, Transaction } from "../../src/index.js";
import fc from "../support/properties.js";
import { onEveryDisk } from "./places.js";
import { stateOf } from "./state.js";
import { accounts, events, orders, quotes, tables } from "./tables.js";

class Stop extends Error {}

const operation = fc.record({
  table: fc.constantFrom("orders", "accounts", "events", "quotes"),
  kind: fc.constantFrom("put", "put", "update", "keep", "delete"),
  key: fc.nat(5),
  value: fc.nat(999),
});
type Operation = typeof operation extends fc.Arbitrary<infer T> ? T : never;

const transaction = fc.record({
  operations: fc.array(operation, { maxLength: 12 }),
  /** Where it throws; most do not. */
  stopAt: fc.option(fc.nat(12), { nil: undefined, freq: 2 }),
  sync: fc.boolean(),
});
type Plan = typeof transaction extends fc.Arbitrary<infer T> ? T : never;

type Model = Map<string, number>;

function apply(tx: Transaction, model: Model, { table, kind, key, value }: Operation): void {
  const text = `${table} ${key}`;
  const deleting = kind === "delete";
  const input = kind === "keep" ? undefined : value;
  const wrap = <R>(make: (value: number) => R) => (input === undefined ? undefined : make(input));
  const updating = kind === "update" || kind === "keep";
  const amount = (n: number) => ({ amount: n });
  const balance = (n: number) => ({ balance: n });
  const word = (n: number) => ({ text: String(n) });
  const price = (n: number) => ({ price: n });
  let was: boolean | undefined;
  if (table === "orders") {
    if (deleting) was = tx.delete(orders, key);
    else if (updating) tx.update(orders, key, () => wrap(amount));
    else tx.put(orders, key, amount(value));
  } else if (table === "accounts") {
    if (deleting) was = tx.delete(accounts, `${key}`);
    else if (updating) tx.update(accounts, `${key}`, () => wrap(balance));
    else tx.put(accounts, `${key}`, balance(value));
  } else if (table === "events") {
    if (deleting) was = tx.delete(events, BigInt(key));
    else if (updating) tx.update(events, BigInt(key), () => wrap(word));
    else tx.put(events, BigInt(key), word(value));
  } else {
    if (deleting) was = tx.delete(quotes, ["q", key]);
    else if (updating) tx.update(quotes, ["q", key], () => wrap(price));
    else tx.put(quotes, ["q", key], price(value));
  }
  if (deleting) expect(was).toBe(model.delete(text));
  else if (input !== undefined) model.set(text, input);
}

/** The model's text of what the store holds. */
function modelOf(store: Store): Model {
  const model: Model = new Map();
  for (const [key, row] of store.table(orders).entries()) model.set(`orders ${key}`, row.amount);
  for (const [key, row] of store.table(accounts).entries()) {
    model.set(`accounts ${key}`, row.balance);
  }
  for (const [key, row] of store.table(events).entries()) {
    model.set(`events ${key}`, Number(row.text));
  }
  for (const [[, key], row] of store.table(quotes).entries()) {
    model.set(`quotes ${key}`, row.price);
  }
  return model;
}

function run(store: Store, model: Model, plan: Plan): Model {
  const before = stateOf(store);
  const { lastSequence } = store;
  const { unloggedRows } = store.stats();
  const after = new Map(model);
  const work = (tx: Transaction): void => {
    for (const [index, one] of plan.operations.entries()) {
      if (index === plan.stopAt) throw new Stop();
      apply(tx, after, one);
    }
    if (plan.stopAt !== undefined) throw new Stop();
  };
  try {
    if (plan.sync) store.transactSync(work);
    else void store.transact(work).catch(() => {});
  } catch (error) {
    expect(error).toBeInstanceOf(Stop);
  }
  if (plan.stopAt === undefined) return after;
  expect(stateOf(store)).toEqual(before);
  expect(store.lastSequence).toBe(lastSequence);
  expect(store.stats().unloggedRows).toBe(unloggedRows);
  return model;
}

onEveryDisk((place, disk) => {
  test("any sequence of transactions is the same as those that did not throw", async () => {
    let store = await place().open({ tables });
    let model: Model = new Map();
    await fc.assert(
      fc.asyncProperty(fc.array(transaction, { maxLength: 8 }), async (plans) => {
        for (const plan of plans) {
          model = run(store, model, plan);
          expect(modelOf(store)).toEqual(model);
        }
        await store.durable();
      }),
      { numRuns: disk === "simulated" ? 120 : 50, endOnFailure: true },
    );
    await store.close();
    store = await place().open({ tables });
    expect(modelOf(store)).toEqual(model);
  });
});
