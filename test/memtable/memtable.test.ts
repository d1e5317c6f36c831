/** The memtable against a list of all its versions: rows, order, views, room, and taking back. */

import { describe, expect, test } from "vitest";
import { TYPICAL_FOOTPRINT } from "../../src/codec/footprint.js";
import { FROM_RUN, isLive, sizeOfRow, type Version } from "../../src/memtable/entry.js";
import { Horizon, type ViewMark } from "../../src/memtable/horizon.js";
import { type Before, Memtable } from "../../src/memtable/memtable.js";
import type { KeyRange } from "../../src/memtable/ordered-index.js";
import { RowMemory } from "../../src/memtable/row-memory.js";
import fc from "../support/properties.js";

const ALL: KeyRange<number> = {
  lower: undefined,
  lowerExclusive: false,
  upper: undefined,
  upperExclusive: false,
  reverse: false,
};

type Row = { readonly value: number };

interface Made {
  readonly table: Memtable<number>;
  readonly horizon: Horizon;
  readonly memory: RowMemory;
}

function make(limitBytes = Number.POSITIVE_INFINITY): Made {
  const horizon = new Horizon();
  const memory = new RowMemory(limitBytes);
  const table = new Memtable<number>({ compare: (a, b) => a - b, horizon, memory });
  return { table, horizon, memory };
}

function orderOf(table: Memtable<number>): number[] {
  const cursor = table.cursor(ALL);
  const keys: number[] = [];
  for (let entry = cursor.peek(); entry !== undefined; entry = cursor.peek()) {
    keys.push(entry.key);
    cursor.pass(entry);
  }
  return keys;
}

function shownBy(version: Version | undefined): number | undefined {
  return (version?.row as Row | undefined)?.value;
}

function sizesOf(table: Memtable<number>): number {
  let sum = 0;
  for (const key of orderOf(table)) {
    for (let one: Version | undefined = table.get(key); one !== undefined; one = one.older) {
      sum += one.size;
    }
  }
  return sum;
}

const keys = fc.integer({ min: 0, max: 30 });
const changes = fc.array(
  fc.record({
    kind: fc.constantFrom("put" as const, "put" as const, "bytes" as const, "delete" as const),
    key: keys,
    size: fc.nat(99),
  }),
  { maxLength: 60 },
);

type Change = typeof changes extends fc.Arbitrary<(infer T)[]> ? T : never;

function apply(table: Memtable<number>, { kind, key, size }: Change, sequence: number): void {
  if (kind === "put") table.put(key, key, { value: sequence }, sequence, size);
  else if (kind === "bytes") table.putBytes(key, key, new Uint8Array(size), 0, size, sequence);
  else table.delete(key, key, sequence);
}

/** All there is to tell, in order. */
function stateOf({ table, memory }: Made): unknown {
  const entries = orderOf(table).map((key) => {
    const { row, bytes, start, end, sequence, size } = table.get(key) as Version;
    return { key, row, bytes, start, end, sequence, size };
  });
  return { entries, live: table.live, bytes: memory.bytes };
}

describe("a memtable", () => {
  test("holds the newest of every key, deletions included, in order, and counts its bytes", () => {
    fc.assert(
      fc.property(changes, (plan) => {
        const made = make();
        const model = new Map<number, boolean>();
        plan.forEach((change, i) => {
          apply(made.table, change, i + 1);
          model.set(change.key, change.kind !== "delete");
          expect(made.table.live).toBe([...model.values()].filter(Boolean).length);
        });
        expect(orderOf(made.table)).toEqual([...model.keys()].sort((a, b) => a - b));
        for (const [key, live] of model) {
          expect(isLive(made.table.get(key) as Version)).toBe(live);
        }
        expect(made.memory.bytes).toBe(sizesOf(made.table));
      }),
    );
  });

  test("is as it was once every change is undone, in reverse, with views open or not", () => {
    fc.assert(
      fc.property(changes, changes, fc.boolean(), fc.nat(60), (first, second, viewed, flushed) => {
        const made = make();
        for (const [i, change] of first.entries()) apply(made.table, change, i + 1);
        made.horizon.advance(Math.min(flushed, first.length));
        if (viewed) made.horizon.openView(first.length);
        const state = stateOf(made);
        const undo: Before<number>[] = [];
        const sequence = first.length + 1;
        for (const change of second) {
          undo.push(made.table.before(change.key, change.key));
          apply(made.table, change, sequence);
        }
        for (const before of undo.reverse()) made.table.undo(before);
        expect(stateOf(made)).toEqual(state);
      }),
      { numRuns: 300 },
    );
  });

  test("gives rows that were not decoded yet back with their bytes", () => {
    const { table } = make();
    table.putBytes(1, 1, Uint8Array.of(9, 8, 7), 1, 3, 1);
    const entry = table.get(1);
    const undo = [table.before(1, 1)];
    table.put(1, 1, { value: 5 }, 2, 4);
    undo.push(table.before(1, 1));
    table.delete(1, 1, 2);
    for (const one of undo.reverse()) table.undo(one);
    expect(table.get(1)).toBe(entry);
    expect(entry).toMatchObject({ key: 1, row: undefined, start: 1, end: 3, sequence: 1 });
    expect(entry?.bytes).toEqual(Uint8Array.of(9, 8, 7));
  });

  test("keeps a row of a run out of the order until it is written, or all rows are there", () => {
    const { table, memory } = make();
    table.complete = false;
    table.load(3, 3, { value: 1 }, 10);
    expect(memory.bytes).toBe(sizeOfRow(TYPICAL_FOOTPRINT, 10));
    expect(orderOf(table)).toEqual([]);
    table.put(3, 3, { value: 2 }, 7, 10);
    expect(orderOf(table)).toEqual([3]);
    expect(table.live).toBe(1);
    for (const key of [5, 1]) table.load(key, key, { value: key }, 10);
    expect(orderOf(table)).toEqual([3]);
    table.complete = true;
    expect(orderOf(table)).toEqual([1, 3, 5]);
  });
});

type Step =
  | { readonly kind: "change"; readonly change: Change }
  | { readonly kind: "open" }
  | { readonly kind: "close"; readonly which: number }
  | { readonly kind: "flush" }
  | { readonly kind: "sweep"; readonly steps: number };

const change = fc.record({
  kind: fc.constantFrom("put" as const, "put" as const, "delete" as const),
  key: keys,
  size: fc.nat(99),
});

const steps: fc.Arbitrary<Step[]> = fc.array(
  fc.oneof(
    { weight: 6, arbitrary: fc.record({ kind: fc.constant("change" as const), change }) },
    fc.record({ kind: fc.constant("open" as const) }),
    fc.record({ kind: fc.constant("close" as const), which: fc.nat(9) }),
    fc.record({ kind: fc.constant("flush" as const) }),
    fc.record({ kind: fc.constant("sweep" as const), steps: fc.nat(40) }),
  ),
  { maxLength: 120 },
);

/** A view, the state it has to show, and what the runs held when it was opened. */
interface Opened {
  readonly mark: ViewMark;
  readonly state: ReadonlyMap<number, number>;
  readonly runs: ReadonlyMap<number, number>;
}

describe("views and sweeps", () => {
  test("a view shows its state, whatever is written, flushed and dropped after it", () => {
    fc.assert(
      fc.property(steps, fc.boolean(), (plan, tight) => {
        const { table, horizon, memory } = make(tight ? 0 : Number.POSITIVE_INFINITY);
        let now = new Map<number, number>();
        let runs = new Map<number, number>();
        const views: Opened[] = [];
        let sequence = 0;
        for (const step of plan) {
          if (step.kind === "change") {
            sequence++;
            apply(table, step.change, sequence);
            now = new Map(now);
            if (step.change.kind === "delete") now.delete(step.change.key);
            else now.set(step.change.key, sequence);
          } else if (step.kind === "open") {
            views.push({ mark: horizon.openView(sequence), state: now, runs });
          } else if (step.kind === "close") {
            const [view] = views.splice(step.which % Math.max(1, views.length), 1);
            if (view !== undefined) horizon.closeView(view.mark);
          } else if (step.kind === "flush") {
            runs = new Map(now);
            horizon.advance(sequence);
          } else {
            memory.sweep(step.steps, horizon.version);
          }
          for (let key = 0; key <= 30; key++) {
            const entry = table.get(key);
            const value = entry === undefined ? runs.get(key) : shownBy(entry);
            expect(value).toBe(now.get(key));
            for (const view of views) {
              const version = entry && Memtable.visible(entry, view.mark);
              const shown = version === undefined ? view.runs.get(key) : shownBy(version);
              expect(shown).toBe(view.state.get(key));
            }
          }
          if (table.complete) expect(table.live).toBe(now.size);
        }
        // Nothing is kept for views that are gone.
        for (const view of views) horizon.closeView(view.mark);
        horizon.advance(sequence);
        for (let i = 0; i < 20; i++) memory.sweep(100, horizon.version);
        if (tight) expect([table.entries, memory.bytes]).toEqual([0, 0]);
      }),
      { numRuns: 400 },
    );
  });

  test("what no run holds stays, however little room there is", () => {
    const { table, horizon, memory } = make(0);
    for (let key = 0; key < 100; key++) table.put(key, key, { value: key }, key + 1, 10);
    horizon.advance(40);
    for (let i = 0; i < 10; i++) memory.sweep(1000, horizon.version);
    expect(orderOf(table)).toEqual(Array.from({ length: 60 }, (_, i) => i + 40));
    expect(table.complete).toBe(false);
    expect(memory.evicted).toBe(40);
  });

  test("rows in use stay longer than others", () => {
    const { table, memory, horizon } = make(sizeOfRow(TYPICAL_FOOTPRINT, 10) * 60);
    for (let key = 0; key < 60; key++) table.load(key, key, { value: key }, 10);
    for (let round = 0; round < 50; round++) {
      for (let key = 0; key < 10; key++) (table.get(key) as { used: boolean }).used = true;
      const key = 1000 + round;
      table.load(key, key, { value: key }, 10);
      // Those in use are passed over once, a few at a time.
      expect(memory.bytes).toBeLessThanOrEqual(
        memory.limitBytes + 3 * sizeOfRow(TYPICAL_FOOTPRINT, 10),
      );
    }
    for (let key = 0; key < 10; key++) expect(table.get(key)?.sequence).toBe(FROM_RUN);
    expect(horizon.views).toBe(0);
  });

  test("rows of a resident table stay, its deletions go, and neither counts", () => {
    const { table, horizon, memory } = make(0);
    table.put(1, 1, { value: 1 }, 1, 10);
    table.delete(2, 2, 2);
    expect(memory.bytes).toBeGreaterThan(0);
    table.resident = true;
    expect(memory.bytes).toBe(0);
    horizon.advance(2);
    table.sweep(100, true);
    table.sweep(100, true);
    expect(orderOf(table)).toEqual([1]);
    expect(table.complete).toBe(true);
    table.resident = false;
    expect(memory.bytes).toBe(sizeOfRow(TYPICAL_FOOTPRINT, 10));
  });
});
