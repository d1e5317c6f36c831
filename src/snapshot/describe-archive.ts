/** What an archive says of itself, for whoever has lost the manifest. */
import { viewOf } from "../base/bytes.js";
import { isHoldfastError } from "../base/errors.js";
import { FRAME_BYTES_MAX } from "../base/limits.js";
import type { Disk, DiskFile } from "../disk/disk.js";
import { decodeFrameHeader, decodeSegmentHeader, SEGMENT_HEADER_BYTES } from "../log/format.js";
import type { ManifestArchive } from "../manifest/format.js";
import { claimedBlockBytes, decodeBlock } from "../run/block.js";
import { BLOCK_HEADER_BYTES, BLOCK_KIND } from "../run/format.js";
import { ARCHIVE_HEADER_BYTES, type ArchivePlace, decodeArchiveHeader } from "./archive-format.js";

/**
 * A description with which it can be read, or why there is none. Where it ends nothing says: the
 * description goes on for ever, and reading it ends with an error behind the last record.
 */
export async function describeArchive(
  disk: Disk,
  file: DiskFile,
  place: ArchivePlace,
): Promise<ManifestArchive | string> {
  const { checksum } = disk;
  const header = decodeArchiveHeader(await file.read(0, ARCHIVE_HEADER_BYTES), place, checksum);
  if (!header.ok) return header.detail;
  const offset = ARCHIVE_HEADER_BYTES;
  const kind = BLOCK_KIND.archive;
  const length = claimedBlockBytes(await file.read(offset, BLOCK_HEADER_BYTES), 0, kind);
  if (length === undefined) return "there is no block where the first one should be";
  const stored = await file.read(offset, length);
  const { segmentId, storeId } = place;
  const expected = { kind, fileId: segmentId, offset, seed: header.seed, file: file.path };
  let content: Uint8Array;
  try {
    content = decodeBlock(stored, expected, disk);
  } catch (error) {
    if (!isHoldfastError(error, "CORRUPT_RUN")) throw error;
    return "its first block is damaged";
  }
  const segment = decodeSegmentHeader(content, checksum);
  if (!segment.ok) return "the header of its segment is damaged";
  const { epoch, alignment } = segment.header;
  const of = { storeId, segmentId, epoch, alignment, frameBytesMax: FRAME_BYTES_MAX };
  const [at, view] = [SEGMENT_HEADER_BYTES, viewOf(content)];
  const first = decodeFrameHeader(content, view, at, alignment, of, checksum);
  if (first === undefined) return "its first frame is damaged";
  return {
    id: segmentId,
    firstSequence: first.firstSequence,
    lastSequence: Number.MAX_SAFE_INTEGER - 1,
    lastMicros: 0,
    bytes: await file.size(),
    epoch,
    alignment,
  };
}
