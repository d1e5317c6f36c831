/**
 * The manifest: the one document that says what a store consists of. docs/format.md is normative.
 *
 * It is kept twice, in two slot files. A change is written to both, each made durable and read back
 * from the device, before anything depends on it; so at every instant one of them is valid, and the
 * loss of either one loses nothing.
 */
import { assert } from "../base/assert.js";
import { alignUp, fromHex, getUint53, setUint53, toHex, viewOf } from "../base/bytes.js";
import { MANIFEST_BYTES_MAX } from "../base/limits.js";
import { decodeDocument } from "../codec/msgpack-document.js";
import type { Checksum, WriteMethod } from "../disk/disk.js";
import { manifestProblem } from "./check.js";
import { type Content, encodeContent, putPieces } from "./encode.js";
import { fromVersion1 } from "./version1.js";

export const MANIFEST_FORMAT_VERSION = 4;
/** Of one without what came with version 4: who knows of none of it can read it, and no other. */
const VERSION_BEFORE = 3;

/** "HFMF" as little-endian uint32. */
export const MANIFEST_MAGIC = 0x464d4648;
export const MANIFEST_HEADER_BYTES = 64;
/** Slots are written in whole blocks of this size. */
export const MANIFEST_BLOCK_BYTES = 4096;
/** A slot file has room for twice what is in it, in steps of this size: see manifest.ts. */
export const MANIFEST_SLOT_BYTES = 64 * 1024;

export const MANIFEST_AT = {
  magic: 0,
  headerChecksum: 4,
  formatVersion: 8,
  payloadChecksum: 12,
  payloadBytes: 16,
  reserved: 20,
  generation: 24,
  storeId: 32,
} as const;

export const MANIFEST_SLOT_NAMES = ["manifest.0", "manifest.1"] as const;

/**
 * - "sealed": it ends at `bytes` with `lastSequence`; nothing behind that is ever read.
 * - "active": the log is written here, or was when the manifest was written.
 * - "spare": prepared for the time when the active one is full, and possibly in use since.
 */
export type SegmentState = "sealed" | "active" | "spare";

export interface ManifestSegment {
  readonly id: number;
  readonly state: SegmentState;
  /** The epoch its header names. */
  readonly epoch: number;
  readonly alignment: number;
  /** Sealed: where it ends. Otherwise: its size at least. */
  readonly bytes: number;
  /** Last sequence in it or before it; sealed segments only. */
  readonly lastSequence: number;
  /** It was another segment before: what stands behind its last frame is of that life. */
  readonly recycled: boolean;
}

/** A place in the log, between two frames. */
export interface ReplayPosition {
  /** 0 stands for the first segment there is. */
  readonly segmentId: number;
  /** Of the next frame in that segment. */
  readonly offset: number;
  /** Of the first record of that frame. */
  readonly sequence: number;
  /** Link of the frame before. */
  readonly frameChecksum: number;
}

/** One file of a run. */
export interface ManifestFile {
  readonly id: number;
  readonly bytes: number;
  readonly rows: number;
  readonly tombstones: number;
  /** Full keys: the table's id in two bytes, big-endian, stands in front. */
  readonly firstKey: Uint8Array;
  readonly lastKey: Uint8Array;
  /** Of its footer: tells it from any other file of that name. */
  readonly checksum: number;
  /** 32 hex digits, where an ancestor made it: the file names that store. */
  readonly storeId?: string;
}

/** The newest rows of the keys that a range of transactions changed. */
export interface ManifestRun {
  readonly id: number;
  /** How often its rows have been merged; see snapshot/policy.ts. */
  readonly tier: number;
  readonly firstSequence: number;
  readonly lastSequence: number;
  /** Ids of its files, in the order of their keys. */
  readonly files: readonly number[];
}

/** What a store holds, but for the tail of its log. */
export interface ManifestState {
  /** The newest first. */
  readonly runs: readonly ManifestRun[];
  /** All transactions up to this one are in the runs, and none behind it. */
  readonly runsThrough: number;
  /** Where replay begins; the first frame may have records up to `runsThrough` in front. */
  readonly replayFrom: ReplayPosition;
}

export interface ManifestSnapshot {
  readonly name: string;
  readonly sequence: number;
  readonly createdMicros: number;
  readonly state: ManifestState;
  /** Segments that hold the log from `state.replayFrom` to `sequence`. */
  readonly segments: readonly number[];
}

/** A segment kept for its history. */
export interface ManifestArchive {
  /** Of the segment. */
  readonly id: number;
  readonly firstSequence: number;
  readonly lastSequence: number;
  /** Time of its last transaction. */
  readonly lastMicros: number;
  readonly bytes: number;
  readonly epoch: number;
  readonly alignment: number;
  /** As of a run file. */
  readonly storeId?: string;
  /**
   * Hash of the history before its first transaction, and through its last one: docs/format.md.
   * Absent where an older program has made it.
   */
  readonly historyBase?: Uint8Array;
  readonly historyHash?: Uint8Array;
}

/** A file with chunks of blobs. */
export interface ManifestPack {
  readonly id: number;
  readonly bytes: number;
  readonly chunks: number;
  /** Of its footer: tells it from any other file of that name. */
  readonly checksum: number;
  /** As of a run file. */
  readonly storeId?: string;
  /** Chunks in it that nothing of the present needs; absent where there is none. */
  readonly dead?: DeadChunks;
}

/** What of a pack is of no more use, once no state of the history is older than that. */
export interface DeadChunks {
  readonly chunks: number;
  /** With their headers. */
  readonly bytes: number;
  /** Of their places in the pack: tells whether they are still the same. */
  readonly checksum: number;
  /** No state after this transaction needs one of them. */
  readonly since: number;
}

/** A store that this one was forked from, directly or not. */
export interface ManifestAncestor {
  /** 32 hex digits. */
  readonly storeId: string;
  /** Both have every transaction up to this one. */
  readonly sequence: number;
  readonly forkedMicros: number;
}

/** A merge into the last run that is half done. */
export interface ManifestMerge {
  /** Ids of the runs that go into the last one. */
  readonly runs: readonly number[];
  /** All full keys up to this one are done. */
  readonly throughKey: Uint8Array;
}

/** What reading the log back costs on this machine. */
export interface ReplayCost {
  readonly microsPerOperation: number;
  readonly microsPerKilobyte: number;
}

/** One measured way of writing. */
export interface MeasuredMethod {
  readonly method: WriteMethod;
  readonly p50Micros: number;
  readonly p99Micros: number;
}

/** What was measured with one kind of disk, and what was chosen. */
export interface MethodChoice {
  readonly disk: string;
  readonly method: WriteMethod;
  readonly measured: readonly MeasuredMethod[];
}

export interface ManifestTable {
  readonly id: number;
  readonly name: string;
  /** Schema descriptions in the order in which they were declared; the last one is in force. */
  readonly schemas: readonly unknown[];
}

export interface Manifest {
  readonly generation: number;
  /** 32 hex digits. */
  readonly storeId: string;
  readonly environment: string;
  readonly createdMicros: number;
  /** Grows with every opening for writing. */
  readonly epoch: number;
  /** Whose opening it was. */
  readonly writer: {
    readonly writerId: string;
    readonly host: string;
    readonly pid: number;
    readonly openedMicros: number;
  };
  /** Bounds of the writer of this epoch: how wide a torn tail can be. */
  readonly framesInFlight: number;
  readonly frameBytesMax: number;
  readonly methods: readonly MethodChoice[];
  /** A sequence known to be durable when this was written. */
  readonly durableThrough: number;
  /** No transaction up to that one has a later time. */
  readonly lastMicros: number;
  /** The writer has closed the log behind `durableThrough`: there is nothing else in it. */
  readonly closed: boolean;
  readonly segments: readonly ManifestSegment[];
  readonly tables: readonly ManifestTable[];
  readonly replay: ReplayCost;
  readonly state: ManifestState;
  /** Every run file that `state` or a snapshot names. */
  readonly files: readonly ManifestFile[];
  readonly merge: ManifestMerge | null;
  readonly snapshots: readonly ManifestSnapshot[];
  readonly archives: readonly ManifestArchive[];
  /** By their ids; absent where there is none. */
  readonly packs?: readonly ManifestPack[];
  /** What it was forked from, the parent first; absent where it was not. */
  readonly lineage?: readonly ManifestAncestor[];
}

/**
 * Encodes what follows a slot's header. `before` is a manifest that is known to be right: what both
 * have in common is not looked at again. Throws an AssertionError for what would not be read back,
 * which is a mistake of the program, and a RangeError for what is too large.
 */
export function manifestContent(manifest: Manifest, before?: Manifest): Content {
  const problem = manifestProblem(manifest, before);
  assert(problem === undefined, `a manifest is what a manifest must be: ${problem}`);
  const content = encodeContent(manifest);
  const used = MANIFEST_HEADER_BYTES + content.bytes;
  if (used > MANIFEST_BYTES_MAX) throw new RangeError(`a manifest of ${used} bytes is too large`);
  return content;
}

function versionOf({ archives, packs }: Manifest): number {
  const isHashed = archives.some(({ historyHash }) => historyHash !== undefined);
  const isNew = isHashed || packs !== undefined;
  return isNew ? MANIFEST_FORMAT_VERSION : VERSION_BEFORE;
}

/** Encodes a whole slot; see `manifestContent`. */
export function encodeManifest(
  manifest: Manifest,
  checksum: Checksum,
  before?: Manifest,
): Uint8Array {
  const content = manifestContent(manifest, before);
  const used = MANIFEST_HEADER_BYTES + content.bytes;
  const bytes = new Uint8Array(alignUp(used, MANIFEST_BLOCK_BYTES));
  const view = viewOf(bytes);
  putPieces(content.pieces, bytes, MANIFEST_HEADER_BYTES);
  view.setUint32(MANIFEST_AT.magic, MANIFEST_MAGIC, true);
  view.setUint32(MANIFEST_AT.formatVersion, versionOf(manifest), true);
  const sum = checksum.crc32c(bytes, MANIFEST_HEADER_BYTES, used);
  view.setUint32(MANIFEST_AT.payloadChecksum, sum, true);
  view.setUint32(MANIFEST_AT.payloadBytes, content.bytes, true);
  setUint53(view, MANIFEST_AT.generation, manifest.generation);
  bytes.set(fromHex(manifest.storeId) as Uint8Array, MANIFEST_AT.storeId);
  const header = checksum.crc32c(bytes, MANIFEST_AT.formatVersion, MANIFEST_HEADER_BYTES);
  view.setUint32(MANIFEST_AT.headerChecksum, header, true);
  return bytes;
}

export type ManifestResult =
  | { readonly ok: true; readonly manifest: Manifest }
  | { readonly ok: false; readonly why: "damaged" | "version"; readonly detail: string };

/** What a good header says; or what is wrong with it, for people. */
function decodeHeader(bytes: Uint8Array, checksum: Checksum) {
  if (bytes.length < MANIFEST_HEADER_BYTES) return "it is too short";
  const view = viewOf(bytes);
  if (view.getUint32(MANIFEST_AT.magic, true) !== MANIFEST_MAGIC) return "no manifest";
  const header = checksum.crc32c(bytes, MANIFEST_AT.formatVersion, MANIFEST_HEADER_BYTES);
  if (view.getUint32(MANIFEST_AT.headerChecksum, true) !== header) {
    return "its header fails its checksum";
  }
  return {
    version: view.getUint32(MANIFEST_AT.formatVersion, true),
    end: MANIFEST_HEADER_BYTES + view.getUint32(MANIFEST_AT.payloadBytes, true),
    payloadChecksum: view.getUint32(MANIFEST_AT.payloadChecksum, true),
    generation: getUint53(view, MANIFEST_AT.generation),
    storeId: toHex(bytes.subarray(MANIFEST_AT.storeId, MANIFEST_AT.storeId + 16)),
  };
}

/** How long a slot's manifest is by its header, if that is good: so much must be read of it. */
export function manifestBytes(bytes: Uint8Array, checksum: Checksum): number | undefined {
  const header = decodeHeader(bytes, checksum);
  return typeof header === "string" || header.end > MANIFEST_BYTES_MAX ? undefined : header.end;
}

/** Never throws, whatever the bytes are. */
export function decodeManifest(bytes: Uint8Array, checksum: Checksum): ManifestResult {
  const damaged = (detail: string) => ({ ok: false, why: "damaged", detail }) as const;
  const header = decodeHeader(bytes, checksum);
  if (typeof header === "string") return damaged(header);
  const { version, end } = header;
  if (version < 1 || version > MANIFEST_FORMAT_VERSION) {
    return { ok: false, why: "version", detail: `it is of format version ${version}` };
  }
  if (end > bytes.length || end > MANIFEST_BYTES_MAX) return damaged("it is cut off");
  if (checksum.crc32c(bytes, MANIFEST_HEADER_BYTES, end) !== header.payloadChecksum) {
    return damaged("its content fails its checksum");
  }
  let content: unknown;
  try {
    // A copy: keys are views of it, and the caller's memory is the caller's.
    content = decodeDocument(bytes.slice(MANIFEST_HEADER_BYTES, end));
  } catch {
    return damaged("its content is not msgpack");
  }
  const current = version === 1 ? fromVersion1(content) : content;
  const problem = typeof current === "string" ? current : manifestProblem(current);
  if (problem !== undefined) return damaged(`its content cannot be: ${problem}`);
  const manifest = current as Manifest;
  if (manifest.generation !== header.generation || manifest.storeId !== header.storeId) {
    return damaged("its header is that of another manifest");
  }
  return { ok: true, manifest };
}
