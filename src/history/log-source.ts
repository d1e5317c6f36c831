/** Where the log is read from: by the program that writes it, or by another beside it. */
import { HoldfastError } from "../base/errors.js";
import type { Disk } from "../disk/disk.js";
import type { LogEnd } from "../log/pipeline.js";
import type { Manifest } from "../manifest/format.js";
import { readManifestSlots } from "../manifest/manifest.js";

/** How long a reader beside the writer waits before it looks again, in milliseconds. */
const LOOK_AGAIN_MILLIS = 25;

export interface DurableLog {
  /** The last transaction that is known to be durable. */
  readonly sequence: number;
  /** Everything before it is durable and never changes. */
  readonly end: LogEnd;
}

export interface LogSource {
  readonly disk: Disk;
  readonly directory: string;
  /** As it is now. */
  manifest(): Promise<Manifest>;
  /** How far the log is durable; undefined where only the log itself can tell. */
  durable(): DurableLog | undefined;
  /** Resolves when there may be more than `durable` said, or the signal was given. */
  more(signal: AbortSignal): Promise<void>;
}

/** The log of a store that another process may be writing: it is looked at, nothing is changed. */
export function sourceBeside(disk: Disk, directory: string): LogSource {
  return {
    disk,
    directory,
    durable: () => undefined,
    manifest: async () => {
      const { newest } = await readManifestSlots(disk, directory);
      if (newest !== undefined) return newest;
      throw new HoldfastError(
        "CORRUPT_MANIFEST",
        `neither manifest of ${directory} can be read: "holdfast verify" tells more`,
        { file: directory },
      );
    },
    more: (signal) =>
      new Promise((resolve) => {
        if (signal.aborted) return resolve();
        const end = (): void => {
          timer.cancel();
          signal.removeEventListener("abort", end);
          resolve();
        };
        const timer = disk.scheduler.after(LOOK_AGAIN_MILLIS, end, true);
        signal.addEventListener("abort", end);
      }),
  };
}
