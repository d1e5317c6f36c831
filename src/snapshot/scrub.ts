/**
 * Reads a file of a run from end to end, past the page cache: rot is found before a read meets it.
 */
import { fromHex } from "../base/bytes.js";
import type { Disk, DiskFile } from "../disk/disk.js";
import type { RunProblem } from "../run/run-problem.js";
import { verifyRunFile } from "../run/verify.js";
import { checkCancelled, describeFailure, type JobContext } from "./context.js";
import type { ScrubJob, ScrubResult } from "./jobs.js";

/** It waits for the budget before each piece that it reads. */
export async function scrub(job: ScrubJob, context: JobContext): Promise<ScrubResult> {
  const { disk } = context;
  const since = disk.clock.monotonicMicros();
  const { directory, file } = job;
  const storeId = fromHex(job.storeId) as Uint8Array;
  const paced: Pick<Disk, "checksum" | "compressor" | "open"> = {
    checksum: disk.checksum,
    compressor: disk.compressor,
    open: async (path, options) => pacedFile(await disk.open(path, options), context),
  };
  let first: RunProblem | undefined;
  const note = (problem: RunProblem): void => {
    first ??= problem;
  };
  try {
    const { problems } = await verifyRunFile(paced, directory, storeId, file, note);
    checkCancelled(context);
    const totalMicros = disk.clock.monotonicMicros() - since;
    return { problems, first: first?.what, offset: first?.offset ?? 0, totalMicros };
  } catch (error) {
    throw describeFailure(error, "reading a run");
  }
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
