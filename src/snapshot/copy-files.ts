/**
 * Copies files that never change to another directory, which may be on another device, and tells
 * what they are made of. All of them are opened before anything is written: from then on it is of
 * no matter that whoever writes the store removes one.
 */
import type { DiskFile } from "../disk/disk.js";
import { checkCancelled, describeFailure, type JobContext, removeQuietly } from "./context.js";
import type { ChecksumJob, CopyJob, FileSum, FilesResult } from "./jobs.js";

/** Read, and written, at once. */
const PIECE_BYTES = 1024 * 1024;

/** The copies are durable, and their names are, when this resolves. */
export async function copyFiles(job: CopyJob, context: JobContext): Promise<FilesResult> {
  const { disk } = context;
  const since = disk.clock.monotonicMicros();
  const made: string[] = [];
  const sources: DiskFile[] = [];
  try {
    for (const name of job.files) {
      checkCancelled(context);
      sources.push(await disk.open(`${job.directory}/${name}`, { direct: true }));
    }
    const files: FileSum[] = [];
    for (const [i, name] of job.files.entries()) {
      const path = `${job.to}/${name}`;
      made.push(path);
      files.push({ name, ...(await copyFile(sources[i] as DiskFile, path, context)) });
    }
    if (made.length > 0) await disk.syncDirectory(job.to);
    return { files, totalMicros: disk.clock.monotonicMicros() - since };
  } catch (error) {
    await removeQuietly(disk, made);
    throw describeFailure(error, "a copy");
  } finally {
    for (const source of sources) await source.close().catch(() => {});
  }
}

type Sum = Omit<FileSum, "name">;

async function copyFile(source: DiskFile, path: string, context: JobContext): Promise<Sum> {
  const target = await context.disk.open(path, { write: true, create: true, exclusive: true });
  let sum: Sum;
  try {
    sum = await readThrough(source, context, async (offset, bytes) => {
      await target.write(offset, bytes);
      context.budget.count(0, bytes.length);
    });
    await target.sync();
  } catch (error) {
    await target.close().catch(() => {});
    throw error;
  }
  await target.close();
  return sum;
}

/** Reads files from end to end, past the page cache. */
export async function checksumFiles(job: ChecksumJob, context: JobContext): Promise<FilesResult> {
  const { disk } = context;
  const since = disk.clock.monotonicMicros();
  try {
    const files: FileSum[] = [];
    for (const name of job.files) {
      const file = await disk.open(`${job.directory}/${name}`, { direct: true });
      try {
        files.push({ name, ...(await readThrough(file, context, async () => {})) });
      } finally {
        await file.close();
      }
    }
    return { files, totalMicros: disk.clock.monotonicMicros() - since };
  } catch (error) {
    throw describeFailure(error, "reading a file through");
  }
}

/** Waits for the budget before each piece. */
async function readThrough(
  file: DiskFile,
  context: JobContext,
  take: (offset: number, bytes: Uint8Array) => Promise<void>,
): Promise<Sum> {
  const { budget, signal, disk } = context;
  const bytes = await file.size();
  let checksum = 0;
  for (let offset = 0; offset < bytes; ) {
    await budget.wait(signal);
    checkCancelled(context);
    const piece = await file.read(offset, Math.min(PIECE_BYTES, bytes - offset));
    // Shorter than it was: what was read so far is all there is.
    if (piece.length === 0) return { bytes: offset, checksum };
    budget.count(piece.length, 0);
    checksum = disk.checksum.crc32c(piece, 0, piece.length, checksum);
    await take(offset, piece);
    offset += piece.length;
  }
  return { bytes, checksum };
}
