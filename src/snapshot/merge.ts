/**
 * From several runs to one: for each key the newest row, in all keys or a range of them; of the
 * version in force, as far as that takes no code.
 */
import { fromHex } from "../base/bytes.js";
import type { ManifestFile, ManifestRun } from "../manifest/format.js";
import { BlockCache } from "../run/block-cache.js";
import { RunSet } from "../run/run-set.js";
import { checkCancelled, describeFailure, type JobContext, pause } from "./context.js";
import type { MergeJob, MergeResult } from "./jobs.js";
import { RowUpgrader } from "./row-upgrader.js";
import { type RunOutput, withOutput } from "./run-output.js";

/** Every block is read once, in order: what is kept is only where each input stands. */
const CACHE_BYTES = 8 * 1024 * 1024;

/** Rows between two pauses where nothing is to be written. */
const ROWS_PER_PAUSE = 1024;

/** What a file of which only a part is in the range counts for; it is not known how much is. */
const PART_IN_RANGE = 0.5;

/**
 * Merges `runs` between `afterKey` (not included) and `throughKey` (included). It waits for the
 * budget before each piece that it writes.
 */
export async function merge(job: MergeJob, context: JobContext): Promise<MergeResult> {
  const { disk } = context;
  const since = disk.clock.monotonicMicros();
  const inputs = inRange(job);
  const firstSequence = Math.min(...job.runs.map((run) => run.firstSequence));
  const lastSequence = Math.max(...job.runs.map((run) => run.lastSequence));
  return withOutput({ ...job, firstSequence, lastSequence }, context, async (output) => {
    const set = await RunSet.open({
      disk,
      directory: job.directory,
      storeId: fromHex(job.storeId) as Uint8Array,
      runs: inputs.runs,
      files: inputs.files,
      cache: new BlockCache(CACHE_BYTES),
    }).catch((error: unknown) => {
      throw describeFailure(error, "a merge");
    });
    try {
      await copyRows(job, inputs, set, output, context);
    } finally {
      await set.release();
    }
    const files = await output.finish();
    checkCancelled(context);
    return {
      files,
      rows: files.reduce((sum, file) => sum + file.rows, 0),
      bytesRead: inputs.bytes,
      bytesWritten: output.bytesWritten,
      totalMicros: disk.clock.monotonicMicros() - since,
    };
  });
}

interface Inputs {
  readonly runs: ManifestRun[];
  readonly files: ManifestFile[];
  /** About how much of them is in the range. */
  readonly bytes: number;
  readonly rows: number;
}

/** Only what has keys in the range is opened. */
function inRange(job: MergeJob): Inputs {
  const byId = new Map(job.files.map((file) => [file.id, file]));
  const { afterKey, throughKey } = job;
  const files: ManifestFile[] = [];
  let bytes = 0;
  let rows = 0;
  const runs = job.runs.map((run) => {
    const here = run.files.filter((id) => {
      const file = byId.get(id) as ManifestFile;
      if (afterKey !== undefined && Buffer.compare(file.lastKey, afterKey) <= 0) return false;
      if (throughKey !== undefined && Buffer.compare(file.firstKey, throughKey) > 0) return false;
      const share = isWithin(file, afterKey, throughKey) ? 1 : PART_IN_RANGE;
      files.push(file);
      bytes += Math.round(file.bytes * share);
      rows += (file.rows + file.tombstones) * share;
      return true;
    });
    return { ...run, files: here };
  });
  return { runs: runs.filter((run) => run.files.length > 0), files, bytes, rows };
}

function isWithin(
  file: ManifestFile,
  afterKey: Uint8Array | undefined,
  throughKey: Uint8Array | undefined,
): boolean {
  return (
    (afterKey === undefined || Buffer.compare(file.firstKey, afterKey) > 0) &&
    (throughKey === undefined || Buffer.compare(file.lastKey, throughKey) <= 0)
  );
}

async function copyRows(
  job: MergeJob,
  inputs: Inputs,
  set: RunSet,
  output: RunOutput,
  context: JobContext,
): Promise<void> {
  const { budget, signal } = context;
  const cursor = set.cursor({
    ...(job.afterKey === undefined ? {} : { lower: job.afterKey, lowerExclusive: true }),
    ...(job.throughKey === undefined ? {} : { upper: job.throughKey, upperExclusive: false }),
    // Those to be dropped, too: many in a row must not hold up the thread.
    tombstones: true,
    keep: false,
  });
  // Reading is counted as it goes, in proportion to the rows, of which there may be fewer.
  const bytesPerRow = inputs.rows === 0 ? 0 : inputs.bytes / inputs.rows;
  const upgrader = new RowUpgrader(job.tables);
  let counted = 0;
  let since = 0;
  while (cursor.next()) {
    const { key, keyStart, keyEnd, schemaVersion, row, rowStart, rowEnd } = cursor;
    if (rowEnd >= 0 || !job.dropTombstones) {
      let { writer } = output;
      if (writer === undefined) writer = await output.open();
      const tableId = ((key[keyStart] as number) << 8) | (key[keyStart + 1] as number);
      const upgraded =
        rowEnd < 0 ? undefined : upgrader.upgrade(tableId, schemaVersion, row, rowStart, rowEnd);
      if (upgraded === undefined) {
        writer.add(key, keyStart, keyEnd, schemaVersion, row, rowStart, rowEnd);
      } else {
        const { version, bytes, length } = upgraded;
        writer.add(key, keyStart, keyEnd, version, bytes, 0, length);
      }
    }
    if (++since < ROWS_PER_PAUSE && !output.due) continue;
    const bytes = Math.min(inputs.bytes - counted, Math.round(since * bytesPerRow));
    budget.count(bytes, 0);
    counted += bytes;
    since = 0;
    if (output.due) await output.flush();
    await budget.wait(signal);
    await pause(context);
  }
  budget.count(inputs.bytes - counted, 0);
}
