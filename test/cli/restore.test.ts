/** `holdfast restore`: a new store has every row of the snapshot, whatever came later. */
import { mkdir, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { Verification } from "../../src/cli/verify-store.js";
import { defineTable, integer, open, string } from "../../src/index.js";
import { runFileName } from "../../src/run/format.js";
import { ensureBuilt } from "../support/built.js";
import { copyOf, flip, makeDirectory, manifestOf, removeDirectories, verify } from "./frames.js";
import {
  filesOf,
  type KnownStore,
  makeRunStore,
  openRuns,
  orders,
  read,
  stateOf,
  steps,
} from "./run-stores.js";
import { hashOf, holdfast, segmentPath, withWriter } from "./stores.js";

let known: KnownStore;

beforeAll(async () => {
  ensureBuilt();
  known = await makeRunStore();
});

afterAll(removeDirectories);

interface Result {
  readonly directory: string;
  readonly storeId: string;
  readonly environment: string;
  readonly snapshot: { readonly name: string; readonly sequence: number };
  readonly rows: number;
  readonly tables: readonly { readonly name: string; readonly rows: number }[];
  readonly verification: Verification | null;
}

async function restore(directory: string, name: string, ...more: string[]) {
  const to = join(await makeDirectory(), "restored");
  const { code, stdout, stderr } = await holdfast(
    "restore",
    directory,
    name,
    to,
    "--json",
    ...more,
  );
  expect({ code, stderr }, stdout).toEqual({ code: 0, stderr: "" });
  return { to, result: JSON.parse(stdout) as Result };
}

describe("a round trip", () => {
  test.each(["round-0", "round-1", "round-2"])("%s", async (name) => {
    const before = hashOf(known.directory);
    const { to, result } = await restore(known.directory, name);
    expect(hashOf(known.directory)).toBe(before);
    const source = await manifestOf(known.directory);
    const snapshot = source.snapshots.find((one) => one.name === name);
    const expected = known.snapshots[name] as Record<string, string>;
    expect(result).toMatchObject({ environment: "test", rows: Object.keys(expected).length });
    expect(result.snapshot).toMatchObject({ name, sequence: snapshot?.sequence });
    expect(result.storeId).not.toBe(source.storeId);
    expect(result.verification).toMatchObject({ verdict: "sound", findings: [] });
    const made = await manifestOf(to);
    expect(made).toMatchObject({ storeId: result.storeId, durableThrough: snapshot?.sequence });
    expect(made.files.every(({ tombstones }) => tombstones === 0)).toBe(true);
    expect(await read(to)).toEqual(expected);
  });

  test("the next transaction is the one behind the snapshot's last, and all goes on", async () => {
    const { to, result } = await restore(known.directory, "round-1");
    const store = await openRuns(to);
    expect(store.lastSequence).toBe(result.snapshot.sequence);
    await steps(store, 1000, 1040);
    expect(store.lastSequence).toBe(result.snapshot.sequence + 40);
    await store.flush();
    await steps(store, 1040, 1050);
    const expected = stateOf(store);
    await store.close();
    expect(await read(to)).toEqual(expected);
    expect(await verify(to)).toMatchObject({ code: 0, findings: [] });
  });

  test("of a restored store's own snapshot, after merges and drops of the original", async () => {
    const directory = await copyOf(known.directory);
    const store = await openRuns(directory, { recoveryBudgetMillis: 1 });
    for (let i = 0; i < 10; i++) {
      await steps(store, 2000 + 30 * i, 2030 + 30 * i);
      await store.flush();
    }
    await store.dropSnapshot("round-0");
    await store.close();
    const { to } = await restore(directory, "round-1");
    const again = await openRuns(to);
    await again.snapshot("again");
    await steps(again, 0, 50);
    await again.close();
    const { to: second } = await restore(to, "again");
    expect(await read(second)).toEqual(known.snapshots["round-1"]);
  });

  test("a snapshot without a run, and one without a row", async () => {
    const directory = await makeDirectory();
    const store = await openRuns(directory);
    await store.snapshot("empty");
    await steps(store, 0, 20);
    await store.snapshot("log-only");
    const expected = stateOf(store);
    await steps(store, 20, 60);
    await store.close();
    const empty = await restore(directory, "empty");
    expect(empty.result).toMatchObject({ rows: 0, verification: { verdict: "sound" } });
    expect(await read(empty.to)).toEqual({});
    const { to } = await restore(directory, "log-only");
    expect(await read(to)).toEqual(expected);
  });

  test("what was declared since is not in it", async () => {
    const directory = await makeDirectory();
    const first = defineTable({
      name: "first",
      version: 1,
      key: string(),
      fields: { a: integer() },
    });
    const second = defineTable({
      name: "second",
      version: 1,
      key: string(),
      fields: { b: integer() },
    });
    const store = await open(directory, { tables: [first], environment: "test" });
    await store.table(first).put("x", { a: 1 });
    await store.snapshot("before");
    await store.close();
    const later = await open(directory, { tables: [first, second], environment: "test" });
    await later.table(second).put("y", { b: 2 });
    await later.close();
    const { to, result } = await restore(directory, "before");
    expect(result.tables).toEqual([{ name: "first", rows: 1 }]);
    expect((await manifestOf(to)).tables.map(({ name }) => name)).toEqual(["first"]);
    const restored = await open(to, { tables: [second, first], environment: "test" });
    expect([...restored.table(first).entries()]).toEqual([["x", { a: 1 }]]);
    expect(restored.table(second).count()).toBe(0);
    await restored.close();
  });

  test("beside a writer", async () => {
    const directory = await makeDirectory();
    const store = await openRuns(directory);
    await steps(store, 0, 60);
    await store.flush();
    await store.snapshot("kept");
    const expected = stateOf(store);
    await store.close();
    await withWriter(directory, "write", async () => {
      for (let i = 0; i < 3; i++) {
        const { to, result } = await restore(directory, "kept");
        expect(result.verification?.verdict).toBe("sound");
        expect(await read(to)).toEqual(expected);
      }
    });
  });
});

describe("for people", () => {
  test("says what was restored and that it was verified", async () => {
    const to = join(await makeDirectory(), "there");
    const { code, stdout } = await holdfast("restore", known.directory, "round-2", to);
    expect(code).toBe(0);
    expect(stdout).toMatch(/^snapshot +"round-2" of .*, through transaction \d+$/m);
    expect(stdout).toMatch(/^orders +\d+$/m);
    expect(stdout).toContain(`${to}: sound\n`);
  });

  test("--environment, and --no-verify", async () => {
    const { to, result } = await restore(
      known.directory,
      "round-0",
      "--environment",
      "rehearsal",
      "--no-verify",
    );
    expect(result).toMatchObject({ environment: "rehearsal", verification: null });
    expect(await read(to, "rehearsal")).toEqual(known.snapshots["round-0"]);
  });
});

describe("refused", () => {
  test("a place that is not empty, and nothing is changed in it", async () => {
    const file = await makeDirectory();
    await writeFile(join(file, "letter.txt"), "dear");
    const store = await copyOf(known.directory);
    for (const to of [file, store, known.directory]) {
      const before = hashOf(to);
      const { code, stderr } = await holdfast("restore", known.directory, "round-0", to);
      expect(code).toBe(2);
      expect(stderr).toMatch(/^holdfast: INVALID_ARGUMENT: .* is not empty .*\n$/);
      expect(hashOf(to)).toBe(before);
    }
  });

  test("what an earlier one left half done is no obstacle", async () => {
    const to = await makeDirectory();
    await writeFile(join(to, "CREATING"), "");
    await writeFile(join(to, runFileName(1)), "half a file");
    const { code } = await holdfast("restore", known.directory, "round-0", to);
    expect(code).toBe(0);
    expect(await read(to)).toEqual(known.snapshots["round-0"]);
  });

  test("a snapshot that is not there: nothing is made", async () => {
    const to = join(await makeDirectory(), "there");
    const { code, stderr } = await holdfast("restore", known.directory, "nonesuch", to);
    expect(code).toBe(1);
    expect(stderr).toContain('SNAPSHOT_NOT_FOUND: the store has no snapshot "nonesuch"; it has ');
    await expect(mkdir(to)).resolves.toBeUndefined();
  });

  test.each([
    ["run", "CORRUPT_RUN"],
    ["log", "CORRUPT_LOG"],
    ["missing", "MISSING_FILE"],
  ])("damage of a %s: %s, and there is no store", async (what, error) => {
    const directory = await copyOf(known.directory);
    const { snapshots, state, files } = await manifestOf(directory);
    const snapshot = snapshots.find(({ name }) => name === "round-1");
    const id = snapshot?.state.runs.at(-1)?.files[0] as number;
    expect(files.some((file) => file.id === id)).toBe(true);
    expect(state.runs.length).toBeGreaterThan(0);
    const path = join(directory, runFileName(id));
    if (what === "run") await flip(path, 200);
    if (what === "missing") await rm(path);
    if (what === "log") {
      const from = snapshot?.state.replayFrom;
      await flip(segmentPath(directory, from?.segmentId ?? 0), (from?.offset ?? 0) + 40);
    }
    const to = join(await makeDirectory(), "there");
    const { code, stderr } = await holdfast("restore", directory, "round-1", to);
    expect({ code, stderr }).toMatchObject({ code: 1 });
    expect(stderr).toContain(`holdfast: ${error}: `);
    expect((await filesOf(to, "")).filter((file) => !file.endsWith("LOCK"))).toEqual([]);
    const again = await holdfast("restore", known.directory, "round-1", to);
    expect(again.code).toBe(0);
    expect(Object.keys(await read(to)).some((key) => key.startsWith(orders.name))).toBe(true);
  });
});
