/** What opening a log takes and gives, and the parts of the manifest that every opening writes. */
import type { Disk } from "../disk/disk.js";
import type { PreparedSegment } from "../log/segments.js";
import type { Manifest, ManifestSegment } from "../manifest/format.js";
import type { ManifestKeeper } from "../manifest/keeper.js";

/** What the one who opens the store brings along. */
export interface OpeningSettings {
  readonly environment: string;
  readonly allowEnvironmentChange: boolean;
  readonly writerId: string;
  readonly segmentBytes: number;
  readonly frameBytesMax: number;
  readonly framesInFlight: number;
  /** Frames are aligned to this; segments of an older alignment stay as they are. */
  readonly alignment: number;
}

/** What opening found and did; `store.recovery`. Durations in microseconds, sizes in bytes. */
export interface RecoveryReport {
  /** The store did not exist. */
  readonly created: boolean;
  readonly epoch: number;
  readonly segments: number;
  readonly frames: number;
  /** Runs that hold the state up to where replay begins, and all files of runs. */
  readonly runs: number;
  readonly runFiles: number;
  readonly transactionsReplayed: number;
  readonly operationsReplayed: number;
  /** Bytes of the log that were read, those behind its end included. */
  readonly bytesRead: number;
  /** Of them, those of the frames that were replayed. */
  readonly bytesReplayed: number;
  readonly lastSequence: number;
  /** "end" or "torn", and why. */
  readonly tail: "end" | "torn";
  readonly why: string;
  /** Bytes after the last good frame that were set aside and cut off. */
  readonly tornBytes: number;
  /** Where they were set aside. */
  readonly tornFiles: readonly string[];
  /** Manifest slots that were damaged or missing and have been written anew. */
  readonly repairedSlots: readonly string[];
  /** Files that nothing names: of what was cut short, or of no more use. */
  readonly removedFiles: readonly string[];
  readonly syncMicros: number;
  readonly replayMicros: number;
  readonly publishMicros: number;
  readonly micros: number;
}

export interface OpenedLog {
  /** To be closed by whoever has opened the log. */
  readonly keeper: ManifestKeeper;
  readonly storeId: Uint8Array;
  readonly epoch: number;
  readonly active: { readonly id: number; readonly bytes: number };
  readonly spares: readonly PreparedSegment[];
  readonly nextSegmentId: number;
  readonly lastSequence: number;
  readonly previousChecksum: number;
  readonly lastTimeMicros: number;
  readonly report: RecoveryReport;
}

/** Who is writing from now on. */
export function writerOf(disk: Disk, settings: OpeningSettings): Manifest["writer"] {
  return {
    writerId: settings.writerId,
    host: disk.self.host,
    pid: disk.self.pid,
    openedMicros: disk.clock.nowMicros(),
  };
}

/** The entry of a segment that can be written. */
export function openEntry(
  { id, bytes, recycled }: PreparedSegment,
  state: "active" | "spare",
  epoch: number,
  alignment: number,
): ManifestSegment {
  return { id, state, epoch, alignment, bytes, lastSequence: 0, recycled };
}
