/** A named snapshot, opened for reading: without the lock, beside whoever writes the store. */

import { fromHex } from "../base/bytes.js";
import { errnoCode, HoldfastError, isHoldfastError } from "../base/errors.js";
import type { BookDefinition } from "../books/definition.js";
import type { ReadBook } from "../books/reader.js";
import type { TableDefinition } from "../codec/schema.js";
import type { Disk } from "../disk/disk.js";
import { type LogRecord, walkRecords } from "../log/record.js";
import type { Manifest, ManifestSnapshot } from "../manifest/format.js";
import { readManifestSlots } from "../manifest/manifest.js";
import { assertIsStore } from "../recovery/recover.js";
import { BlockCache } from "../run/block-cache.js";
import { RunSet } from "../run/run-set.js";
import type { SeriesDefinition } from "../series/definition.js";
import type { ReadSeries } from "../series/reader.js";
import { IoBudget } from "../snapshot/budget.js";
import { type LoadedFrame, LogCursor } from "../snapshot/log-cursor.js";
import { HeldChunks, type ReadBlobs } from "./blob-reads.js";
import { Catalog } from "./catalog.js";
import { HeldState } from "./held-state.js";
import { Layers } from "./layers.js";
import type { Options } from "./options.js";
import { Replayer } from "./replay.js";
import { loadResident } from "./resident.js";
import { findSnapshot, type SnapshotInfo } from "./snapshots.js";
import type { ReadTable } from "./table.js";

/** Whoever writes the store may replace what is being opened: then it is tried again. */
const ATTEMPTS = 5;

/** What `open` with `at` gives: the state of a named snapshot. Nothing can be written. */
export interface ReadOnlyStore extends AsyncDisposable {
  readonly snapshot: SnapshotInfo;
  /** Shows every transaction up to this one. */
  readonly sequence: number;
  /** A table that was named at opening. Throws INVALID_ARGUMENT for any other. */
  table<K, R, I>(definition: TableDefinition<K, R, I>): ReadTable<K, R>;
  /** A series that was named at opening. Throws INVALID_ARGUMENT for any other. */
  series<V, I>(definition: SeriesDefinition<V, I>): ReadSeries<V>;
  /** Throws INVALID_ARGUMENT where it was opened without the option `blobs`. */
  readonly blobs: ReadBlobs;
  /** A book that was named at opening. Throws INVALID_ARGUMENT for any other. */
  book(definition: BookDefinition): ReadBook;
  /** Idempotent. */
  close(): Promise<void>;
}

/**
 * Opens a snapshot. Changes nothing in the directory.
 *
 * Errors: SNAPSHOT_NOT_FOUND, NOT_A_STORE, WRONG_ENVIRONMENT, FORMAT_VERSION, SCHEMA_MISMATCH,
 * CORRUPT_MANIFEST, CORRUPT_LOG, CORRUPT_RUN, MISSING_FILE, IO.
 */
export async function openSnapshot(
  disk: Disk,
  directory: string,
  name: string,
  options: Options,
): Promise<ReadOnlyStore> {
  for (let attempt = 1; ; attempt++) {
    const manifest = await readManifest(disk, directory);
    checkEnvironment(manifest, directory, options);
    const snapshot = findSnapshot(manifest, name);
    try {
      return await openAt(disk, directory, manifest, snapshot, options);
    } catch (error) {
      if (attempt >= ATTEMPTS || !mayHaveChanged(error)) throw error;
      const now = await readManifest(disk, directory);
      if (now.generation === manifest.generation) throw error;
    }
  }
}

/**
 * Opens the state as it is now, as far as that can be told without the lock: all that is durable,
 * and what the log has behind it. Changes nothing. `upgradeTwice`: see `Layers`. Errors: those of
 * `openSnapshot`.
 */
export async function openNewest(
  disk: Disk,
  directory: string,
  options: Options,
  upgradeTwice: boolean,
): Promise<ReadOnlyStore> {
  for (let attempt = 1; ; attempt++) {
    const manifest = await readManifest(disk, directory);
    checkEnvironment(manifest, directory, options);
    const { state, segments } = manifest;
    const newest: ManifestSnapshot = {
      name: "",
      sequence: Number.POSITIVE_INFINITY,
      createdMicros: disk.clock.nowMicros(),
      state,
      segments: segments.map(({ id }) => id),
    };
    try {
      return await openAt(disk, directory, manifest, newest, options, upgradeTwice);
    } catch (error) {
      if (attempt >= ATTEMPTS || !mayHaveChanged(error)) throw error;
    }
  }
}

/** A file that is not there or not what was expected: it may have been replaced just now. */
export function mayHaveChanged(error: unknown): boolean {
  if (errnoCode(error) === "ENOENT") return true;
  return (
    isHoldfastError(error) && ["MISSING_FILE", "CORRUPT_RUN", "CORRUPT_LOG"].includes(error.code)
  );
}

/** Throws NOT_A_STORE, CORRUPT_MANIFEST or FORMAT_VERSION. */
export async function readManifest(disk: Disk, directory: string): Promise<Manifest> {
  let names: string[];
  try {
    names = await disk.list(directory);
  } catch (error) {
    if (errnoCode(error) !== "ENOENT") throw error;
    throw new HoldfastError(
      "NOT_A_STORE",
      `${directory} does not exist, and a snapshot can only be opened where there is one`,
      { file: directory },
      error,
    );
  }
  const slots = await readManifestSlots(disk, directory);
  if (slots.slots.every((slot) => slot.state === "missing")) {
    throw new HoldfastError("NOT_A_STORE", `${directory} holds no store`, { file: directory });
  }
  assertIsStore(directory, slots, names);
  return slots.newest as Manifest;
}

/** Throws WRONG_ENVIRONMENT. */
export function checkEnvironment(manifest: Manifest, directory: string, options: Options): void {
  if (manifest.environment === options.environment || options.allowEnvironmentChange) return;
  throw new HoldfastError(
    "WRONG_ENVIRONMENT",
    `${directory} belongs to environment "${manifest.environment}", and this is ` +
      `"${options.environment}"`,
    { file: directory },
  );
}

async function openAt(
  disk: Disk,
  directory: string,
  manifest: Manifest,
  snapshot: ManifestSnapshot,
  options: Options,
  upgradeTwice = false,
): Promise<ReadOnlyStore> {
  const layers = new Layers(options.cacheBytes, disk);
  layers.upgradeTwice = upgradeTwice;
  if (options.blobs !== false) {
    layers.chunks = new HeldChunks(disk, directory, () => readManifest(disk, directory));
  }
  const catalog = new Catalog(layers);
  for (const table of manifest.tables) {
    for (const schema of table.schemas) catalog.declare(table.id, schema);
  }
  const runs = await RunSet.open({
    disk,
    directory,
    storeId: fromHex(manifest.storeId) as Uint8Array,
    runs: snapshot.state.runs,
    files: manifest.files,
    cache: new BlockCache(options.cacheBytes),
  });
  let last: number;
  try {
    catalog.openRuns(runs, snapshot.state.runsThrough);
    last = await replayTail(disk, directory, manifest, snapshot, new Replayer(catalog));
    catalog.bind(options.tables);
    catalog.series.bind(options.series, catalog);
    catalog.books.bind(options.books, catalog);
    loadResident(catalog);
  } catch (error) {
    await runs.release();
    throw error;
  }
  return new OpenedSnapshot(catalog, { ...snapshot, sequence: last }, runs);
}

/** The log behind the runs, up to the snapshot's last transaction; returns that. */
export async function replayTail(
  disk: Disk,
  directory: string,
  manifest: Manifest,
  snapshot: ManifestSnapshot,
  replayer: Replayer,
): Promise<number> {
  const { state, sequence } = snapshot;
  if (sequence === state.runsThrough) return sequence;
  const named = new Set(snapshot.segments);
  const unlimited = { bytesPerSecond: Number.POSITIVE_INFINITY, burstBytes: 1 };
  const cursor = new LogCursor(
    {
      directory,
      storeId: manifest.storeId,
      segments: manifest.segments.filter(({ id }) => named.has(id)),
      from: state.replayFrom,
      end: { segmentId: Math.max(0, ...named), bytes: Number.MAX_SAFE_INTEGER },
    },
    {
      disk,
      budget: new IoBudget(unlimited, disk.clock, disk.scheduler),
      signal: new AbortController().signal,
    },
  );
  try {
    while (cursor.position.sequence <= sequence) {
      const frame = await peekOrEnd(cursor, sequence, manifest.durableThrough);
      if (frame === undefined) break;
      const { bytes, view, position, header } = frame;
      const wrong = walkRecords(bytes, view, position, header, (record) => {
        const wanted = record.sequence > state.runsThrough && record.sequence <= sequence;
        if (wanted) applyAt(cursor, replayer, record);
      });
      if (wrong !== undefined) throw cursor.corrupt(wrong);
      cursor.advance(header);
    }
    return Math.min(sequence, cursor.position.sequence - 1);
  } finally {
    await cursor.close();
  }
}

/**
 * The next frame of a log that goes up to that sequence at least. Where it goes to no one knows, it
 * ends at the first place behind what is known to be durable that is no frame.
 */
async function peekOrEnd(
  cursor: LogCursor,
  sequence: number,
  durableThrough: number,
): Promise<LoadedFrame | undefined> {
  const mayEnd = !Number.isFinite(sequence) && cursor.position.sequence > durableThrough;
  try {
    const frame = await cursor.peek();
    if (frame === undefined && !mayEnd) {
      throw cursor.corrupt("the log ends before the snapshot does");
    }
    return frame;
  } catch (error) {
    if (mayEnd && isHoldfastError(error, "CORRUPT_LOG")) return undefined;
    throw error;
  }
}

/** The cursor knows where it is. */
function applyAt(cursor: LogCursor, replayer: Replayer, record: LogRecord): void {
  try {
    replayer.apply(record);
  } catch (error) {
    if (!isHoldfastError(error, "CORRUPT_LOG")) throw error;
    throw cursor.corrupt(error.message);
  }
}

class OpenedSnapshot extends HeldState implements ReadOnlyStore {
  readonly snapshot: SnapshotInfo;

  constructor(catalog: Catalog, snapshot: ManifestSnapshot, runs: RunSet) {
    const { name, sequence, createdMicros } = snapshot;
    super(catalog, sequence, runs);
    this.snapshot = { name, sequence, createdMicros };
  }
}
