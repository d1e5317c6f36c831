/**
 * From a snapshot to one run of another store: all its runs and the log behind them, merged; of
 * each key the newest row, and no deletions. Memory is bounded, whatever the snapshot holds.
 */
import { fromHex } from "../base/bytes.js";
import { FLUSH_ARENA_BYTES, RUN_FILE_BYTES } from "../base/limits.js";
import type { Disk } from "../disk/disk.js";
import { OPERATION } from "../log/format.js";
import { type LogOperation, type LogRecord, walkOperations, walkRecords } from "../log/record.js";
import type {
  Manifest,
  ManifestFile,
  ManifestRun,
  ManifestSnapshot,
  ManifestTable,
} from "../manifest/format.js";
import { BlockCache } from "../run/block-cache.js";
import { RunCursor } from "../run/run-cursor.js";
import type { RunFile } from "../run/run-file.js";
import { RunSet } from "../run/run-set.js";
import { IoBudget } from "./budget.js";
import { describeFailure, type JobContext, pause } from "./context.js";
import { type LoadedFrame, LogCursor } from "./log-cursor.js";
import { RestoredTables } from "./restored-tables.js";
import { type RunOutput, type RunOutputOptions, withOutput } from "./run-output.js";
import { SpilledRows } from "./spilled-rows.js";

/** Every block is read once, in order: what is kept is only where each input stands. */
const CACHE_BYTES = 8 * 1024 * 1024;

/** Rows between two pauses. */
const ROWS_PER_PAUSE = 1024;

/** More files than a run has: ids are only numbers, and the store has no others yet. */
export const RUN_FILES_MAX = 1_000_000;

export interface RestoreSource {
  readonly directory: string;
  readonly manifest: Manifest;
  readonly snapshot: ManifestSnapshot;
}

export interface RestoreTarget {
  readonly directory: string;
  /** 32 hex digits, of the store that is being made. */
  readonly storeId: string;
  /** A file is finished once it is about this long. Default: 32 MiB. */
  readonly fileBytes?: number;
  /** Memory for rows of the log. Default: 32 MiB. */
  readonly arenaBytes?: number;
}

/** How far it has come. */
export interface RestoreProgress {
  readonly rows: number;
  /** Rows there are at most. */
  readonly rowsMax: number;
}

export interface RestoredRows {
  /** In the order of their keys; durable, with durable names. */
  readonly files: readonly ManifestFile[];
  /** Those whose rows or declarations the snapshot has, with their schemas up to then. */
  readonly tables: readonly ManifestTable[];
  /** Rows by the id of the table. */
  readonly rowsOf: ReadonlyMap<number, number>;
}

/**
 * Writes the rows of a snapshot into the target's directory, where nothing else writes. Throws
 * CORRUPT_RUN, CORRUPT_LOG, MISSING_FILE, DISK_FULL or IO; files that were made are removed then,
 * as far as they can be.
 */
export async function restoreRows(
  disk: Disk,
  source: RestoreSource,
  target: RestoreTarget,
  onProgress: (progress: RestoreProgress) => void = () => {},
): Promise<RestoredRows> {
  const unlimited = { bytesPerSecond: Number.POSITIVE_INFINITY, burstBytes: 1 };
  const context: JobContext = {
    disk,
    budget: new IoBudget(unlimited, disk.clock, disk.scheduler),
    signal: new AbortController().signal,
  };
  try {
    return await new Restore(context, source, target, onProgress).run();
  } catch (error) {
    throw describeFailure(error, "restoring");
  }
}

class Restore {
  readonly #context: JobContext;
  readonly #source: RestoreSource;
  readonly #target: RestoreTarget;
  readonly #onProgress: (progress: RestoreProgress) => void;
  readonly #tables: RestoredTables;
  /** What the log holds behind the runs, as runs in the target. */
  readonly #tail: SpilledRows;
  #nextFileId = 1;

  constructor(
    context: JobContext,
    source: RestoreSource,
    target: RestoreTarget,
    onProgress: (progress: RestoreProgress) => void,
  ) {
    this.#context = context;
    this.#source = source;
    this.#target = target;
    this.#onProgress = onProgress;
    this.#tables = new RestoredTables(source.manifest.tables);
    const { arenaBytes = FLUSH_ARENA_BYTES } = target;
    this.#tail = new SpilledRows(arenaBytes, context, () => this.#output(this.#tables.all));
  }

  async run(): Promise<RestoredRows> {
    const { snapshot, manifest, directory } = this.#source;
    const { storeId, directory: target } = this.#target;
    const base = await this.#open(directory, manifest.storeId, snapshot.state.runs, manifest.files);
    try {
      for (let i = 0; i < base.runs.length; i++) {
        for (const file of base.filesOf(i)) this.#tables.addFile(file.properties());
      }
      await this.#readTail();
      const tail = await this.#open(target, storeId, this.#tail.runs, this.#tail.files);
      try {
        return await this.#merge([...filesOf(tail), ...filesOf(base)]);
      } finally {
        await tail.release();
        await this.#tail.drop(target);
      }
    } finally {
      await base.release();
    }
  }

  #open(
    directory: string,
    storeId: string,
    runs: readonly ManifestRun[],
    files: readonly ManifestFile[],
  ): Promise<RunSet> {
    const { disk } = this.#context;
    const cache = new BlockCache(CACHE_BYTES);
    const id = fromHex(storeId) as Uint8Array;
    return RunSet.open({ disk, directory, storeId: id, runs, files, cache });
  }

  // ---- the log behind the runs -----------------------------------------------------------------

  async #readTail(): Promise<void> {
    const { snapshot, manifest, directory } = this.#source;
    const { state, sequence } = snapshot;
    if (sequence === state.runsThrough) return;
    const named = new Set(snapshot.segments);
    const range = {
      directory,
      storeId: manifest.storeId,
      segments: manifest.segments.filter(({ id }) => named.has(id)),
      from: state.replayFrom,
      end: { segmentId: Math.max(0, ...named), bytes: Number.MAX_SAFE_INTEGER },
    };
    const cursor = new LogCursor(range, this.#context);
    try {
      while (cursor.position.sequence <= sequence) {
        const frame = await cursor.peek();
        if (frame === undefined) throw cursor.corrupt("the log ends before the snapshot does");
        this.#takeFrame(frame, cursor);
        cursor.advance(frame.header);
        if (this.#tail.full) await this.#tail.spill();
      }
    } finally {
      await cursor.close();
    }
    await this.#tail.spill();
  }

  #takeFrame(frame: LoadedFrame, cursor: LogCursor): void {
    const { state, sequence } = this.#source.snapshot;
    const visit = (record: LogRecord): void => {
      if (record.sequence <= state.runsThrough || record.sequence > sequence) return;
      const wrong = walkOperations(record, (operation) => {
        if (operation.kind === OPERATION.declare) this.#declare(frame, operation, cursor);
        else this.#takeRow(frame, operation);
      });
      if (wrong !== undefined) throw cursor.corrupt(wrong);
    };
    const { bytes, view, position, header } = frame;
    const wrong = walkRecords(bytes, view, position, header, visit);
    if (wrong !== undefined) throw cursor.corrupt(wrong);
  }

  #takeRow({ bytes }: LoadedFrame, operation: LogOperation): void {
    const isPut = operation.kind === OPERATION.put;
    if (isPut) this.#tables.addRow(operation.tableId, operation.schemaVersion);
    this.#tail.set(bytes, operation, isPut);
  }

  #declare({ bytes }: LoadedFrame, operation: LogOperation, cursor: LogCursor): void {
    const { tableId, keyEnd, rowEnd } = operation;
    const text = Buffer.from(bytes.subarray(keyEnd, rowEnd)).toString("utf8");
    if (!this.#tables.declare(tableId, text)) throw cursor.corrupt("a schema is not one");
  }

  // ---- the run ---------------------------------------------------------------------------------

  async #merge(inputs: readonly (readonly RunFile[])[]): Promise<RestoredRows> {
    const rowsOf = new Map<number, number>();
    const rowsMax = inputs.flat().reduce((sum, { file }) => sum + file.rows, 0);
    const cursor = new RunCursor(inputs, { keep: false });
    let rows = 0;
    const files = await this.#write(this.#tables.list, async (output) => {
      while (cursor.next()) {
        let { writer } = output;
        if (writer === undefined) writer = await output.open();
        const { key, keyStart, keyEnd, schemaVersion, row, rowStart, rowEnd } = cursor;
        const tableId = ((key[keyStart] as number) << 8) | (key[keyStart + 1] as number);
        this.#tables.addRow(tableId, schemaVersion);
        rowsOf.set(tableId, (rowsOf.get(tableId) ?? 0) + 1);
        writer.add(key, keyStart, keyEnd, schemaVersion, row, rowStart, rowEnd);
        rows++;
        if (output.due) await output.flush();
        if (rows % ROWS_PER_PAUSE !== 0) continue;
        this.#onProgress({ rows, rowsMax });
        await pause(this.#context);
      }
    });
    return { files, tables: this.#tables.list, rowsOf };
  }

  #write(
    tables: readonly ManifestTable[],
    fill: (output: RunOutput) => Promise<void>,
  ): Promise<readonly ManifestFile[]> {
    return withOutput(this.#output(tables), this.#context, async (output) => {
      await fill(output);
      return output.finish();
    });
  }

  #output(tables: readonly ManifestTable[]): RunOutputOptions {
    const { directory, storeId, fileBytes = RUN_FILE_BYTES } = this.#target;
    const { sequence: lastSequence } = this.#source.snapshot;
    const fileIds = { first: this.#nextFileId, count: RUN_FILES_MAX };
    this.#nextFileId += RUN_FILES_MAX;
    return { directory, storeId, fileIds, fileBytes, firstSequence: 1, lastSequence, tables };
  }
}

function filesOf(set: RunSet): (readonly RunFile[])[] {
  return set.runs.map((_, i) => set.filesOf(i));
}
