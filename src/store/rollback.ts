/**
 * Going back: new transactions that make the state what it was after an earlier one. The history
 * between stays, and so does what is written meanwhile, which is taken back with the rest.
 *
 * What differs is found beside whoever writes. Keys that change while it is looked for are
 * remembered, and looked at again in the same turn in which the last transaction is written: behind
 * that the state is the one asked for, whatever went on.
 */
import { HoldfastError, isHoldfastError } from "../base/errors.js";
import { KEY_BYTES_MAX, ROW_BYTES_MAX, TRANSACTION_OPERATIONS_MAX } from "../base/limits.js";
import { BLOB_TABLES } from "../blobs/tables.js";
import { BOOK_TABLES } from "../books/tables.js";
import type { Annotation } from "../log/annotation.js";
import { FRAME_HEADER_BYTES, OPERATION_HEADER_BYTES, RECORD_HEADER_BYTES } from "../log/format.js";
import { SERIES_TABLES } from "../series/tables.js";
import type { Commits } from "./commits.js";
import { assertWayBack } from "./later-versions.js";
import { openPast, type PastState, turn } from "./past-state.js";
import { entriesOf, newest } from "./range.js";
import { marked, type RollbackInfo, type RollbackOptions } from "./rollback-options.js";
import { compareRows, differenceOf, type RowDifference } from "./state-difference.js";
import type { StoreParts } from "./store.js";
import type { TableState } from "./table-state.js";
import { Touched } from "./touched.js";
import type { TransactionRunner } from "./transaction.js";

export type RollbackParts = Pick<
  StoreParts,
  "background" | "catalog" | "disk" | "options" | "source" | "writer"
> & {
  readonly commits: Commits;
  readonly runner: TransactionRunner;
  readonly assertOpen: () => void;
  /** Puts the newest rows of cached tables into the log. */
  readonly flushCached: () => void;
};

/** What does not fit one transaction goes in parts of so many bytes: below a millisecond each. */
const PART_BYTES = 64 * 1024;

const ROWS_PER_TURN = 1024;

/** Keys that others have changed meanwhile are looked at in the turn of the last transaction. */
const TOUCHED_PER_TURN = 256;

/** If there are more, they are looked at before, but not for ever. */
const TOUCHED_TURNS_MAX = 64;

/**
 * A series, a book, or a blob stands in several rows that have to agree: all of them go in the last
 * transaction.
 */
const TOGETHER: ReadonlySet<string> = new Set(
  [...SERIES_TABLES, ...BOOK_TABLES, ...BLOB_TABLES].map(({ name }) => name),
);

interface Compensation {
  readonly table: TableState;
  readonly key: unknown;
  /** Undefined: it goes. */
  readonly row: unknown;
  readonly bytes: number;
}

/** Makes the state what it was after `to`, which is durable. Errors: see `Store.rollback`. */
export async function rollBack(
  parts: RollbackParts,
  to: number,
  options: RollbackOptions,
  annotation: Annotation,
): Promise<RollbackInfo> {
  const { catalog, source } = parts;
  const { cacheBytes } = parts.options;
  await assertWayBack(source, [...catalog.tables], to);
  const bound = [...catalog.tables].filter(({ isBound }) => isBound);
  const tables = bound.map(({ definition }) => definition);
  const then = await openPast(source, to, { tables, series: [], books: [], cacheBytes });
  try {
    return await new Rollback(parts, then, options, annotation).run();
  } finally {
    await then.close();
  }
}

class Rollback {
  readonly #parts: RollbackParts;
  readonly #then: PastState;
  readonly #options: RollbackOptions;
  readonly #annotation: Annotation;
  /** With the definition that each had when this began. */
  readonly #tables: ReadonlyMap<TableState, TableState["definition"]>;
  readonly #counts = new Map<string, { added: number; removed: number; changed: number }>();
  readonly #touched = new Touched();
  readonly #scratch = new Uint8Array(KEY_BYTES_MAX + ROW_BYTES_MAX);
  #pending: Compensation[] = [];
  #pendingBytes = 0;
  /** Of series and books. */
  #together: Compensation[] = [];
  #togetherBytes = 0;
  #found = 0;
  /** What one transaction can hold, and what a part does. */
  readonly #bytesMax: number;
  readonly #partBytes: number;
  /** It is more than one can hold. */
  #isSplit = false;
  #firstSequence: number | undefined;
  #lastSequence: number | undefined;
  #transactions = 0;
  #steps = 0;

  constructor(
    parts: RollbackParts,
    then: PastState,
    options: RollbackOptions,
    annotation: Annotation,
  ) {
    this.#parts = parts;
    this.#then = then;
    this.#options = options;
    this.#annotation = annotation;
    // Series first: whether they fit is known before anything is written.
    const ordered = [...parts.catalog.tables].sort((a, b) => rankOf(a) - rankOf(b));
    this.#tables = new Map(ordered.map((table) => [table, table.definition]));
    const said = Buffer.byteLength(JSON.stringify(marked(annotation, then.sequence, "1 of 1")));
    const headers = FRAME_HEADER_BYTES + RECORD_HEADER_BYTES + OPERATION_HEADER_BYTES;
    this.#bytesMax = parts.options.frameBytesMax - headers - said;
    this.#partBytes = Math.min(PART_BYTES, Math.floor(this.#bytesMax / 2));
  }

  async run(): Promise<RollbackInfo> {
    const { runner } = this.#parts;
    const { check = false } = this.#options;
    if (!check) runner.touched = this.#touched;
    try {
      for (const table of this.#tables.keys()) await this.#compare(table, check);
      if (!check) await this.#finish();
    } catch (error) {
      throw this.#transactions === 0 ? error : halfDone(error, this.#lastSequence as number);
    } finally {
      if (!check) runner.touched = undefined;
    }
    return {
      to: this.#then.sequence,
      atomic: !this.#isSplit,
      firstSequence: this.#firstSequence,
      lastSequence: this.#lastSequence,
      transactions: this.#transactions,
      tables: [...this.#counts].map(([table, counts]) => ({ table, ...counts })),
    };
  }

  // ---- what differs ----------------------------------------------------------------------------

  async #compare(table: TableState, check: boolean): Promise<void> {
    const now = entriesOf(newest(table)) as Iterator<readonly [unknown, never]>;
    const then = this.#rowsThen(table) as Iterator<readonly [unknown, never]>;
    for (const difference of compareRows(table.name, now, then, table.key.compare)) {
      if (++this.#steps % ROWS_PER_TURN === 0) await this.#pause();
      if (difference === undefined) continue;
      this.#add(table, difference);
      if (check) this.#pending = this.#together = [];
      else if (this.#isSplit) await this.#writeParts();
    }
  }

  /** In the order of the keys; none where there was no such table. */
  #rowsThen(table: TableState): Iterator<readonly [unknown, unknown]> {
    const definition = this.#definitionThen(table);
    const rows = definition === undefined ? [] : this.#then.table(definition).entries();
    return rows[Symbol.iterator]();
  }

  #definitionThen(table: TableState): TableState["definition"] | undefined {
    return this.#then.tables.find(({ name }) => name === table.name);
  }

  #add(table: TableState, difference: RowDifference): void {
    const { key, kind, after: row } = difference;
    const counts = this.#counts.get(table.name) ?? { added: 0, removed: 0, changed: 0 };
    this.#counts.set(table.name, counts);
    counts[kind]++;
    this.#options.onRow?.(difference);
    const bytes = this.#sizeOf(table, key, row);
    this.#found++;
    if (TOGETHER.has(table.name)) this.#addTogether({ table, key, row, bytes });
    else {
      this.#pending.push({ table, key, row, bytes });
      this.#pendingBytes += bytes;
    }
    const isTooMuch =
      this.#pendingBytes + this.#togetherBytes > this.#bytesMax ||
      this.#found > TRANSACTION_OPERATIONS_MAX;
    if (isTooMuch) this.#isSplit = true;
  }

  #addTogether(compensation: Compensation): void {
    this.#together.push(compensation);
    this.#togetherBytes += compensation.bytes;
    if (this.#togetherBytes <= this.#bytesMax - this.#partBytes) return;
    throw new HoldfastError(
      "TOO_LARGE",
      "what series, books and blobs would get back is more than one transaction holds: " +
        "fork that state",
    );
  }

  #sizeOf(table: TableState, key: unknown, row: unknown): number {
    const scratch = this.#scratch;
    const keyEnd = table.key.encode(key, scratch, 0, KEY_BYTES_MAX);
    const end = row === undefined ? keyEnd : table.row.encode(row, scratch, keyEnd, scratch.length);
    return OPERATION_HEADER_BYTES + (end < 0 ? scratch.length : end);
  }

  /** Others have their turn; throws what ends this. */
  async #pause(): Promise<void> {
    await turn(this.#parts.source);
    this.#options.signal?.throwIfAborted();
    this.#parts.assertOpen();
  }

  // ---- what is written -------------------------------------------------------------------------

  async #finish(): Promise<void> {
    const { writer } = this.#parts;
    await this.#pause();
    for (let i = 0; this.#touched.size > TOUCHED_PER_TURN && i < TOUCHED_TURNS_MAX; i++) {
      this.#takeTouched(TOUCHED_PER_TURN);
      await this.#pause();
    }
    do {
      if (this.#isSplit) await this.#writeParts();
      // From here to the last transaction in one turn.
      this.#parts.flushCached();
      this.#takeTouched(Number.POSITIVE_INFINITY);
    } while (this.#isSplit && this.#hasPart);
    const rest = [...this.#pending.splice(0), ...this.#together.splice(0)];
    if (rest.length > 0)
      this.#write(rest, `${this.#transactions + 1} of ${this.#transactions + 1}`);
    if (this.#lastSequence !== undefined) await writer.durable(this.#lastSequence);
  }

  /** All but what is left for the last one, which says that it is. */
  async #writeParts(): Promise<void> {
    const { writer, background } = this.#parts;
    while (this.#hasPart) {
      this.#write(this.#takePart(), String(this.#transactions + 1));
      // As fast as the disk takes it.
      await writer.durable(writer.lastSequence);
      await background.gate;
      await this.#pause();
    }
  }

  get #hasPart(): boolean {
    return this.#pendingBytes > this.#partBytes && this.#pending.length > 1;
  }

  #takePart(): Compensation[] {
    let [count, bytes] = [0, 0];
    for (const one of this.#pending.slice(0, -1)) {
      if (count > 0 && bytes + one.bytes > this.#partBytes) break;
      bytes += one.bytes;
      count++;
    }
    this.#pendingBytes -= bytes;
    return this.#pending.splice(0, count);
  }

  /** Keys that somebody else has changed meanwhile: do they have to be changed again? */
  #takeTouched(limit: number): void {
    for (const { table, key } of this.#touched.take(limit)) {
      const definition = this.#definitionThen(table);
      const then = definition === undefined ? undefined : this.#then.table(definition).get(key);
      const now = table.get(key);
      if (now === undefined && then === undefined) continue;
      const difference = differenceOf(table.name, key, now as never, then as never);
      if (difference !== undefined) this.#add(table, difference);
    }
  }

  #write(compensations: readonly Compensation[], part: string): void {
    const { runner, commits } = this.#parts;
    const annotation = marked(this.#annotation, this.#then.sequence, part);
    const causedBy = this.#firstSequence;
    for (const [table, definition] of this.#tables) table.assertInForce(definition);
    // What this itself changes is as it is to be.
    runner.touched = undefined;
    try {
      const before = this.#parts.writer.lastSequence;
      commits.runUnchecked(
        () => {
          for (const { table, key, row } of compensations) {
            if (row === undefined) runner.deleteRow(table, key);
            else runner.storeRow(table, key, row);
          }
        },
        causedBy === undefined ? annotation : { ...annotation, causedBy },
      );
      // They are read again from their rows.
      this.#parts.catalog.series.forget();
      this.#parts.catalog.books.forget();
      const { lastSequence } = this.#parts.writer;
      if (lastSequence === before) return;
      this.#transactions++;
      this.#firstSequence ??= lastSequence;
      this.#lastSequence = lastSequence;
      this.#parts.writer.flushSoon();
    } finally {
      runner.touched = this.#touched;
    }
  }
}

function rankOf({ name }: TableState): number {
  return TOGETHER.has(name) ? 0 : 1;
}

/** What is done is done, and asking again does the rest. */
function halfDone(error: unknown, last: number): unknown {
  if (!isHoldfastError(error)) return error;
  const where = `the rollback stands half done after transaction ${last}: ask for it again`;
  const message = `${where}. ${error.message}`;
  return new HoldfastError(error.code, message, { ...error.data, sequence: last }, error);
}
