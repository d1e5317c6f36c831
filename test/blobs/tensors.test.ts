/** safetensors: what other tools write goes in and comes out byte for byte; what is none is refused. */
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { makeTensorHead, parseTensorHeader } from "../../src/blobs/tensors.js";
import { holdfast, jsonLines } from "../cli/stores.js";
import { ensureBuilt } from "../support/built.js";
import { MIB, noise, openAt, place, same } from "./content.js";

function file(header: unknown, data: Uint8Array, padding = ""): Uint8Array {
  const text = Buffer.from(
    (typeof header === "string" ? header : JSON.stringify(header)) + padding,
  );
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(text.length));
  return Buffer.concat([length, text, data]);
}

const of = (dtype: string, shape: number[], from: number, to: number) => ({
  dtype,
  shape,
  data_offsets: [from, to],
});

test("tensors become a safetensors file, and can be read one by one", async () => {
  const store = await openAt(place());
  const weights = new Float32Array(noise(2 * MIB).buffer);
  const bias = new Float32Array([1, 2, 3]);
  const tensors = {
    weights: { dtype: "F32", shape: [512, 1024], data: weights },
    bias: { dtype: "F32", shape: [3], data: bias },
    none: { dtype: "I64", shape: [0, 4], data: new BigInt64Array(0) },
  } as const;
  const made = await store.blobs.put("model", tensors);
  expect(made.isTensors).toBe(true);
  const infos = await store.blobs.tensors("model");
  expect(infos?.map(({ name, dtype, shape }) => ({ name, dtype, shape }))).toEqual([
    { name: "weights", dtype: "F32", shape: [512, 1024] },
    { name: "bias", dtype: "F32", shape: [3] },
    { name: "none", dtype: "I64", shape: [0, 4] },
  ]);
  const read = await store.blobs.tensor("model", "bias");
  const data = (read as { data: Uint8Array }).data.slice();
  expect(new Float32Array(data.buffer)).toEqual(bias);
  expect(await store.blobs.tensor("model", "other")).toBeUndefined();
  // Another header shifts all that follows: what follows is found all the same.
  weights[7] = 1;
  const more = {
    ...tensors,
    longer: { dtype: "U8", shape: [1], data: new Uint8Array(1) },
  } as const;
  expect((await store.blobs.put("model", more)).storedBytes).toBeLessThan(8 * 1024);
  const whole = (await store.blobs.get("model")) as Uint8Array;
  expect(parseTensorHeader(whole).length).toBe(whole.length);
  await store.blobs.put("bytes", noise(10));
  await expect(store.blobs.tensors("bytes")).rejects.toMatchObject({ code: "INVALID_ARGUMENT" });
  await store.close();
});

const data = new Uint8Array(8);
const REFUSED: readonly (readonly [string, Uint8Array])[] = [
  ["shorter than 8 bytes", new Uint8Array(3)],
  ["more than 100000000 bytes", Buffer.from([0, 0, 0, 0, 255, 0, 0, 0])],
  ["cut off", file({}, data).subarray(0, 9)],
  ["not UTF-8", file("", data, "{\ud800}".slice(0, 1)).fill(0xff, 8, 9)],
  ["begin with {", file(" {}", new Uint8Array(0))],
  ["not JSON", file("{", new Uint8Array(0))],
  ["unknown dtype", file({ a: of("F128", [1], 0, 8) }, data)],
  ["has no shape", file({ a: { dtype: "F32", data_offsets: [0, 8] } }, data)],
  ["no data_offsets", file({ a: { dtype: "F32", shape: [2] } }, data)],
  ["its shape needs 4", file({ a: of("F32", [1], 0, 8) }, data)],
  ["where one ended", file({ a: of("F32", [1], 4, 8) }, data)],
  ["where one ended", file({ a: of("F32", [2], 0, 8), b: of("F32", [1], 4, 8) }, data)],
  ["unknown member", file({ a: { ...of("F32", [2], 0, 8), x: 1 } }, data)],
  ["its header says", file({ a: of("F32", [2], 0, 8) }, new Uint8Array(9))],
  ["its header says", file({ a: of("F32", [2], 0, 8) }, new Uint8Array(7))],
  ["not a map of texts", file({ __metadata__: { a: 1 } }, new Uint8Array(0))],
  ["a name twice", file('{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},"a":{}}', data)],
];

test("what is no safetensors file is refused, and says why", async () => {
  const store = await openAt(place());
  for (const [why, bytes] of REFUSED) {
    const error = await store.blobs.put("m", bytes, { format: "safetensors" }).then(
      () => undefined,
      (reason: unknown) => reason,
    );
    expect(error, why).toMatchObject({ code: "BAD_TENSORS" });
    expect((error as Error).message).toContain(why);
  }
  expect(store.blobs.list()).toEqual([]);
  expect(store.blobs.stats().packs).toBe(0);
  expect(() =>
    makeTensorHead({ a: { dtype: "F32", shape: [2], data: new Uint8Array(4) } }),
  ).toThrow("its shape needs 8");
  await store.close();
});

test("holdfast blob put, list, get and drop", async () => {
  ensureBuilt();
  const directory = place();
  await (await openAt(directory)).close();
  const folder = join(directory, "..");
  const model = join(folder, "model.safetensors");
  const header = { __metadata__: { of: "test" }, w: of("BF16", [600, 1000], 0, 1_200_000) };
  const bytes = file(header, noise(1_200_000), "   ");
  writeFileSync(model, bytes);
  const [put] = await jsonLines("blob", "put", directory, "model", model, "--tag", "epoch=7");
  expect(put).toMatchObject({ name: "model", version: 1, isTensors: true, tags: { epoch: "7" } });
  const changed = Buffer.from(bytes);
  changed[700_000] = (changed[700_000] as number) ^ 1;
  writeFileSync(model, changed);
  const second = await holdfast("blob", "put", directory, "model", model);
  expect(second.stdout).toMatch(/^model version 2: 1\.\d MiB, of which .* were to be stored\n$/);
  const out = join(folder, "out");
  expect((await holdfast("blob", "get", directory, "model", out)).code).toBe(0);
  expect(same(readFileSync(out), changed)).toBe(true);
  const first = await holdfast("blob", "get", directory, "model", out, "--number", "1");
  expect(first.code).toBe(0);
  expect(same(readFileSync(out), bytes)).toBe(true);
  expect((await holdfast("blob", "list", directory)).stdout).toMatch(/model +2 +1\.\d MiB/);
  expect(await jsonLines("blob", "list", directory, "model")).toHaveLength(2);
  expect((await holdfast("inspect", directory)).stdout).toContain("packs 1.1 MiB");
  writeFileSync(model, changed.subarray(0, 100));
  const bad = await holdfast("blob", "put", directory, "model", model);
  expect(bad).toMatchObject({ code: 1, stdout: "" });
  expect(bad.stderr).toContain("BAD_TENSORS");
  expect((await holdfast("blob", "drop", directory, "model", "--number", "1")).code).toBe(0);
  expect((await holdfast("blob", "get", directory, "model", out, "--number", "1")).code).toBe(2);
  expect((await holdfast("verify", directory)).stdout).toContain("blobs: 2 packs with ");
});
