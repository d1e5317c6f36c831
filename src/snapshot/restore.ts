/**
 * From a snapshot to one run of another store: all its runs and the log behind them, merged; of
 * each key the newest row, and no deletions. Memory is bounded, whatever the snapshot holds.
 */
import type { Disk } from "../disk/disk.js";
import type { ManifestFile, ManifestTable } from "../manifest/format.js";
import { RunCursor } from "../run/run-cursor.js";
import type { RunFile } from "../run/run-file.js";
import { IoBudget } from "./budget.js";
import { describeFailure, type JobContext, pause } from "./context.js";
import { withOutput } from "./run-output.js";
import { type RestoreSource, type RestoreTarget, SnapshotRows } from "./snapshot-rows.js";

/** Rows between two pauses. */
const ROWS_PER_PAUSE = 1024;

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
    const rows = new SnapshotRows(context, source, target);
    return await rows.use((inputs) => merge(rows, inputs, context, onProgress));
  } catch (error) {
    throw describeFailure(error, "restoring");
  }
}

async function merge(
  source: SnapshotRows,
  inputs: readonly (readonly RunFile[])[],
  context: JobContext,
  onProgress: (progress: RestoreProgress) => void,
): Promise<RestoredRows> {
  const { tables } = source;
  const rowsOf = new Map<number, number>();
  const rowsMax = inputs.flat().reduce((sum, { file }) => sum + file.rows, 0);
  const cursor = new RunCursor(inputs, { keep: false });
  let rows = 0;
  const files = await withOutput(source.output(tables.list), context, async (output) => {
    while (cursor.next()) {
      let { writer } = output;
      if (writer === undefined) writer = await output.open();
      const { key, keyStart, keyEnd, schemaVersion, row, rowStart, rowEnd } = cursor;
      const tableId = ((key[keyStart] as number) << 8) | (key[keyStart + 1] as number);
      tables.addRow(tableId, schemaVersion);
      rowsOf.set(tableId, (rowsOf.get(tableId) ?? 0) + 1);
      writer.add(key, keyStart, keyEnd, schemaVersion, row, rowStart, rowEnd);
      rows++;
      if (output.due) await output.flush();
      if (rows % ROWS_PER_PAUSE !== 0) continue;
      onProgress({ rows, rowsMax });
      await pause(context);
    }
    return output.finish();
  });
  return { files, tables: tables.list, rowsOf };
}
