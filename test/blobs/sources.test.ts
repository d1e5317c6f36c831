/** Sources that somebody writes meanwhile, and those that never end. */
import { execFileSync } from "node:child_process";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";
import { ensureBuilt } from "../support/built.js";
import { MIB, noise, openAt, packsIn, place, same } from "./content.js";

test("a shared source is held part by part, and what comes after its copy is not in it", async () => {
  const store = await openAt(place());
  const content = noise(3.3 * MIB);
  const shared = new Uint8Array(new SharedArrayBuffer(content.length));
  shared.set(content);
  const told: string[] = [];
  let at = 0;
  const { length } = await store.blobs.put("m", shared, {
    beforeCopy: async ({ offset, length: part }) => {
      expect(offset).toBe(at);
      at += part;
      await new Promise((resolve) => setTimeout(resolve, 1));
      told.push("before");
    },
    afterCopy: ({ offset, length: part }) => {
      told.push("after");
      expect(offset + part).toBe(at);
      shared.fill(0, offset, at);
    },
  });
  expect(length).toBe(content.length);
  expect(told).toEqual(Array.from({ length: 8 }, (_, i) => (i % 2 === 0 ? "before" : "after")));
  expect(same(await store.blobs.get("m"), content)).toBe(true);
  await expect(
    store.blobs.put("m", shared, {
      beforeCopy: () => {
        throw new RangeError("not now");
      },
    }),
  ).rejects.toThrow("not now");
  expect(store.blobs.versions("m")).toHaveLength(1);
  await store.close();
});

test("options are checked before anything is read", async () => {
  const store = await openAt(place());
  const put = (options: object, data: unknown = new Uint8Array(1)) =>
    store.blobs.put("m", data as Uint8Array, options);
  for (const [options, why] of [
    [{ bases: 1 }, 'unknown option "bases"'],
    [{ base: 0 }, "base must be"],
    [{ base: 7 }, "there is no version 7"],
    [{ base: { name: "other" } }, 'no version of blob "other"'],
    [{ format: "onnx" }, "format must be"],
    [{ elementBytes: 3 }, "elementBytes must be"],
    [{ tags: { a: 1 } }, 'tag "a" must be'],
    [{ retention: { keepVersions: 0 } }, "retention.keepVersions must be"],
    [{ retention: { keep: 1 } }, 'unknown option "retention.keep"'],
    [{ beforeCopy: 1 }, "beforeCopy must be of type function"],
    [{ signal: AbortSignal.abort(new RangeError("no more")) }, "no more"],
  ] as const) {
    await expect(put(options), why).rejects.toThrow(why);
  }
  await expect(put({}, "text")).rejects.toThrow("must be bytes");
  await expect(put({}, [1, 2])).rejects.toThrow("pieces of bytes");
  await expect(put({}, { a: { dtype: "F32", shape: [1] } })).rejects.toThrow("has no data");
  await expect(store.blobs.put("", new Uint8Array(1))).rejects.toThrow("name must be");
  expect(() => store.blobs.version("m", 0)).toThrow("version must be");
  await expect(store.blobs.read("m", { from: 1 } as object)).rejects.toThrow("unknown option");
  await expect(openAt(place(), { blobs: { keepVersions: "all" } })).rejects.toThrow("keepVersions");
  await store.close();
});

test("retention drops what is older, but not what is pinned", async () => {
  const store = await openAt(place(), { blobs: { keepVersions: 2 } });
  for (let i = 0; i < 4; i++) {
    const prepared = await store.blobs.prepare("m", noise(100, i));
    await store.transact((tx) => tx.blobs.put(prepared, { pinned: i === 0 }));
  }
  expect(store.blobs.versions("m").map(({ version }) => version)).toEqual([1, 3, 4]);
  await store.blobs.put("m", noise(100, 9), { retention: { keepForMillis: 3_600_000 } });
  expect(store.blobs.versions("m")).toHaveLength(4);
  expect(store.blobs.versions("m", { reverse: true, limit: 1 })[0]?.version).toBe(5);
  await store.close();
});

test("memory stays what it is, however long the stream", () => {
  ensureBuilt();
  const child = fileURLToPath(new URL("memory-child.mjs", import.meta.url));
  const mebibytes = process.env.HOLDFAST_SWEEP === "all" ? 4096 : 64;
  const told = execFileSync(process.execPath, ["--expose-gc", child, place(), String(mebibytes)], {
    encoding: "utf8",
  });
  const { length, read, grownMib, readMib } = JSON.parse(told);
  expect({ length, read }).toEqual({ length: mebibytes * MIB, read: mebibytes * MIB });
  expect(grownMib).toBeLessThan(64);
  // Pieces that were taken are memory of the reader, and garbage until that is collected.
  expect(readMib).toBeLessThan(160);
});

test("closing does not wait for a source that never gives anything", async () => {
  const directory = place();
  const store = await openAt(directory);
  const never = (async function* () {
    yield noise(MIB);
    await new Promise(() => {});
  })();
  const put = store.blobs.put("m", never).catch((error: unknown) => error);
  await new Promise((resolve) => setTimeout(resolve, 50));
  await store.close();
  expect(await put).toMatchObject({ code: "CLOSED" });
  expect(packsIn(directory)).toEqual([]);
});

test("a stream that is taken slowly goes on when its packs were replaced", async () => {
  const directory = place();
  const store = await openAt(directory);
  const parts = [1, 2, 3, 4, 5, 6, 7, 8].map((seed) => noise(MIB, seed));
  const whole = Buffer.concat(parts);
  for (const [i, part] of parts.entries()) await store.blobs.put(`p${i}`, part);
  await store.blobs.put("rest", Buffer.concat([noise(2 * MIB, 99), parts[7] as Uint8Array]));
  await store.blobs.put("whole", whole);
  const stream = store.blobs.stream("whole");
  const pieces: Uint8Array[] = [];
  for await (const piece of stream ?? []) {
    pieces.push(piece);
    if (pieces.length > 1) continue;
    await store.blobs.drop("rest");
    expect((await store.blobs.collect()).packsRemoved).toBe(1);
  }
  expect(same(Buffer.concat(pieces), whole)).toBe(true);
  await store.close();
});
