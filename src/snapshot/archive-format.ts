/**
 * Archives: the header of the file that keeps a segment for its history. docs/format.md is
 * normative; a test holds its numbers against the constants here.
 */
import { bytesEqual, getUint53, setUint53, viewOf } from "../base/bytes.js";
import type { Checksum } from "../disk/disk.js";

export { archiveFileName, parseArchiveFileName } from "../manifest/archive-name.js";

export const ARCHIVE_FORMAT_VERSION = 1;

/** "HFAR" as little-endian uint32. */
export const ARCHIVE_MAGIC = 0x52414648;

export const ARCHIVE_HEADER_BYTES = 64;

/** Offsets in the header. */
export const ARCHIVE_AT = {
  magic: 0,
  checksum: 4,
  formatVersion: 8,
  reserved: 12,
  storeId: 16,
  segmentId: 32,
  reserved2: 40,
} as const;

/** Frames are gathered into blocks of about this size: LZ4 gains little from more. */
export const ARCHIVE_BLOCK_BYTES = 256 * 1024;

/** Which archive a header must belong to. */
export interface ArchivePlace {
  readonly storeId: Uint8Array;
  readonly segmentId: number;
}

/** The header, and its checksum, from which those of the blocks continue. */
export function encodeArchiveHeader(
  place: ArchivePlace,
  checksum: Checksum,
): { readonly bytes: Uint8Array; readonly seed: number } {
  const bytes = new Uint8Array(ARCHIVE_HEADER_BYTES);
  const view = viewOf(bytes);
  view.setUint32(ARCHIVE_AT.magic, ARCHIVE_MAGIC, true);
  view.setUint32(ARCHIVE_AT.formatVersion, ARCHIVE_FORMAT_VERSION, true);
  bytes.set(place.storeId, ARCHIVE_AT.storeId);
  setUint53(view, ARCHIVE_AT.segmentId, place.segmentId);
  const seed = checksum.crc32c(bytes, ARCHIVE_AT.formatVersion, ARCHIVE_HEADER_BYTES);
  view.setUint32(ARCHIVE_AT.checksum, seed, true);
  return { bytes, seed };
}

/** "version": it is whole, but of a format that this program does not know. */
export type ArchiveHeaderResult =
  | { readonly ok: true; readonly seed: number }
  | { readonly ok: false; readonly why: "damaged" | "version"; readonly detail: string };

/** Never throws, whatever the bytes are. */
export function decodeArchiveHeader(
  bytes: Uint8Array,
  place: ArchivePlace,
  checksum: Checksum,
): ArchiveHeaderResult {
  const damaged = (detail: string) => ({ ok: false, why: "damaged", detail }) as const;
  if (bytes.length < ARCHIVE_HEADER_BYTES) return damaged("its header is cut off");
  const view = viewOf(bytes);
  if (view.getUint32(ARCHIVE_AT.magic, true) !== ARCHIVE_MAGIC) return damaged("it is no archive");
  const seed = checksum.crc32c(bytes, ARCHIVE_AT.formatVersion, ARCHIVE_HEADER_BYTES);
  if (view.getUint32(ARCHIVE_AT.checksum, true) !== seed) {
    return damaged("its header fails its checksum");
  }
  const version = view.getUint32(ARCHIVE_AT.formatVersion, true);
  if (version !== ARCHIVE_FORMAT_VERSION) {
    return { ok: false, why: "version", detail: `it is of format version ${version}` };
  }
  const { storeId, segmentId } = place;
  const same =
    bytesEqual(bytes, ARCHIVE_AT.storeId, storeId, 0, storeId.length) &&
    getUint53(view, ARCHIVE_AT.segmentId) === segmentId;
  return same ? { ok: true, seed } : damaged("its header is that of another archive");
}
