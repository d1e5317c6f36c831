/** Errors that a transaction's function catches: what it goes on with is whole, or nothing. */
import { beforeEach, describe, expect, test } from "vitest";
import type { Disk } from "../../src/disk/disk.js";
import { bytes, defineTable, integer, open, type Store } from "../../src/index.js";
import { SimulatedMachine } from "../sim/disk.js";

const blobs = defineTable({ name: "blobs", version: 1, key: integer(), fields: { raw: bytes() } });
const small = (n: number) => ({ raw: new Uint8Array(10).fill(n) });
const large = { raw: new Uint8Array(5000) };

let machine: SimulatedMachine;
let disk: Disk;
let store: Store;

function openStore(): Promise<Store> {
  disk = machine.boot();
  return machine.run(
    open("/store", {
      disk,
      tables: [blobs],
      segmentBytes: 64 * 1024,
      frameBytesMax: 8192,
      // So that whoever outgrows a frame has to wait for the one before it.
      framesInFlight: 1,
      onWarning: () => {},
    }),
  );
}

const keysOf = (from: Store) => [...from.table(blobs).keys()];

function pass(millis: number): Promise<void> {
  return machine.run(new Promise<void>((resolve) => disk.scheduler.after(millis, resolve, false)));
}

beforeEach(async () => {
  machine = new SimulatedMachine({ seed: 99 });
  store = await openStore();
});

describe("a transaction that catches an error of its own", () => {
  test("goes on without the write that was refused", async () => {
    const work = store.transact((transaction) => {
      transaction.put(blobs, 1, small(1));
      expect(() => transaction.put(blobs, 2, { raw: new Uint8Array(9000) })).toThrow(
        expect.objectContaining({ code: "TOO_LARGE" }),
      );
      expect(() => transaction.put(blobs, 2, {} as never)).toThrow(
        expect.objectContaining({ code: "INVALID_ROW" }),
      );
      expect(() => transaction.delete(blobs, "2" as never)).toThrow(
        expect.objectContaining({ code: "INVALID_KEY" }),
      );
      transaction.put(blobs, 3, small(3));
    });
    await machine.run(work);
    machine.crash("power");
    store = await openStore();
    expect(keysOf(store)).toEqual([1, 3]);
    expect(store.table(blobs).get(3)).toEqual(small(3));
  });

  test("is refused if the log itself has failed in between, whatever it catches", async () => {
    await machine.run(store.table(blobs).put(1, small(1)));
    const { lastSequence } = store;
    machine.addFault({ operation: "queueWrite", error: "EIO", times: 1 });
    const lost = store
      .table(blobs)
      .put(2, large)
      .catch((error: unknown) => error);
    store
      .table(blobs)
      .put(3, large)
      .catch(() => {});
    let caught: unknown;
    const work = store.transact((transaction) => {
      transaction.put(blobs, 10, small(1));
      try {
        // Does not fit the frame any more, which has to wait for the one that fails.
        transaction.put(blobs, 11, large);
      } catch (error) {
        caught = error;
      }
      expect(() => transaction.put(blobs, 13, small(3))).toThrow(
        expect.objectContaining({ code: "POISONED" }),
      );
    });
    await expect(work).rejects.toMatchObject({ code: "POISONED" });
    expect(caught).toMatchObject({ code: "POISONED" });
    expect(await lost).toMatchObject({ code: "OUTCOME_UNKNOWN" });
    expect(keysOf(store)).toEqual([1, 2, 3]);
    expect(store.lastSequence).toBe(lastSequence + 2);
    await machine.run(store.close().catch(() => {}));
    store = await openStore();
    expect(keysOf(store).filter((key) => key !== 2 && key !== 3)).toEqual([1]);
  });

  test("is refused if there was no room for the frame before it, whatever it catches", async () => {
    const table = store.table(blobs);
    await pass(50);
    machine.capacityBytes = 0;
    machine.addFault({ operation: "zeroFill", path: "03.log", stallMicros: 500_000 });
    // The last put stands in a frame that has no place yet, and waits for one.
    const puts: Promise<void>[] = [];
    for (let key = 0; store.durableSequence === store.lastSequence; key++) {
      puts.push(table.put(key, large));
      await pass(5);
    }
    await pass(600);
    await expect(table.put(999, large)).rejects.toMatchObject({ code: "DISK_FULL" });
    const before = keysOf(store);
    const { lastSequence } = store;
    const work = store.transact((transaction) => {
      for (let i = 0; i < 3; i++) {
        try {
          transaction.put(blobs, 1000 + i, large);
        } catch {
          // As if it did not matter.
        }
      }
      transaction.put(blobs, 2000, small(1));
    });
    await expect(work).rejects.toMatchObject({ code: "DISK_FULL" });
    expect(keysOf(store)).toEqual(before);
    expect(store.lastSequence).toBe(lastSequence);
    machine.capacityBytes = Number.POSITIVE_INFINITY;
    await machine.run(Promise.all(puts));
    expect(store.durableSequence).toBe(lastSequence);
    await machine.run(table.put(3000, small(1)));
    expect(store.lastSequence).toBe(lastSequence + 1);
    machine.crash("power");
    store = await openStore();
    expect(keysOf(store)).toEqual([...before, 3000]);
  });
});
