/** Removing files that no manifest names any more. */
import { errnoCode } from "../base/errors.js";
import { checkCancelled, describeFailure, type JobContext } from "./context.js";
import type { RemoveJob, RemoveResult } from "./jobs.js";

/** A file that is gone already is as good; one that cannot be removed is a stray. */
export async function remove(job: RemoveJob, context: JobContext): Promise<RemoveResult> {
  let removed = 0;
  for (const name of job.names) {
    checkCancelled(context);
    try {
      await context.disk.remove(`${job.directory}/${name}`);
      removed++;
    } catch (error) {
      if (errnoCode(error) !== "ENOENT") throw describeFailure(error, "removing a file");
    }
  }
  return { removed };
}
