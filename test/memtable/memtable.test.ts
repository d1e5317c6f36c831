/** The memtable against a Map: rows, order, and taking changes back. */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { type Before, Memtable } from "../../src/memtable/memtable.js";
import type { KeyRange } from "../../src/memtable/ordered-index.js";

const ALL: KeyRange<number> = {
  lower: undefined,
  lowerExclusive: false,
  upper: undefined,
  upperExclusive: false,
  reverse: false,
};

type Row = { readonly value: number };
type State = readonly (readonly [number, Row | undefined, Uint8Array | undefined])[];

function makeTable(): Memtable<number> {
  return new Memtable<number>((a, b) => a - b);
}

function stateOf(table: Memtable<number>): State {
  const rows = [...table.range(ALL)];
  expect(rows).toHaveLength(table.size);
  for (const entry of rows) expect(table.get(entry.key)).toBe(entry);
  return rows.map((entry) => [entry.key, entry.row as Row | undefined, entry.bytes]);
}

function put(table: Memtable<number>, key: number, value: number): void {
  const entry = table.upsert(key, key);
  entry.row = { value };
  entry.bytes = undefined;
}

/** A row as recovery leaves it: not decoded yet. */
function putBytes(table: Memtable<number>, key: number): void {
  const entry = table.upsert(key, key);
  entry.row = undefined;
  entry.bytes = Uint8Array.of(key);
}

const keys = fc.integer({ min: 0, max: 40 });
const changes = fc.array(
  fc.record({
    kind: fc.constantFrom("put", "put", "bytes", "delete"),
    key: keys,
    value: fc.nat(),
  }),
  { maxLength: 60 },
);

type ChangeOf = typeof changes extends fc.Arbitrary<(infer T)[]> ? T : never;

function change(table: Memtable<number>, { kind, key, value }: ChangeOf): void {
  if (kind === "put") put(table, key, value);
  else if (kind === "bytes") putBytes(table, key);
  else table.delete(key);
}

describe("a memtable", () => {
  test("holds what a map holds, in order", () => {
    fc.assert(
      fc.property(changes, (plan) => {
        const table = makeTable();
        const model = new Map<number, number>();
        for (const step of plan) {
          if (step.kind === "delete") {
            expect(table.delete(step.key)).toBe(model.delete(step.key));
          } else {
            put(table, step.key, step.value);
            model.set(step.key, step.value);
          }
          expect(table.size).toBe(model.size);
        }
        const sorted = [...model].sort(([a], [b]) => a - b);
        expect(stateOf(table).map(([key, row]) => [key, row?.value])).toEqual(sorted);
      }),
    );
  });

  test("is as it was once every change is undone, in reverse", () => {
    fc.assert(
      fc.property(changes, changes, (first, second) => {
        const table = makeTable();
        for (const step of first) change(table, step);
        const state = stateOf(table);
        const undo: Before<number>[] = [];
        for (const step of second) {
          undo.push(table.before(step.key, step.key));
          change(table, step);
        }
        for (const before of undo.reverse()) table.undo(before);
        expect(stateOf(table)).toEqual(state);
      }),
      { numRuns: 300 },
    );
  });

  test("gives rows that were not decoded yet back with their bytes", () => {
    const table = makeTable();
    const entry = table.upsert(1, 1);
    entry.bytes = Uint8Array.of(9, 8, 7);
    entry.start = 1;
    entry.end = 3;
    const before = [table.before(1, 1)];
    put(table, 1, 5);
    before.push(table.before(1, 1));
    table.delete(1);
    before.push(table.before(1, 1));
    put(table, 1, 6);
    for (const one of before.reverse()) table.undo(one);
    expect(table.get(1)).toBe(entry);
    expect(entry).toMatchObject({ key: 1, row: undefined, start: 1, end: 3 });
    expect(entry.bytes).toEqual(Uint8Array.of(9, 8, 7));
  });
});
