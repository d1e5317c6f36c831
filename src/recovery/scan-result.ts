/** What reading a whole store finds, and who listens meanwhile. */
import type { FrameHeader, SegmentHeader } from "../log/format.js";
import type { SegmentScan } from "../log/reader.js";
import type { LogRecord } from "../log/record.js";
import type { TailVerdict } from "../log/tail.js";
import type { ManifestSegment } from "../manifest/format.js";

export interface ScannedSegment {
  readonly entry: ManifestSegment;
  readonly path: string;
  readonly fileBytes: number;
  readonly header: SegmentHeader | undefined;
  readonly scan: SegmentScan;
  /** The last sequence in it or before it. */
  readonly lastSequence: number;
}

export interface LogScan {
  readonly segments: readonly ScannedSegment[];
  /** The segment in which the log ends, and the verdict about its end. */
  readonly tail: ScannedSegment | undefined;
  readonly verdict: TailVerdict;
  readonly why: string;
  readonly lastSequence: number;
  readonly previousChecksum: number;
  readonly lastTimeMicros: number;
  readonly frames: number;
  /** Handed to the visitor; those that are in runs already are not. */
  readonly transactions: number;
  readonly operations: number;
  /** Bytes of the log that were read, those behind its end included. */
  readonly bytesRead: number;
  /** Of the frames that were replayed. */
  readonly bytesReplayed: number;
  /** Work on the records of these frames, without what was waited for. */
  readonly micros: number;
}

export interface LogVisitor {
  /** Called before the records of a segment. */
  segment?(entry: ManifestSegment, header: SegmentHeader | undefined): void;
  /** A transaction that is not in the runs. */
  record(record: LogRecord): void;
  frame?(header: FrameHeader, entry: ManifestSegment): void;
}
