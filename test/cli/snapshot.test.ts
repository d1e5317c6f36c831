/** `holdfast snapshot`: taken, listed, dropped; and refused while a program has the store. */
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { SnapshotReport } from "../../src/cli/snapshot-report.js";
import { ensureBuilt } from "../support/built.js";
import { copyOf, makeDirectory, manifestOf, removeDirectories, verify } from "./frames.js";
import { filesOf, type KnownStore, makeRunStore, read } from "./run-stores.js";
import { hashOf, holdfast, withWriter } from "./stores.js";

let known: KnownStore;

beforeAll(async () => {
  ensureBuilt();
  known = await makeRunStore();
});

afterAll(removeDirectories);

async function list(directory: string): Promise<SnapshotReport[]> {
  const { code, stdout, stderr } = await holdfast("snapshot", directory, "--list", "--json");
  expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
  return (JSON.parse(stdout) as { snapshots: SnapshotReport[] }).snapshots;
}

describe("taken", () => {
  test("of a store that nobody has: it holds all there is, the rest stays as it was", async () => {
    const directory = await copyOf(known.directory);
    const archives = (await filesOf(directory, ".archive")).length;
    const { code, stdout, stderr } = await holdfast("snapshot", directory, "evening", "--json");
    expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
    expect(JSON.parse(stdout)).toMatchObject({ name: "evening", sequence: known.sequence });
    expect((await list(directory)).map(({ name }) => name)).toEqual([
      "round-0",
      "round-1",
      "round-2",
      "evening",
    ]);
    expect((await manifestOf(directory)).environment).toBe("test");
    expect((await filesOf(directory, ".archive")).length).toBeGreaterThanOrEqual(archives);
    expect(await verify(directory)).toMatchObject({ code: 0, findings: [], historyFrom: 1 });
    expect(await read(directory)).toEqual(known.now);
  });

  test("for people: one line", async () => {
    const directory = await copyOf(known.directory);
    const { stdout } = await holdfast("snapshot", directory, "evening");
    expect(stdout).toBe(`snapshot "evening" of everything through transaction ${known.sequence}\n`);
  });

  test("not twice under one name, not under what is no name", async () => {
    const directory = await copyOf(known.directory);
    const twice = await holdfast("snapshot", directory, "round-1");
    expect(twice).toMatchObject({ code: 1, stdout: "" });
    expect(twice.stderr).toMatch(/^holdfast: SNAPSHOT_EXISTS: .*"round-1"/);
    const none = await holdfast("snapshot", directory, "a name");
    expect(none).toMatchObject({ code: 2, stdout: "" });
    expect(none.stderr).toMatch(/^holdfast: INVALID_ARGUMENT: /);
  });

  test("not while a process has the store, which is named; listing goes on", async () => {
    const directory = await makeDirectory();
    await withWriter(directory, "hold", async (child) => {
      for (const args of [["mine"], ["--drop", "mine"]]) {
        const { code, stderr } = await holdfast("snapshot", directory, ...args);
        expect(code).toBe(1);
        if (args.length > 1) expect(stderr).toContain("SNAPSHOT_NOT_FOUND");
        else {
          expect(stderr).toMatch(/^holdfast: LOCKED: [^\n]*store\.snapshot\(name\)[^\n]*\n$/);
          expect(stderr).toContain(`open in process ${child.pid} on `);
        }
      }
      expect(await list(directory)).toEqual([]);
    });
  });

  test("not where there is no store, and not without a name", async () => {
    expect(await holdfast("snapshot", await makeDirectory(), "x")).toMatchObject({ code: 2 });
    for (const args of [[], ["x", "--list"], ["x", "--drop", "x"]]) {
      const { code, stderr } = await holdfast("snapshot", known.directory, ...args);
      expect(code).toBe(2);
      expect(stderr).toContain("give the name of a snapshot to take, or --list, or --drop <name>");
    }
  });
});

describe("listed", () => {
  test("the oldest first, with what each alone keeps; nothing is changed", async () => {
    const before = hashOf(known.directory);
    const snapshots = await list(known.directory);
    expect(snapshots.map(({ name }) => name)).toEqual(["round-0", "round-1", "round-2"]);
    for (const { bytes, ownBytes, runs } of snapshots) {
      expect(runs).toBeGreaterThan(0);
      expect(ownBytes).toBeLessThanOrEqual(bytes);
    }
    const { stdout } = await holdfast("snapshot", known.directory, "--list");
    expect(stdout).toMatch(/^snapshot +sequence +taken +runs +size +kept for it alone$/m);
    expect(hashOf(known.directory)).toBe(before);
  });

  test("none", async () => {
    const directory = await copyOf(known.directory);
    for (const round of [0, 1, 2])
      await holdfast("snapshot", directory, "--drop", `round-${round}`);
    expect((await holdfast("snapshot", directory, "--list")).stdout).toBe("no snapshots\n");
  });
});

describe("dropped", () => {
  test("what only it needed is removed, what others need stays", async () => {
    const directory = await copyOf(known.directory);
    const [first] = await list(directory);
    const { code, stdout } = await holdfast("snapshot", directory, "--drop", "round-0", "--json");
    expect({ code, dropped: JSON.parse(stdout) }).toEqual({
      code: 0,
      dropped: { dropped: "round-0", bytes: first?.ownBytes },
    });
    expect((await list(directory)).map(({ name }) => name)).toEqual(["round-1", "round-2"]);
    const { files } = await manifestOf(directory);
    expect((await filesOf(directory, ".run")).length).toBe(files.length);
    expect(await verify(directory)).toMatchObject({ code: 0, findings: [] });
    expect(await read(directory)).toEqual(known.now);
  });

  test("one that is not there: the others are named", async () => {
    const { code, stderr } = await holdfast("snapshot", known.directory, "--drop", "nonesuch");
    expect(code).toBe(1);
    expect(stderr).toMatch(/SNAPSHOT_NOT_FOUND: .*it has "round-0", "round-1", "round-2"/);
  });
});
