/** What `holdfast verify` finds, and where. */
import type { Json } from "../codec/value-json.js";

/** Kinds are stable; messages are for people and may change. */
export type FindingKind =
  /** A slot of the manifest, what it says, or that the two do not say the same. */
  | "manifest"
  /** The marker of a creation that was cut short. */
  | "creating"
  | "segment-header"
  /** A file that the manifest lists is not there. */
  | "missing-file"
  /** A file is shorter than it must be. */
  | "truncated"
  /** A sealed segment does not end as the manifest says. */
  | "sealed-end"
  /** A segment that the manifest does not know. */
  | "stray-segment"
  /** A run, an archive or a pack that the manifest does not know. */
  | "stray-file"
  /** A part of a run file is not what was written there, or its parts do not agree. */
  | "run"
  /** A row of a run cannot be understood. */
  | "run-row"
  /** An archive is not what was written there. */
  | "archive"
  /** A pack is not what was written there. */
  | "pack"
  /** Replay cannot begin where the manifest says, or a snapshot's log does not reach its end. */
  | "replay"
  /** Zeros, or the end of the file, where a frame must be. */
  | "frame-missing"
  /** Bytes that are no frame, or whose header fails its checksum. */
  | "frame-header"
  /** A whole header that belongs to another store, segment, epoch or place. */
  | "frame-misplaced"
  /** The content of a frame fails its checksum. */
  | "frame-payload"
  /** The checksums are good, and what they cover is not what a writer writes. */
  | "frame-content"
  /** A whole frame that does not continue the one before it. */
  | "chain"
  | "record-checksum"
  /** Time goes back. */
  | "record-time"
  /** An operation of a good record cannot be understood. */
  | "operation"
  /** The device refuses. */
  | "unreadable"
  /** The two implementations of CRC32C do not agree. */
  | "checksum-disagreement"
  /** A write that was cut short and never acknowledged. */
  | "torn-tail"
  /** Bytes that must be zero and are not, in a place that carries nothing. */
  | "padding";

/** Transactions concerned, first to last. */
export interface Sequences {
  readonly first: number;
  /** Null: and on, as far as there were any. */
  readonly last: number | null;
}

/** A row, by what people call it. */
export interface KeyPlace {
  readonly table: string;
  readonly key: Json;
}

/** What of the store is concerned by damage. */
export interface Loss {
  /** Rows from this key to that one, tables in the order of their ids; null: no row is lost. */
  readonly from: KeyPlace | null;
  readonly to: KeyPlace | null;
  /** The state that opening gives. */
  readonly state: boolean;
  /** Names of the snapshots that are concerned. */
  readonly snapshots: readonly string[];
  /**
   * For a run: whether its transactions are all in the log, or in archives, still. Null for what
   * is the log itself.
   */
  readonly canBeRebuilt: boolean | null;
}

export interface Finding {
  /** "note": the store is sound all the same. */
  readonly severity: "damage" | "note";
  readonly kind: FindingKind;
  readonly file: string;
  readonly offset: number;
  /** Null where no transaction is concerned, or none that could be named. */
  readonly sequences: Sequences | null;
  readonly message: string;
  readonly loss?: Loss;
}

export function damage(
  kind: FindingKind,
  file: string,
  offset: number,
  message: string,
  sequences: Sequences | null = null,
): Finding {
  return { severity: "damage", kind, file, offset, sequences, message };
}

export function note(
  kind: FindingKind,
  file: string,
  offset: number,
  message: string,
  sequences: Sequences | null = null,
): Finding {
  return { severity: "note", kind, file, offset, sequences, message };
}

/** Null for a range without transactions. */
export function sequencesOf(first: number, last: number | undefined): Sequences | null {
  if (last === undefined) return { first, last: null };
  return last < first ? null : { first, last };
}

/** The same place found again by another reading. */
export function isSameFinding(a: Finding, b: Finding): boolean {
  return a.kind === b.kind && a.file === b.file && a.offset === b.offset;
}
