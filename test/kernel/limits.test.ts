/** Limits that the system sets to a process, and devices that are not like the one of every day. */
import { execFile, execFileSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import * as library from "../../src/index.js";
import { open } from "../../src/index.js";
import { diskOf, KILL_BACKENDS } from "../crash/disks.js";
import { checkHistory, historyTables, writeTransaction } from "../crash/history.mjs";
import { ensureBuilt } from "../support/built.js";
import { type FaultRow, recordFaults } from "../support/fault-matrix.js";
import { LoopImage } from "../support/loop-image.js";

const CHILD = fileURLToPath(new URL("limits-child.mjs", import.meta.url));
const LIFE_MILLIS_MAX = 40_000;

let directory: string;
const rows: FaultRow[] = [];
beforeAll(ensureBuilt);
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "holdfast-limits-"));
});
afterEach(() => rmSync(directory, { recursive: true }));
afterAll(() => {
  for (const { fault, how, observed } of rows) console.log(`${fault} (${how}): ${observed}`);
  if (rows.length > 0) recordFaults("limits", rows);
});

/** Undefined, and a loud word why, where the program that sets the limit is not there. */
async function under(
  limiter: readonly string[],
  child: { readonly backend: string; readonly what: string },
): Promise<Record<string, unknown> | undefined> {
  const [program, ...args] = limiter as [string, ...string[]];
  try {
    execFileSync(program, ["--version"], { stdio: "pipe" });
  } catch (error) {
    console.warn(`SKIPPED: ${child.what} on ${child.backend}: ${(error as Error).message}`);
    return undefined;
  }
  const options = JSON.stringify({ directory, ...child });
  const { stdout } = await promisify(execFile)(
    program,
    [...args, process.execPath, CHILD, options],
    { timeout: LIFE_MILLIS_MAX, killSignal: "SIGKILL" },
  );
  return JSON.parse(stdout) as Record<string, unknown>;
}

describe.each(KILL_BACKENDS)("on %s", (backend) => {
  const usable = diskOf(backend) !== undefined;

  test.runIf(usable)(
    "no descriptors: IO or waiting, nothing lost, and it goes on when there are",
    async () => {
      const result = await under(["prlimit", "--nofile=256"], { backend, what: "descriptors" });
      if (result === undefined) return;
      // One that was accepted before the refusal was known has waited, and gone on by itself.
      const end = result.waited ? { acknowledged: 200 } : { code: "IO", cause: "EMFILE" };
      expect(result).toMatchObject({
        refused: end,
        state: "open",
        resumed: { acknowledged: 20 },
        opening: { code: "IO", cause: "EMFILE" },
      });
      const { refused, found } = result as { refused: { acknowledged: number }; found: number };
      expect(refused.acknowledged).toBeGreaterThan(0);
      expect(found).toBe(refused.acknowledged + 20);
      rows.push({
        fault: "58 EMFILE",
        how: `RLIMIT_NOFILE, ${backend}`,
        fired: 2,
        expected: "typed, not poisoned, acknowledged kept",
        observed: `${result.waited ? "waiting" : "IO"} after ${refused.acknowledged} writes, went on`,
      });
    },
  );

  test.runIf(usable)("files may not be so long: a typed error, and nothing lost", async () => {
    const short = await under(["prlimit", "--fsize=50000"], { backend, what: "fileSize" });
    if (short === undefined) return;
    expect(short).toMatchObject({ opening: { code: "IO", cause: "EFBIG" } });
    rmSync(directory, { recursive: true });
    const long = await under(["prlimit", "--fsize=300000"], { backend, what: "fileSize" });
    expect(long).toMatchObject({
      small: { acknowledged: 5 },
      // What is left of a write that was cut off in the middle of a block is no direct write.
      large: { code: "OUTCOME_UNKNOWN", cause: expect.stringMatching(/^(EFBIG|EINVAL)$/) },
      found: 5,
    });
    rows.push({
      fault: "45 EFBIG",
      how: `RLIMIT_FSIZE, ${backend}`,
      fired: 2,
      expected: "typed, acknowledged kept",
      observed: "IO from open, OUTCOME_UNKNOWN from a write",
    });
  });

  test.runIf(usable)("a device of 4,096-byte blocks: no EINVAL, and all is there", async () => {
    const image = LoopImage.make(`a 4Kn device on ${backend}`, {
      megabytes: 64,
      sectorBytes: 4096,
    });
    if (image === undefined) return;
    try {
      const tables = historyTables(library);
      const path = join(image.directory, "store");
      const options = { backend, tables: Object.values(tables), segmentBytes: 128 * 1024 };
      const store = await open(path, options);
      for (let n = 1; n <= 500; n++) await writeTransaction(store, tables, n);
      const { method } = store.stats().disk;
      await store.close();
      await using again = await open(path, options);
      expect(checkHistory(again, tables)).toBe(500);
      rows.push({
        fault: "50 4Kn device",
        how: `losetup with sectors of 4096, ${backend}`,
        fired: 1,
        expected: "frames aligned, no EINVAL",
        observed: `so it was, by ${method}`,
      });
    } finally {
      image.remove();
    }
  });
});

test("io_uring refused by the kernel: threads, with the reason, and the same writes", async () => {
  const strace = ["strace", "-f", "-o", "/dev/null", "-e", "trace=io_uring_setup"];
  const inject = ["-e", "inject=io_uring_setup:error=EPERM"];
  const what = { backend: "auto", what: "chosen" };
  const result = await under([...strace, ...inject], what);
  if (result === undefined) return;
  expect(result).toMatchObject({ acknowledged: 20, used: "threads" });
  expect(result.reason).toContain("EPERM");
  rows.push({
    fault: "48 io_uring refused",
    how: "EPERM from io_uring_setup, injected by strace",
    fired: 1,
    expected: "threads, the same durability, and said so",
    observed: String(result.reason),
  });
});
