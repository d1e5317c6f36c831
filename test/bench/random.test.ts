/** Keys of YCSB are as popular as its paper says. */
import { expect, test } from "vitest";
import { loadBench } from "./load.js";

const { hashOf, makeRandom, makeScrambledZipfian, makeZipfian } = await loadBench("random");

const COUNT = 1000;
const DRAWS = 200_000;

function frequencies(next: () => number): Float64Array {
  const counts = new Float64Array(COUNT);
  for (let i = 0; i < DRAWS; i++) counts[next()]!++;
  return counts.map((count) => count / DRAWS);
}

function expected(): number[] {
  const weights = Array.from({ length: COUNT }, (_, rank) => 1 / (rank + 1) ** 0.99);
  const sum = weights.reduce((all, weight) => all + weight, 0);
  return weights.map((weight) => weight / sum);
}

test("rank r comes as often as 1 / (r + 1) ** 0.99", () => {
  const found = frequencies(makeZipfian(COUNT, makeRandom(3)));
  const wanted = expected();
  for (const rank of [0, 1]) {
    expect(Math.abs(found[rank]! / wanted[rank]! - 1)).toBeLessThan(0.03);
  }
  // Behind the first two the method is an approximation: sums of stretches are near.
  for (const [from, to] of [
    [2, 10],
    [10, 100],
    [100, 1000],
  ] as const) {
    const sum = (list: ArrayLike<number>) =>
      Array.from(list)
        .slice(from, to)
        .reduce((a, b) => a + b);
    expect(Math.abs(sum(found) / sum(wanted) - 1)).toBeLessThan(0.1);
  }
});

test("scrambled: the popular ones lie anywhere, and are as popular", () => {
  const found = frequencies(makeScrambledZipfian(COUNT, makeRandom(3)));
  const most = found.indexOf(Math.max(...found));
  expect(most).toBe(hashOf(0) % COUNT);
  expect(Math.max(...found)).toBeGreaterThanOrEqual(expected()[0]! * 0.97);
  const firstTenth = found.slice(0, COUNT / 10).reduce((a, b) => a + b);
  expect(firstTenth).toBeLessThan(0.45);
});

test("a seed gives the same again, all within bounds", () => {
  const draw = () => {
    const next = makeScrambledZipfian(77, makeRandom(9));
    return Array.from({ length: 1000 }, next) as number[];
  };
  expect(draw()).toEqual(draw());
  expect(draw().every((key) => Number.isInteger(key) && key >= 0 && key < 77)).toBe(true);
  expect(Array.from({ length: 50 }, makeZipfian(1, makeRandom(1)))).toEqual(new Array(50).fill(0));
});
