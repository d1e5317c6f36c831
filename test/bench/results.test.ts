/** What is told of results: verdicts, rivals, tables, and which results are shown at all. */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, expect, test, vi } from "vitest";
import { loadBench } from "./load.js";

const { promiseTable, verdictOf } = await loadBench("promises/table");
const { targetsOf } = await loadBench("peers/targets");
const { peersAsMarkdown, shortTable } = await loadBench("peers/print");
const { replaceBlock } = await loadBench("results");
const { newestResults } = await loadBench("render");
const { blocksOf } = await loadBench("render/blocks");
const { plotsOf } = await loadBench("render/plots");
const { describeFit, growthTables } = await loadBench("growth/table");
const { markdownTable } = await loadBench("text");

const directories: string[] = [];

afterEach(() => {
  for (const directory of directories.splice(0)) rmSync(directory, { recursive: true });
  vi.restoreAllMocks();
});

test("a figure is met, missed within its tolerance, or missed", () => {
  const of = (value: number, rest = {}) =>
    verdictOf({ value, bound: 100, tolerance: 10, ...rest }) as {
      verdict: string;
      missed: boolean;
    };
  expect(of(100)).toEqual({ verdict: "met", missed: false });
  expect(of(100, { under: true })).toEqual({ verdict: "NOT MET, within 10 %", missed: false });
  expect(of(110).missed).toBe(false);
  expect(of(110.1)).toEqual({ verdict: "NOT MET", missed: true });
  expect(of(91, { atLeast: true }).missed).toBe(false);
  expect(of(89, { atLeast: true }).missed).toBe(true);
  expect(of(Number.NaN)).toEqual({ verdict: "NOT MEASURED", missed: true });
  expect(of(500, { waived: "why" })).toEqual({ verdict: "no target: why", missed: false });
  // A loss has no tolerance: one row is one too many.
  expect(verdictOf({ value: 1, bound: 0, tolerance: 0 }).missed).toBe(true);
});

test("the promise table has a line for each figure, and counts what is missed", () => {
  const durable = { floor: { p50: 80 }, put: { p50: 130 } };
  const columns = { bookRatio: 14, results: [{ name: "worst", ratio: 2.5 }] };
  const checks = { loss: { looked: 600, wrong: 0 }, audit: { looked: 10, wrong: 1 } };
  const { table, missed } = promiseTable({ durable, columns, checks });
  expect(table).toHaveLength(1 + 6);
  // 130 µs under 100, a ratio of 1.63, 2.5:1, one change that is not told of.
  expect(missed).toBe(4);
  const slow = promiseTable({ durable: { floor: { p50: 120 }, put: { p50: 122 } }, checks: {} });
  expect(slow.missed).toBe(0);
  expect(slow.table[1].join(" ")).toContain("the floor itself takes 120.0 µs");
});

interface Figures {
  p50: number;
  perSecond: number;
  lost?: number;
  extra?: object;
}

function promiseOf(figures: Record<string, Figures>) {
  const each = (pick: (one: Figures) => object) =>
    Object.fromEntries(Object.entries(figures).map(([name, one]) => [name, pick(one)]));
  const micros = ({ p50 }: Figures) => ({ p50, p99: p50 * 2, p999: p50 * 3, max: p50 * 4 });
  const summary = (one: Figures) => ({
    results: undefined,
    micros: micros(one),
    distribution: [
      [0.5, one.p50],
      [0.99, one.p50 * 2],
      [1, one.p50 * 4],
    ],
    ...{ perSecond: one.perSecond, cpuMicros: 1, deviceBytes: 4096, amplification: 60 },
  });
  return {
    contenders: each(({ extra }) => ({ title: "t", configuration: "c", ...extra })),
    memory: {},
    failures: {},
    workloads: {
      put: { results: each(summary) },
      "writers-64": { results: each(summary) },
      crash: {
        results: each(({ lost = 0 }) => ({
          ...{ openMillis: 1, readMillis: 2, writeMillis: 3, lost, puts: 200 },
        })),
      },
    },
  };
}

test("targets are held against peers that keep the promise, and no others", () => {
  const result = {
    promises: {
      power: promiseOf({
        holdfast: { p50: 100, perSecond: 80 },
        lmdb: { p50: 250, perSecond: 10, extra: { title: "lmdb-js", syncs: { kept: true } } },
        liar: { p50: 5, perSecond: 1e6, extra: { syncs: { kept: false } } },
        loser: { p50: 5, perSecond: 1e6, lost: 1 },
        append: { p50: 20, perSecond: 1e6, extra: { isBaseline: true } },
        floor: { p50: 80, perSecond: 1e6, extra: { isFloor: true } },
        absent: { p50: 1, perSecond: 1e9, extra: { missing: "not to be had" } },
      }),
    },
  };
  const targets = targetsOf(result) as {
    name: string;
    value: number;
    met: boolean;
    rival: string;
  }[];
  expect(new Set(targets.map(({ rival }) => rival))).toEqual(new Set(["lmdb-js"]));
  const [p50] = targets;
  expect(p50).toMatchObject({ value: 2.5, met: true });
  expect(targets.find(({ name }) => name.startsWith("64 writers"))).toMatchObject({ value: 8 });
});

test("whoever does not sync, loses rows, fails or is missing says so in the tables", () => {
  const power = promiseOf({
    holdfast: { p50: 100, perSecond: 80 },
    liar: { p50: 5, perSecond: 9, extra: { syncs: { kept: false, by: "no call that syncs" } } },
    loser: { p50: 5, perSecond: 9, lost: 3 },
    absent: { p50: 5, perSecond: 9, extra: { missing: "code E404" } },
  });
  Object.assign(power.workloads.put.results, { loser: { failed: "it broke" } });
  const markdown = peersAsMarkdown({ promises: { power } }) as string;
  for (const text of [
    "DOES NOT SYNC: no call that syncs",
    "3 ROWS LOST, PROMISE NOT KEPT",
    "not measured: code E404",
    "| failed |",
    // Nowhere without saying so: the loser's rate.
    "| t (promise NOT kept) | 9.00 |",
  ]) {
    expect(markdown).toContain(text);
  }
  expect(shortTable(power)).toHaveLength(1 + 3);
});

test("growth in words: a poor fit says nothing, a good one what it is", () => {
  const of = (exponent: number, r2 = 1) => describeFit({ exponent, r2 });
  expect([of(0.02, 0.1), of(0.5, 0.4), of(0.5), of(1.05), of(1.4), of(-0.7)]).toEqual([
    ...["does not grow", "no power fits", "slower than its driver", "with its driver"],
    ...["FASTER than its driver", "falls"],
  ]);
  const points = [
    { x: 1, y: 2 },
    { x: 10, y: 20 },
  ];
  const costs = { "open, ms": { points, fit: { exponent: 1, r2: 1 } } };
  const tables = growthTables({ drivers: { rows: { title: "rows", values: [1, 10], costs } } });
  expect(tables.rows[1]).toEqual(["open, ms", "2.00", "20.0", "1.00", "1.00", "with its driver"]);
});

test("a table has as many cells in each line; a block replaces what was between its markers", () => {
  expect(
    markdownTable([
      ["a", "b"],
      [1, 2],
    ]),
  ).toBe("| a | b |\n| --- | --- |\n| 1 | 2 |");
  const text = "x\n<!-- a: begin -->\nold\n<!-- a: end -->\ny\n<!-- b: begin -->\n<!-- b: end -->";
  const once = replaceBlock(text, "a", "new") as string;
  expect(once).toContain("<!-- a: begin -->\n\nnew\n\n<!-- a: end -->\ny");
  expect(once).not.toContain("old");
  expect(replaceBlock(once, "a", "new")).toBe(once);
  expect(replaceBlock(text, "c", "new")).toBeUndefined();
});

test("the newest whole result of each bench is shown; neither parts nor quick ones", () => {
  vi.spyOn(console, "error").mockImplementation(() => {});
  const folder = mkdtempSync(join(tmpdir(), "holdfast-"));
  directories.push(folder);
  const put = (name: string, result: object) => {
    writeFileSync(join(folder, `${name}.json`), JSON.stringify(result));
  };
  put("growth-2026-01-01T00-00-00-000Z", { id: 1 });
  put("growth-2026-01-02T00-00-00-000Z", { id: 2 });
  put("growth-2026-01-03T00-00-00-000Z", { id: 3, partial: true });
  put("growth-2026-01-04T00-00-00-000Z", { id: 4, quick: true });
  put("state-2026-01-04T00-00-00-000Z", { settings: { gigabytes: 0.01 }, parts: { reads: {} } });
  put("other-2026-01-04T00-00-00-000Z", { id: 5 });
  expect(newestResults(folder, false)).toEqual({ growth: { id: 2 } });
  expect(newestResults(folder, true).growth).toEqual({ id: 4, quick: true });
});

test("documents get blocks and plots of what there is, with pictures that exist", () => {
  const machine = { cpu: "cpu", cores: 2, kernel: "k", node: "v20", loadAtStart: 0, date: "d" };
  const power = promiseOf({ holdfast: { p50: 100, perSecond: 80 } });
  const result = { machine, promises: { power } };
  const plots = plotsOf({ peers: result });
  expect(Object.keys(plots)).toEqual([
    ...["latency-power.svg", "throughput-power.svg", "amplification.svg"],
  ]);
  const blocks = blocksOf({ peers: result }, plots, "plots") as Record<string, string>;
  expect(Object.keys(blocks)).toEqual(["peers", "peers-short"]);
  const pictures = [...(blocks.peers as string).matchAll(/\(plots\/([a-z-]+\.svg)\)/g)];
  expect(pictures.map(([, file]) => file)).toEqual(Object.keys(plots));
  expect(blocksOf({}, {}, "plots")).toEqual({});
});
