/** A process whose writers wait for the background must not end while they do. */
import { execFile } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { afterEach, beforeAll, expect, test } from "vitest";
import { ensureBuilt } from "../support/built.js";

const child = fileURLToPath(new URL("./pressure-child.mjs", import.meta.url));
let directory = "";

beforeAll(() => {
  ensureBuilt();
});

afterEach(() => {
  rmSync(directory, { recursive: true, force: true });
});

test("writers that are slowed, and nothing else that is going on, keep it alive", async () => {
  directory = mkdtempSync(join(tmpdir(), "holdfast-"));
  const { stdout } = await promisify(execFile)(process.execPath, [child, join(directory, "store")]);
  expect(stdout).toBe("done BACK_PRESSURE\n");
});
