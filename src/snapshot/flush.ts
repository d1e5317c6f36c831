/** From the log to a run: the newest row of every key that the tail has changed. */
import { HoldfastError } from "../base/errors.js";
import { OPERATION } from "../log/format.js";
import { type LogOperation, type LogRecord, walkOperations, walkRecords } from "../log/record.js";
import type { ReplayPosition } from "../manifest/format.js";
import { BaseRows, misfitText } from "./base-rows.js";
import { checkCancelled, describeFailure, type JobContext, pause } from "./context.js";
import type { FlushJob, FlushResult } from "./jobs.js";
import { type LoadedFrame, LogCursor } from "./log-cursor.js";
import { NewestRows } from "./newest-rows.js";
import { type RunOutput, withOutput } from "./run-output.js";

/** The tail of the log as it is read. */
interface Tail {
  readonly rows: NewestRows;
  /** The last sequence read so far. */
  through: number;
  replayFrom: ReplayPosition;
  records: number;
  operations: number;
  declarations: number;
  bytesRead: number;
  readMicros: number;
}

/**
 * Reads the log from `from`, takes the newest operation of each key in the transactions behind
 * `runsThrough` up to `through`, and writes them as a run. It never waits for the budget: what is
 * not in a run makes the next opening slower, and is held in memory.
 */
export async function flush(job: FlushJob, context: JobContext): Promise<FlushResult> {
  const { clock } = context.disk;
  const since = clock.monotonicMicros();
  const tail = await readTail(job, context).catch((error: unknown) => {
    throw describeFailure(error, "reading the log");
  });
  const firstSequence = job.runsThrough + 1;
  const options = { ...job, firstSequence, lastSequence: tail.through };
  return withOutput(options, context, async (output) => {
    await resolvePatches(tail.rows, job, context);
    await writeRows(tail.rows, job.dropTombstones, output, context);
    const files = await output.finish();
    checkCancelled(context);
    const { through, replayFrom, records, operations, declarations, bytesRead, readMicros } = tail;
    return {
      files,
      firstSequence,
      through,
      replayFrom,
      records,
      operations,
      declarations,
      bytesRead,
      bytesWritten: output.bytesWritten,
      readMicros,
      totalMicros: clock.monotonicMicros() - since,
    };
  });
}

async function readTail(job: FlushJob, context: JobContext): Promise<Tail> {
  const cursor = new LogCursor(job, context);
  const tail: Tail = {
    rows: new NewestRows(job.arenaBytes),
    through: job.runsThrough,
    replayFrom: cursor.position,
    records: 0,
    operations: 0,
    declarations: 0,
    bytesRead: 0,
    readMicros: 0,
  };
  try {
    await readFrames(job, cursor, tail);
  } finally {
    await cursor.close();
  }
  tail.bytesRead = cursor.bytesRead;
  tail.readMicros = cursor.readMicros;
  return tail;
}

/** Frames without records are passed over too, so that replay begins as late as it can. */
async function readFrames(job: FlushJob, cursor: LogCursor, tail: Tail): Promise<void> {
  for (;;) {
    const frame = await cursor.peek();
    tail.replayFrom = cursor.position;
    if (frame === undefined) break;
    const { firstSequence, recordCount } = frame.header;
    const last = firstSequence + recordCount - 1;
    if (recordCount > 0 && (firstSequence > job.through || tail.rows.full)) break;
    takeFrame(frame, job, cursor, tail);
    tail.through = Math.max(tail.through, Math.min(last, job.through));
    // The rest of this frame is for the next run, which begins to read at the same place.
    if (last > job.through) break;
    cursor.advance(frame.header);
  }
  if (tail.through >= job.through || tail.rows.full) return;
  throw cursor.corrupt(`the log ends before transaction ${job.through}`);
}

function takeFrame(frame: LoadedFrame, job: FlushJob, cursor: LogCursor, tail: Tail): void {
  let misfit: string | undefined;
  const visitOperation = (operation: LogOperation): void => {
    tail.operations++;
    if (operation.kind === OPERATION.declare) tail.declarations++;
    else misfit ??= tail.rows.set(frame.bytes, operation);
  };
  const visit = (record: LogRecord): void => {
    if (record.sequence <= job.runsThrough || record.sequence > job.through) return;
    tail.records++;
    const wrong = walkOperations(record, visitOperation) ?? misfit;
    if (wrong !== undefined) throw cursor.corrupt(wrong);
  };
  const wrong = walkRecords(frame.bytes, frame.view, frame.position, frame.header, visit);
  if (wrong !== undefined) throw cursor.corrupt(wrong);
}

/** What patches are of, and the tail does not have, the runs have. */
async function resolvePatches(rows: NewestRows, job: FlushJob, context: JobContext): Promise<void> {
  if (!rows.incomplete) return;
  const base = await BaseRows.open(context.disk, job.directory, job.storeId, job.base);
  try {
    rows.resolve(base.find, (fullKey, why) => {
      throw new HoldfastError("CORRUPT_LOG", misfitText(fullKey, why));
    });
  } finally {
    await base.release();
  }
}

async function writeRows(
  rows: NewestRows,
  dropTombstones: boolean,
  output: RunOutput,
  context: JobContext,
): Promise<void> {
  const { bytes } = rows;
  for (const { keyStart, keyEnd, rowEnd, schemaVersion } of rows.sorted()) {
    if (rowEnd < 0 && dropTombstones) continue;
    let { writer } = output;
    if (writer === undefined) writer = await output.open();
    writer.add(bytes, keyStart, keyEnd, schemaVersion, bytes, keyEnd, rowEnd);
    if (!output.due) continue;
    await output.flush();
    await pause(context);
  }
}
