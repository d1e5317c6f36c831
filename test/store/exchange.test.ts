/** One directory, every real disk: the same files, and the same bytes for the same work. */
import { readdir, readFile } from "node:fs/promises";
import { afterEach, describe, expect, test } from "vitest";
import type { Disk } from "../../src/disk/disk.js";
import type { Store } from "../../src/index.js";
import { FRAME_AT, FRAME_HEADER_BYTES, segmentFileName } from "../../src/log/format.js";
import { realDisks } from "../support/disks.js";
import { makeRealPlace, type Place } from "./places.js";
import { digestOf } from "./state.js";
import { accounts, events, nested, orders, quotes, tables } from "./tables.js";

const DISKS = realDisks();
const PAIRS = [...DISKS.keys()].flatMap((a) =>
  [...DISKS.keys()].filter((b) => b !== a).map((b) => [a, b] as const),
);

const places: Place[] = [];
afterEach(async () => {
  for (const place of places.splice(0)) await place.dispose();
});

async function makePlace(disk: Disk): Promise<Place> {
  const place = await makeRealPlace(disk);
  places.push(place);
  return place;
}

/** The same work whatever the disk is; every step is durable before the next begins. */
async function work(store: Store): Promise<void> {
  for (let i = 0; i < 40; i++) {
    await store.table(orders).put(i, { amount: i, note: "x".repeat(i * 50) });
    store.table(accounts).putSync(`account ${i % 7}`, { balance: i });
    await store.table(events).put(BigInt(i), { text: `${i}` });
    await store.table(quotes).put(["q", i % 3], { price: i });
    await store.transact((transaction) => {
      transaction.delete(orders, i - 5);
      transaction.put(nested, `${i}`, {
        raw: new Uint8Array(i * 10).fill(i),
        numbers: [i],
        blobs: [],
        tags: {},
        inner: { values: [], blob: null },
      });
    });
  }
  await store.durable();
}

describe("a store", () => {
  test.each(PAIRS)("written on %s is opened, and written on, on %s", async (first, second) => {
    const place = await makePlace(DISKS.get(first)!);
    let store = await place.open({ tables });
    await work(store);
    const state = digestOf(store);
    const sequence = store.lastSequence;
    await store.close();
    store = await place.open({ tables, disk: DISKS.get(second)! });
    expect(digestOf(store)).toBe(state);
    expect(store.lastSequence).toBe(sequence);
    await store.table(orders).put(1000, { amount: 1 });
    await store.close();
    store = await place.open({ tables });
    expect(store.table(orders).get(1000)).toEqual({ amount: 1, note: "" });
    expect(store.recovery).toMatchObject({ epoch: 3, lastSequence: sequence + 1, tornBytes: 0 });
  });
});

/** The same disk with a clock that stands still and chance that is none. */
function withoutChance(disk: Disk): Disk {
  const replaced: Partial<Disk> = {
    clock: { ...disk.clock, nowMicros: () => 1_700_000_000_000_000 },
    randomBytes: (length) => new Uint8Array(length).fill(0x5a),
  };
  return new Proxy(disk, {
    get(target, name) {
      if (name in replaced) return replaced[name as keyof Disk];
      const value = Reflect.get(target, name, target) as unknown;
      return typeof value === "function" ? value.bind(target) : value;
    },
  });
}

/** Bytes of the log's files, which begin with the frames and end in zeros. */
async function logOf(disk: Disk): Promise<Map<string, Buffer>> {
  const place = await makePlace(disk);
  const store = await place.open({
    tables,
    disk: withoutChance(disk),
    writerId: "same",
    segmentBytes: 64 * 1024,
    // A seal comes when the store is idle, which is a matter of time; here only the last one does.
    sealDelayMicros: 60_000_000,
    flushDelayMicros: 60_000_000,
    cachedDelayMicros: 3_600_000_000,
  });
  await work(store);
  expect(store.stats().log.segmentsGrown).toBe(0);
  await store.close();
  const logs = new Map<string, Buffer>();
  for (const name of await readdir(place.directory)) {
    if (name.endsWith(".log")) logs.set(name, await readFile(`${place.directory}/${name}`));
  }
  return logs;
}

test("the same transactions are the same bytes on every disk, all of the log", async () => {
  const logs: (readonly [string, Map<string, Buffer>])[] = [];
  for (const [name, disk] of DISKS) logs.push([name, await logOf(disk)]);
  const [, expected] = logs[0]!;
  expect(expected.size).toBeGreaterThanOrEqual(3);
  const first = expected.get(segmentFileName(1))!;
  const frame = first.subarray(4096);
  expect(frame.readUInt32LE(FRAME_AT.payloadBytes)).toBeGreaterThan(FRAME_HEADER_BYTES);
  for (const [name, files] of logs) {
    expect([...files.keys()], name).toEqual([...expected.keys()]);
    for (const [file, bytes] of files) {
      expect(bytes.equals(expected.get(file)!), `${file} on ${name}`).toBe(true);
    }
  }
});
