/** Directories and file systems that may not be written, or not even be entered. */
import { execFile, execFileSync } from "node:child_process";
import { chownSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import * as library from "../../src/index.js";
import { open } from "../../src/index.js";
import { diskOf, KILL_BACKENDS } from "../crash/disks.js";
import { checkHistory, historyTables, writeTransaction } from "../crash/history.mjs";
import { assertSound } from "../crash/verify.js";
import { ensureBuilt } from "../support/built.js";
import { type FaultRow, recordFaults } from "../support/fault-matrix.js";
import { LoopImage } from "../support/loop-image.js";

const CHILD = fileURLToPath(new URL("no-permission-child.mjs", import.meta.url));
const NOBODY = 65534;
const LIFE_MILLIS_MAX = 40_000;
const TABLES = historyTables(library);
const rows: FaultRow[] = [];

beforeAll(ensureBuilt);
afterAll(() => {
  if (rows.length > 0) recordFaults("read-only", rows);
});

function contentsOf(directory: string): Map<string, string> {
  const names = readdirSync(directory).sort();
  return new Map(names.map((name) => [name, readFileSync(join(directory, name), "base64")]));
}

/** Root may do everything; somebody else may not be able to read what is to be run. */
function unprivileged(what: string): { uid?: number; gid?: number } | undefined {
  if (process.getuid?.() !== 0) return {};
  const user = { uid: NOBODY, gid: NOBODY };
  try {
    execFileSync(process.execPath, ["--check", CHILD], { ...user, stdio: "pipe", cwd: "/" });
    return user;
  } catch (error) {
    console.warn(`SKIPPED: ${what}: nobody may not read it: ${(error as Error).message}`);
    return undefined;
  }
}

describe.each(KILL_BACKENDS)("on %s", (backend) => {
  const usable = diskOf(backend) !== undefined;

  test.runIf(usable)(
    "a directory without permissions: typed, nothing lost, good again",
    async () => {
      const user = unprivileged(`permissions on ${backend}`);
      if (user === undefined) return;
      const directory = mkdtempSync(join(tmpdir(), "holdfast-permission-"));
      try {
        if (user.uid !== undefined) chownSync(directory, NOBODY, NOBODY);
        const options = JSON.stringify({ directory: join(directory, "store"), backend });
        const limits = { timeout: LIFE_MILLIS_MAX, killSignal: "SIGKILL", cwd: directory } as const;
        const args = [CHILD, options];
        const { stdout } = await promisify(execFile)(process.execPath, args, {
          ...limits,
          ...user,
        });
        const result = JSON.parse(stdout) as { acknowledged: number; found: number };
        expect(result).toMatchObject({
          refused: { code: expect.stringMatching(/^(POISONED|OUTCOME_UNKNOWN)$/), cause: "EACCES" },
          state: "poisoned",
          opening: { code: "IO", cause: "EACCES" },
        });
        expect(result.found).toBeGreaterThanOrEqual(result.acknowledged);
        rows.push({
          fault: "62 directory without permissions while open",
          how: `chmod 000, ${backend}`,
          fired: 1,
          expected: "typed, poisoned; opening is IO; good again with permissions",
          observed: `EACCES after ${result.acknowledged} writes; all there afterwards`,
        });
      } finally {
        rmSync(directory, { recursive: true });
      }
    },
  );

  test.runIf(usable)("a read-only file system: IO, no file touched, good again", async () => {
    const image = LoopImage.make(`a read-only file system on ${backend}`, { megabytes: 32 });
    if (image === undefined) return;
    try {
      const path = join(image.directory, "store");
      const tables = Object.values(TABLES);
      const options = { backend, tables, segmentBytes: 128 * 1024, onWarning: () => {} };
      const store = await open(path, options);
      for (let n = 1; n <= 50; n++) await writeTransaction(store, TABLES, n);
      await store.snapshot("kept");
      await store.close();
      const before = contentsOf(path);
      execFileSync("mount", ["-o", "remount,ro", image.directory]);
      for (const where of [path, join(image.directory, "new")]) {
        const error = await open(where, options).catch((reason: Error) => reason);
        const { cause } = error as Error;
        expect([error, cause]).toMatchObject([{ code: "IO" }, { code: "EROFS" }]);
      }
      const snapshot = await open(path, { ...options, at: "kept" });
      expect(checkHistory(snapshot, TABLES)).toBe(50);
      await snapshot.close();
      await assertSound(path);
      expect(contentsOf(path)).toEqual(before);
      execFileSync("mount", ["-o", "remount,rw", image.directory]);
      await using again = await open(path, options);
      expect(checkHistory(again, TABLES)).toBe(50);
      rows.push({
        fault: "39 read-only file system",
        how: `remount,ro, ${backend}`,
        fired: 1,
        expected: "opening is IO and touches no file; snapshots are read",
        observed: "so it was",
      });
    } finally {
      image.remove();
    }
  });
});
