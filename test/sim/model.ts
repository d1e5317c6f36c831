/**
 * What the store must hold: in memory now, after a crash, and in views and snapshots of an earlier
 * sequence. Logged transactions have a sequence, so that what recovery finds must be the state after
 * one of them: no earlier than what was acknowledged, no later than what was committed.
 *
 * Rows of cached tables are logged now and then, newest value only. Of them the model keeps when
 * each value was, or may have been, logged.
 */
import { keyText, type SimKey, type SimRow, TABLE_NAMES, type TableName } from "./tables.js";

export interface SimWrite {
  readonly table: TableName;
  readonly key: SimKey;
  /** Undefined: deleted. */
  readonly row: SimRow | undefined;
}

/** A value of a cached key that is in the log, or may be, at one of these sequences. */
interface Logged {
  readonly row: SimRow | undefined;
  readonly from: number;
  readonly to: number;
  readonly certain: boolean;
}

export type Rows = Map<string, { readonly key: SimKey; readonly row: SimRow }>;
export type State = Record<TableName, Rows>;

/** The state at one sequence; of cached rows, every value that would be right. */
export interface Expected {
  readonly sequence: number;
  readonly logged: Pick<State, "orders" | "notes">;
  readonly cached: ReadonlyMap<string, readonly (SimRow | undefined)[]>;
}

export function emptyState(): State {
  return { orders: new Map(), notes: new Map(), quotes: new Map() };
}

export function copyState({ orders, notes, quotes }: State): State {
  return { orders: new Map(orders), notes: new Map(notes), quotes: new Map(quotes) };
}

function apply(state: Pick<State, "orders" | "notes">, { table, key, row }: SimWrite): void {
  if (table === "quotes") return;
  if (row === undefined) state[table].delete(keyText(key));
  else state[table].set(keyText(key), { key, row });
}

export class Model {
  /** What reads of the running store must see. */
  memory = emptyState();
  /** Logged tables as they were at `baseSequence`. */
  #base: Pick<State, "orders" | "notes"> = emptyState();
  #baseSequence = 0;
  /** Transactions after that, by sequence - baseSequence - 1; cached flushes are empty ones. */
  #entries: (readonly SimWrite[])[] = [];
  readonly #cached = new Map<string, { readonly key: SimKey; readonly logged: Logged[] }>();
  readonly #unlogged = new Map<string, SimKey>();
  /** Greatest sequence that somebody was told to be durable. */
  acknowledged = 0;
  /** An opening that was cut short may have written the schemas. */
  mayHaveDeclared = false;

  /** Of a store that was opened at `sequence` and holds this. */
  static startingAt(sequence: number, state: State): Model {
    const model = new Model();
    model.#base = { orders: new Map(state.orders), notes: new Map(state.notes) };
    model.#settle(sequence, state);
    return model;
  }

  get committed(): number {
    return this.#baseSequence + this.#entries.length;
  }

  acknowledge(sequence: number): void {
    if (sequence > this.acknowledged) this.acknowledged = sequence;
  }

  /** The store's sequence has grown by flushes of cached rows since the last transaction. */
  noteFlush(lastSequence: number, unloggedRows: number): void {
    if (lastSequence <= this.committed) return;
    const from = this.committed + 1;
    for (const [text, key] of this.#unlogged) {
      const row = this.memory.quotes.get(text)?.row;
      this.#log(key, { row, from, to: lastSequence, certain: unloggedRows === 0 });
    }
    if (unloggedRows === 0) this.#unlogged.clear();
    while (this.committed < lastSequence) this.#entries.push([]);
  }

  /** A transaction with the next sequence. */
  commit(writes: readonly SimWrite[]): void {
    this.#entries.push(writes);
    const sequence = this.committed;
    for (const write of writes) {
      this.#change(write);
      if (write.table !== "quotes") continue;
      this.#unlogged.delete(keyText(write.key));
      this.#log(write.key, { row: write.row, from: sequence, to: sequence, certain: true });
    }
  }

  /** A transaction of cached tables only, in memory so far. */
  remember(writes: readonly SimWrite[]): void {
    for (const write of writes) {
      this.#change(write);
      this.#unlogged.set(keyText(write.key), write.key);
    }
  }

  /** The state at a sequence of this session, or at the one before its first. */
  expectedAt(sequence: number): Expected {
    const { orders, notes } = this.#base;
    const logged = { orders: new Map(orders), notes: new Map(notes) };
    for (const writes of this.#entries.slice(0, sequence - this.#baseSequence)) {
      for (const write of writes) apply(logged, write);
    }
    const cached = new Map<string, (SimRow | undefined)[]>();
    for (const [text, entry] of this.#cached) cached.set(text, admissible(entry.logged, sequence));
    return { sequence, logged, cached };
  }

  /**
   * The transaction that recovery has come to, if it found `sequence` to be the last one, or what
   * is wrong with that.
   */
  recoveredTo(sequence: number, declared: boolean): number | string {
    const schemas = this.mayHaveDeclared && !declared ? 1 : 0;
    const through = sequence - schemas;
    if (through < this.acknowledged) {
      return `transactions ${through + 1} to ${this.acknowledged} were acknowledged and are lost`;
    }
    if (through > this.committed) {
      return `transaction ${through} was never made (the last one is ${this.committed})`;
    }
    return through;
  }

  /**
   * Takes over what recovery found at `sequence`, or says what is wrong with it. `declared`: the
   * opening has then written schemas as one more transaction.
   */
  recover(sequence: number, found: State, declared: boolean): string | undefined {
    const through = this.recoveredTo(sequence, declared);
    if (typeof through === "string") return through;
    const expected = this.expectedAt(through);
    const wrong = compareExpected(expected, found);
    if (wrong !== undefined) return wrong;
    this.#base = expected.logged;
    this.#settle(sequence + (declared ? 1 : 0), found);
    return undefined;
  }

  /** Compares what reads of the running store give. */
  compareMemory(found: State): string | undefined {
    return compareStates(this.memory, found);
  }

  #change({ table, key, row }: SimWrite): void {
    if (row === undefined) this.memory[table].delete(keyText(key));
    else this.memory[table].set(keyText(key), { key, row });
  }

  #log(key: SimKey, logged: Logged): void {
    const text = keyText(key);
    let entry = this.#cached.get(text);
    if (entry === undefined) {
      entry = { key, logged: [] };
      this.#cached.set(text, entry);
    }
    entry.logged.push(logged);
  }

  #settle(sequence: number, found: State): void {
    this.#baseSequence = sequence;
    this.#entries = [];
    this.acknowledged = sequence;
    this.mayHaveDeclared = false;
    this.#unlogged.clear();
    this.#cached.clear();
    this.memory = copyState(found);
    for (const { key, row } of found.quotes.values()) {
      this.#log(key, { row, from: sequence, to: sequence, certain: true });
    }
  }
}

/** The values that a key may have after the log up to `through`. */
function admissible(logged: readonly Logged[], through: number): (SimRow | undefined)[] {
  let rows: (SimRow | undefined)[] = [undefined];
  for (const one of logged) {
    if (one.from > through) break;
    if (one.certain && one.to <= through) rows = [one.row];
    else rows.push(one.row);
  }
  return rows;
}

/** What is wrong with a state that was found, or undefined. */
export function compareExpected(expected: Expected, found: State): string | undefined {
  const at = `at sequence ${expected.sequence}:`;
  for (const table of ["orders", "notes"] as const) {
    const wrong = differenceOf(table, expected.logged[table], found[table]);
    if (wrong !== undefined) return `${at} ${wrong}`;
  }
  for (const text of found.quotes.keys()) {
    if (!expected.cached.has(text)) return `${at} quotes ${text} is there, and was never logged`;
  }
  for (const [text, rows] of expected.cached) {
    const row = found.quotes.get(text)?.row;
    if (rows.some((one) => sameRow(one, row))) continue;
    return `${at} quotes ${text} is ${show(row)}, logged were ${rows.map(show).join(", ")}`;
  }
  return undefined;
}

export function compareStates(expected: State, found: State): string | undefined {
  for (const table of TABLE_NAMES) {
    const wrong = differenceOf(table, expected[table], found[table]);
    if (wrong !== undefined) return wrong;
  }
  return undefined;
}

export function sameRow(a: SimRow | undefined, b: SimRow | undefined): boolean {
  if (a === undefined || b === undefined) return a === b;
  return a.stamp === b.stamp && a.text === b.text && a.note === b.note;
}

function differenceOf(table: string, expected: Rows, found: Rows): string | undefined {
  for (const [text, { row }] of expected) {
    const other = found.get(text)?.row;
    if (!sameRow(row, other)) return `${table} ${text}: expected ${show(row)}, got ${show(other)}`;
  }
  if (expected.size === found.size) return undefined;
  for (const text of found.keys()) {
    if (!expected.has(text)) return `${table} ${text} is there and must not be`;
  }
  return undefined;
}

export function show(row: SimRow | undefined): string {
  return row === undefined ? "absent" : `#${row.stamp} (${row.text.length} characters)`;
}
