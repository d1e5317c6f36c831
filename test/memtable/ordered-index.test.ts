/** The ordered index against a sorted array. */

import { describe, expect, test } from "vitest";
import { type KeyRange, OrderedIndex } from "../../src/memtable/ordered-index.js";
import fc from "../support/properties.js";

interface Item {
  readonly key: number;
}

const ALL: KeyRange<number> = {
  lower: undefined,
  lowerExclusive: false,
  upper: undefined,
  upperExclusive: false,
  reverse: false,
};

function makeIndex(): OrderedIndex<number, Item> {
  return new OrderedIndex((a, b) => a - b);
}

function keysOf(index: OrderedIndex<number, Item>, range: KeyRange<number>): number[] {
  const cursor = index.cursor(range);
  const keys: number[] = [];
  for (let item = cursor.peek(); item !== undefined; item = cursor.peek()) {
    keys.push(item.key);
    cursor.pass(item);
  }
  return keys;
}

/** What a range must give. */
function expected(keys: Iterable<number>, range: KeyRange<number>): number[] {
  const { lower, upper } = range;
  const found = [...keys]
    .filter((key) => lower === undefined || (range.lowerExclusive ? key > lower : key >= lower))
    .filter((key) => upper === undefined || (range.upperExclusive ? key < upper : key <= upper))
    .sort((a, b) => a - b);
  return range.reverse ? found.reverse() : found;
}

const bound = fc.option(fc.integer({ min: -2, max: 1502 }), { nil: undefined });
const ranges: fc.Arbitrary<KeyRange<number>> = fc.record({
  lower: bound,
  lowerExclusive: fc.boolean(),
  upper: bound,
  upperExclusive: fc.boolean(),
  reverse: fc.boolean(),
});

/** Runs of keys, so that chunks fill, split and become empty within few steps. */
const steps = fc.array(
  fc.record({
    kind: fc.constantFrom("add", "addDown", "remove", "range"),
    from: fc.integer({ min: 0, max: 1499 }),
    count: fc.integer({ min: 1, max: 400 }),
    stride: fc.integer({ min: 1, max: 7 }),
    range: ranges,
  }),
  { maxLength: 25 },
);

type Step = typeof steps extends fc.Arbitrary<(infer T)[]> ? T : never;

function keysOfStep({ from, count, stride, kind }: Step): number[] {
  const keys = Array.from({ length: count }, (_, i) => (from + i * stride) % 1500);
  return kind === "addDown" ? keys.reverse() : keys;
}

describe("an ordered index", () => {
  test("is empty at first", () => {
    expect(keysOf(makeIndex(), ALL)).toEqual([]);
    expect(keysOf(makeIndex(), { ...ALL, lower: 5, upper: 9, reverse: true })).toEqual([]);
  });

  test("gives any range, both ways, as a sorted array does", () => {
    fc.assert(
      fc.property(steps, ranges, (plan, last) => {
        const index = makeIndex();
        const model = new Set<number>();
        for (const step of plan) {
          for (const key of step.kind === "range" ? [] : keysOfStep(step)) {
            if (step.kind === "remove") {
              if (model.delete(key)) index.remove(key);
            } else if (!model.has(key)) {
              model.add(key);
              index.add({ key });
            }
          }
          if (step.kind !== "range") continue;
          expect(keysOf(index, step.range)).toEqual(expected(model, step.range));
        }
        for (const range of [ALL, { ...ALL, reverse: true }, last]) {
          expect(keysOf(index, range)).toEqual(expected(model, range));
        }
      }),
      { numRuns: 150 },
    );
  });

  test("shows a cursor the changes ahead of it, and none behind it", () => {
    const change = fc.record({ key: fc.integer({ min: 0, max: 1500 }), add: fc.boolean() });
    fc.assert(
      fc.property(
        fc.uniqueArray(fc.integer({ min: 0, max: 1500 }), { maxLength: 1200 }),
        fc.array(fc.tuple(fc.nat(5), fc.array(change, { maxLength: 4 })), { maxLength: 40 }),
        ranges,
        (keys, changes, range) => {
          const index = makeIndex();
          const model = new Set<number>(keys);
          for (const key of keys) index.add({ key });
          const cursor = index.cursor(range);
          let at: number | undefined;
          const ahead = (): number | undefined => {
            const rest = expected(model, range);
            const { reverse } = range;
            return rest.find((key) => at === undefined || (reverse ? key < at : key > at));
          };
          for (const [advance, batch] of [...changes, [Infinity, []] as const]) {
            for (let i = 0; i < advance; i++) {
              const next = ahead();
              const item = cursor.peek();
              expect(item?.key).toBe(next);
              expect(cursor.peek()).toBe(item);
              if (item === undefined || next === undefined) return;
              cursor.pass(item);
              at = next;
            }
            for (const { key, add } of batch) {
              if (add && !model.has(key)) index.add({ key });
              if (!add && model.has(key)) index.remove(key);
              if (add) model.add(key);
              else model.delete(key);
            }
          }
        },
      ),
      { numRuns: 150 },
    );
  });

  test("keeps its order through every way of arriving", () => {
    const up = Array.from({ length: 3000 }, (_, i) => i);
    const orders = {
      up,
      down: [...up].reverse(),
      inwards: up.map((i) => (i % 2 === 0 ? i / 2 : 2999 - (i - 1) / 2)),
      shuffled: up.map((i) => (i * 1237) % 3000),
    };
    for (const [name, keys] of Object.entries(orders)) {
      const index = makeIndex();
      for (const key of keys) index.add({ key });
      expect(keysOf(index, ALL), name).toEqual(up);
      for (const key of keys) index.remove(key);
      expect(keysOf(index, ALL), name).toEqual([]);
    }
  });

  test("refuses to remove what is not there", () => {
    const index = makeIndex();
    index.add({ key: 2 });
    expect(() => index.remove(1)).toThrow("it is there");
    expect(() => index.remove(3)).toThrow("a removed key is in the index");
    expect(keysOf(index, ALL)).toEqual([2]);
  });
});
