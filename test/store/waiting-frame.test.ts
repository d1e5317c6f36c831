/** A process whose frame waits for a segment must not end while it does. */
import { execFile } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { afterEach, beforeAll, expect, test } from "vitest";
import { ensureBuilt } from "../support/built.js";

const child = fileURLToPath(new URL("./waiting-frame-child.mjs", import.meta.url));
let directory = "";

beforeAll(() => {
  ensureBuilt();
});

afterEach(() => {
  rmSync(directory, { recursive: true, force: true });
});

test("a frame that waits for a descriptor, and nothing else, keeps it alive", async () => {
  directory = mkdtempSync(join(tmpdir(), "holdfast-"));
  const { stdout } = await promisify(execFile)(process.execPath, [child, join(directory, "store")]);
  expect(stdout).toBe("done IO\n");
});
