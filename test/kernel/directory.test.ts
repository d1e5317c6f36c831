/**
 * The directory of a running store is removed, renamed, or another store is made at its place: the
 * store stops with a typed error, nothing is made by the old name, and nobody else's files are touched.
 */
import { existsSync, mkdtempSync, renameSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import * as library from "../../src/index.js";
import { HoldfastError, type OpenOptions, open, type Store } from "../../src/index.js";
import { diskOf, KILL_BACKENDS, type KillBackend } from "../crash/disks.js";
import { checkHistory, historyTables, writeTransaction } from "../crash/history.mjs";
import { assertSound } from "../crash/verify.js";
import { ensureBuilt } from "../support/built.js";
import { type FaultRow, recordFaults } from "../support/fault-matrix.js";
import { withinLimit } from "./within.js";

const TABLES = historyTables(library);
const rows: FaultRow[] = [];
let parent: string;
let path: string;
let moved: string;

beforeAll(ensureBuilt);
beforeEach(() => {
  parent = mkdtempSync(join(tmpdir(), "holdfast-directory-"));
  [path, moved] = [join(parent, "store"), join(parent, "moved")];
});
afterEach(() => rmSync(parent, { recursive: true }));
afterAll(() => {
  if (rows.length > 0) recordFaults("directory", rows);
});

function optionsOf(backend: KillBackend, rest: OpenOptions = {}): OpenOptions {
  const tables = Object.values(TABLES);
  return { backend, tables, finalSnapshotMillis: 0, onWarning: () => {}, ...rest };
}

/** One after the other, up to the first that is refused; gives the last that was acknowledged. */
async function writeUntilRefused(store: Store, from: number, pauseMillis: number) {
  for (let n = from; ; n++) {
    try {
      await writeTransaction(store, TABLES, n);
      await store.durable();
    } catch (error) {
      return { acknowledged: n - 1, error: error as HoldfastError };
    }
    if (pauseMillis > 0) await sleep(pauseMillis);
  }
}

async function write(store: Store, from: number, through: number): Promise<void> {
  for (let n = from; n <= through; n++) await writeTransaction(store, TABLES, n);
  await store.durable();
}

/** Has stopped for good: reads go on, nothing else does, and `close` ends. */
async function expectStopped(store: Store, error: HoldfastError, causes: string[]): Promise<void> {
  expect(["POISONED", "OUTCOME_UNKNOWN"]).toContain(error.code);
  expect(causes).toContain(rootOf(error));
  expect(store.stats().state).toBe("poisoned");
  expect(checkHistory(store, TABLES)).toBeGreaterThan(0);
  await expect(store.table(TABLES.orders).put(1, { n: 1, content: new Uint8Array(1) }))
    .rejects //
    .toMatchObject({ code: "POISONED" });
  const typed = (reason: unknown) => expect(reason).toBeInstanceOf(HoldfastError);
  await withinLimit(
    store.flush().then(() => {}, typed),
    "flush",
  );
  await withinLimit(
    store.snapshot().then(() => expect.unreachable(), typed),
    "snapshot",
  );
  await withinLimit(store.close().catch(typed), "close");
}

/** The code of what was behind it, of this package or of the system. */
function rootOf(error: Error): unknown {
  const { cause } = error;
  return cause instanceof Error ? rootOf(cause) : (error as NodeJS.ErrnoException).code;
}

const GONE = ["MISSING_FILE", "ENOENT"];

function note(how: string, backend: KillBackend, observed: string): void {
  rows.push({
    fault: "62 directory removed or renamed while open",
    how: `${how}, ${backend}`,
    fired: 1,
    expected: "refused with a typed error, poisoned, nothing made by the old name",
    observed,
  });
}

describe.each(KILL_BACKENDS)("on %s", (backend) => {
  const usable = diskOf(backend) !== undefined;

  test.runIf(usable)("removed: it stops although its segment has room", async () => {
    const store = await open(path, optionsOf(backend));
    await write(store, 1, 20);
    // The next segment is prepared: it is not that which stops it.
    await expect.poll(() => store.stats().background.segments).toBe(2);
    await store.snapshot("before");
    rmSync(path, { recursive: true });
    const writing = writeUntilRefused(store, 21, 200);
    const { error } = await withinLimit(writing, "writing to what was removed");
    await expectStopped(store, error, GONE);
    expect(existsSync(path)).toBe(false);
    note("rm -r", backend, `${error.code}, and no new directory`);
  });

  test.runIf(usable)(
    "renamed: it stops, and under its new name has what was acknowledged",
    async () => {
      const options = optionsOf(backend, { segmentBytes: 128 * 1024 });
      const store = await open(path, options);
      await write(store, 1, 20);
      renameSync(path, moved);
      const writing = writeUntilRefused(store, 21, 0);
      const { error, acknowledged } = await withinLimit(writing, "writing to what was renamed");
      await expectStopped(store, error, GONE);
      expect(existsSync(path)).toBe(false);
      const again = await open(moved, options);
      expect(checkHistory(again, TABLES)).toBeGreaterThanOrEqual(acknowledged);
      await again.close();
      await assertSound(moved);
      note("mv", backend, `${error.code}; all there under the new name`);
    },
  );

  test.runIf(usable)("another store in its place: neither harms the other", async () => {
    // Both make the same names of segments and runs, at the same time.
    const options = optionsOf(backend, { segmentBytes: 128 * 1024, recoveryBudgetMillis: 1 });
    const store = await open(path, options);
    await write(store, 1, 300);
    renameSync(path, moved);
    const other = await open(path, options);
    await write(other, 1, 20);
    const writing = writeUntilRefused(store, 301, 0);
    await write(other, 21, 300);
    const { error, acknowledged } = await withinLimit(writing, "writing beside another store");
    await expectStopped(store, error, [...GONE, "FENCED"]);
    await write(other, 301, 400);
    await other.flush();
    await other.close();
    for (const [place, least] of [
      [path, 400],
      [moved, acknowledged],
    ] as const) {
      // Its release went to where the directory was, and this process lives.
      if (place === moved) rmSync(join(moved, "LOCK"));
      const again = await open(place, options);
      expect(checkHistory(again, TABLES)).toBeGreaterThanOrEqual(least);
      await again.close();
      await assertSound(place);
    }
    note("mv, and a new store by the old name", backend, `${error.code}; both whole`);
  });
});
