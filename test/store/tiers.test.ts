/** When a write of each tier is acknowledged and when it is on disk, by the simulated clock. */
import { beforeEach, describe, expect, test } from "vitest";
import type { Disk } from "../../src/disk/disk.js";
import { type OpenOptions, open, type Store } from "../../src/index.js";
import { SimulatedMachine } from "../sim/disk.js";
import { stateOf } from "./state.js";
import { accounts, events, orders, quotes, tables } from "./tables.js";

const FLUSH_MICROS = 5_000;
const CACHED_MICROS = 1_000_000;

let machine: SimulatedMachine;
let disk: Disk;
let store: Store;

async function openStore(options: OpenOptions = {}): Promise<Store> {
  disk = machine.boot();
  const settings = { disk, tables, segmentBytes: 256 * 1024, onWarning: () => {}, ...options };
  return machine.run(open("/store", settings));
}

/** Lets time pass: everything that happens until then, happens. */
async function pass(micros: number): Promise<void> {
  const end = disk.clock.monotonicMicros() + micros;
  await machine.run(
    new Promise<void>((resolve) => disk.scheduler.after(micros / 1000, resolve, false)),
  );
  expect(disk.clock.monotonicMicros()).toBeGreaterThanOrEqual(end);
}

/** True once the promise has resolved; lets continuations run, but no time pass. */
async function isResolved(promise: Promise<unknown>): Promise<boolean> {
  let resolved = false;
  void promise.then(() => {
    resolved = true;
  });
  await new Promise((resolve) => setImmediate(resolve));
  return resolved;
}

/** What is there after the power fails now. */
async function afterPowerLoss(): Promise<Store> {
  machine.crash("power");
  return openStore();
}

beforeEach(async () => {
  machine = new SimulatedMachine({ seed: 4711 });
  store = await openStore();
});

describe("critical", () => {
  test("is acknowledged only when durableSequence covers it", async () => {
    const table = store.table(orders);
    const promises: Promise<void>[] = [];
    for (let turn = 0; turn < 40; turn++) {
      for (let i = 0; i < 3; i++) {
        const put = table.put(turn * 3 + i, { amount: turn });
        const sequence = store.lastSequence;
        promises.push(
          put.then(() => expect(store.durableSequence).toBeGreaterThanOrEqual(sequence)),
        );
      }
      expect(store.durableSequence).toBeLessThan(store.lastSequence);
      await machine.step();
    }
    await machine.run(Promise.all(promises));
    expect(store.durableSequence).toBe(store.lastSequence);
  });

  test("is not acknowledged before the disk says so, and lost by nobody's fault if it never does", async () => {
    const put = store.table(orders).put(1, { amount: 1 });
    expect(await isResolved(put)).toBe(false);
    const again = await afterPowerLoss();
    expect(again.table(orders).count()).toBe(0);
  });

  test("survives the loss of power once it is acknowledged", async () => {
    await machine.run(store.table(orders).put(1, { amount: 1 }));
    const again = await afterPowerLoss();
    expect(again.table(orders).get(1)).toEqual({ amount: 1, note: "" });
  });

  test("survives it in a store that is new, in directories that are new, wherever power fails", async () => {
    for (let seed = 1; seed <= 40; seed++) {
      machine = new SimulatedMachine({ seed });
      disk = machine.boot();
      const path = "/some/new/place";
      const settings = { disk, tables, segmentBytes: 65_536, onWarning: () => {} };
      store = await machine.run(open(path, settings));
      await machine.run(store.table(orders).put(1, { amount: seed }));
      machine.crash("power");
      store = await machine.run(open(path, { ...settings, disk: machine.boot() }));
      expect(store.recovery.created, `seed ${seed}`).toBe(false);
      expect(store.table(orders).get(1)?.amount, `seed ${seed}`).toBe(seed);
    }
  });

  test("takes the important writes before it along", async () => {
    await store.table(events).put(1n, { text: "a" });
    const sequence = store.lastSequence;
    await machine.run(store.table(orders).put(1, { amount: 1 }));
    expect(store.durableSequence).toBe(sequence + 1);
    expect((await afterPowerLoss()).table(events).get(1n)).toEqual({ text: "a" });
  });
});

describe("important", () => {
  test("is acknowledged at once, and durable within the flush delay", async () => {
    const { durableSequence } = store;
    expect(await isResolved(store.table(events).put(1n, { text: "a" }))).toBe(true);
    await pass(FLUSH_MICROS / 2);
    expect(store.durableSequence).toBe(durableSequence);
    await store.table(events).put(2n, { text: "b" });
    expect(store.lastSequence).toBe(durableSequence + 2);
    // The delay counts from the first one that waits; a write takes up to 100 µs.
    await pass(FLUSH_MICROS / 2 + 200);
    expect(store.durableSequence).toBe(durableSequence + 2);
    expect(store.stats().log.frames - store.stats().log.sealFrames).toBe(2);
    expect((await afterPowerLoss()).table(events).count()).toBe(2);
  });

  test("is durable through durable(), and not before", async () => {
    const { durableSequence } = store;
    await store.table(events).put(1n, { text: "a" });
    const waiting = store.durable();
    expect(await isResolved(waiting)).toBe(false);
    expect(await machine.run(waiting)).toBe(durableSequence + 1);
    expect(disk.clock.monotonicMicros()).toBeLessThan(FLUSH_MICROS * 1000);
    expect((await afterPowerLoss()).table(events).count()).toBe(1);
  });

  test("has its own delay, as an option", async () => {
    await machine.run(store.close());
    store = await openStore({ flushDelayMicros: 50_000 });
    await store.table(events).put(1n, { text: "a" });
    await pass(49_000);
    expect(store.durableSequence).toBe(store.lastSequence - 1);
    await pass(1_300);
    expect(store.durableSequence).toBe(store.lastSequence);
  });
});

describe("cached", () => {
  test("is logged once, with its newest value, after the delay", async () => {
    const table = store.table(quotes);
    const { lastSequence } = store;
    const { transactions } = store.stats().log;
    for (let price = 0; price < 500; price++) {
      expect(await isResolved(table.put(["a", price % 5], { price }))).toBe(true);
    }
    expect(store.stats().unloggedRows).toBe(5);
    expect(store.lastSequence).toBe(lastSequence);
    await pass(CACHED_MICROS / 2);
    expect(store.lastSequence).toBe(lastSequence);
    await pass(CACHED_MICROS / 2 + FLUSH_MICROS + 200);
    expect(store.stats()).toMatchObject({ unloggedRows: 0, durableSequence: lastSequence + 1 });
    expect(store.stats().log.transactions).toBe(transactions + 1);
    const state = stateOf(store, [quotes]);
    const again = await afterPowerLoss();
    expect(stateOf(again, [quotes])).toEqual(state);
    expect(again.table(quotes).get(["a", 4])).toEqual({ price: 499 });
  });

  test("is lost with the power before that: it was never promised", async () => {
    await store.table(quotes).put(["a", 1], { price: 1 });
    expect((await afterPowerLoss()).table(quotes).count()).toBe(0);
  });

  test("is flushed at close and by durable(), deletions included", async () => {
    const table = store.table(quotes);
    await table.put(["a", 1], { price: 1 });
    await table.put(["a", 2], { price: 2 });
    await machine.run(store.durable());
    expect(store.stats().unloggedRows).toBe(0);
    expect(await table.delete(["a", 1])).toBe(true);
    await table.put(["a", 3], { price: 3 });
    await table.delete(["a", 3]);
    const state = stateOf(store, [quotes]);
    await machine.run(store.close());
    store = await openStore();
    expect(stateOf(store, [quotes])).toEqual(state);
    expect(store.table(quotes).count()).toBe(1);
  });

  test("durable(sequence) waits for that one, and leaves cached rows in memory", async () => {
    await store.table(events).put(1n, { text: "a" });
    await store.table(quotes).put(["a", 1], { price: 1 });
    await machine.run(store.durable(store.lastSequence));
    expect(store.stats().unloggedRows).toBe(1);
  });

  test("is logged whole, at once, in a transaction with other tiers", async () => {
    await store.table(quotes).put(["a", 1], { price: 1 });
    const work = store.transact((transaction) => {
      transaction.put(quotes, ["a", 1], { price: 2 });
      transaction.put(quotes, ["b", 1], { price: 3 });
      transaction.put(accounts, "a", { balance: 1 });
    });
    expect(store.stats().unloggedRows).toBe(0);
    await machine.run(work);
    const again = await afterPowerLoss();
    expect(again.table(quotes).get(["a", 1])).toEqual({ price: 2 });
    expect(again.table(quotes).get(["b", 1])).toEqual({ price: 3 });
    expect(again.table(accounts).get("a")).toEqual({ balance: 1 });
  });

  test("flushes any number of rows, also where frames are small", async () => {
    await machine.run(store.close());
    store = await openStore({ frameBytesMax: 8192 });
    const table = store.table(quotes);
    for (let i = 0; i < 2000; i++)
      await table.put(["a row with a rather long key", i], { price: i });
    const { lastSequence } = store;
    await machine.run(store.durable());
    expect(store.stats().unloggedRows).toBe(0);
    expect(store.lastSequence).toBeGreaterThan(lastSequence + 5);
    expect((await afterPowerLoss()).table(quotes).count()).toBe(2000);
  });
});

describe("the most demanding tier of a transaction", () => {
  test("decides when it is acknowledged", async () => {
    const important = store.transact((transaction) => {
      transaction.put(quotes, ["a", 1], { price: 1 });
      transaction.put(events, 1n, { text: "a" });
      return 7;
    });
    expect(await isResolved(important)).toBe(true);
    const critical = store.transact((transaction) => {
      transaction.put(events, 1n, { text: "a" });
      transaction.put(orders, 1, { amount: 1 });
    });
    expect(await isResolved(critical)).toBe(false);
    await machine.run(critical);
    expect(store.durableSequence).toBe(store.lastSequence);
  });
});
