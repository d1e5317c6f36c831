/**
 * The state of the store after any transaction of its history: the runs of the present, or of a
 * snapshot, that hold nothing newer, and the log behind them.
 *
 * A run's sequences alone do not tell what it holds: while a merge into the last run is under way,
 * finished files of that have rows of the runs above. Each file says itself how far it goes.
 */
import { fromHex } from "../base/bytes.js";
import { errnoCode, HoldfastError, isHoldfastError } from "../base/errors.js";
import { blobVersions } from "../blobs/tables.js";
import type { BookDefinition } from "../books/definition.js";
import type { ReadBook } from "../books/reader.js";
import type { TableDefinition } from "../codec/schema.js";
import { LogReader } from "../history/log-reader.js";
import type { LogSource } from "../history/log-source.js";
import type { Manifest, ManifestRun } from "../manifest/format.js";
import { BlockCache } from "../run/block-cache.js";
import { RunSet } from "../run/run-set.js";
import type { AnySeries, SeriesDefinition } from "../series/definition.js";
import type { ReadSeries } from "../series/reader.js";
import { HeldChunks, type ReadBlobs } from "./blob-reads.js";
import { Catalog } from "./catalog.js";
import { HeldState } from "./held-state.js";
import { Layers } from "./layers.js";
import { Replayer } from "./replay.js";
import type { ReadTable } from "./table.js";

/** Whoever writes the store may replace what is being opened: then it is tried again. */
const ATTEMPTS = 5;

/** Transactions that are applied before the event loop turns. */
const RECORDS_PER_TURN = 256;

// biome-ignore lint/suspicious/noExplicitAny: tables of different types
export type AnyTable = TableDefinition<any, any, any>;

/** The whole state of the store after one transaction, for reading. To be closed. */
export interface PastState extends AsyncDisposable {
  /** Shows every transaction up to this one, and none behind it. */
  readonly sequence: number;
  /** All tables that the store has. */
  readonly tables: readonly AnyTable[];
  /** One of `tables`, or one that the store was opened with. Throws INVALID_ARGUMENT otherwise. */
  table<K, R, I>(definition: TableDefinition<K, R, I>): ReadTable<K, R>;
  /** A series that the store was opened with. Throws INVALID_ARGUMENT for any other. */
  series<V, I>(definition: SeriesDefinition<V, I>): ReadSeries<V>;
  /** Throws INVALID_ARGUMENT where it was opened without the option `blobs`. */
  readonly blobs: ReadBlobs;
  /** A book that the store was opened with. Throws INVALID_ARGUMENT for any other. */
  book(definition: BookDefinition): ReadBook;
  /** Idempotent. */
  close(): Promise<void>;
}

/** Runs that hold all up to a transaction, and nothing behind it. */
export interface Base {
  readonly runs: RunSet;
  readonly through: number;
}

interface Candidate {
  readonly runs: readonly ManifestRun[];
  readonly through: number;
}

/** The latest runs that hold nothing behind `sequence`; the caller releases them. */
export async function openBase(
  source: LogSource,
  sequence: number,
  cacheBytes: number,
): Promise<Base & { readonly manifest: Manifest }> {
  for (let attempt = 1; ; attempt++) {
    const manifest = await source.manifest();
    try {
      for (const candidate of candidatesFor(manifest, sequence)) {
        const { through } = candidate;
        const runs = await openRuns(source, manifest, candidate, cacheBytes);
        if (holdsNothingBehind(runs, through)) return { runs, through, manifest };
        await runs.release();
      }
      throw new HoldfastError("CORRUPT_MANIFEST", "an empty state holds nothing");
    } catch (error) {
      if (attempt >= ATTEMPTS || !mayHaveChanged(error)) throw error;
      const now = await source.manifest();
      if (now.generation === manifest.generation) throw error;
    }
  }
}

/** The latest first; the last one is the empty state, before the first transaction. */
function candidatesFor(manifest: Manifest, sequence: number): Candidate[] {
  const found = new Map<number, Candidate>([[0, { runs: [], through: 0 }]]);
  for (const { runs, runsThrough } of [manifest, ...manifest.snapshots].map((one) => one.state)) {
    if (runsThrough <= sequence) found.set(runsThrough, { runs, through: runsThrough });
    for (let i = 1; i < runs.length; i++) {
      const through = (runs[i] as ManifestRun).lastSequence;
      if (through > sequence || found.has(through)) continue;
      found.set(through, { runs: runs.slice(i), through });
    }
  }
  return [...found.values()].sort((a, b) => b.through - a.through);
}

function openRuns(
  { disk, directory }: LogSource,
  { storeId, files }: Manifest,
  { runs }: Candidate,
  cacheBytes: number,
): Promise<RunSet> {
  const cache = new BlockCache(cacheBytes);
  return RunSet.open({
    disk,
    directory,
    storeId: fromHex(storeId) as Uint8Array,
    runs,
    files,
    cache,
  });
}

function holdsNothingBehind(runs: RunSet, through: number): boolean {
  return runs.runs.every((_, i) =>
    runs.filesOf(i).every((file) => file.properties().lastSequence <= through),
  );
}

function mayHaveChanged(error: unknown): boolean {
  if (errnoCode(error) === "ENOENT") return true;
  return isHoldfastError(error) && ["MISSING_FILE", "CORRUPT_RUN"].includes(error.code);
}

/** Lets other work of this thread go on. */
export async function turn(source: LogSource): Promise<void> {
  await new Promise<void>((resolve) => {
    source.disk.scheduler.after(0, resolve, true);
  });
}

export interface PastOptions {
  readonly tables: readonly AnyTable[];
  readonly series: readonly AnySeries[];
  readonly books: readonly BookDefinition[];
  /** For blocks of runs, in bytes. */
  readonly cacheBytes: number;
}

/**
 * Opens the state after `sequence`, which is durable. Throws HISTORY_GONE, CORRUPT_LOG,
 * CORRUPT_RUN, MISSING_FILE, SCHEMA_MISMATCH or IO.
 */
export async function openPast(
  source: LogSource,
  sequence: number,
  options: PastOptions,
): Promise<PastState> {
  const { catalog, runs, tables } = await loadPast(source, sequence, options);
  return new OpenedPast(catalog, sequence, runs, tables);
}

/** The same, for those who go on from there; the caller releases the runs. */
export async function loadPast(
  source: LogSource,
  sequence: number,
  options: PastOptions,
): Promise<{ catalog: Catalog; runs: RunSet; tables: readonly AnyTable[] }> {
  const { runs, through, manifest } = await openBase(source, sequence, options.cacheBytes);
  const catalog = new Catalog(new Layers(options.cacheBytes, source.disk));
  if (options.tables.some((table) => table === blobVersions)) {
    const { disk, directory } = source;
    catalog.layers.chunks = new HeldChunks(disk, directory, () => source.manifest());
  }
  try {
    for (const { id, schemas } of manifest.tables) {
      for (const schema of schemas) catalog.declare(id, schema);
    }
    catalog.openRuns(runs, through);
    const reader = new LogReader(source, through + 1);
    const replayer = new Replayer(catalog);
    for await (const { records } of reader.read(sequence)) {
      for (const [i, record] of records.entries()) {
        replayer.apply(record);
        if (i % RECORDS_PER_TURN === RECORDS_PER_TURN - 1) await turn(source);
      }
    }
    const named = new Set(options.tables.map(({ name }) => name));
    const others = [...catalog.tables].filter(({ name }) => !named.has(name));
    const tables = [...options.tables, ...others.map(({ definition }) => definition)];
    catalog.bind(tables);
    catalog.series.bind(options.series, catalog);
    catalog.books.bind(options.books, catalog);
    return { catalog, runs, tables };
  } catch (error) {
    await runs.release();
    throw error;
  }
}

class OpenedPast extends HeldState implements PastState {
  readonly tables: readonly AnyTable[];

  constructor(catalog: Catalog, sequence: number, runs: RunSet, tables: readonly AnyTable[]) {
    super(catalog, sequence, runs);
    this.tables = tables;
  }
}
