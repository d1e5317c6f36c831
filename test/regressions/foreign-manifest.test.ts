/** A directory with a manifest.json, as web pages have, was taken for a damaged store. */
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { open } from "../../src/index.js";

test("a directory with some other manifest is somebody else's", async () => {
  const directory = mkdtempSync(join(tmpdir(), "holdfast-"));
  try {
    writeFileSync(join(directory, "manifest.json"), "{}");
    await expect(open(directory, { backend: "portable" })).rejects.toMatchObject({
      code: "NOT_A_STORE",
    });
    expect(readdirSync(directory)).toEqual(["manifest.json"]);
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
});
