/** Which archives are one piece of history, by their hashes. */
import { expect, test } from "vitest";
import type { ManifestArchive } from "../../src/manifest/format.js";
import { historyChain } from "../../src/manifest/history-chain.js";

const hash = (n: number): Uint8Array => new Uint8Array(32).fill(n);

/** Ten transactions each, chained from zeros on. */
const archives = [1, 2, 3, 4].map(
  (id): ManifestArchive => ({
    ...{ id, bytes: 1, epoch: 1, alignment: 512, lastMicros: id },
    firstSequence: 10 * id - 9,
    lastSequence: 10 * id,
    historyBase: hash(id - 1),
    historyHash: hash(id),
  }),
);

const changed = (at: number, change: Partial<ManifestArchive>): ManifestArchive[] =>
  archives.map((archive, i) => (i === at ? { ...archive, ...change } : archive));

test("all that continue one another, from the oldest that is left", () => {
  const whole = { from: 1, to: 40, base: hash(0), hash: hash(4) };
  expect(historyChain(archives)).toEqual(whole);
  expect(historyChain(archives.slice(2))).toEqual({ ...whole, from: 21, base: hash(2) });
  expect(historyChain([])).toBeUndefined();
});

test("it begins behind a gap, another hash, and an archive of before", () => {
  const rest = { from: 21, to: 40, base: hash(2), hash: hash(4) };
  const { historyBase: _b, historyHash: _h, ...old } = archives[1] as ManifestArchive;
  const without = archives.map((archive, i) => (i === 1 ? old : archive));
  expect(historyChain(without)).toEqual(rest);
  expect(historyChain(changed(1, { lastSequence: 19 }))).toEqual(rest);
  expect(historyChain(changed(1, { historyHash: hash(9) }))).toEqual(rest);
  const { historyBase: _c, historyHash: _i, ...newest } = archives[3] as ManifestArchive;
  expect(historyChain([...archives.slice(0, 3), newest])).toBeUndefined();
});
