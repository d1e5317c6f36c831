/**
 * What the background does, as plain data that can cross to another thread: a job says everything
 * it needs, and its result everything it has done. A job publishes nothing: until the manifest
 * names what it has made, that is a stray, which the next opening removes.
 */
import type { FinishedPack } from "../blobs/pack-writer.js";
import type { LogEnd } from "../log/pipeline.js";
import type {
  DeadChunks,
  ManifestArchive,
  ManifestFile,
  ManifestPack,
  ManifestRun,
  ManifestSegment,
  ManifestTable,
  ReplayPosition,
} from "../manifest/format.js";
import type { CopiedLog, LogSource, LogTarget } from "./copy-log.js";
import type { PortLike } from "./port.js";
import type { FromPut, ToPut } from "./put-blob.js";
import type { FromRead, ToRead } from "./read-blob.js";
import type { RepairSource, RunsInRange } from "./repair-plan.js";
import type { RestoreSource, RestoreTarget } from "./snapshot-rows.js";
import type { HistoryMark } from "./whole-segment.js";

/** Ids that a job may give to the files it makes. */
export interface FileIds {
  readonly first: number;
  readonly count: number;
}

interface JobBase {
  readonly directory: string;
  /** 32 hex digits. */
  readonly storeId: string;
}

/** Makes a run of what the log holds behind `runsThrough`. */
export interface FlushJob extends JobBase {
  readonly kind: "flush";
  readonly segments: readonly ManifestSegment[];
  readonly from: ReplayPosition;
  readonly runsThrough: number;
  /** The last sequence that may go into the run; durable. */
  readonly through: number;
  /** Nothing behind this is read. */
  readonly end: LogEnd;
  readonly tables: readonly ManifestTable[];
  readonly dropTombstones: boolean;
  readonly fileIds: FileIds;
  readonly fileBytes: number;
  /** Memory for rows; the job stops at the end of the frame that fills it. */
  readonly arenaBytes: number;
  /** The runs that there are, for patches of what they have; nothing where there can be none. */
  readonly base: RunsInRange;
}

export interface FlushResult {
  readonly files: readonly ManifestFile[];
  readonly firstSequence: number;
  /** All transactions up to this one are in runs now; less than asked for where memory was full. */
  readonly through: number;
  readonly replayFrom: ReplayPosition;
  readonly records: number;
  readonly operations: number;
  /** Schemas that the range declares: the manifest must have them before it names the run. */
  readonly declarations: number;
  readonly bytesRead: number;
  readonly bytesWritten: number;
  readonly readMicros: number;
  readonly totalMicros: number;
}

/** Makes one run of several, or of a range of their keys. */
export interface MergeJob extends JobBase {
  readonly kind: "merge";
  /** The newest first. */
  readonly runs: readonly ManifestRun[];
  /** Entries of at least the files of `runs`. */
  readonly files: readonly ManifestFile[];
  /** Keys behind this one only. */
  readonly afterKey: Uint8Array | undefined;
  /** Keys up to this one only. */
  readonly throughKey: Uint8Array | undefined;
  readonly dropTombstones: boolean;
  readonly tables: readonly ManifestTable[];
  readonly fileIds: FileIds;
  readonly fileBytes: number;
}

export interface MergeResult {
  readonly files: readonly ManifestFile[];
  readonly rows: number;
  readonly bytesRead: number;
  readonly bytesWritten: number;
  readonly totalMicros: number;
}

/** Makes the archive of a sealed segment. */
export interface ArchiveJob extends JobBase {
  readonly kind: "archive";
  readonly segment: ManifestSegment;
  /** Where the archive before it ends. */
  readonly before?: HistoryMark;
  /** Sealed segments between that and this one, which are no archives yet. */
  readonly between?: readonly ManifestSegment[];
}

export interface ArchiveResult {
  readonly archive: ManifestArchive;
  readonly frames: number;
  readonly bytesRead: number;
  readonly bytesWritten: number;
  readonly totalMicros: number;
}

/** Makes a damaged file of a run anew. */
export interface RepairJob extends JobBase {
  readonly kind: "repair";
  /** As the manifest has it. */
  readonly file: ManifestFile;
  /** Its rows are taken from itself, and `source` is of no matter. */
  readonly fromItself: boolean;
  readonly source: RepairSource;
  /** Transactions whose changes it has. */
  readonly firstSequence: number;
  readonly lastSequence: number;
  readonly dropTombstones: boolean;
  readonly tables: readonly ManifestTable[];
  /** For what is made on the way, too. */
  readonly fileIds: FileIds;
  readonly fileBytes: number;
  /** Memory for rows of the log. */
  readonly arenaBytes: number;
}

export interface RepairResult {
  /** In its place; none if nothing is left of its rows. */
  readonly files: readonly ManifestFile[];
  readonly bytesRead: number;
  readonly bytesWritten: number;
  readonly totalMicros: number;
}

/** Looks for damage in a file of a run, an archive or a pack. */
export interface ScrubJob extends JobBase {
  readonly kind: "scrub";
  readonly subject: ScrubSubject;
}

export type ScrubSubject =
  | { readonly kind: "run"; readonly file: ManifestFile }
  | { readonly kind: "archive"; readonly archive: ManifestArchive }
  | { readonly kind: "pack"; readonly pack: ManifestPack };

export interface ScrubResult {
  readonly problems: number;
  /** What the first one is, and where. */
  readonly first: string | undefined;
  readonly offset: number;
  readonly totalMicros: number;
}

/** Copies files of the directory that never change to another one, where none has their names. */
export interface CopyJob {
  readonly kind: "copy";
  readonly directory: string;
  readonly to: string;
  readonly files: readonly string[];
}

/** Reads files of the directory through. */
export interface ChecksumJob {
  readonly kind: "checksum";
  readonly directory: string;
  readonly files: readonly string[];
}

/** What a file is made of. */
export interface FileSum {
  readonly name: string;
  readonly bytes: number;
  /** CRC32C of all of it. */
  readonly checksum: number;
}

export interface FilesResult {
  readonly files: readonly FileSum[];
  readonly totalMicros: number;
}

/** Copies a piece of the log, as that of another store. */
export interface CopyLogJob {
  readonly kind: "copy-log";
  readonly source: LogSource;
  readonly target: LogTarget;
}

/** Goes through all rows of a state. */
export interface DigestJob {
  readonly kind: "digest";
  readonly source: RestoreSource;
  /** Where what is too much for memory may be put; it is removed again. */
  readonly scratch: string;
  readonly bounds: Pick<RestoreTarget, "fileBytes" | "arenaBytes">;
}

export interface DigestResult {
  /** 64 hex digits. */
  readonly digest: string;
  readonly rows: number;
  readonly totalMicros: number;
}

interface PackJob extends JobBase {
  readonly packs: readonly ManifestPack[];
}

/** Stores what comes through the port, chunk by chunk. */
export interface PutBlobJob extends PackJob {
  readonly kind: "put-blob";
  /** Of the pack, if there is anything new. */
  readonly packId: number;
  /** Of the version that it may be stored as the difference to. */
  readonly baseHashes: Uint8Array | undefined;
  readonly port: PortLike<FromPut, ToPut>;
}

export interface PutBlobResult {
  /** None if every chunk was there already. */
  readonly pack: FinishedPack | undefined;
  /** Of all chunks, in their order. */
  readonly hashes: Uint8Array;
  readonly rawBytes: number;
  /** Chunks that were not there, what they hold, and what that takes. */
  readonly newChunks: number;
  readonly newBytes: number;
  readonly storedBytes: number;
  readonly packBytes: number;
  readonly totalMicros: number;
}

/** Gives chunks through the port. */
export interface ReadBlobJob extends PackJob {
  readonly kind: "read-blob";
  readonly hashes: Uint8Array;
  readonly port: PortLike<FromRead, ToRead>;
}

export interface ReadBlobResult {
  readonly chunks: number;
}

/** Looks what of the packs is needed. */
export interface SweepPacksJob extends PackJob {
  readonly kind: "sweep-packs";
  /** Hashes of all chunks that some state names. */
  readonly live: Uint8Array;
}

export interface SweptPack {
  readonly id: number;
  readonly dead: Omit<DeadChunks, "since">;
}

export interface SweepPacksResult {
  /** Those that could be read. */
  readonly packs: readonly SweptPack[];
  /** Chunks that are named and in no pack that could be read. */
  readonly missing: number;
}

/** Makes a pack of what is needed of some. */
export interface CompactPacksJob extends PackJob {
  readonly kind: "compact-packs";
  readonly live: Uint8Array;
  readonly sources: readonly number[];
  readonly packId: number;
}

export interface CompactPacksResult {
  readonly pack: FinishedPack | undefined;
}

export type Job =
  | PutBlobJob
  | ReadBlobJob
  | SweepPacksJob
  | CompactPacksJob
  | FlushJob
  | MergeJob
  | ArchiveJob
  | RepairJob
  | ScrubJob
  | CopyJob
  | ChecksumJob
  | CopyLogJob
  | DigestJob;

/** What each kind of job resolves with. */
export interface JobResults {
  readonly flush: FlushResult;
  readonly merge: MergeResult;
  readonly archive: ArchiveResult;
  readonly repair: RepairResult;
  readonly scrub: ScrubResult;
  readonly copy: FilesResult;
  readonly checksum: FilesResult;
  readonly "copy-log": CopiedLog;
  readonly digest: DigestResult;
  readonly "put-blob": PutBlobResult;
  readonly "read-blob": ReadBlobResult;
  readonly "sweep-packs": SweepPacksResult;
  readonly "compact-packs": CompactPacksResult;
}

export type ResultOf<J extends Job> = JobResults[J["kind"]];
