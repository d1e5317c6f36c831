/** Opens a store: disk, lock, recovery, commit path; in that order, and undone in reverse. */
import { resolve } from "node:path";
import { fromHex } from "../base/bytes.js";
import { HoldfastError, isHoldfastError } from "../base/errors.js";
import { chooseDisk } from "../disk/choose.js";
import type { CompletionHandler, Disk, PlaceInfo } from "../disk/disk.js";
import type { Ownership } from "../disk/lock.js";
import { writesInFlight } from "../disk/probe.js";
import { segmentFileName } from "../log/format.js";
import { SegmentSupply } from "../log/segments.js";
import { LogWriter, type OpenSegment } from "../log/writer.js";
import { MANIFEST_SLOT_NAMES, type Manifest } from "../manifest/format.js";
import { listOrUndefined } from "../recovery/files.js";
import type { OpenedLog } from "../recovery/opening.js";
import { assertNotForeign, openLog } from "../recovery/recover.js";
import { BlockCache } from "../run/block-cache.js";
import { RunSet } from "../run/run-set.js";
import { Background } from "./background.js";
import { BACKUP_RECORD_NAME } from "./backup-record.js";
import { splitCache } from "./bounds.js";
import { Catalog, type Declaration } from "./catalog.js";
import { writeDeclarations } from "./declare.js";
import { DirectoryWatch } from "./directory-watch.js";
import { Layers } from "./layers.js";
import { StoreLedger } from "./ledger.js";
import { liveSource } from "./live-source.js";
import {
  type OpenOptions,
  type Options,
  type PastOpenOptions,
  type SnapshotOpenOptions,
  toOptions,
} from "./options.js";
import type { PastState } from "./past-state.js";
import { checkPlace, syncAncestors } from "./place.js";
import { practise } from "./practice.js";
import { openSnapshot, type ReadOnlyStore } from "./read-only.js";
import { release } from "./release.js";
import { Replayer } from "./replay.js";
import { loadResident } from "./resident.js";
import { Store } from "./store.js";
import { asStoreError } from "./store-error.js";
import { historyBeside } from "./store-history.js";
import { Tail } from "./tail.js";
import { possess } from "./takeover.js";
import { methodFor } from "./write-method.js";

/**
 * Opens the store in a directory; creates it, and the directory, if it is not there. Recovers it
 * first if it was not closed.
 *
 * With `at` it opens a named snapshot for reading, or a state of the past by its sequence or time:
 * without the lock, beside whoever writes the store, and changing nothing.
 *
 * With `takeover` it is taken over from the process that has it: docs/handover.md.
 *
 * Errors: LOCKED, HANDOVER_REFUSED, HANDOVER_TIMEOUT, WRONG_ENVIRONMENT, NOT_A_STORE,
 * FORMAT_VERSION, SCHEMA_MISMATCH, CORRUPT_LOG, CORRUPT_RUN, CORRUPT_MANIFEST, MISSING_FILE,
 * UNSUPPORTED_FILE_SYSTEM, DISK_FULL, IO, TOO_LARGE, INVALID_ARGUMENT; with `at` also
 * SNAPSHOT_NOT_FOUND and HISTORY_GONE. After any of them what the store holds is as it was.
 */
export async function open(directory: string, options: SnapshotOpenOptions): Promise<ReadOnlyStore>;
export async function open(directory: string, options: PastOpenOptions): Promise<PastState>;
export async function open(directory: string, options?: OpenOptions): Promise<Store>;
export async function open(
  directory: string,
  options: OpenOptions | SnapshotOpenOptions | PastOpenOptions = {},
): Promise<Store | ReadOnlyStore | PastState> {
  if (typeof directory !== "string" || directory === "") {
    throw new HoldfastError("INVALID_ARGUMENT", "the directory must be a path");
  }
  const checked = toOptions(options);
  const disk = checked.disk ?? chooseDisk(checked.backend, checked.onWarning);
  const path = checked.disk === undefined ? resolve(directory) : directory;
  const undo: (() => Promise<void>)[] = [];
  try {
    const { at } = checked;
    if (typeof at === "string") return await openSnapshot(disk, path, at, checked);
    if (at !== undefined) return await (await historyBeside(disk, path, checked, open)).at(at);
    return await openStore(disk, path, checked, undo);
  } catch (error) {
    for (const step of undo.reverse()) await step().catch(() => {});
    throw asStoreError(error, path, "opening");
  }
}

async function openStore(
  disk: Disk,
  directory: string,
  options: Options,
  undo: (() => Promise<void>)[],
): Promise<Store> {
  const names = (await listOrUndefined(disk, directory)) ?? [];
  assertNotForeign(directory, names);
  if (names.includes(BACKUP_RECORD_NAME)) {
    const message = `${directory} is a backup, and stays what it is: restore it to make a store`;
    throw new HoldfastError("INVALID_ARGUMENT", message, { file: directory });
  }
  await disk.createDirectory(directory);
  const isNew = !MANIFEST_SLOT_NAMES.some((name) => names.includes(name));
  if (isNew) await syncAncestors(disk, directory);
  const place = await checkPlace(disk, directory, options);
  const { ownership, opened, end } = await possess(disk, directory, options, async () => {
    // A disk of the caller's own is for tests and experiments.
    if (options.disk === undefined) await practise(open, options);
  });
  undo.push(async () => end());
  undo.push(() => ownership.release());
  const { rowBytes, blockBytes } = splitCache(options.cacheBytes, options.bounds);
  const catalog = new Catalog(new Layers(rowBytes, disk));
  const cache = new BlockCache(blockBytes);
  const replayer = new Replayer(catalog);
  const alignment = Math.max(512, place.directAlignment, place.physicalBlockBytes);
  let declarations: readonly Declaration[] = [];
  const log = await openLog(
    disk,
    directory,
    { ...options, alignment },
    {
      manifest: async (manifest) => {
        for (const table of manifest.tables) {
          for (const schema of table.schemas) catalog.declare(table.id, schema);
        }
        await openRuns(disk, directory, manifest, catalog, cache, undo);
      },
      record: (record) => replayer.apply(record),
      scanned: () => {
        replayer.finish();
        declarations = catalog.bind(options.tables);
        catalog.series.bind(options.series, catalog);
        catalog.books.bind(options.books, catalog);
        loadResident(catalog);
      },
    },
  );
  undo.push(() => log.keeper.close());
  const parts = { disk, directory, place, options, catalog, cache, ownership, log, alignment };
  const { store, writer, supply, background, watch } = await startWriting(parts, undo);
  declareOrFail(writer, declarations, directory);
  // Only now: the manifest must not name a table before the log does.
  supply.start();
  background.start();
  watch.start();
  await store.begin();
  opened();
  warnOfRecovery(log, options);
  return store;
}

async function openRuns(
  disk: Disk,
  directory: string,
  manifest: Manifest,
  catalog: Catalog,
  cache: BlockCache,
  undo: (() => Promise<void>)[],
): Promise<void> {
  const { state, files } = manifest;
  const storeId = fromHex(manifest.storeId) as Uint8Array;
  const runs = await RunSet.open({
    disk,
    directory,
    storeId,
    runs: state.runs,
    files,
    cache,
    // Or an opening would read from every file there is.
    lazily: true,
  });
  undo.push(async () => catalog.layers.runs?.release());
  catalog.openRuns(runs, state.runsThrough);
}

interface Parts {
  readonly disk: Disk;
  readonly directory: string;
  readonly place: PlaceInfo;
  readonly options: Options;
  readonly catalog: Catalog;
  readonly cache: BlockCache;
  readonly ownership: Ownership;
  readonly log: OpenedLog;
  readonly alignment: number;
}

interface Started {
  readonly store: Store;
  readonly writer: LogWriter;
  readonly supply: SegmentSupply;
  readonly background: Background;
  readonly watch: DirectoryWatch;
}

async function startWriting(parts: Parts, undo: (() => Promise<void>)[]): Promise<Started> {
  const { disk, directory, options, ownership, log, alignment, catalog } = parts;
  const handler: { target: CompletionHandler | undefined } = { target: undefined };
  const queue = disk.openCommitQueue({
    slotBytes: options.frameBytesMax,
    slotCount: options.framesInFlight + 1,
    lock: ownership.lock,
    handler: {
      completed: (slot, error) => handler.target?.completed(slot, error),
      deliver: () => handler.target?.deliver() ?? false,
    },
  });
  undo.push(() => queue.close());
  const path = `${directory}/${segmentFileName(log.active.id)}`;
  const method = await methodFor(parts, queue, path);
  const framesInFlight = writesInFlight(disk, method, options.framesInFlight);
  const segment: OpenSegment = { ...log.active, log: await queue.openLog(path, method) };
  undo.push(() => segment.log.close());

  const assertOurs = (): Promise<void> => log.keeper.assertOurs();
  const ledger: StoreLedger = new StoreLedger({
    keeper: log.keeper,
    alignment,
    epoch: log.epoch,
    tables: () => catalog.list(),
    durableSequence: () => writer.durableSequence,
    lastMicros: () => writer.lastTimeMicros,
    keepForHistory: () => options.history !== "none",
    retire: (segmentId) => supply.retire(segmentId),
    remove: async (name) => {
      await assertOurs();
      await disk.remove(`${directory}/${name}`);
    },
  });
  const supply: SegmentSupply = new SegmentSupply({
    disk,
    queue,
    directory,
    method,
    header: {
      storeId: log.storeId,
      epoch: log.epoch,
      alignment,
      segmentBytes: options.segmentBytes,
      writerId: options.writerId,
    },
    nextId: log.nextSegmentId,
    spares: log.spares,
    assertOurs,
    publish: (spare) => ledger.addSpare(spare),
    onReady: () => writer.resume(),
    onFailure: (error, first) => {
      if (first)
        options.onWarning({
          code: error.code === "DISK_FULL" ? "DISK_FULL" : "IO",
          message: error.message,
        });
      writer.segmentFailed();
    },
    onFatal: (error) => writer.halt(error),
  });
  const writer: LogWriter = new LogWriter(
    {
      queue,
      checksum: disk.checksum,
      clock: disk.clock,
      scheduler: disk.scheduler,
      storeId: log.storeId,
      epoch: log.epoch,
      alignment,
      frameBytesMax: options.frameBytesMax,
      framesInFlight,
      flushDelayMicros: options.flushDelayMicros,
      sealDelayMicros: options.sealDelayMicros,
      start: {
        segment,
        offset: alignment,
        nextSequence: log.lastSequence + 1,
        previousChecksum: log.previousChecksum,
      },
      segments: supply,
      onRotate: (id, lastSequence, bytes) => ledger.rotated(id, lastSequence, bytes),
      onDurable: () => {
        background.check();
        source.wake();
      },
      onPoison: (error) => options.onWarning({ code: "POISONED", message: error.message }),
      onSlowWrite: (micros) =>
        options.onWarning({
          code: "SLOW_DISK",
          message: `a durable write took ${Math.round(micros / 1000)} ms`,
        }),
    },
    log.lastTimeMicros,
  );
  const source = liveSource({ disk, directory, ledger, writer });
  const { operationsReplayed: operations, bytesReplayed: bytes } = log.report;
  const background: Background = new Background({
    disk,
    directory,
    catalog,
    writer,
    ledger,
    assertOurs,
    tail: new Tail(writer, { operations, bytes }),
    cache: parts.cache,
    options,
  });
  handler.target = writer;
  const watch = new DirectoryWatch({
    scheduler: disk.scheduler,
    assertOurs,
    onLost: (error) => writer.halt(error),
  });
  undo.push(() => watch.stop());
  undo.push(() => supply.close());
  undo.push(async () => writer.stop(new HoldfastError("CLOSED", "the store could not be opened")));
  const store = new Store({
    directory,
    disk,
    place: parts.place,
    method,
    framesInFlight,
    epoch: log.epoch,
    options,
    catalog,
    writer,
    recovery: log.report,
    background,
    source,
    open,
    release: (clean) =>
      release({ ...parts, keeper: log.keeper, watch, supply, queue, ledger, writer }, clean),
  });
  undo.push(() => background.close(0));
  return { store, writer, supply, background, watch };
}

/** Nothing was promised to anybody yet: that the outcome is unknown is of no interest to them. */
function declareOrFail(
  writer: LogWriter,
  declarations: readonly Declaration[],
  directory: string,
): void {
  try {
    writeDeclarations(writer, declarations);
  } catch (error) {
    if (isHoldfastError(error) && error.cause === undefined) throw error;
    const cause = isHoldfastError(error) ? error.cause : error;
    throw cause instanceof Error ? asStoreError(cause, directory, "opening") : error;
  }
}

function warnOfRecovery(log: OpenedLog, options: Options): void {
  const { report } = log;
  if (report.repairedSlots.length > 0) {
    options.onWarning({
      code: "MANIFEST_REPAIRED",
      message: `${report.repairedSlots.join(", ")} was damaged or missing, and was written anew`,
    });
  }
  if (report.tornBytes > 0) {
    options.onWarning({
      code: "TORN_TAIL",
      message:
        `${report.tornBytes} bytes of unacknowledged writes at the end of the log were set aside ` +
        `in ${report.tornFiles.join(", ")}`,
    });
  }
}
