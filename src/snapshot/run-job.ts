/** One door to all kinds of jobs. */
import { archive } from "./archive.js";
import { describeFailure, type JobContext } from "./context.js";
import { checksumFiles, copyFiles } from "./copy-files.js";
import { copyLog } from "./copy-log.js";
import { digest } from "./digest.js";
import { flush } from "./flush.js";
import type { Job, ResultOf } from "./jobs.js";
import { merge } from "./merge.js";
import { putBlob } from "./put-blob.js";
import { readBlob } from "./read-blob.js";
import { repair } from "./repair.js";
import { scrub } from "./scrub.js";
import { compactPacks, sweepPacks } from "./sweep-packs.js";

/**
 * Does a job. Rejects with an error of this package; then, and after a cancellation, which is
 * CLOSED, nothing of what it had begun is left where the disk lets it be removed.
 */
export async function runJob<J extends Job>(job: J, context: JobContext): Promise<ResultOf<J>> {
  return (await start(job, context)) as ResultOf<J>;
}

function start(job: Job, context: JobContext): Promise<ResultOf<Job>> {
  switch (job.kind) {
    case "flush":
      return flush(job, context);
    case "merge":
      return merge(job, context);
    case "archive":
      return archive(job, context);
    case "repair":
      return repair(job, context);
    case "scrub":
      return scrub(job, context);
    case "copy":
      return copyFiles(job, context);
    case "checksum":
      return checksumFiles(job, context);
    case "copy-log":
      return copyLog(context, job.source, job.target).catch((error: unknown) => {
        throw describeFailure(error, "copying the log");
      });
    case "put-blob":
      return putBlob(job, context);
    case "read-blob":
      return readBlob(job, context);
    case "sweep-packs":
      return sweepPacks(job, context);
    case "compact-packs":
      return compactPacks(job, context);
    case "digest":
      return digest(job, context);
  }
}
