/** What the kinds of background work share. */
import type { Failure } from "./activity.js";
import type { FileIdSource } from "./file-ids.js";
import type { SnapshotHost, SnapshotterOptions } from "./host.js";
import type { FlushJob, FlushResult } from "./jobs.js";
import type { Publisher } from "./publisher.js";
import type { JobRunner } from "./runner.js";

export interface BackgroundParts {
  readonly host: SnapshotHost;
  readonly options: SnapshotterOptions;
  readonly runner: JobRunner;
  readonly publisher: Publisher;
  readonly ids: FileIdSource;
  /** There is a new run. */
  readonly onRun: () => void;
  readonly onMerged: () => void;
  /** Files that are damaged: nothing is to be made of them. */
  readonly damaged: () => ReadonlySet<number>;
  readonly onFlushed: (job: FlushJob, result: FlushResult) => void;
  readonly onFailure: (doing: string, failure: Failure) => void;
}
