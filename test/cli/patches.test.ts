/** What the commands say of patches and typed arrays, by the schemas stored with them. */
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { defineTable, float64Array, integer, open, slice, string } from "../../src/index.js";
import { ensureBuilt } from "../support/built.js";
import { makeDirectory, removeDirectories } from "./frames.js";
import { holdfast, jsonLines } from "./stores.js";

const features = defineTable({
  name: "features",
  version: 1,
  key: string(),
  fields: { window: float64Array({ length: 40 }), seen: integer() },
  patches: true,
});

let directory = "";

beforeAll(async () => {
  ensureBuilt();
  directory = await makeDirectory();
  const options = { tables: [features], environment: "test", finalSnapshotMillis: 0 } as const;
  const store = await open(directory, { ...options, history: "all", onWarning: () => {} });
  await store.table(features).put("btc", { window: new Float64Array(40), seen: 1 });
  await store.flush();
  const change = { seen: 2, window: slice(7, Float64Array.of(1.5)) };
  await store.table(features).patch("btc", change);
  await store.close();
});

afterAll(removeDirectories);

/** 1.5 as eight bytes. */
const VALUES = "AAAAAAAA+D8=";

test("log, inspect, history, verify and export", async () => {
  const fields = { seen: 2, window: [{ offset: 7, values: VALUES }] };
  const [entry] = (await jsonLines("log", directory, "--json")).slice(-1);
  expect(entry).toMatchObject({
    operations: [{ operation: "patch", table: "features", version: 1, key: "btc", fields }],
  });
  const { stdout: log } = await holdfast("log", directory);
  expect(log).toContain(`patch features "btc" {"window":[{"offset":7,"values":"${VALUES}"}]`);
  const { stdout: inspected } = await holdfast("inspect", directory);
  expect(inspected).toContain("40 numbers of float64");
  const { stdout: history } = await holdfast("history", directory, "features", "btc");
  expect(history).toContain("seen: 1 → 2");
  const verified = await holdfast("verify", directory);
  expect(verified.code, verified.stdout).toBe(0);
  const file = join(await makeDirectory(), "rows.jsonl");
  expect((await holdfast("export", directory, file, "--table", "features")).code).toBe(0);
  const row = JSON.parse(await readFile(file, "utf8"));
  expect(row).toMatchObject({ key: "btc", seen: 2 });
  const numbers = new Float64Array(new Uint8Array(Buffer.from(row.window, "base64")).buffer);
  expect(numbers[7]).toBe(1.5);
});
