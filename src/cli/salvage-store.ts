/** Makes a new store of everything in a damaged one that can be proved, and says what could not. */
import { toHex } from "../base/bytes.js";
import { HoldfastError } from "../base/errors.js";
import type { Disk } from "../disk/disk.js";
import { OPERATION } from "../log/format.js";
import { type LogRecord, walkOperations } from "../log/record.js";
import { IoBudget } from "../snapshot/budget.js";
import { describeFailure, type JobContext } from "../snapshot/context.js";
import { RestoredTables } from "../snapshot/restored-tables.js";
import { RowSalvage, type SalvagedRow, type SalvagedRows } from "../snapshot/salvage-rows.js";
import type { RestoreTarget } from "../snapshot/snapshot-rows.js";
import { makeNewStore, publishContent } from "../store/new-store.js";
import { isHalfCreated } from "./check-files.js";
import { RowChecker } from "./check-rows.js";
import { readStore, type SegmentView, type StoreView } from "./read-store.js";
import { ReadableTables } from "./readable-tables.js";
import { addRecord, JsonLines, RowReader } from "./salvage-export.js";
import { SalvageLog } from "./salvage-log.js";
import { salvagePacks } from "./salvage-packs.js";
import { type BadRow, type SalvageReport, salvageReport } from "./salvage-report.js";
import { type SalvageSource, salvageSource } from "./salvage-source.js";

const BEYOND_NAME = "beyond-gap.jsonl";
const OLDER_NAME = "older-rows.jsonl";
const REPORT_NAME = "salvage-report.json";

/** Rows that nobody can read and are told one by one. */
const BAD_ROWS_MAX = 100;

export interface SalvageOptions {
  readonly directory: string;
  /** Absent or empty. */
  readonly to: string;
  readonly writerId: string;
  /** Default: that of the store, if a manifest is left that says it. */
  readonly environment?: string | undefined;
  /** Rows that may not be the newest of their keys are used all the same. */
  readonly allowOlder?: boolean | undefined;
  readonly onProgress?: (text: () => string) => void;
  /** For tests: another machine, but for the lists beside the new store. */
  readonly disk?: Disk;
  /** For tests: smaller files, less memory. */
  readonly target?: Pick<RestoreTarget, "fileBytes" | "arenaBytes">;
}

/**
 * Changes nothing in `directory`. Throws LOCKED if somebody has the store open; NOT_A_STORE,
 * FORMAT_VERSION, or the system's error if there is no looking; INVALID_ARGUMENT if `to` is not
 * empty, or no environment is to be had; DISK_FULL or IO. After any of them there is no store in
 * `to`.
 */
export async function salvageStore(options: SalvageOptions): Promise<SalvageReport> {
  const store = await readStore(options.directory, options.disk);
  assertClosed(store);
  const source = await salvageSource(store);
  const environment = options.environment ?? source.environment;
  if (environment === undefined) {
    const message =
      `neither manifest of ${store.directory} can be read, and nothing else says which ` +
      "environment it belongs to: say --environment";
    throw new HoldfastError("INVALID_ARGUMENT", message, { file: store.directory });
  }
  return makeNewStore({ ...options, disk: store.disk }, async () => {
    const salvage = new Salvage(store, source, { ...options, environment });
    const report = await salvage.run().catch((error: unknown) => {
      throw describeFailure(error, "salvaging");
    });
    assertSame(store, await readStore(options.directory, store.disk));
    return report;
  });
}

function assertClosed({ lock, directory }: StoreView): void {
  const { holder, certain } = lock;
  if (holder === undefined) return;
  const { pid, host, since } = holder;
  const message =
    `${directory} is open: process ${pid} on ${host} has it since ${since}; end it first` +
    (certain
      ? ""
      : ". It cannot be told alive or dead from here: remove LOCK if you are sure that it is dead");
  throw new HoldfastError("LOCKED", message, { file: directory, holder: { pid, host, since } });
}

function assertSame(before: StoreView, now: StoreView): void {
  assertClosed(now);
  if (before.manifest?.generation === now.manifest?.generation) return;
  if (now.manifest === undefined) {
    const message = `neither manifest of ${now.directory} can be read any more`;
    throw new HoldfastError("IO", message, { file: now.directory });
  }
  const message = `${now.directory} was opened while it was read`;
  throw new HoldfastError("LOCKED", message, { file: now.directory });
}

class Salvage {
  readonly #store: StoreView;
  readonly #source: SalvageSource;
  readonly #options: SalvageOptions & { readonly environment: string };
  readonly #beyond: JsonLines;
  readonly #older: JsonLines;
  readonly #badRows: BadRow[] = [];
  /** Those of the store, and what its log declares. */
  readonly #tables: RestoredTables;
  readonly #readable: ReadableTables;
  #firstBeyond = 0;
  /** Keys whose patches could not be applied, as text. */
  readonly #misfits = new Set<string>();
  #lastBeyond = 0;

  constructor(
    store: StoreView,
    source: SalvageSource,
    options: SalvageOptions & { readonly environment: string },
  ) {
    this.#store = withLater(store);
    this.#source = source;
    this.#options = options;
    this.#beyond = new JsonLines(`${options.to}/${BEYOND_NAME}`);
    this.#older = new JsonLines(`${options.to}/${OLDER_NAME}`);
    this.#tables = new RestoredTables(source.tables);
    this.#readable = new ReadableTables(source);
  }

  async run(): Promise<SalvageReport> {
    const { disk, directory } = this.#store;
    const { to, target } = this.#options;
    const storeId = toHex(disk.randomBytes(16));
    const rows = new RowSalvage(
      unlimited(this.#store),
      { directory, storeId: this.#source.storeId },
      { directory: to, storeId, ...target },
      this.#source.layers,
      this.#tables,
    );
    try {
      await rows.readFiles((index, count) =>
        this.#show(() => `run file ${index} of ${count} checked`),
      );
      const log = this.#log(rows);
      await log.read();
      this.#assertSomething(log);
      const made = await this.#merge(rows, log);
      await rows.end();
      this.#beyond.end();
      this.#older.end();
      return await this.#publish(storeId, made, rows, log);
    } catch (error) {
      await rows.end().catch(() => {});
      throw error;
    }
  }

  #show(text: () => string): void {
    this.#options.onProgress?.(text);
  }

  #log(rows: RowSalvage): SalvageLog {
    const { layers, runsThrough } = this.#source;
    const damaged = rows.lost.filter(({ harmless }) => !harmless);
    // Without a manifest nothing else says that no run is missing.
    const all = this.#store.manifest === undefined && layers.length > 0;
    const wantedFrom = all
      ? 1
      : Math.min(runsThrough + 1, ...damaged.map(({ firstSequence }) => firstSequence));
    const made = new SalvageLog({
      store: this.#store,
      source: this.#source,
      wantedFrom,
      rows: rows.log,
      tables: this.#tables,
      directory: this.#options.to,
      onRecord: (record) => this.#learn(record),
      onMisfit: (bytes, { tableId, keyStart, keyEnd }, why) => {
        const fullKey = new Uint8Array(2 + keyEnd - keyStart);
        fullKey.set([tableId >>> 8, tableId & 0xff]);
        fullKey.set(bytes.subarray(keyStart, keyEnd), 2);
        this.#takeMisfit(fullKey, why);
      },
      onBeyond: (record) => this.#takeBeyond(record),
    });
    // The log that is read may begin before the newest runs do.
    rows.log.again = true;
    rows.log.base = (fullKey) => rows.findBelow(fullKey, made.from);
    rows.log.refused = (fullKey, why) => this.#takeMisfit(fullKey, why);
    return made;
  }

  /** What was changed of a row that is not there: none of what it was is proven any more. */
  #takeMisfit(fullKey: Uint8Array, why: string): void {
    const text = toHex(fullKey);
    if (this.#misfits.has(text)) return;
    this.#misfits.add(text);
    const { table, key } = new RowChecker({ tables: this.#tables.all }).describe(fullKey);
    const problem = `a patch of it cannot be applied: ${why}`;
    if (this.#badRows.length < BAD_ROWS_MAX) this.#badRows.push({ table, key, problem });
    this.#older.add({ table, key, problem });
  }

  #learn(record: LogRecord): void {
    this.#show(() => `the log up to transaction ${record.sequence} read`);
    walkOperations(record, (operation) => {
      if (operation.kind === OPERATION.declare) this.#readable.read(record, operation);
    });
  }

  #takeBeyond(record: LogRecord): void {
    if (this.#firstBeyond === 0) this.#firstBeyond = record.sequence;
    this.#lastBeyond = record.sequence;
    addRecord(this.#beyond, this.#readable, record);
  }

  #assertSomething({ sequence }: SalvageLog): void {
    if (sequence > 0 || this.#firstBeyond > 0 || !isHalfCreated(this.#store)) return;
    const { directory } = this.#store;
    const message = `${directory} holds no store: its creation was cut short`;
    throw new HoldfastError("NOT_A_STORE", message, { file: directory });
  }

  #merge(rows: RowSalvage, { from, sequence }: SalvageLog): Promise<SalvagedRows> {
    const tables = this.#tables.all;
    const checker = new RowChecker({ tables });
    const reader = new RowReader(checker, tables);
    return rows.merge({
      from,
      sequence,
      useOlder: this.#options.allowOlder === true,
      onOlder: (row) => this.#older.add(reader.describe(row)),
      isReadable: (row) => {
        const problem = problemOf(checker, row);
        if (problem === undefined) return true;
        const { key, table } = checker.describe(row.key);
        if (this.#badRows.length < BAD_ROWS_MAX) this.#badRows.push({ table, key, problem });
        this.#older.add({ ...reader.describe(row), problem });
        return false;
      },
      onProgress: (count) => this.#show(() => `${count} rows compared`),
    });
  }

  async #publish(
    storeId: string,
    made: SalvagedRows,
    rows: RowSalvage,
    log: SalvageLog,
  ): Promise<SalvageReport> {
    const { replay, lastMicros } = this.#source;
    const packs = await salvagePacks(this.#store, this.#options.to, storeId, (index, count) =>
      this.#show(() => `pack ${index} of ${count} checked`),
    );
    const tables = this.#tables.all;
    const checker = new RowChecker({ tables });
    const report = salvageReport({
      store: this.#store,
      source: this.#source,
      made,
      log,
      parts: rows.lost,
      badRows: this.#badRows,
      storeId,
      to: this.#options.to,
      environment: this.#options.environment,
      tables,
      packs,
      describe: (key) => checker.describe(key),
      beyond: {
        file: this.#beyond.lines > 0 ? this.#beyond.path : null,
        operations: this.#beyond.lines,
        sequences:
          this.#firstBeyond > 0 ? { first: this.#firstBeyond, last: this.#lastBeyond } : null,
      },
      older: {
        file: this.#older.lines > 0 ? this.#older.path : null,
        rows: this.#older.lines - this.#badRows.length,
        used: this.#options.allowOlder === true,
      },
    });
    const lines = new JsonLines(`${this.#options.to}/${REPORT_NAME}`);
    lines.add(report);
    lines.end();
    await publishContent(
      { ...this.#options, disk: this.#store.disk },
      {
        storeId,
        sequence: log.sequence,
        lastMicros: Math.max(lastMicros, log.lastMicros),
        replay,
        tables,
        files: made.files,
        packs: packs.list,
      },
    );
    return report;
  }
}

function problemOf(checker: RowChecker, { key, schemaVersion, row }: SalvagedRow) {
  const id = ((key[0] as number) << 8) | (key[1] as number);
  const bytes = Buffer.concat([key, row]);
  return checker.checkRow(id, schemaVersion, bytes, 2, key.length, key.length, bytes.length);
}

function unlimited({ disk }: StoreView): JobContext {
  const rate = { bytesPerSecond: Number.POSITIVE_INFINITY, burstBytes: 1 };
  return {
    disk,
    budget: new IoBudget(rate, disk.clock, disk.scheduler),
    signal: new AbortController().signal,
  };
}

/**
 * A manifest that is older than the log does not know what came since: other segments, and that one
 * was prepared for a later epoch. Whether these go on where the others end, the chain says.
 */
function withLater(store: StoreView): StoreView {
  const { manifest, segments, strays } = store;
  if (manifest === undefined) return store;
  const last = Math.max(0, ...segments.map(({ id }) => id));
  const later = strays
    .filter(({ id, headerProblem }) => id > last && headerProblem === undefined)
    .sort((a, b) => a.id - b.id);
  return { ...store, segments: [...segments.map(asOfItsHeader), ...later] };
}

function asOfItsHeader(segment: SegmentView): SegmentView {
  const { entry, header, place, id } = segment;
  const isLater =
    entry !== undefined &&
    entry.state !== "sealed" &&
    header !== undefined &&
    header.segmentId === id &&
    header.epoch > entry.epoch;
  if (!isLater || place === undefined) return segment;
  const { epoch, alignment } = header;
  return { ...segment, place: { ...place, epoch, alignment } };
}
