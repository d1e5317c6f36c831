/**
 * What the store must hold: in memory now, and after a crash. Logged transactions have a sequence, so
 * that what recovery finds must be the state after one of them: no earlier than what was
 * acknowledged, no later than what was committed.
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

function emptyState(): State {
  return { orders: new Map(), notes: new Map(), quotes: new Map() };
}

function apply(state: State, { table, key, row }: SimWrite): void {
  if (row === undefined) state[table].delete(keyText(key));
  else state[table].set(keyText(key), { key, row });
}

export class Model {
  /** What reads of the running store must see. */
  memory = emptyState();
  /** Logged tables as they were at `baseSequence`. */
  #base = emptyState();
  #baseSequence = 0;
  /** Transactions after that, by sequence - baseSequence - 1; cached flushes are empty ones. */
  #entries: (readonly SimWrite[])[] = [];
  readonly #cached = new Map<string, { readonly key: SimKey; readonly logged: Logged[] }>();
  readonly #unlogged = new Map<string, SimKey>();
  /** Greatest sequence that somebody was told to be durable. */
  acknowledged = 0;
  /** An opening that was cut short may have written the schemas. */
  mayHaveDeclared = false;

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
      apply(this.memory, write);
      if (write.table !== "quotes") continue;
      this.#unlogged.delete(keyText(write.key));
      this.#log(write.key, { row: write.row, from: sequence, to: sequence, certain: true });
    }
  }

  /** A transaction of cached tables only, in memory so far. */
  remember(writes: readonly SimWrite[]): void {
    for (const write of writes) {
      apply(this.memory, write);
      this.#unlogged.set(keyText(write.key), write.key);
    }
  }

  /**
   * Takes over what recovery found at `sequence`, or says what is wrong with it. `declared`: the
   * opening has then written schemas as one more transaction.
   */
  recover(sequence: number, found: State, declared: boolean): string | undefined {
    const schemas = this.mayHaveDeclared && !declared ? 1 : 0;
    const through = sequence - schemas;
    if (through < this.acknowledged) {
      return `transactions ${through + 1} to ${this.acknowledged} were acknowledged and are lost`;
    }
    if (through > this.committed) {
      return `transaction ${through} was never made (the last one is ${this.committed})`;
    }
    for (const writes of this.#entries.slice(0, through - this.#baseSequence)) {
      for (const write of writes) if (write.table !== "quotes") apply(this.#base, write);
    }
    for (const table of ["orders", "notes"] as const) {
      const wrong = differenceOf(table, this.#base[table], found[table]);
      if (wrong !== undefined) return `at sequence ${through}: ${wrong}`;
    }
    const wrong = this.#checkCached(through, found.quotes);
    if (wrong !== undefined) return `at sequence ${through}: ${wrong}`;
    this.#settle(sequence + (declared ? 1 : 0), found);
    return undefined;
  }

  /** Compares what reads of the running store give. */
  compareMemory(found: State): string | undefined {
    for (const table of TABLE_NAMES) {
      const wrong = differenceOf(table, this.memory[table], found[table]);
      if (wrong !== undefined) return wrong;
    }
    return undefined;
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

  #checkCached(through: number, found: Rows): string | undefined {
    for (const text of found.keys()) {
      if (!this.#cached.has(text)) return `quotes ${text} is there, and was never logged`;
    }
    for (const [text, { logged }] of this.#cached) {
      const row = found.get(text)?.row;
      if (!admissible(logged, through).some((one) => sameRow(one, row))) {
        return `quotes ${text} is ${show(row)}, logged were ${JSON.stringify(logged)}`;
      }
    }
    return undefined;
  }

  #settle(sequence: number, found: State): void {
    this.#baseSequence = sequence;
    this.#entries = [];
    this.acknowledged = sequence;
    this.mayHaveDeclared = false;
    this.#unlogged.clear();
    this.#cached.clear();
    this.memory = emptyState();
    for (const table of TABLE_NAMES) {
      for (const [text, entry] of found[table]) this.memory[table].set(text, entry);
    }
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

function show(row: SimRow | undefined): string {
  return row === undefined ? "absent" : `#${row.stamp} (${row.text.length} characters)`;
}
