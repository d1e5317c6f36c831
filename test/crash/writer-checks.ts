/** What must be true of what the writers of writers.mjs leave behind, wherever they are stopped. */
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { bytes, defineTable, integer, type Store, string, type View } from "../../src/index.js";

/** What reads are made of: a store, or a snapshot of one. */
type Readable = Pick<View, "table">;

export const WRITERS = 64;
/** Rows of a writer that are kept. */
const KEPT = 16;
/** Writers below this one write several tables at once, the others one row. */
const FIRST_PLAIN = 48;

const payload = { counter: integer(), payload: bytes(), digest: string() };

/** The last counter of a writer, and the sum of all it has had. */
const counters = defineTable({
  name: "counters",
  version: 1,
  tier: "critical",
  key: integer(),
  fields: { counter: integer(), sum: integer() },
});
/** A row for each of the last counters of a writer. */
const rows = defineTable({
  name: "rows",
  version: 1,
  tier: "critical",
  key: [integer(), integer()],
  fields: payload,
});
/** The last counter once more, in a table of a lower tier. */
const mirrors = defineTable({
  name: "mirrors",
  version: 1,
  tier: "important",
  key: integer(),
  fields: { counter: integer() },
});
/** Of the writers that write one row: the last. */
const plain = defineTable({
  name: "plain",
  version: 1,
  tier: "critical",
  key: integer(),
  fields: payload,
});

export const WRITER_TABLES = [counters, rows, mirrors, plain] as const;

/** What every writer is known to have made durable. */
export class Acknowledged {
  readonly #counters = Array.from({ length: WRITERS }, () => 0);

  get total(): number {
    return this.#counters.reduce((sum, counter) => sum + counter, 0);
  }

  /** What is known of each writer now. */
  get counters(): readonly number[] {
    return [...this.#counters];
  }

  /** A line of a process of writers. Counters have no gaps. */
  line(line: string): void {
    assert.match(line, /^(= )?\d+ \d+$/);
    const [writer, counter] = line.replace("= ", "").split(" ").map(Number) as [number, number];
    if (line.startsWith("=")) this.found(writer, counter);
    else this.reported(writer, counter);
  }

  reported(writer: number, counter: number): void {
    assert.equal(counter, this.#of(writer) + 1, `writer ${writer} goes on by one`);
    this.#counters[writer] = counter;
  }

  /** What a writer had got to when it was stopped. */
  durable(writer: number, counter: number): void {
    assert.ok(counter >= this.#of(writer), `writer ${writer} does not go back`);
    this.#counters[writer] = counter;
  }

  /** After a crash: what was acknowledged, and at most the one write that was on its way. */
  found(writer: number, counter: number): void {
    const known = this.#of(writer);
    const right = counter === known || counter === known + 1;
    assert.ok(right, `writer ${writer}: found ${counter}, acknowledged ${known}`);
    this.#counters[writer] = counter;
  }

  #of(writer: number): number {
    return this.#counters[writer] as number;
  }
}

/** Everything acknowledged is there, and every transaction is there as a whole or not at all. */
export function checkWriters(store: Store, acknowledged: Acknowledged): void {
  checkState(store, store.lastSequence, (writer, counter) => acknowledged.found(writer, counter));
}

/** A snapshot of `sequence`: a whole state, and no older than what was acknowledged before it. */
export function checkWritersAt(
  snapshot: Readable,
  sequence: number,
  before: readonly number[],
): void {
  checkState(snapshot, sequence, (writer, counter) => {
    const known = before[writer] as number;
    assert.ok(counter >= known, `writer ${writer}: ${counter} in a snapshot, ${known} before it`);
  });
}

function checkState(
  state: Readable,
  sequence: number,
  visit: (writer: number, counter: number) => void,
): void {
  let total = 0;
  for (let writer = 0; writer < WRITERS; writer++) {
    const counter = writer < FIRST_PLAIN ? checkTables(state, writer) : checkPlain(state, writer);
    visit(writer, counter);
    total += counter;
  }
  // The transaction that declares the tables comes first.
  assert.equal(sequence, total + 1, "one transaction for each counter");
}

function checkTables(store: Readable, writer: number): number {
  const { counter, sum } = store.table(counters).get(writer) ?? { counter: 0, sum: 0 };
  assert.equal(sum, (counter * (counter + 1)) / 2, `the sum of writer ${writer}`);
  assert.equal(store.table(mirrors).get(writer)?.counter ?? 0, counter, "both tables or none");
  const range = { gte: [writer, 0], lt: [writer + 1, 0] } as const;
  const kept = [...store.table(rows).entries(range)];
  const first = Math.max(1, counter - KEPT + 1);
  const expected = Array.from({ length: counter - first + 1 }, (_, i) => [writer, first + i]);
  assert.deepEqual(
    kept.map(([key]) => key),
    expected,
    `the rows of writer ${writer}`,
  );
  for (const [[, number], row] of kept) checkPayload(row, number);
  return counter;
}

function checkPlain(store: Readable, writer: number): number {
  const row = store.table(plain).get(writer);
  if (row === undefined) return 0;
  checkPayload(row, row.counter);
  return row.counter;
}

interface PayloadRow {
  readonly counter: number;
  readonly payload: Uint8Array;
  readonly digest: string;
}

function checkPayload({ counter, payload: content, digest }: PayloadRow, expected: number): void {
  assert.equal(counter, expected);
  assert.equal(createHash("sha256").update(content).digest("hex"), digest, "the row is whole");
}
