/** How writes become frames, what bounds them, and what the figures say. */
import { describe, expect, test } from "vitest";
import { writesInFlight } from "../../src/disk/probe.js";
import type { StoreWarning } from "../../src/index.js";
import { onEveryDisk } from "./places.js";
import { events, nested, orders, quotes, tables } from "./tables.js";

onEveryDisk((place) => {
  describe("frames", () => {
    test("hold all the puts of one turn of the event loop", async () => {
      const store = await place().open({ tables, sealDelayMicros: 60_000_000 });
      for (let round = 1; round <= 5; round++) {
        const { frames } = store.stats().log;
        const puts: Promise<unknown>[] = [];
        for (let i = 0; i < 100; i++) puts.push(store.table(orders).put(i, { amount: i }));
        await store.table(events).put(1n, { text: "a" });
        puts.push(store.table(orders).delete(5));
        puts.push(store.transact((transaction) => transaction.put(orders, 7, { amount: 7 })));
        await Promise.all(puts);
        expect(store.stats().log.frames).toBe(frames + 1);
      }
    });

    test("hold what all continuations of one turn write", async () => {
      const store = await place().open({ tables, sealDelayMicros: 60_000_000 });
      const { frames } = store.stats().log;
      const engine = async (n: number): Promise<void> => {
        for (let step = 0; step < 10; step++) {
          await store.table(orders).put(n, { amount: step });
        }
      };
      await Promise.all(Array.from({ length: 30 }, (_, n) => engine(n)));
      expect(store.stats().log.frames).toBe(frames + 10);
    });
  });

  test("a full pipeline makes writers wait, in bounded memory, and loses nothing", async () => {
    const options = { tables, framesInFlight: 2, frameBytesMax: 64 * 1024 };
    let store = await place().open({ ...options, segmentBytes: 512 * 1024 });
    const raw = new Uint8Array(10_000).fill(1);
    const row = { raw, numbers: [], blobs: [], tags: {}, inner: { values: [], blob: null } };
    const puts: Promise<void>[] = [];
    let behind = 0;
    for (let i = 0; i < 300; i++) {
      puts.push(store.table(nested).put(`${i}`, row));
      behind = Math.max(behind, store.lastSequence - store.durableSequence);
    }
    // Two frames in flight and one being filled, each of at most 64 KiB: 6 rows.
    expect(behind).toBeLessThanOrEqual(3 * 6);
    expect(store.stats().log.frames).toBeGreaterThanOrEqual(300 / 6 - 1);
    await Promise.all(puts);
    expect(store.durableSequence).toBe(301);
    await store.close();
    store = await place().open(options);
    expect(store.table(nested).count()).toBe(300);
  });

  test("stats say what is so", async () => {
    const store = await place().open({
      tables,
      environment: "lab",
      writerId: "w",
      framesInFlight: 3,
      sealDelayMicros: 60_000_000,
      cachedDelayMicros: 3_600_000_000,
    });
    const before = store.stats();
    expect(before).toMatchObject({
      directory: place().directory,
      environment: "lab",
      writerId: "w",
      epoch: 1,
      lastSequence: 1,
      durableSequence: 1,
      framesInFlightMax: writesInFlight(place().disk, before.disk.method, 3),
      tables: { orders: 0, accounts: 0, events: 0, quotes: 0, nested: 0 },
      unloggedRows: 0,
      state: "open",
      log: { frames: 1, sealFrames: 0, transactions: 1, stalls: 0, segmentsGrown: 0 },
    });
    expect(before.disk).toMatchObject(place().disk.info);
    expect(place().disk.writeMethods).toContain(before.disk.method);
    const described = await place().disk.describe(place().directory);
    expect(before.disk.fileSystem).toBe(described.fileSystem);
    await store.table(orders).put(1, { amount: 1 });
    store.table(orders).putSync(2, { amount: 2 });
    await store.table(quotes).put(["a", 1], { price: 1 });
    await store.table(quotes).put(["a", 1], { price: 2 });
    const { log, ...after } = store.stats();
    expect(after).toMatchObject({ lastSequence: 3, durableSequence: 3, unloggedRows: 1 });
    expect(after.tables).toEqual({ orders: 2, accounts: 0, events: 0, quotes: 1, nested: 0 });
    expect(log).toMatchObject({ frames: 3, transactions: 3, latency: { count: 3 } });
    expect(log.writtenBytes).toBeGreaterThan(before.log.writtenBytes);
    expect(log.writtenBytes % 512).toBe(0);
    // Two records of header (24), operation (12), key (8) and a row of an integer and a short text.
    expect(log.logicalBytes - before.log.logicalBytes).toBe(2 * (24 + 12 + 8 + 3));
    expect(log.latency.p50Micros).toBeGreaterThan(0);
    expect(log.latency.maxMicros).toBeGreaterThanOrEqual(log.latency.p50Micros);
  });

  test("warnings of recovery go to onWarning", async () => {
    const { disk, directory } = place();
    const store = await place().open({ tables });
    await store.table(orders).put(1, { amount: 1 });
    await store.close();
    await disk.remove(`${directory}/manifest.1`);
    const warnings: StoreWarning[] = [];
    const again = await place().open({ tables, onWarning: (warning) => warnings.push(warning) });
    expect(warnings.map(({ code }) => code)).toEqual(["MANIFEST_REPAIRED"]);
    expect(warnings[0]?.message).toContain("manifest.1");
    expect(again.table(orders).get(1)?.amount).toBe(1);
    expect(await disk.list(directory)).toContain("manifest.1");
  });
});
