/** Blobs of a store: what goes in comes out, whatever it is made of, and whatever happened between. */
import { Readable } from "node:stream";
import { expect, test } from "vitest";
import { defineTable, integer, isHoldfastError, open, string } from "../../src/index.js";
import { MIB, noise, openAt, packsIn, place, same } from "./content.js";

test("whole, by range and as a stream, before and after the store was closed", async () => {
  const directory = place();
  const content = noise(2.5 * MIB);
  let store = await openAt(directory);
  expect(await store.blobs.get("nothing")).toBeUndefined();
  expect(store.blobs.stream("nothing")).toBeUndefined();
  const made = await store.blobs.put("noise", content, { tags: { of: "nothing" } });
  expect(made).toMatchObject({ name: "noise", version: 1, length: content.length, pins: 0 });
  const check = async (): Promise<void> => {
    const { blobs } = store;
    expect(same(await blobs.get("noise"), content)).toBe(true);
    const part = await blobs.read("noise", { offset: MIB - 10, length: 30 });
    expect(same(part, content.subarray(MIB - 10, MIB + 20))).toBe(true);
    expect(await blobs.read("noise", { offset: content.length, length: 5 })).toHaveLength(0);
    const pieces: Uint8Array[] = [];
    for await (const piece of blobs.stream("noise", { offset: 7 }) ?? []) pieces.push(piece);
    expect(same(Buffer.concat(pieces), content.subarray(7))).toBe(true);
    expect(blobs.versions("noise")).toEqual([made]);
    expect(blobs.list()).toEqual([made]);
  };
  await check();
  await store.close();
  store = await openAt(directory);
  await check();
  await store.close();
});

test("bytes, buffers, typed arrays, shared memory, iterables and streams", async () => {
  const store = await openAt(place());
  const content = noise(1.25 * MIB);
  const shared = new SharedArrayBuffer(content.length);
  new Uint8Array(shared).set(content);
  const pieces = [
    content.subarray(0, 10),
    content.subarray(10, MIB + 1),
    content.subarray(MIB + 1),
  ];
  const all = {
    bytes: content,
    buffer: content.slice().buffer,
    view: new DataView(content.buffer),
    floats: new Float32Array(content.slice().buffer),
    shared,
    sharedView: new Uint8Array(shared),
    list: pieces,
    generator: (async function* () {
      yield* pieces;
    })(),
    node: Readable.from(
      pieces.map((piece) => Buffer.from(piece)),
      { objectMode: false },
    ),
    web: new Blob(pieces as Uint8Array<ArrayBuffer>[]).stream(),
    empty: new Uint8Array(0),
  };
  for (const [name, data] of Object.entries(all)) {
    const { length } = await store.blobs.put(name, data as Uint8Array);
    expect([name, length]).toEqual([name, name === "empty" ? 0 : content.length]);
    const wanted = name === "empty" ? new Uint8Array(0) : content;
    expect([name, same(await store.blobs.get(name), wanted)]).toEqual([name, true]);
  }
  // Every chunk is stored once.
  expect(store.blobs.stats().packs).toBe(1);
  expect(store.blobs.stats().bytes).toBeLessThan(content.length + 4096);
  await store.close();
});

test("what differs from the version before is what is stored", async () => {
  const store = await openAt(place());
  const weights = new Float32Array(noise(3 * MIB).buffer).map((_, i) => Math.sin(i) / 50);
  await store.blobs.put("model", weights);
  const before = weights.slice();
  for (let i = 0; i < weights.length; i += 97) weights[i] = (weights[i] as number) * 1.01;
  const second = await store.blobs.put("model", weights);
  expect(second.storedBytes).toBeLessThan(0.03 * second.length);
  const dense = weights.map((one, i) => one + Math.cos(i * 7) * 2e-5);
  const third = await store.blobs.put("model", dense);
  expect(third.storedBytes).toBeLessThan(0.75 * third.length);
  const whole = await store.blobs.put(
    "model",
    dense.map((one) => one + 1),
    { base: false },
  );
  expect(whole.storedBytes).toBeGreaterThan(0.9 * whole.length);
  const versions = [before, weights, dense];
  for (const [i, floats] of versions.entries()) {
    const wanted = new Uint8Array(floats.buffer);
    expect(same(await store.blobs.get("model", { version: i + 1 }), wanted)).toBe(true);
  }
  await store.close();
});

test("a reference commits with the rows that hold it, and what it refers to is not dropped", async () => {
  const directory = place();
  const models = defineTable({
    name: "models",
    version: 1,
    key: string(),
    fields: { blob: string(), version: integer() },
  });
  const store = await openAt(directory, { tables: [models] });
  const prepared = await store.blobs.prepare("m", noise(MIB));
  expect(store.blobs.list()).toEqual([]);
  expect(() =>
    store.transactSync((tx) => {
      tx.blobs.put(prepared);
      throw new RangeError("no");
    }),
  ).toThrow("no");
  const version = store.transactSync((tx) => {
    const { version: made } = tx.blobs.put(prepared, { pinned: true });
    tx.put(models, "in use", { blob: "m", version: made });
    return made;
  });
  expect(version).toBe(1);
  expect(() => store.transactSync((tx) => tx.blobs.put(prepared))).toThrow("committed already");
  await expect(store.blobs.drop("m")).rejects.toMatchObject({ code: "BLOB_PINNED" });
  await store.transact((tx) => {
    tx.delete(models, "in use");
    tx.blobs.unpin("m", version);
    tx.blobs.drop("m");
  });
  expect(store.blobs.version("m")).toBeUndefined();
  expect((await store.blobs.put("m", noise(10))).version).toBe(2);
  await store.close();
});

test("dropped versions are taken away, but not what snapshots, views or others need", async () => {
  const directory = place();
  const store = await openAt(directory);
  const [a, b] = [noise(2 * MIB, 1), noise(2 * MIB, 2)];
  const both = new Uint8Array(4 * MIB);
  both.set(a);
  both.set(b, a.length);
  await store.blobs.put("a", a);
  await store.blobs.put("both", both);
  await store.snapshot("kept");
  const view = store.view();
  await store.blobs.drop("both");
  expect(await store.blobs.collect()).toMatchObject({ packsRemoved: 0 });
  await store.dropSnapshot("kept");
  expect(await store.blobs.collect()).toMatchObject({ packsRemoved: 0 });
  expect(same(await view.blobs.get("both"), both)).toBe(true);
  view.release();
  expect(await store.blobs.collect()).toMatchObject({ packsRemoved: 1 });
  expect(packsIn(directory)).toHaveLength(1);
  expect(same(await store.blobs.get("a"), a)).toBe(true);
  await store.close();
});

test("a pack of which little is needed is made anew", async () => {
  const directory = place();
  const store = await openAt(directory);
  const parts = [noise(MIB, 1), noise(MIB, 2), noise(MIB, 3)];
  await store.blobs.put("all", Buffer.concat(parts));
  await store.blobs.put("third", parts[2] as Uint8Array);
  await store.blobs.drop("all");
  const done = await store.blobs.collect();
  expect(done).toMatchObject({ packsRemoved: 1, packsMade: 1 });
  expect(done.bytesFreed).toBeGreaterThan(2 * MIB - 4096);
  expect(packsIn(directory)).toEqual(["0000000000000003.pack"]);
  expect(same(await store.blobs.get("third"), parts[2] as Uint8Array)).toBe(true);
  await store.close();
  const again = await openAt(directory);
  expect(same(await again.blobs.get("third"), parts[2] as Uint8Array)).toBe(true);
  await again.close();
});

test("the history keeps what its states need", async () => {
  const store = await openAt(place(), { history: "all" });
  const content = noise(MIB);
  await store.blobs.put("m", content);
  const { lastSequence } = store;
  await store.blobs.drop("m");
  const done = await store.blobs.collect();
  expect(done.packsRemoved).toBe(0);
  expect(done.bytesWaiting).toBeGreaterThan(MIB);
  const then = await store.at(lastSequence);
  expect(same(await then.blobs.get("m"), content)).toBe(true);
  await then.close();
  await store.rollback(lastSequence, { reason: "it is needed" });
  expect(same(await store.blobs.get("m"), content)).toBe(true);
  expect((await store.blobs.collect()).bytesWaiting).toBe(0);
  await store.close();
});

test("a put that fails leaves nothing", async () => {
  const directory = place();
  const store = await openAt(directory);
  const failing = (async function* () {
    yield noise(2 * MIB);
    throw new RangeError("the source has failed");
  })();
  await expect(store.blobs.put("m", failing)).rejects.toThrow("the source has failed");
  const stop = new AbortController();
  const stopped = (async function* () {
    yield noise(2 * MIB);
    stop.abort(new RangeError("enough"));
    yield noise(2 * MIB);
  })();
  await expect(store.blobs.put("m", stopped, { signal: stop.signal })).rejects.toThrow("enough");
  expect(packsIn(directory)).toEqual([]);
  expect(store.blobs.list()).toEqual([]);
  await store.close();
  const plain = await open(directory, { environment: "test" });
  expect(() => plain.blobs).toThrow("not opened for blobs");
  try {
    plain.transactSync((tx) => tx.blobs.drop("m"));
  } catch (error) {
    expect(isHoldfastError(error, "INVALID_ARGUMENT")).toBe(true);
  }
  await plain.close();
});
