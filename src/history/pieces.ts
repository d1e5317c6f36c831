/** What the log of a store consists of: archives, sealed segments, and the one being written. */
import { fromHex, viewOf } from "../base/bytes.js";
import { errnoCode, HoldfastError } from "../base/errors.js";
import { FRAME_BYTES_MAX } from "../base/limits.js";
import type { Disk, DiskFile } from "../disk/disk.js";
import {
  decodeFrameHeader,
  decodeSegmentHeader,
  FRAME_HEADER_BYTES,
  RECORD_AT,
  RECORD_HEADER_BYTES,
  SEGMENT_HEADER_BYTES,
  segmentFileName,
} from "../log/format.js";
import type { Manifest, ManifestArchive, ManifestSegment } from "../manifest/format.js";

/** One file of the log. */
export type Piece =
  | { readonly kind: "archive"; readonly archive: ManifestArchive }
  | { readonly kind: "segment"; readonly segment: ManifestSegment };

/**
 * The log in its order. A snapshot may keep a segment that is older than archives are: so both are
 * ordered by the ids of segments, and there may be gaps.
 */
export function piecesOf(manifest: Manifest): Piece[] {
  const archived = new Set(manifest.archives.map(({ id }) => id));
  const pieces: Piece[] = [
    ...manifest.archives.map((archive) => ({ kind: "archive" as const, archive })),
    ...manifest.segments
      .filter(({ id }) => !archived.has(id))
      .map((segment) => ({ kind: "segment" as const, segment })),
  ];
  return pieces.sort((a, b) => idOf(a) - idOf(b));
}

export function idOf(piece: Piece): number {
  return piece.kind === "archive" ? piece.archive.id : piece.segment.id;
}

/** Its last transaction, or that of the log before it; infinite where it is still written. */
export function lastOf(piece: Piece): number {
  if (piece.kind === "archive") return piece.archive.lastSequence;
  const { state, lastSequence } = piece.segment;
  return state === "sealed" ? lastSequence : Number.POSITIVE_INFINITY;
}

/** Where a segment begins. */
export interface SegmentStart {
  readonly firstSequence: number;
  /** Of its first transaction. */
  readonly timeMicros: number;
}

/** Undefined where it has no transaction. Throws MISSING_FILE or IO. */
export async function startOf(
  disk: Disk,
  directory: string,
  storeId: string,
  segment: ManifestSegment,
): Promise<SegmentStart | undefined> {
  const length = FRAME_HEADER_BYTES + RECORD_HEADER_BYTES;
  const { alignment } = segment;
  const bytes = await readPart(disk, directory, segment, alignment, length);
  if (bytes.length < length) return undefined;
  const place = {
    storeId: fromHex(storeId) as Uint8Array,
    segmentId: segment.id,
    epoch: segment.epoch,
    alignment,
    frameBytesMax: FRAME_BYTES_MAX,
  };
  const view = viewOf(bytes);
  const header = decodeFrameHeader(bytes, view, 0, alignment, place, disk.checksum);
  // What begins with a seal is of no more use than an empty one: what follows is read in turn.
  if (header === undefined || header.recordCount === 0) return undefined;
  const timeMicros = Number(view.getBigUint64(FRAME_HEADER_BYTES + RECORD_AT.timeMicros, true));
  return { firstSequence: header.firstSequence, timeMicros };
}

/** Who writes the transactions of a segment. Throws CORRUPT_LOG, MISSING_FILE or IO. */
export async function writerOf(
  disk: Disk,
  directory: string,
  segment: ManifestSegment,
): Promise<string> {
  const bytes = await readPart(disk, directory, segment, 0, SEGMENT_HEADER_BYTES);
  const result = decodeSegmentHeader(bytes, disk.checksum);
  const { id, epoch } = segment;
  if (result.ok && result.header.segmentId === id && result.header.epoch === epoch) {
    return result.header.writerId;
  }
  const file = `${directory}/${segmentFileName(id)}`;
  throw new HoldfastError("CORRUPT_LOG", `${file}: its header is damaged`, { file, offset: 0 });
}

async function readPart(
  disk: Disk,
  directory: string,
  { id }: ManifestSegment,
  offset: number,
  length: number,
): Promise<Uint8Array> {
  const path = `${directory}/${segmentFileName(id)}`;
  let file: DiskFile;
  try {
    file = await disk.open(path, { direct: true });
  } catch (error) {
    if (errnoCode(error) !== "ENOENT") throw error;
    throw new HoldfastError("MISSING_FILE", `${path} is gone`, { file: path }, error);
  }
  try {
    return await file.read(offset, length);
  } finally {
    await file.close();
  }
}

/** The first transaction from which the log is there without a gap; undefined if there is none. */
export async function oldestOf(
  disk: Disk,
  directory: string,
  manifest: Manifest,
): Promise<number | undefined> {
  let oldest: number | undefined;
  for (const piece of piecesOf(manifest).reverse()) {
    const { storeId } = manifest;
    const start =
      piece.kind === "archive"
        ? piece.archive
        : await startOf(disk, directory, storeId, piece.segment);
    if (start === undefined) continue;
    const last = lastOf(piece);
    if (oldest !== undefined && last !== Number.POSITIVE_INFINITY && last + 1 !== oldest) break;
    oldest = start.firstSequence;
  }
  return oldest;
}
