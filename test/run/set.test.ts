/** Several runs as one: the newest row of each key, in any range, and files shared and let go of. */

import { describe, expect, test } from "vitest";
import type { Disk, DiskMapping } from "../../src/disk/disk.js";
import { BlockCache, type CachedBlock, type FileBlocks } from "../../src/run/block-cache.js";
import type { Entries } from "../../src/run/entries.js";
import { runFileName } from "../../src/run/format.js";
import type { RunCursor, RunRange } from "../../src/run/run-cursor.js";
import { newRowPlace } from "../../src/run/run-file.js";
import type { RunSet } from "../../src/run/run-set.js";
import fc from "../support/properties.js";
import {
  anyItem,
  anyItems,
  collect,
  fullKey,
  type Item,
  item,
  noise,
  numberKey,
  onSimulated,
  openSet,
  type Place,
  places,
  shown,
  shownItem,
  writeFile,
  writeRuns,
} from "./fixtures.js";

/** Cut at places, into files that have a row each. */
function cut(items: readonly Item[], at: readonly number[]): Item[][] {
  const bounds = [...new Set([0, ...at.map((n) => n % items.length), items.length])];
  bounds.sort((a, b) => a - b);
  return bounds.slice(1).map((end, i) => items.slice(bounds[i], end));
}

/** The newest item of each key, sorted. */
function merged(runs: readonly (readonly Item[])[]): Item[] {
  const newest = new Map<string, Item>();
  for (const items of runs.toReversed()) {
    for (const one of items) newest.set(one.key.toString("hex"), one);
  }
  return [...newest.values()].sort((a, b) => Buffer.compare(a.key, b.key));
}

function within(range: RunRange): (item: Item) => boolean {
  const { lower, lowerExclusive, upper, upperExclusive } = range;
  return ({ key, row }) => {
    const above = lower === undefined ? 1 : Buffer.compare(key, lower);
    const below = upper === undefined ? -1 : Buffer.compare(key, upper);
    return (
      (above > 0 || (above === 0 && !lowerExclusive)) &&
      (below < 0 || (below === 0 && !upperExclusive)) &&
      (row !== undefined || range.tombstones === true)
    );
  };
}

function expected(items: readonly Item[], range: RunRange): string[] {
  const found = items.filter(within(range)).map(shownItem);
  return range.reverse ? found.reverse() : found;
}

function get(set: RunSet, key: Buffer): string | undefined {
  const place = newRowPlace();
  if (!set.get(key, key.length, place)) return undefined;
  const { block: row, start: rowStart, end: rowEnd, schemaVersion } = place;
  return shown({ key, keyStart: 0, keyEnd: key.length, row, rowStart, rowEnd, schemaVersion });
}

const anyRuns = fc.array(fc.tuple(anyItems, fc.array(fc.nat(), { maxLength: 4 })), {
  minLength: 1,
  maxLength: 6,
});
const anyRange = fc.record({
  lower: fc.option(anyItem, { nil: undefined }),
  upper: fc.option(anyItem, { nil: undefined }),
  flags: fc.tuple(fc.boolean(), fc.boolean(), fc.boolean(), fc.boolean(), fc.boolean()),
  /** Take the bounds from among the keys that are there. */
  present: fc.tuple(fc.nat(), fc.nat(), fc.boolean()),
});

type AnyRange = typeof anyRange extends fc.Arbitrary<infer T> ? T : never;

function rangeOf(any: AnyRange, items: readonly Item[]): RunRange {
  const [lowerExclusive, upperExclusive, reverse, tombstones, keep] = any.flags;
  const pick = (n: number): Buffer => (items[n % items.length] as Item).key;
  const [a, b, present] = any.present;
  const lower = any.lower && (present ? pick(a) : any.lower.key);
  const upper = any.upper && (present ? pick(b) : any.upper.key);
  return {
    ...(lower && { lower }),
    ...(upper && { upper }),
    ...{ lowerExclusive, upperExclusive, reverse, tombstones, keep },
  };
}

async function setOf(place: Place, runs: readonly Item[][][], cache?: BlockCache) {
  return openSet(place, await writeRuns(place, runs), cache === undefined ? {} : { cache });
}

describe("against a model", () => {
  test("every key is found in its newest run, in ranges of all kinds", async () => {
    await fc.assert(
      fc.asyncProperty(
        anyRuns,
        fc.array(anyRange, { maxLength: 8 }),
        fc.array(anyItem, { maxLength: 20 }),
        async (cuts, ranges, others) => {
          const place = await onSimulated();
          const set = await setOf(
            place,
            cuts.map(([items, at]) => cut(items, at)),
            // Sometimes so small that nothing stays.
            new BlockCache(others.length % 2 === 0 ? 1 << 20 : 2000),
          );
          const items = merged(cuts.map(([list]) => list));
          for (const one of items) expect(get(set, one.key)).toBe(shownItem(one));
          for (const { key } of others) {
            const there = items.find((one) => one.key.equals(key));
            expect(get(set, key)).toBe(there && shownItem(there));
          }
          for (const any of ranges) {
            const range = rangeOf(any, items);
            expect(collect(set.cursor(range))).toEqual(expected(items, range));
          }
          await set.release();
        },
      ),
      { numRuns: 100 },
    );
  });

  test("a cursor that seeks goes on from there, inside its range", async () => {
    await fc.assert(
      fc.asyncProperty(
        anyRuns,
        anyRange,
        fc.array(anyItem, { minLength: 1, maxLength: 10 }),
        fc.nat(5),
        async (cuts, any, keys, steps) => {
          const place = await onSimulated();
          const set = await setOf(
            place,
            cuts.map(([items, at]) => cut(items, at)),
          );
          const items = merged(cuts.map(([list]) => list));
          const range = rangeOf(any, items);
          const cursor = set.cursor(range);
          for (const { key } of keys) {
            for (let i = 0; i < steps; i++) cursor.next();
            cursor.seek(key);
            const order = range.reverse ? -1 : 1;
            const beyond = items.filter((one) => Buffer.compare(one.key, key) * order >= 0);
            const wanted = expected(beyond, range).slice(0, 5);
            expect(take(cursor, 5)).toEqual(wanted);
          }
        },
      ),
      { numRuns: 100 },
    );
  });
});

function take(cursor: RunCursor, count: number): string[] {
  const found: string[] = [];
  while (found.length < count && cursor.next()) found.push(shown(cursor));
  return found;
}

for (const [name, make] of places()) {
  test(`${name}: runs of many files`, async () => {
    const place = await make();
    const all = Array.from({ length: 4000 }, (_, i) => item(numberKey(1, i), `old ${i}`));
    const some = all.filter((_, i) => i % 3 === 0);
    const newer = some.map(({ key }, i) => item(key, i % 2 === 0 ? `new ${i}` : undefined, 2));
    const cache = new BlockCache(1 << 20);
    const set = await setOf(place, [[newer], cut(all, [700, 1400, 2100, 2800, 3500])], cache);
    const items = merged([newer, all]);
    for (const one of items) expect(get(set, one.key)).toBe(shownItem(one));
    for (const reverse of [false, true]) {
      const range = { lower: numberKey(1, 650), upper: numberKey(1, 2900), reverse };
      expect(collect(set.cursor(range))).toEqual(expected(items, range));
    }
    await set.release();
    expect(cache.bytes).toBe(0);
    await place.dispose();
  });
}

test("tables that no file can have are known without reading", async () => {
  const place = await onSimulated();
  const set = await setOf(place, [
    [[item(fullKey(3, "a"), "x")]],
    [[item(fullKey(7, "a"), "x"), item(fullKey(9, "a"), "x")], [item(fullKey(700, "a"), "x")]],
  ]);
  const held = Array.from({ length: 1000 }, (_, id) => id).filter((id) => set.mayHoldTable(id));
  expect(held).toEqual([3, 7, 8, 9, 700]);
});

test("no runs hold nothing", async () => {
  const place = await onSimulated();
  const set = await setOf(place, []);
  expect(get(set, fullKey(1, "a"))).toBe(undefined);
  expect(collect(set.cursor({}))).toEqual([]);
  expect(collect(set.cursor({ reverse: true }))).toEqual([]);
  await set.release();
});

/** The same disk, which counts the mappings that are open. */
function countMappings({ disk }: Place): { readonly disk: Disk; open(): number } {
  let open = 0;
  const counting: Disk = Object.create(disk);
  counting.map = async (path) => {
    const mapping = await disk.map(path);
    open++;
    const counted: DiskMapping = Object.create(mapping);
    counted.copy = (...place) => mapping.copy(...place);
    Object.defineProperty(counted, "length", { value: mapping.length });
    counted.close = () => {
      open--;
      mapping.close();
    };
    return counted;
  };
  return { disk: counting, open: () => open };
}

describe("files", () => {
  const rows = (n: number): Item[] => [item(numberKey(1, n), `row ${n}`)];

  test("are shared with the set before, and closed by the last that holds them", async () => {
    const place = await onSimulated();
    const described = await writeRuns(place, [[rows(1)], [rows(2)], [rows(3)]]);
    const cache = new BlockCache(1 << 20);
    const first = await openSet(place, { ...described, runs: described.runs.slice(1) }, { cache });
    const second = await openSet(
      place,
      { ...described, runs: described.runs.slice(0, 2) },
      { cache, previous: first },
    );
    expect(second.filesOf(1)[0]).toBe(first.filesOf(0)[0]);
    const cursor = first.cursor({});
    expect(cursor.next()).toBe(true);
    first.retain();
    await first.release();
    expect(get(first, numberKey(1, 3))).toBeDefined();
    await first.release();
    expect(get(second, numberKey(1, 2))).toBeDefined();
    expect(() => get(first, numberKey(1, 3))).toThrow("is open");
    expect(() => first.retain()).toThrow("let go of");
    await expect(first.release()).rejects.toThrow("retained");
    await second.release();
    expect(cache.bytes).toBe(0);
    expect(cache.count).toBe(0);
  });

  test("that are missing fail the opening, which leaves nothing open", async () => {
    const place = await onSimulated();
    const described = await writeRuns(place, [[rows(1)], [rows(2)]]);
    const path = `${place.directory}/${runFileName(2)}`;
    await place.run(place.disk.remove(path));
    const first = { ...described, runs: described.runs.slice(0, 1) };
    const previous = await openSet(place, first);
    const mappings = countMappings(place);
    const { run } = place;
    await expect(openSet({ ...place, disk: mappings.disk, run }, described)).rejects.toThrow();
    expect(mappings.open()).toBe(0);
    await expect(openSet(place, described, { previous })).rejects.toMatchObject({
      code: "MISSING_FILE",
      data: { file: path },
    });
    expect(get(previous, numberKey(1, 1))).toBeDefined();
    await previous.release();
    expect(() => get(previous, numberKey(1, 1))).toThrow("is open");
  });

  test("that the manifest does not describe, or not in order, are refused", async () => {
    const place = await onSimulated();
    const { runs, files } = await writeRuns(place, [[rows(1), rows(2)]]);
    const wrong = { code: "CORRUPT_MANIFEST" };
    await expect(openSet(place, { runs, files: files.slice(1) })).rejects.toMatchObject(wrong);
    const backwards = runs.map((run) => ({ ...run, files: run.files.toReversed() }));
    await expect(openSet(place, { runs: backwards, files })).rejects.toMatchObject(wrong);
  });
});

/**
 * Gives every block in memory of its own, and makes all that it gave before unreadable: whoever reads
 * a block after another was asked for reads nonsense.
 */
class ForgetfulCache extends BlockCache {
  given = 0;

  override get(blocks: FileBlocks, offset: number): CachedBlock | undefined {
    const block = super.get(blocks, offset);
    if (block !== undefined) this.#move(block);
    return block;
  }

  override returnBorrowed(entries: Entries): void {
    entries.bytes.fill(0xdb);
    super.returnBorrowed(entries);
  }

  protected override free(block: CachedBlock): void {
    block.bytes.fill(0xdb);
    super.free(block);
  }

  #move(block: CachedBlock): void {
    this.given++;
    const { entries } = block;
    const old = entries.bytes;
    const copy = Buffer.from(old);
    entries.replaceMemory(copy);
    old.fill(0xdb);
  }
}

test("nothing is read in memory that may be that of another block by now", async () => {
  const place = await onSimulated();
  const runs = [0, 1, 2].map((age) => [
    Array.from({ length: 900 }, (_, i) =>
      item(numberKey(1, i * 5 + (i % (age + 2))), noise(60 + (i % 200), 7 * age + i + 1), age + 1),
    ),
  ]);
  const described = await writeRuns(place, runs);
  for (const budget of [0, 60_000, 1 << 20]) {
    const cache = new ForgetfulCache(budget);
    const set = await openSet(place, described, { cache });
    const all = expected(merged(runs.map((files) => files.flat())), {});
    const rows = new Set(all);
    const cursor = set.cursor({});
    const back = set.cursor({ reverse: true });
    const seen: string[] = [];
    const seenBack: string[] = [];
    const found = newRowPlace();
    for (let i = 0; cursor.next(); i++) {
      // Other reads in between, and a cursor that goes the other way.
      const other = numberKey(1, (i * 911) % 4500);
      if (set.get(other, other.length, found)) {
        const row = found.block.toString("hex", found.start, found.end);
        const key = other.toString("hex");
        expect(rows.has(`${key} ${found.schemaVersion} ${row}`)).toBe(true);
      }
      expect(back.next()).toBe(true);
      seenBack.push(shown(back));
      seen.push(shown(cursor));
    }
    expect(seen).toEqual(all);
    expect(seenBack).toEqual(all.toReversed());
    cursor.close();
    back.close();
    if (budget > 0) expect(cache.given).toBeGreaterThan(100);
    await place.run(set.release());
  }
});

test("a file that was made anew under its old id is opened anew", async () => {
  const place = await onSimulated();
  const rows = [[[item(numberKey(1, 1), "before")]]];
  const described = await writeRuns(place, rows);
  const previous = await openSet(place, described);
  await place.run(place.disk.remove(`${place.directory}/${runFileName(1)}`));
  const file = await writeFile(place, 1, [item(numberKey(1, 1), "after")]);
  const set = await openSet(place, { ...described, files: [file] }, { previous });
  expect(get(set, numberKey(1, 1))).toContain(Buffer.from("after").toString("hex"));
  const kept = await openSet(place, { ...described, files: [file] }, { previous: set });
  expect(kept.filesOf(0)).toEqual(set.filesOf(0));
  for (const one of [previous, set, kept]) await place.run(one.release());
});

test("a cursor may be closed twice: its memory is given back once", async () => {
  const place = await onSimulated();
  const cache = new BlockCache(1 << 20);
  const set = await setOf(place, [[[item(numberKey(1, 1), "row")]]], cache);
  const cursor = set.cursor({});
  expect(collect(cursor)).toHaveLength(1);
  cursor.close();
  cursor.close();
  expect(cache.borrow()).not.toBe(cache.borrow());
  await place.run(set.release());
});
