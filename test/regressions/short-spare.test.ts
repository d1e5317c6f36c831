/**
 * The log had gone on in a segment that the manifest still called a spare, and that file was cut
 * short: recovery never asked for its size, and acknowledged writes were gone without a word.
 */
import { cpSync, mkdtempSync, rmSync, statSync, truncateSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { bytes, defineTable, integer, open } from "../../src/index.js";

const blobs = defineTable({
  name: "blobs",
  version: 1,
  key: integer(),
  fields: { content: bytes() },
});
const options = {
  tables: [blobs],
  backend: "portable",
  segmentBytes: 64 * 1024,
  onWarning: () => {},
} as const;

let directory = "";
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "holdfast-"));
});
afterEach(() => {
  rmSync(directory, { recursive: true, force: true });
});

/** A copy of the store as a process that was killed would leave it, with its log in two segments. */
async function crashedStore(): Promise<string> {
  const store = await open(join(directory, "store"), options);
  const image = join(directory, "image");
  for (let key = 0; key < 9; key++) {
    await store.table(blobs).put(key, { content: new Uint8Array(7000) });
  }
  expect(store.durableSequence).toBe(10);
  cpSync(join(directory, "store"), image, { recursive: true });
  await store.close();
  return image;
}

test("a spare that is shorter than the manifest says is damage, whatever stands in it", async () => {
  const image = await crashedStore();
  rmSync(join(image, "LOCK"));
  const path = join(image, "0000000000000002.log");
  expect(statSync(path).size).toBe(64 * 1024);
  for (const length of [4096, 0]) {
    truncateSync(path, length);
    await expect(open(image, options)).rejects.toMatchObject({
      code: "CORRUPT_LOG",
      data: { file: path },
    });
  }
});
