/** What can be asked of the history of a store, by the program that writes it or by another. */
import { fromHex } from "../base/bytes.js";
import { HoldfastError, isHoldfastError } from "../base/errors.js";
import { KEY_BYTES_MAX } from "../base/limits.js";
import type { BookDefinition } from "../books/definition.js";
import { parseSchema } from "../codec/schema-description.js";
import type { Disk } from "../disk/disk.js";
import { historyGone, LogReader } from "../history/log-reader.js";
import { type LogSource, sourceBeside } from "../history/log-source.js";
import {
  declareTables,
  decodeTransaction,
  type LoggedTransaction,
} from "../history/logged-transaction.js";
import {
  checkMoment,
  lastDurable,
  type Moment,
  microsOf,
  oldest,
  sequenceAt,
} from "../history/moments.js";
import { type StoredRow, StoredTables } from "../history/stored-tables.js";
import { type Annotation, annotationOf, checkAnnotation, matches } from "../log/annotation.js";
import { checkHash, HistoryHash } from "../log/history-hash.js";
import type { AnySeries } from "../series/definition.js";
import type {
  ChangesOptions,
  DiffOptions,
  HistoryHead,
  HistoryHeadRange,
  HistoryRange,
  PastPoint,
  TransactionRange,
} from "./history-ranges.js";
import { KeyHistory, type RowChange } from "./key-history.js";
import { assertWayBack } from "./later-versions.js";
import { TABLE_ID_BYTES } from "./layers.js";
import type { Options } from "./options.js";
import { type AnyTable, openPast, type PastState, turn } from "./past-state.js";
import { checkEnvironment, readManifest } from "./read-only.js";
import { type ReplayParts, replayHistory } from "./replay-history.js";
import { checkReplayOptions, type ReplayOptions, type ReplayReport } from "./replay-options.js";
import { checkSnapshotName, findSnapshot } from "./snapshots.js";
import { differences, type RowDifference } from "./state-difference.js";

/** Rows that are compared before the event loop turns. */
const ROWS_PER_TURN = 1024;

export interface StoreHistoryOptions extends Pick<ReplayParts, "open"> {
  readonly source: LogSource;
  readonly tables: readonly AnyTable[];
  readonly series: readonly AnySeries[];
  readonly books: readonly BookDefinition[];
  /** For each state of the past that is open, in bytes. */
  readonly cacheBytes: number;
  /** Of the store, and so of what is forked off it. */
  readonly disk?: Disk | undefined;
  readonly environment: string;
}

/**
 * The history of the store in a directory, without its lock. Throws NOT_A_STORE, WRONG_ENVIRONMENT,
 * FORMAT_VERSION, CORRUPT_MANIFEST or IO.
 */
export async function historyBeside(
  disk: Disk,
  directory: string,
  options: Options,
  open: StoreHistoryOptions["open"],
): Promise<StoreHistory> {
  checkEnvironment(await readManifest(disk, directory), directory, options);
  return new StoreHistory({ ...options, source: sourceBeside(disk, directory), open });
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
    return openPast(this.#source, await this.sequenceOf(point), this.#o);
  }

  /** The tables of the store, each by the last version that its manifest knows. */
  async tables(): Promise<readonly AnyTable[]> {
    const { tables } = await this.#source.manifest();
    return tables.map(({ schemas }) => parseSchema(schemas.at(-1)));
  }

  /** See `Store.transactions`. */
  async *transactions(
    range: TransactionRange = {},
  ): AsyncGenerator<LoggedTransaction, void, undefined> {
    const wanted = wantedAnnotation(range);
    const { causedBy: _, tags: __, ...bounds } = range;
    const { from, to, limit } = await this.#boundsOf(bounds);
    const tables = new StoredTables((await this.#source.manifest()).tables);
    const reader = new LogReader(this.#source, from, this.#closing.signal);
    let left = limit;
    if (left === 0) return;
    let passed = 0;
    for await (const { writer, records } of reader.read(to)) {
      for (const record of records) {
        if (wanted !== undefined && !matches(annotationOf(record), wanted)) {
          declareTables(record, tables);
          // Whoever waits for what is rare is not the only one on this thread.
          if (++passed % ROWS_PER_TURN === 0) await turn(this.#source);
          continue;
        }
        yield decodeTransaction(record, writer, tables);
        if (--left === 0) return;
      }
    }
  }

  /** See `Store.causes`. */
  async *causes(sequence: number): AsyncGenerator<LoggedTransaction, void, undefined> {
    const last = await lastDurable(this.#source);
    if (!Number.isSafeInteger(sequence) || sequence < 1 || sequence > last) {
      throw new HoldfastError(
        "INVALID_ARGUMENT",
        `there is no durable transaction ${String(sequence)}; the last one is ${last}`,
      );
    }
    // A cause is in the log before what it causes: so this ends.
    let found = await this.#one(sequence);
    yield found;
    while (found.causedBy !== undefined && found.causedBy < found.sequence) {
      found = await this.#one(found.causedBy);
      yield found;
    }
  }

  async #one(sequence: number): Promise<LoggedTransaction> {
    for await (const found of this.transactions({ gte: sequence, lte: sequence })) return found;
    throw historyGone(sequence, await oldest(this.#source));
  }

  /** See `Store.historyHead`. */
  async historyHead({ base, ...range }: HistoryHeadRange = {}): Promise<HistoryHead> {
    if (base !== undefined) checkHash("base", base);
    const { from, to } = await this.#boundsOf(range);
    const hash = new HistoryHash(base === undefined ? undefined : (fromHex(base) as Uint8Array));
    const reader = new LogReader(this.#source, from, this.#closing.signal);
    let hashed = 0;
    for await (const { writer, records } of reader.read(to)) {
      for (const record of records) {
        hash.add(record, writer);
        if (++hashed % ROWS_PER_TURN === 0) await turn(this.#source);
      }
    }
    return { from, to, transactions: hashed, head: hash.head };
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

  /** See `Store.replay`. */
  async replay(options: ReplayOptions): Promise<ReplayReport> {
    checkReplayOptions(options);
    const { from: first, to: last } = options;
    checkMoment("from", first);
    const { from, to } = await this.#boundsOf(
      last === undefined ? { gte: first } : { gte: first, lte: last },
    );
    const { source, disk, environment } = this.#o;
    const fork = disk === undefined ? { environment } : { environment, disk };
    return replayHistory({ ...this.#o, source, options: fork }, options, from, to);
  }

  /** The durable transaction that a point stands for. @internal */
  async sequenceOf(point: PastPoint): Promise<number> {
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

  /**
   * What `Store.rollback` would change if it came now: rows as they are, and as they would be. By
   * the versions of the tables that this was opened with. Errors: SCHEMA_MISMATCH as there, and
   * those of `diff`.
   */
  async *rollbackCheck(to: PastPoint): AsyncGenerator<RowDifference, void, undefined> {
    const sequence = await this.sequenceOf(to);
    const coded = new Map(this.#o.tables.map((table) => [table.name, table]));
    const tables = (await this.#source.manifest()).tables.map(({ id, name, schemas }) => ({
      id,
      name,
      history: schemas as { version: number }[],
      definition: coded.get(name) ?? parseSchema(schemas.at(-1)),
    }));
    await assertWayBack(this.#source, tables, sequence);
    yield* this.diff(await lastDurable(this.#source), sequence);
  }

  /** Whoever follows the log is told that it ends. */
  close(): void {
    this.#closing.abort();
  }

  // ---- places ----------------------------------------------------------------------------------

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

/** What a search goes by; undefined if it wants all. */
function wantedAnnotation(range: TransactionRange): Annotation | undefined {
  assertRange(range);
  const { causedBy, tags } = range;
  return checkAnnotation({ causedBy, tags }, Number.MAX_SAFE_INTEGER);
}

function assertRange(range: unknown): void {
  if (typeof range === "object" && range !== null) return;
  throw new HoldfastError("INVALID_ARGUMENT", `a range is an object, got ${String(range)}`);
}

const RANGE_OPTIONS = new Set(["gt", "gte", "lt", "lte", "limit"]);

function checkRange(range: HistoryRange): void {
  assertRange(range);
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
