/** The program of docs/blobs.md prints what the document says, and the command reads its store. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { holdfast, jsonLines } from "../cli/stores.js";
import { testPage } from "./page.js";

const { directory, state } = testPage("blobs");

test("its blobs are listed, and come out", async () => {
  const versions = await jsonLines("blob", "list", state, "model");
  expect(versions).toMatchObject([
    { version: 2, tags: { epoch: "2" }, pins: 0 },
    { version: 3, tags: {}, pins: 1 },
  ]);
  const out = join(directory, "out.safetensors");
  expect((await holdfast("blob", "get", state, "model", out)).code).toBe(0);
  expect(readFileSync(out)).toHaveLength(2_000_164);
});
