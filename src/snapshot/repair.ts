/** Makes a damaged file of a run anew. What from, and why that is right: see repair-plan.ts. */
import { AssertionError } from "../base/assert.js";
import { fromHex } from "../base/bytes.js";
import type { ManifestFile } from "../manifest/format.js";
import { BlockCache } from "../run/block-cache.js";
import { corruptRun } from "../run/errors.js";
import { runFileName } from "../run/format.js";
import { RunCursor } from "../run/run-cursor.js";
import type { RunFile } from "../run/run-file.js";
import { RunSet } from "../run/run-set.js";
import {
  checkCancelled,
  describeFailure,
  type JobContext,
  pause,
  removeQuietly,
} from "./context.js";
import type { RepairJob, RepairResult } from "./jobs.js";
import { RepairLog } from "./repair-log.js";
import type { RunsInRange } from "./repair-plan.js";
import { type RunOutput, withOutput } from "./run-output.js";
import { salvageRows } from "./salvage.js";

/** Every block is read once, in order: what is kept is only where each input stands. */
const CACHE_BYTES = 8 * 1024 * 1024;

/** Rows between two pauses where nothing is to be written. */
const ROWS_PER_PAUSE = 1024;

/** The new files are durable and were read back when this resolves; it waits for the budget. */
export async function repair(job: RepairJob, context: JobContext): Promise<RepairResult> {
  const { clock } = context.disk;
  const since = clock.monotonicMicros();
  const work = job.fromItself ? salvage : rebuild;
  const { files, bytesRead, bytesWritten } = await work(job, context);
  checkCancelled(context);
  return { files, bytesRead, bytesWritten, totalMicros: clock.monotonicMicros() - since };
}

type Repaired = Omit<RepairResult, "totalMicros">;

async function salvage(job: RepairJob, context: JobContext): Promise<Repaired> {
  const { disk, budget, signal } = context;
  const { file } = job;
  return withOutput(job, context, async (output) => {
    for await (const entries of salvageRows({ ...job, disk })) {
      for (let i = 0; i < entries.count; i++) {
        let { writer } = output;
        if (writer === undefined) writer = await output.open();
        const { bytes } = entries;
        const keyEnd = entries.keyEnd(i);
        const version = entries.schemaVersion(i);
        const rowEnd = entries.valueEnd(i);
        writer.add(bytes, entries.keyStart(i), keyEnd, version, bytes, keyEnd, rowEnd);
      }
      budget.count(entries.bytes.length, 0);
      if (!output.due) continue;
      await output.flush();
      await budget.wait(signal);
      await pause(context);
    }
    const files = await output.finish();
    assertSameRange(job, files);
    return { files, bytesRead: file.bytes, bytesWritten: output.bytesWritten };
  }).catch((error: unknown) => {
    // Blocks that are whole one by one and not in order.
    if (!(error instanceof AssertionError)) throw error;
    throw corruptRun(pathOf(job), 0, error.message, error);
  });
}

function assertSameRange(job: RepairJob, files: readonly ManifestFile[]): void {
  const { firstKey, lastKey } = job.file;
  const [first, last] = [files[0], files.at(-1)];
  const same =
    first !== undefined &&
    last !== undefined &&
    Buffer.compare(first.firstKey, firstKey) === 0 &&
    Buffer.compare(last.lastKey, lastKey) === 0;
  if (!same) throw corruptRun(pathOf(job), 0, "its rows are not those that it had");
}

function pathOf({ directory, file }: RepairJob): string {
  return `${directory}/${runFileName(file.id)}`;
}

async function rebuild(job: RepairJob, context: JobContext): Promise<Repaired> {
  const { disk } = context;
  const log = new RepairLog(job, context);
  const opened: RunSet[] = [];
  const open = async ({ runs, files }: RunsInRange): Promise<(readonly RunFile[])[]> => {
    const { directory } = job;
    const storeId = fromHex(job.storeId) as Uint8Array;
    const cache = new BlockCache(CACHE_BYTES);
    const set = await RunSet.open({ disk, directory, storeId, runs, files, cache });
    opened.push(set);
    return set.runs.map((_, i) => set.filesOf(i));
  };
  try {
    await log.read();
    const { base, below } = job.source;
    const above = [...(await open(log)), ...(await open(base))];
    const cursor = new RunCursor([...above, ...(await open(below))], {
      lower: job.file.firstKey,
      upper: job.file.lastKey,
      upperExclusive: false,
      tombstones: true,
      keep: false,
    });
    const inputs = [...base.files, ...below.files];
    const bytesRead = log.bytesRead + inputs.reduce((sum, { bytes }) => sum + bytes, 0);
    return await withOutput(log.outputOptions, context, async (output) => {
      await copyRows(job, cursor, above.length, output, context);
      const files = await output.finish();
      return { files, bytesRead, bytesWritten: output.bytesWritten };
    });
  } catch (error) {
    throw describeFailure(error, "a repair");
  } finally {
    for (const set of opened) await set.release();
    await removeQuietly(
      disk,
      log.files.map(({ id }) => `${job.directory}/${runFileName(id)}`),
    );
  }
}

/** Keys that only runs from age `below` on have are none any more: they get a tombstone. */
async function copyRows(
  job: RepairJob,
  cursor: RunCursor,
  below: number,
  output: RunOutput,
  context: JobContext,
): Promise<void> {
  const { budget, signal } = context;
  let since = 0;
  let bytes = 0;
  while (cursor.next()) {
    const { key, keyStart, keyEnd, row, rowStart, age } = cursor;
    const isRow = cursor.rowEnd >= 0 && age < below;
    bytes += keyEnd - keyStart + Math.max(0, cursor.rowEnd - rowStart);
    if (isRow || !job.dropTombstones) {
      let { writer } = output;
      if (writer === undefined) writer = await output.open();
      const version = isRow ? cursor.schemaVersion : 0;
      writer.add(key, keyStart, keyEnd, version, row, rowStart, isRow ? cursor.rowEnd : -1);
    }
    if (++since < ROWS_PER_PAUSE && !output.due) continue;
    budget.count(bytes, 0);
    since = 0;
    bytes = 0;
    if (output.due) await output.flush();
    await budget.wait(signal);
    await pause(context);
  }
  budget.count(bytes, 0);
}
