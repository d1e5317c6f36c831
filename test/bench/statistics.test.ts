/** What the benchmarks make of samples. */
import { expect, test } from "vitest";
import { loadBench } from "./load.js";

const { bootstrapMedian, distribution, fitExponent, median, quantiles } =
  await loadBench("statistics");
const { makeRandom } = await loadBench("random");
const { summaryOf } = await loadBench("peers/summary");
const { compared, verdictOf } = await loadBench("compare");

test("quantiles are samples, whatever their order", () => {
  const samples = Array.from({ length: 1000 }, (_, i) => ((i * 7919) % 1000) + 1);
  expect(quantiles(samples)).toEqual({ count: 1000, p50: 501, p99: 991, p999: 1000, max: 1000 });
  expect(quantiles([3])).toEqual({ count: 1, p50: 3, p99: 3, p999: 3, max: 3 });
  expect(median([5, 1, 9])).toBe(5);
});

test("a distribution rises, ends with the largest, and has no point without a sample behind it", () => {
  const points = distribution(Array.from({ length: 500 }, (_, i) => 500 - i)) as number[][];
  const values = points.map(([, value]) => value);
  expect(values).toEqual([...values].sort((a, b) => Number(a) - Number(b)));
  expect(points.at(-1)).toEqual([1, 500]);
  expect(points.map(([part]) => part)).not.toContain(0.999);
  expect(points.map(([part]) => part)).toContain(0.998);
});

test("an exponent is found again, and one of noise is told by its r²", () => {
  for (const exponent of [-0.5, 0, 1, 1.7]) {
    const fit = fitExponent([1, 10, 100, 1000].map((x) => ({ x, y: 3 * x ** exponent })));
    expect(fit.exponent).toBeCloseTo(exponent, 10);
    expect(fit.factor).toBeCloseTo(3, 10);
    expect(fit.r2).toBeCloseTo(1, 10);
  }
  const noise = fitExponent([
    { x: 1, y: 5 },
    { x: 10, y: 1 },
    { x: 100, y: 6 },
  ]);
  expect(noise.r2).toBeLessThan(0.1);
  expect(() => fitExponent([{ x: 2, y: 1 }])).toThrow("two different x");
  expect(() => fitExponent([{ x: 0, y: 1 }])).toThrow("no logarithm");
});

test("an interval has the true median in it about as often as it says", () => {
  const random = makeRandom(41);
  let covered = 0;
  const experiments = 300;
  for (let i = 0; i < experiments; i++) {
    // Ratios around 1.2, skewed as times are.
    const ratios = Array.from({ length: 20 }, () => 1.2 * Math.exp((random() - 0.5) * 0.4));
    const { low, high } = bootstrapMedian([ratios], { random, resamples: 400 });
    if (low <= 1.2 && 1.2 <= high) covered++;
  }
  expect(covered / experiments).toBeGreaterThan(0.88);
  expect(covered / experiments).toBeLessThan(0.995);
});

test("pairs: a machine that slows down for both changes nothing, a slower revision does", () => {
  const random = makeRandom(43);
  const pairsOf = (factor: number) =>
    Array.from({ length: 5 }, () =>
      Array.from({ length: 6 }, (_, i) => {
        const before = (100 + 40 * i) * (1 + random() * 0.05);
        return [before, before * factor * (1 + (random() - 0.5) * 0.06)];
      }),
    );
  expect(compared(pairsOf(1)).verdict).toBe("no difference seen");
  const slower = compared(pairsOf(1.1));
  expect(slower.verdict).toBe("slower");
  expect(slower.median).toBeGreaterThan(1.07);
  expect(slower.median).toBeLessThan(1.13);
  expect(compared(pairsOf(0.9)).verdict).toBe("faster");
  expect(verdictOf({ low: 0.99, high: 1.2 })).toBe("no difference seen");
});

test("what processes have of their own widens the interval: pairs alone would not show it", () => {
  const random = makeRandom(47);
  // Each process is faster or slower by chance, and its pairs agree with one another.
  const groups = [0.8, 0.95, 1.02, 1.1, 1.3].map((luck) =>
    Array.from({ length: 6 }, () => luck * (1 + (random() - 0.5) * 0.01)),
  );
  const width = ({ low, high }: { low: number; high: number }) => high - low;
  const grouped = bootstrapMedian(groups, { random });
  const flat = bootstrapMedian([groups.flat()], { random });
  expect(width(grouped)).toBeGreaterThan(1.3 * width(flat));
});

test("blocks as figures: rate is the middle block's, bytes and processor are of all", () => {
  const block = (seconds: number, micros: number) => ({
    ...{ operations: 100, seconds, cpuMicros: 200, processBytes: 4096, deviceBytes: 8192 },
    micros: new Float64Array(100).fill(micros),
  });
  const summary = summaryOf([block(1, 10), block(2, 20), block(10, 30)], { logicalBytes: 40.96 });
  expect(summary).toMatchObject({
    ...{ operations: 300, perSecond: 50, cpuMicros: 2, deviceBytes: 82, processBytes: 41 },
    ...{ amplification: 2, processAmplification: 1 },
  });
  expect(summary.micros).toMatchObject({ p50: 20, max: 30 });
  const silent = summaryOf([{ ...block(1, 1), deviceBytes: undefined }], { logicalBytes: 1 });
  expect(silent.deviceBytes).toBeUndefined();
  expect(silent.amplification).toBeUndefined();
});
