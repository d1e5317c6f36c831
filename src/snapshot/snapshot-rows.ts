/**
 * All rows of a snapshot: its runs and the log behind them, ready to be merged. Memory is bounded,
 * whatever the snapshot holds: what is too much of the log becomes runs in a directory given.
 */
import { fromHex } from "../base/bytes.js";
import { FLUSH_ARENA_BYTES, RUN_FILE_BYTES } from "../base/limits.js";
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
import type { RunFile } from "../run/run-file.js";
import { RunSet } from "../run/run-set.js";
import { BaseRows } from "./base-rows.js";
import type { JobContext } from "./context.js";
import { type LoadedFrame, LogCursor } from "./log-cursor.js";
import { RestoredTables } from "./restored-tables.js";
import type { RunOutputOptions } from "./run-output.js";
import { SpilledRows } from "./spilled-rows.js";

/** Every block is read once, in order: what is kept is only where each input stands. */
const CACHE_BYTES = 8 * 1024 * 1024;

/** More files than a run has: ids are only numbers, and the store has no others yet. */
export const RUN_FILES_MAX = 1_000_000;

export interface RestoreSource {
  readonly directory: string;
  readonly manifest: Pick<Manifest, "storeId" | "segments" | "files" | "tables">;
  readonly snapshot: Pick<ManifestSnapshot, "sequence" | "state" | "segments">;
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

export class SnapshotRows {
  /** Complete once the rows have been gone through. */
  readonly tables: RestoredTables;
  readonly #context: JobContext;
  readonly #source: RestoreSource;
  readonly #target: RestoreTarget;
  /** What the log holds behind the runs, as runs in the target. */
  readonly #tail: SpilledRows;
  #nextFileId = 1;

  /** Nothing else writes into the target's directory. */
  constructor(context: JobContext, source: RestoreSource, target: RestoreTarget) {
    this.#context = context;
    this.#source = source;
    this.#target = target;
    this.tables = new RestoredTables(source.manifest.tables);
    const { arenaBytes = FLUSH_ARENA_BYTES } = target;
    this.#tail = new SpilledRows(arenaBytes, context, () => this.output(this.tables.all));
  }

  /**
   * Runs `work` with the files of all runs, the newest run first. From its call on they stay what
   * they are, whatever becomes of their names. Throws CORRUPT_RUN, CORRUPT_LOG, MISSING_FILE, or
   * the system's error.
   */
  async use<T>(work: (inputs: readonly (readonly RunFile[])[]) => Promise<T>): Promise<T> {
    const { snapshot, manifest, directory } = this.#source;
    const { storeId, directory: target } = this.#target;
    const base = await this.#open(directory, manifest.storeId, snapshot.state.runs, manifest.files);
    try {
      for (let i = 0; i < base.runs.length; i++) {
        for (const file of base.filesOf(i)) this.tables.addFile(file.properties());
      }
      const below = new BaseRows([base]);
      this.#tail.base = below.find;
      await this.#readTail();
      const tail = await this.#open(target, storeId, this.#tail.runs, this.#tail.files);
      try {
        return await work([...filesOf(tail), ...filesOf(base)]);
      } finally {
        await tail.release();
        await this.#tail.drop(target);
      }
    } finally {
      await base.release();
    }
  }

  /** For one more run in the target. */
  output(tables: readonly ManifestTable[]): RunOutputOptions {
    const { directory, storeId, fileBytes = RUN_FILE_BYTES } = this.#target;
    const { sequence: lastSequence } = this.#source.snapshot;
    const fileIds = { first: this.#nextFileId, count: RUN_FILES_MAX };
    this.#nextFileId += RUN_FILES_MAX;
    return { directory, storeId, fileIds, fileBytes, firstSequence: 1, lastSequence, tables };
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
      let misfit: string | undefined;
      const wrong = walkOperations(record, (operation) => {
        if (operation.kind === OPERATION.declare) this.#declare(frame, operation, cursor);
        else misfit ??= this.#takeRow(frame, operation);
      });
      if (misfit !== undefined) throw cursor.corrupt(misfit);
      if (wrong !== undefined) throw cursor.corrupt(wrong);
    };
    const { bytes, view, position, header } = frame;
    const wrong = walkRecords(bytes, view, position, header, visit);
    if (wrong !== undefined) throw cursor.corrupt(wrong);
  }

  #takeRow({ bytes }: LoadedFrame, operation: LogOperation): string | undefined {
    if (operation.kind !== OPERATION.delete)
      this.tables.addRow(operation.tableId, operation.schemaVersion);
    return this.#tail.set(bytes, operation);
  }

  #declare({ bytes }: LoadedFrame, operation: LogOperation, cursor: LogCursor): void {
    const { tableId, keyEnd, rowEnd } = operation;
    const text = Buffer.from(bytes.subarray(keyEnd, rowEnd)).toString("utf8");
    if (!this.tables.declare(tableId, text)) throw cursor.corrupt("a schema is not one");
  }
}

function filesOf(set: RunSet): (readonly RunFile[])[] {
  return set.runs.map((_, i) => set.filesOf(i));
}
