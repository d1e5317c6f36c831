/**
 * Reads a run file, an archive or a pack from end to end, past the page cache: rot is found before
 * a read meets it.
 */
import { fromHex } from "../base/bytes.js";
import { isHoldfastError } from "../base/errors.js";
import { type NamedPack, PackFile } from "../blobs/pack-file.js";
import type { Disk, DiskFile } from "../disk/disk.js";
import { type LogRecord, walkOperations } from "../log/record.js";
import type { ManifestArchive, ManifestFile, ManifestPack } from "../manifest/format.js";
import type { RunProblem } from "../run/run-problem.js";
import { verifyRunFile } from "../run/verify.js";
import { archiveFileName } from "./archive-format.js";
import { checkCancelled, describeFailure, type JobContext } from "./context.js";
import type { ScrubJob, ScrubResult, ScrubSubject } from "./jobs.js";
import { packsFor } from "./put-blob.js";
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
    const found = await scrubFile(job, subject, paced);
    checkCancelled(context);
    return { ...found, totalMicros: disk.clock.monotonicMicros() - since };
  } catch (error) {
    throw describeFailure(error, "reading a file through");
  }
}

type PacedDisk = Pick<Disk, "checksum" | "compressor" | "open">;

function scrubFile(job: ScrubJob, subject: ScrubSubject, paced: PacedDisk): Promise<Found> {
  if (subject.kind === "run") return scrubRun(job, subject.file, paced);
  if (subject.kind === "archive") return scrubArchive(job, subject.archive, paced);
  return scrubPack(job, subject.pack, paced);
}

/** Checksums only: what they cover was proven by its hash when it was written. */
async function scrubPack(
  { directory, storeId }: ScrubJob,
  pack: ManifestPack,
  disk: PacedDisk,
): Promise<Found> {
  const [named] = packsFor([pack], storeId);
  const found: { offset: number; what: string }[] = [];
  let file: PackFile | undefined;
  try {
    file = await PackFile.open(disk, directory, named as NamedPack, true);
    found.push(...file.problems);
    for (let i = 0; i < file.chunks; i++) {
      const chunk = file.chunk(i);
      const what = "the header of a chunk fails its checksum";
      if (!(await file.hasHeader(chunk))) found.push({ offset: chunk.offset, what });
      if (!(await file.isWhole(chunk))) {
        found.push({ offset: chunk.offset, what: "what is stored of a chunk fails its checksum" });
      }
    }
  } catch (error) {
    if (!isHoldfastError(error, "CORRUPT_BLOB")) throw error;
    found.push({ offset: error.data.offset ?? 0, what: error.message });
  } finally {
    await file?.close();
  }
  return { problems: found.length, first: found[0]?.what, offset: found[0]?.offset ?? 0 };
}

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
