/**
 * Reads a file of a run, or an archive, from end to end, past the page cache: rot is found before a
 * read meets it.
 */
import { fromHex } from "../base/bytes.js";
import { isHoldfastError } from "../base/errors.js";
import type { Disk, DiskFile } from "../disk/disk.js";
import { type LogRecord, walkOperations } from "../log/record.js";
import type { ManifestArchive, ManifestFile } from "../manifest/format.js";
import type { RunProblem } from "../run/run-problem.js";
import { verifyRunFile } from "../run/verify.js";
import { archiveFileName } from "./archive-format.js";
import { checkCancelled, describeFailure, type JobContext } from "./context.js";
import type { ScrubJob, ScrubResult } from "./jobs.js";
import { readArchive } from "./read-archive.js";

type Found = Omit<ScrubResult, "totalMicros">;

/** It waits for the budget before each piece that it reads. */
export async function scrub(job: ScrubJob, context: JobContext): Promise<ScrubResult> {
  const { disk } = context;
  const since = disk.clock.monotonicMicros();
  const { subject } = job;
  try {
    const paced: PacedDisk = {
      checksum: disk.checksum,
      compressor: disk.compressor,
      open: async (path, options) => pacedFile(await disk.open(path, options), context),
    };
    const found =
      subject.kind === "run"
        ? await scrubRun(job, subject.file, paced)
        : await scrubArchive(job, subject.archive, paced);
    checkCancelled(context);
    return { ...found, totalMicros: disk.clock.monotonicMicros() - since };
  } catch (error) {
    throw describeFailure(error, "reading a file through");
  }
}

type PacedDisk = Pick<Disk, "checksum" | "compressor" | "open">;

async function scrubRun(job: ScrubJob, file: ManifestFile, paced: PacedDisk): Promise<Found> {
  const storeId = fromHex(job.storeId) as Uint8Array;
  let first: RunProblem | undefined;
  const note = (problem: RunProblem): void => {
    first ??= problem;
  };
  const { problems } = await verifyRunFile(paced, job.directory, storeId, file, note);
  return { problems, first: first?.what, offset: first?.offset ?? 0 };
}

/** Up to the first damage: what stands behind it cannot be told to continue anything. */
async function scrubArchive(
  { directory, storeId }: ScrubJob,
  archive: ManifestArchive,
  disk: PacedDisk,
): Promise<Found> {
  const path = `${directory}/${archiveFileName(archive.id)}`;
  let malformed: string | undefined;
  const visit = (record: LogRecord): void => {
    malformed ??= walkOperations(record, () => {});
  };
  try {
    await readArchive({ disk, directory, storeId, archive, checkHistory: true, visit });
  } catch (error) {
    if (!isHoldfastError(error) || error.data.file !== path) throw error;
    const { message, data } = error;
    const what = message.slice(message.lastIndexOf(": ") + 1).trim();
    return { problems: 1, first: what, offset: data.offset ?? 0 };
  }
  return { problems: malformed === undefined ? 0 : 1, first: malformed, offset: 0 };
}

function pacedFile(file: DiskFile, { budget, signal }: JobContext): DiskFile {
  return {
    path: file.path,
    size: () => file.size(),
    read: async (offset, length) => {
      await budget.wait(signal);
      checkCancelled({ signal });
      const bytes = await file.read(offset, length);
      budget.count(bytes.length, 0);
      return bytes;
    },
    write: (offset, bytes) => file.write(offset, bytes),
    writeVerified: (offset, bytes) => file.writeVerified(offset, bytes),
    zeroFill: (offset, length) => file.zeroFill(offset, length),
    truncate: (length) => file.truncate(length),
    sync: () => file.sync(),
    isNamed: () => file.isNamed(),
    close: () => file.close(),
  };
}
