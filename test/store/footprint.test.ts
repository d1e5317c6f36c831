/** What rows are said to take in memory against what the heap of a process grows by. */
import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";

const CHILD = fileURLToPath(new URL("footprint-child.mjs", import.meta.url));

/** Garbage that is not collected yet, code and feedback are in the measured part too. */
const TOLERANCE = 0.35;

test("rows take what they are counted for, whatever their fields", () => {
  const directory = mkdtempSync(join(tmpdir(), "holdfast-footprint-"));
  try {
    const told = execFileSync(process.execPath, ["--expose-gc", CHILD, directory], {
      encoding: "utf8",
    });
    const shapes = JSON.parse(told) as { name: string; heap: number; counted: number }[];
    expect(shapes.length).toBe(5);
    for (const { name, heap, counted } of shapes) {
      const off = Math.abs(counted / heap - 1);
      expect(off, `${name}: ${counted} counted for ${heap} bytes a row`).toBeLessThan(TOLERANCE);
    }
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
});
