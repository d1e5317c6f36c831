/** What can be asked of the history of a store, by the program that writes it or by another. */
import { HoldfastError, isHoldfastError } from "../base/errors.js";
import { KEY_BYTES_MAX } from "../base/limits.js";
import { parseSchema } from "../codec/schema-description.js";
import { historyGone, LogReader } from "../history/log-reader.js";
import type { LogSource } from "../history/log-source.js";
import { decodeTransaction, type LoggedTransaction } from "../history/logged-transaction.js";
import {
  checkMoment,
  lastDurable,
  type Moment,
  microsOf,
  oldest,
  sequenceAt,
} from "../history/moments.js";
import { type StoredRow, StoredTables } from "../history/stored-tables.js";
import type { AnySeries } from "../series/definition.js";
import { KeyHistory, type RowChange } from "./key-history.js";
import { TABLE_ID_BYTES } from "./layers.js";
import { type AnyTable, openPast, type PastState, turn } from "./past-state.js";
import { checkSnapshotName, findSnapshot } from "./snapshots.js";
import { differences, type RowDifference } from "./state-difference.js";

/** Rows that are compared before the event loop turns. */
const ROWS_PER_TURN = 1024;

/** A state of the past: a moment, or the name of a snapshot. */
export type PastPoint = Moment | string;

/** Which transactions: bounds are sequences or times. `gte` wins over `gt`, `lte` over `lt`. */
export interface HistoryRange {
  readonly gt?: Moment;
  readonly gte?: Moment;
  readonly lt?: Moment;
  readonly lte?: Moment;
  /** At most so many; no limit by default. */
  readonly limit?: number;
}

export interface ChangesOptions {
  /** Begin with this transaction. Default: the next one there will be. */
  readonly from?: Moment;
  /** Only transactions that concern one of these tables, and of those only what does. */
  readonly tables?: readonly AnyTable[];
  /** Ends it, without an error. */
  readonly signal?: AbortSignal;
}

export interface DiffOptions {
  /** Only these tables. */
  readonly tables?: readonly AnyTable[];
}

export interface StoreHistoryOptions {
  readonly source: LogSource;
  readonly tables: readonly AnyTable[];
  readonly series: readonly AnySeries[];
  /** For each state of the past that is open, in bytes. */
  readonly cacheBytes: number;
}

/** Reads only. All of it may throw HISTORY_GONE, CORRUPT_LOG, CORRUPT_RUN, MISSING_FILE or IO. */
export class StoreHistory {
  readonly #source: LogSource;
  readonly #o: StoreHistoryOptions;
  readonly #closing = new AbortController();

  constructor(options: StoreHistoryOptions) {
    this.#source = options.source;
    this.#o = options;
  }

  /** See `Store.at`. */
  async at(point: PastPoint): Promise<PastState> {
    return openPast(this.#source, await this.#sequenceOf(point), this.#o);
  }

  /** The tables of the store, each by the last version that its manifest knows. */
  async tables(): Promise<readonly AnyTable[]> {
    const { tables } = await this.#source.manifest();
    return tables.map(({ schemas }) => parseSchema(schemas.at(-1)));
  }

  /** See `Store.transactions`. */
  async *transactions(
    range: HistoryRange = {},
  ): AsyncGenerator<LoggedTransaction, void, undefined> {
    const { from, to, limit } = await this.#boundsOf(range);
    const tables = new StoredTables((await this.#source.manifest()).tables);
    const reader = new LogReader(this.#source, from, this.#closing.signal);
    let left = limit;
    if (left === 0) return;
    for await (const { writer, records } of reader.read(to)) {
      for (const record of records) {
        yield decodeTransaction(record, writer, tables);
        if (--left === 0) return;
      }
    }
  }

  /** See `Store.changes`. */
  async *changes(options: ChangesOptions = {}): AsyncGenerator<LoggedTransaction, void, undefined> {
    const { from, wants, signal } = await this.#following(options);
    const filtered = options.tables !== undefined;
    const tables = new StoredTables((await this.#source.manifest()).tables);
    const reader = new LogReader(this.#source, from, signal);
    while (!signal.aborted) {
      const since = reader.next;
      try {
        for await (const { writer, records } of reader.read(Number.MAX_SAFE_INTEGER - 1)) {
          for (const record of records) {
            const transaction = decodeTransaction(record, writer, tables, wants);
            if (filtered && transaction.operations.length === 0) continue;
            yield transaction;
            if (signal.aborted) return;
          }
        }
      } catch (error) {
        if (signal.aborted && isHoldfastError(error, "CLOSED")) return;
        throw error;
      }
      // What has become durable since it was read has woken nobody.
      const isMore = (this.#source.durable()?.sequence ?? 0) >= reader.next;
      if (reader.next === since && !isMore) await this.#source.more(signal);
    }
  }

  /** See `Table.history`. */
  async *history(
    tableName: string,
    key: unknown,
    range: HistoryRange = {},
  ): AsyncGenerator<RowChange, void, undefined> {
    const { from, to, limit } = await this.#boundsOf(range);
    const tables = new StoredTables((await this.#source.manifest()).tables);
    const table = tables.byName(tableName);
    if (table === undefined || limit === 0) return;
    const bytes = new Uint8Array(TABLE_ID_BYTES + KEY_BYTES_MAX);
    const valid = table.key.validate(key, tableName);
    const end = table.key.encode(valid, bytes, TABLE_ID_BYTES, bytes.length);
    const keyHistory = new KeyHistory(tables, table, bytes.subarray(0, end));
    const start = await keyHistory.begin(this.#source, from, await oldest(this.#source));
    const reader = new LogReader(this.#source, start, this.#closing.signal);
    let left = limit;
    let steps = 0;
    for await (const { writer, records } of reader.read(to)) {
      for (const record of records) {
        for (const change of keyHistory.take(record, writer)) {
          if (record.sequence < from) continue;
          yield change;
          if (--left === 0) return;
        }
        if (++steps % ROWS_PER_TURN === 0) await turn(this.#source);
      }
    }
  }

  /** See `Store.diff`. */
  async *diff(
    a: PastPoint,
    b: PastPoint,
    options: DiffOptions = {},
  ): AsyncGenerator<RowDifference, void, undefined> {
    const wants = wantedTables(options.tables);
    const before = await this.at(a);
    try {
      const after = await this.at(b);
      try {
        let steps = 0;
        for (const difference of differences(before, after, wants)) {
          if (difference !== undefined) yield difference;
          if (++steps % ROWS_PER_TURN === 0) await turn(this.#source);
        }
      } finally {
        await after.close();
      }
    } finally {
      await before.close();
    }
  }

  /** Whoever follows the log is told that it ends. */
  close(): void {
    this.#closing.abort();
  }

  // ---- places ----------------------------------------------------------------------------------

  async #sequenceOf(point: PastPoint): Promise<number> {
    if (typeof point === "string") {
      checkSnapshotName(point);
      return findSnapshot(await this.#source.manifest(), point).sequence;
    }
    checkMoment("a state of the past", point);
    if (typeof point !== "number") return sequenceAt(this.#source, microsOf(point.time));
    const last = await lastDurable(this.#source);
    if (point <= last) return point;
    throw new HoldfastError(
      "INVALID_ARGUMENT",
      `there is no durable transaction ${point}; the last one is ${last}`,
      { sequence: point },
    );
  }

  async #boundsOf(range: HistoryRange): Promise<{ from: number; to: number; limit: number }> {
    checkRange(range);
    const { gt, gte, lt, lte, limit = Number.POSITIVE_INFINITY } = range;
    const last = await lastDurable(this.#source);
    const first = (await oldest(this.#source)) ?? last + 1;
    let from = first;
    if (gte !== undefined) from = await this.#firstFrom(gte);
    else if (gt !== undefined) from = (await this.#lastUpTo(gt)) + 1;
    let to = last;
    if (lte !== undefined) to = await this.#lastUpTo(lte);
    else if (lt !== undefined) to = (await this.#firstFrom(lt)) - 1;
    from = Math.max(1, from);
    to = Math.min(to, last);
    if (from < first && from <= to) throw historyGone(from, first > last ? undefined : first);
    return { from, to, limit };
  }

  async #lastUpTo(moment: Moment): Promise<number> {
    if (typeof moment === "number") return moment;
    return sequenceAt(this.#source, microsOf(moment.time));
  }

  async #firstFrom(moment: Moment): Promise<number> {
    if (typeof moment === "number") return moment;
    return (await sequenceAt(this.#source, microsOf(moment.time) - 1)) + 1;
  }

  async #following({ from, tables, signal }: ChangesOptions) {
    const wants = wantedTables(tables);
    if (from !== undefined) checkMoment("from", from);
    const both = signal === undefined ? [] : [signal];
    return {
      wants,
      signal: AbortSignal.any([this.#closing.signal, ...both]),
      from:
        from === undefined
          ? (await lastDurable(this.#source)) + 1
          : Math.max(1, await this.#firstFrom(from)),
    };
  }
}

function wantedTables(tables: readonly AnyTable[] | undefined): (table: string) => boolean {
  if (tables === undefined) return () => true;
  const isList = Array.isArray(tables) && tables.every((one) => typeof one?.name === "string");
  if (!isList) {
    throw new HoldfastError(
      "INVALID_ARGUMENT",
      "tables must be a list of what defineTable returns",
    );
  }
  const names = new Set(tables.map(({ name }) => name));
  return (table) => names.has(table);
}

const RANGE_OPTIONS = new Set(["gt", "gte", "lt", "lte", "limit"]);

function checkRange(range: HistoryRange): void {
  if (typeof range !== "object" || range === null) {
    throw new HoldfastError("INVALID_ARGUMENT", `a range is an object, got ${String(range)}`);
  }
  for (const [name, value] of Object.entries(range)) {
    if (!RANGE_OPTIONS.has(name)) {
      throw new HoldfastError("INVALID_ARGUMENT", `unknown range option "${name}"`);
    }
    if (value !== undefined && name !== "limit") checkMoment(name, value);
  }
  const { limit } = range;
  if (limit === undefined || limit === Number.POSITIVE_INFINITY) return;
  if (Number.isSafeInteger(limit) && limit >= 0) return;
  throw new HoldfastError("INVALID_ARGUMENT", `limit must be a whole number, got ${limit}`);
}

export type { RowChange, StoredRow };
