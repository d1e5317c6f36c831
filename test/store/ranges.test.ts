/** Ranges over tables with every kind of key, against a sorted array. */

import { describe, expect, test } from "vitest";
import { compareStrings } from "../../src/codec/key-bytes.js";
import {
  defineTable,
  int64,
  integer,
  type RangeOptions,
  string,
  type Table,
  timestamp,
} from "../../src/index.js";
import fc from "../support/properties.js";
import { onEveryDiskWithStore } from "./places.js";

const fields = { value: integer() };
const byString = defineTable({ name: "byString", version: 1, key: string(), fields });
const byInteger = defineTable({ name: "byInteger", version: 1, key: integer(), fields });
const byBigint = defineTable({ name: "byBigint", version: 1, key: int64(), fields });
const byTime = defineTable({ name: "byTime", version: 1, key: timestamp(), fields });
const byTuple = defineTable({
  name: "byTuple",
  version: 1,
  key: [string(), int64(), integer()],
  fields,
});

type Tuple = readonly [string, bigint, number];
interface Row {
  readonly value: number;
}

/** Few of each kind, so that keys meet again, and all that could be ordered wrongly. */
const strings = fc.oneof(
  fc.constantFrom("", "a", "b", "A", "aa", "a\0", "a\0b", "é", "z", "\uffff", "\u{10000}", "😀"),
  fc.string({ unit: "grapheme", maxLength: 4 }),
);
const integers = fc.oneof(
  fc.integer({ min: -5, max: 5 }),
  fc.constantFrom(-(2 ** 53) + 1, 2 ** 53 - 1, -(2 ** 32), 2 ** 32, -0),
);
const bigints = fc.oneof(
  fc.bigInt({ min: -5n, max: 5n }),
  fc.constantFrom(-(2n ** 63n), 2n ** 63n - 1n, -(2n ** 53n), 2n ** 53n + 1n),
);
const tuples: fc.Arbitrary<Tuple> = fc.tuple(
  fc.oneof(fc.constantFrom("", "a", "a\0", "ab"), strings),
  fc.bigInt({ min: -2n, max: 2n }),
  fc.integer({ min: -2, max: 2 }),
);

const compare = (a: number | bigint, b: number | bigint): number => (a < b ? -1 : a > b ? 1 : 0);
const compareTuples = (a: Tuple, b: Tuple): number =>
  compareStrings(a[0], b[0]) || compare(a[1], b[1]) || compare(a[2], b[2]);

/** Code points, not code units: the order of the texts in UTF-8. */
function compareTexts(a: string, b: string): number {
  return Buffer.compare(Buffer.from(a), Buffer.from(b));
}

interface Kind<Key> {
  readonly definition: Parameters<typeof tableOf<Key>>[1];
  readonly keys: fc.Arbitrary<Key>;
  readonly compare: (a: Key, b: Key) => number;
}

function tableOf<Key>(
  store: { table: (definition: never) => unknown },
  definition: unknown,
): Table<Key, Row, Row> {
  return store.table(definition as never) as Table<Key, Row, Row>;
}

const KINDS = {
  string: { definition: byString, keys: strings, compare: compareTexts } as Kind<string>,
  integer: { definition: byInteger, keys: integers, compare } as Kind<number>,
  bigint: { definition: byBigint, keys: bigints, compare } as Kind<bigint>,
  timestamp: { definition: byTime, keys: integers, compare } as Kind<number>,
  tuple: { definition: byTuple, keys: tuples, compare: compareTuples } as Kind<Tuple>,
} as unknown as Record<string, Kind<unknown>>;

function rangesOf<Key>(keys: fc.Arbitrary<Key>): fc.Arbitrary<RangeOptions<Key>> {
  const range = {
    gt: keys,
    gte: keys,
    lt: keys,
    lte: keys,
    reverse: fc.boolean(),
    limit: fc.oneof(fc.nat(6), fc.constant(Infinity)),
  };
  return fc.record(range, { requiredKeys: [] });
}

type Pair = readonly [key: unknown, value: number];

/** What the doc comment of RangeOptions says, on an array. */
function expected(all: Iterable<Pair>, kind: Kind<unknown>, range: RangeOptions<unknown>): Pair[] {
  const { gt, gte, lt, lte } = range;
  const after = ([key]: Pair): boolean => {
    if (gte !== undefined) return kind.compare(key, gte) >= 0;
    return gt === undefined || kind.compare(key, gt) > 0;
  };
  const before = ([key]: Pair): boolean => {
    if (lte !== undefined) return kind.compare(key, lte) <= 0;
    return lt === undefined || kind.compare(key, lt) < 0;
  };
  const found = [...all]
    .sort(([a], [b]) => kind.compare(a, b))
    .filter((p) => after(p) && before(p));
  if (range.reverse === true) found.reverse();
  return found.slice(0, range.limit);
}

/** Equal keys have equal texts. */
function text(key: unknown): string {
  const part = (value: unknown): string =>
    typeof value === "bigint" ? `${value}n` : JSON.stringify(value);
  return Array.isArray(key) ? key.map(part).join() : part(key);
}

onEveryDiskWithStore(
  { tables: [byString, byInteger, byBigint, byTime, byTuple] },
  (store, disk) => {
    const numRuns = disk === "simulated" ? 60 : 25;

    describe.each(Object.entries(KINDS))("a table by %s", (_, kind) => {
      const step = fc.tuple(kind.keys, fc.option(fc.nat(99), { nil: undefined }));

      test("gives entries, keys and values as a sorted array does", async () => {
        const table = tableOf<unknown>(store(), kind.definition);
        await fc.assert(
          fc.asyncProperty(
            fc.array(step, { maxLength: 60 }),
            fc.array(rangesOf(kind.keys), { minLength: 1, maxLength: 6 }),
            async (steps, ranges) => {
              const model = new Map<string, Pair>();
              const written: Promise<unknown>[] = [...table.keys()].map((key) => table.delete(key));
              for (const [key, value] of steps) {
                if (value === undefined) {
                  written.push(table.delete(key));
                  model.delete(text(key));
                } else {
                  written.push(table.put(key, { value }));
                  model.set(text(key), [key, value]);
                }
              }
              expect(table.count()).toBe(model.size);
              for (const range of [{}, { reverse: true }, ...ranges]) {
                const pairs = expected(model.values(), kind, range);
                const entries = [...table.entries(range)];
                expect(entries.map(([key, row]) => [text(key), row.value])).toEqual(
                  pairs.map(([key, value]) => [text(key), value]),
                );
                expect([...table.keys(range)]).toEqual(entries.map(([key]) => key));
                expect([...table.values(range)]).toEqual(entries.map(([, row]) => row));
              }
              await Promise.all(written);
            },
          ),
          { numRuns },
        );
      });

      test("shows changes ahead of the cursor, and none behind it", async () => {
        const table = tableOf<unknown>(store(), kind.definition);
        await fc.assert(
          fc.asyncProperty(
            fc.array(step, { maxLength: 40 }),
            fc.array(fc.tuple(fc.nat(3), fc.array(step, { maxLength: 3 })), { maxLength: 12 }),
            rangesOf(kind.keys),
            async (before, rounds, { limit: _limit, ...range }) => {
              const model = new Map<string, Pair>();
              const written: Promise<unknown>[] = [...table.keys()].map((key) => table.delete(key));
              const change = ([key, value]: readonly [unknown, number | undefined]): void => {
                written.push(value === undefined ? table.delete(key) : table.put(key, { value }));
                if (value === undefined) model.delete(text(key));
                else model.set(text(key), [key, value]);
              };
              before.forEach(change);
              const cursor = table.entries(range);
              let last: { readonly key: unknown } | undefined;
              const next = (): Pair | undefined =>
                expected(model.values(), kind, range).find(([key]) => {
                  if (last === undefined) return true;
                  const order = kind.compare(key, last.key);
                  return range.reverse === true ? order < 0 : order > 0;
                });
              for (const [steps, changes] of [...rounds, [Infinity, []] as const]) {
                for (let i = 0; i < steps; i++) {
                  const pair = next();
                  const found = cursor.next();
                  expect(found.done).toBe(pair === undefined);
                  // An iterator that has ended stays so.
                  if (pair === undefined || found.done) return;
                  const [key, row] = found.value;
                  expect([text(key), row.value]).toEqual([text(pair[0]), pair[1]]);
                  last = { key };
                }
                changes.forEach(change);
              }
              await Promise.all(written);
            },
          ),
          { numRuns },
        );
      });
    });

    test("range options that are not known or not valid are refused at once", () => {
      const table = store().table(byInteger);
      const refusal = expect.objectContaining({ code: "INVALID_ARGUMENT" });
      for (const range of [
        { from: 1 },
        { limit: -1 },
        { limit: 1.5 },
        { limit: Number.NaN },
        { limit: "1" },
        { limit: null },
        { reverse: "yes" },
        { reverse: 1 },
        null,
        7,
      ]) {
        const options = range as unknown as RangeOptions<number>;
        expect(() => table.entries(options), JSON.stringify(range)).toThrow(refusal);
        expect(() => table.keys(options), JSON.stringify(range)).toThrow(refusal);
        expect(() => table.values(options), JSON.stringify(range)).toThrow(refusal);
      }
    });

    test("limit 0 gives nothing, and undefined options are as absent", () => {
      const table = store().table(byInteger);
      table.putSync(1, { value: 1 });
      expect([...table.keys({ limit: 0 })]).toEqual([]);
      const absent = { gte: undefined, limit: undefined } as unknown as RangeOptions<number>;
      expect([...table.keys(absent)]).toContain(1);
    });
  },
);
