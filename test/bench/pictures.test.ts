/** Plots and flame graphs: well-formed, all of it within the picture, readable on both grounds. */
import { expect, test } from "vitest";
import { loadBench } from "./load.js";

const { linePlot, logTicks, tickText } = await loadBench("plot");
const { flameGraph, hottest, treeOf, withoutIdle } = await loadBench("flame");

/** Every tag that opens closes, in order; no stray ampersand or angle bracket. */
function expectWellFormed(svg: string): void {
  const open: string[] = [];
  for (const [, closing, name, selfClosing] of svg.matchAll(/<(\/?)([a-z]+)[^>]*?(\/?)>/g)) {
    if (closing === "/") expect(open.pop()).toBe(name);
    else if (selfClosing !== "/") open.push(name as string);
  }
  expect(open).toEqual([]);
  expect(svg).not.toMatch(/&(?!amp;|lt;|gt;|quot;)/);
  expect(svg).not.toMatch(/NaN|Infinity|undefined/);
  expect(svg).toContain("prefers-color-scheme: dark");
}

function sizeOf(svg: string): [number, number] {
  const match = /viewBox="0 0 (\d+) (\d+)"/.exec(svg);
  return [Number(match?.[1]), Number(match?.[2])];
}

const plot = (series: unknown[], scale = "log") =>
  linePlot({
    title: "A <title> & more",
    x: { label: "writers", scale },
    y: { label: "puts a second", scale: "log" },
    series,
  }) as string;

const many = Array.from({ length: 8 }, (_, place) => ({
  name: `a contender with a name that is rather long, ${place}`,
  place,
  points: [1, 4, 16, 64, 256].map((x) => [x, (place + 1) * 1000 * x]),
}));

test("a plot is well-formed, escapes what it is told, and has units and every name", () => {
  const svg = plot(many);
  expectWellFormed(svg);
  expect(svg).toContain("A &lt;title&gt; &amp; more");
  for (const { name } of many) expect(svg).toContain(`>${name}</text>`);
  expect(svg).toContain(">writers</text>");
  expect(svg).toContain(">puts a second</text>");
});

test("nothing of a plot lies outside of it, and no two texts of the legend on one another", () => {
  const svg = plot(many);
  const [width, height] = sizeOf(svg);
  const texts = [...svg.matchAll(/<text class="ink" x="([\d.]+)" y="([\d.]+)"([^>]*)>([^<]*)</g)];
  expect(texts.length).toBeGreaterThan(15);
  for (const [, x, y, rest, text] of texts) {
    const long = (text as string).length * 6.5;
    const anchor = /text-anchor="(\w+)"/.exec(rest as string)?.[1] ?? "start";
    const left = Number(x) - (anchor === "end" ? long : anchor === "middle" ? long / 2 : 0);
    expect(left).toBeGreaterThanOrEqual(0);
    expect(left + long).toBeLessThanOrEqual(width);
    expect(Number(y)).toBeLessThanOrEqual(height);
  }
  const rows = texts.filter(([, , , , text]) => text?.startsWith("a contender")).map((m) => m[2]);
  expect(new Set(rows).size).toBe(8);
  for (const [, cx, cy] of svg.matchAll(/<circle cx="([\d.]+)" cy="([\d.]+)"/g)) {
    expect(Number(cx)).toBeLessThanOrEqual(width);
    expect(Number(cy)).toBeGreaterThan(0);
    expect(Number(cy)).toBeLessThan(height);
  }
});

test("a larger value is higher, and one ten times as large as far again", () => {
  const svg = plot([
    {
      name: "one",
      place: 0,
      points: [
        [1, 10],
        [10, 100],
        [100, 1000],
      ],
    },
  ]);
  const ys = [...svg.matchAll(/<circle cx="[\d.]+" cy="([\d.]+)"/g)].map(([, y]) => Number(y));
  const [a, b, c] = ys as [number, number, number];
  expect(a).toBeGreaterThan(b);
  expect(a - b).toBeCloseTo(b - c, 0);
});

test("parts of a distribution are on an axis of nines; what is not above zero is left out", () => {
  const points = [
    [0.5, 80],
    [0.9, 120],
    [0.99, 300],
    [0.999, 0],
  ];
  const svg = plot([{ name: "one", place: 1, points }], "tail");
  expectWellFormed(svg);
  for (const label of ["50 %", "90 %", "99 %"]) expect(svg).toContain(`>${label}<`);
  expect(svg).not.toContain("99.9 %");
  expect(() => plot([{ name: "none", place: 0, points: [[1, 0]] }])).toThrow("no points");
});

test("ticks are powers of ten, with more between where there are few", () => {
  expect(logTicks(1, 1e6)).toEqual([1, 10, 100, 1e3, 1e4, 1e5, 1e6]);
  expect(logTicks(90, 450)).toEqual([100, 200]);
  expect([1500, 2e6, 0.25, 30, 1e9].map(tickText)).toEqual(["1.5k", "2M", "0.25", "30", "1G"]);
});

/** Root, a program that calls two functions, and time in which nothing ran. */
const profile = {
  nodes: [
    node(1, "(root)", "", [2, 5]),
    node(2, "main<T>", "file:///a/main.js", [3, 4, 6]),
    node(3, "encode", "file:///a/codec.js", []),
    node(4, "write", "", []),
    node(5, "(idle)", "", []),
    node(6, "encode", "file:///a/codec.js", []),
  ],
  samples: [2, 3, 3, 6, 4, 5],
  timeDeltas: [0, 100, 200, 200, 300, 50],
};

function node(id: number, functionName: string, url: string, children: number[]) {
  return { id, callFrame: { functionName, url, lineNumber: 9 }, children };
}

test("time of a profile: each sample until the next, one function of one caller once", () => {
  const tree = treeOf(profile);
  expect(tree.micros).toBe(850);
  const [main] = withoutIdle(tree).children;
  expect(main.children.map((child: { name: string }) => child.name)).toEqual(["encode", "write"]);
  expect(main.children[0]).toMatchObject({ place: "codec.js:10", self: 700, micros: 700 });
  expect(withoutIdle(tree).children).toHaveLength(1);
  const [first] = hottest(withoutIdle(tree), 3);
  expect(first).toMatchObject({ name: "encode", micros: 700 });
});

test("a flame graph: as wide as its time, callers below, names escaped", () => {
  const svg = flameGraph(withoutIdle(treeOf(profile)), "profile & more") as string;
  expectWellFormed(svg);
  const frames = [
    ...svg.matchAll(/<title>([^<]+)<\/title><rect [^>]*x="([\d.]+)" y="(\d+)" width="([\d.]+)"/g),
  ].map(([, title, x, y, width]) => ({
    title: title as string,
    ...{ x: Number(x), y: Number(y), width: Number(width) },
  }));
  const of = (name: string) => frames.find(({ title }) => title.startsWith(name))!;
  expect(of("main&lt;T&gt;").y).toBeGreaterThan(of("encode").y);
  expect(of("(root)").y).toBeGreaterThan(of("main&lt;T&gt;").y);
  expect(of("encode").width / of("main&lt;T&gt;").width).toBeCloseTo(700 / 850, 1);
  expect(of("encode").title).toContain("0.7 ms, 82.4 %");
});
