/** The harness of the peers: contenders in turns, the same engine over every store. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeAll, expect, test, vi } from "vitest";
import { ensureBuilt } from "../support/built.js";
import { loadBench } from "./load.js";

const { Contender, inTurns } = await loadBench("peers/turns");
const { Engine, coefficientOfText, readEvents } = await loadBench("peers/workloads/replay");
const { Rows, TABLE_NAMES, logicalBytes } = await loadBench("peers/tables");
const { namedWorkloads } = await loadBench("peers/named");
const { killAndOpen, verifyBySyncCalls } = await loadBench("peers/promise");
const { summaryOf } = await loadBench("peers/summary");

const directories: string[] = [];

beforeAll(() => {
  ensureBuilt();
});

afterEach(() => {
  for (const directory of directories.splice(0))
    rmSync(directory, { recursive: true, force: true });
  vi.restoreAllMocks();
});

function makeDirectory(): string {
  const directory = mkdtempSync(join(tmpdir(), "holdfast-"));
  directories.push(directory);
  return directory;
}

const HOLDFAST = { name: "holdfast", environment: {}, open: { promise: "power" } };

test("contenders take turns, another one first in each round; who fails is out", async () => {
  vi.spyOn(console, "error").mockImplementation(() => {});
  const course: string[] = [];
  const results = await inTurns(
    [{ name: "a" }, { name: "b" }, { name: "c" }],
    { rounds: 2, warmUp: 1 },
    async ({ name }: { name: string }) => {
      course.push(name);
      if (name === "b" && course.length > 3) throw new Error("broken");
      return course.length;
    },
  );
  // The second round begins with b, which fails in it; the third is of the others.
  expect(course.join("")).toBe("abcbcaca");
  expect(results.get("a")).toHaveLength(2);
  expect(results.get("b")).toEqual({ failed: "broken" });
});

/** A store of nothing but maps. `wrap`: its decimals are objects, as holdfast's are. */
function mapStore(wrap: boolean) {
  const tables = new Map<string, Map<string, unknown>>();
  const tableOf = (name: string) => {
    if (!tables.has(name)) tables.set(name, new Map());
    return tables.get(name)!;
  };
  return {
    decimal: (coefficient: number) => (wrap ? { coefficient } : coefficient),
    coefficientOf: (value: number | { coefficient: number }) =>
      typeof value === "object" ? value.coefficient : value,
    get: (table: string, key: string) => tableOf(table).get(key),
    apply(operations: [string, string, unknown][]) {
      for (const [table, key, row] of operations) tableOf(table).set(key, row);
    },
  };
}

test("the engine comes to the same over whatever keeps its rows, and moves all five tables", () => {
  const events = readEvents(4000) as object[];
  expect(events).toHaveLength(4000);
  const touched = new Set<string>();
  const digests = [false, true].map((wrap) => {
    const store = mapStore(wrap);
    const engine = new Engine(store);
    events.forEach((event, place) => {
      const operations = engine.operationsOf(event, place) as [string, string, unknown][];
      for (const [table] of operations) touched.add(table);
      store.apply(operations);
    });
    return engine.digest() as string;
  });
  expect(digests[0]).toBe(digests[1]);
  expect([...touched].sort()).toEqual([
    ...["balances", "nonces", "orders", "positions", "quotes", "risk"],
  ]);
  expect(digests[0]).not.toBe(new Engine(mapStore(false)).digest());
});

test("prices of a tape are integers without a float between", () => {
  expect(coefficientOfText("61837.63000000")).toBe(6_183_763_000_000);
  expect(coefficientOfText("0.00000001")).toBe(1);
  expect(coefficientOfText("7")).toBe(700_000_000);
});

test("no two rows of a run are the same, and they weigh what they hold", () => {
  const rows = new Rows((coefficient: number) => coefficient);
  const texts = new Set(Array.from({ length: 3000 }, () => JSON.stringify(rows.nextOrder()[1])));
  expect(texts.size).toBe(3000);
  // Two integers of one byte each, the array's header, and a key of two bytes.
  expect(logicalBytes("ab", { a: 1, b: 2 })).toBe(5);
});

test("every named workload runs over the store, in a process of its own", async () => {
  const contender = new Contender(HOLDFAST, join(makeDirectory(), "store"));
  try {
    await contender.open(TABLE_NAMES);
    const prepared = new Set<string>();
    for (const [name, one] of Object.entries(namedWorkloads({ scale: 0.004 }))) {
      const { prepare, run } = one as { prepare: [string, object][]; run: [string, object] };
      for (const [workload, params] of prepare) {
        if (!prepared.has(workload)) await contender.run(workload, params);
        prepared.add(workload);
      }
      const summary = summaryOf([await contender.run(...run)], { logicalBytes: 100 });
      expect(summary.operations, name).toBeGreaterThan(0);
      expect(summary.perSecond, name).toBeGreaterThan(0);
    }
    await expect(contender.run("gets", { kind: "any", count: 20, rows: 1e6 })).rejects.toThrow(
      "rows of 20 were found",
    );
  } finally {
    await contender.end();
  }
});

test("SIGKILL tells a store that keeps its promise from a tier that does not", async () => {
  const directory = join(makeDirectory(), "store");
  expect(await killAndOpen(HOLDFAST, directory, 100)).toMatchObject({ lost: 0, puts: 200 });
  const weaker = { ...HOLDFAST, open: { promise: "power", tier: "important" } };
  expect((await killAndOpen(weaker, directory, 0)).lost).toBeGreaterThan(0);
});

test("system calls tell the same, where they can be traced", () => {
  const directory = join(makeDirectory(), "store");
  const verdict = verifyBySyncCalls(HOLDFAST, directory);
  // Neither strace nor the device's count is everywhere; what is there has to agree.
  if (!verdict.by.startsWith("not verified")) {
    expect(verdict.by).toMatch(/^sync: .*\b[2-9]\d (fsync|fdatasync|writes with)/);
  }
  const byDevice = verifyBySyncCalls(HOLDFAST, directory, false);
  expect(byDevice.by).toMatch(/^sync: (no strace; flushes of the device: \d+|not verified)/);
});
