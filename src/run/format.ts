/**
 * Run files: the numbers of the format. docs/format.md is normative; a test
 * holds its numbers against the constants here. All integers are little-endian, full keys apart.
 */
import { BLOCK_RAW_BYTES_MAX, FRAME_BYTES_MAX, PROPERTIES_BYTES_MAX } from "../base/limits.js";

export { BLOCK_RAW_BYTES_MAX, PROPERTIES_BYTES_MAX, RUN_FILE_BYTES_MAX } from "../base/limits.js";

export const RUN_FORMAT_VERSION = 1;

/** "HFRN" and "HFRE" as little-endian uint32. */
export const RUN_MAGIC = 0x4e524648;
export const FOOTER_MAGIC = 0x45524648;

export const RUN_HEADER_BYTES = 64;

/** Offsets in the header of a run file. */
export const RUN_AT = {
  magic: 0,
  checksum: 4,
  formatVersion: 8,
  reserved: 12,
  storeId: 16,
  fileId: 32,
  salt: 40,
  reserved2: 48,
} as const;

export const RUN_SALT_BYTES = 8;

export const BLOCK_HEADER_BYTES = 24;

/** Offsets in the header of a block. */
export const BLOCK_AT = {
  checksum: 0,
  blockBytes: 4,
  rawBytes: 8,
  kind: 12,
  compression: 13,
  reserved: 14,
  fileId: 16,
  offset: 20,
} as const;

export const BLOCK_KIND = {
  data: 1,
  filter: 2,
  index: 3,
  root: 4,
  properties: 5,
  archive: 6,
} as const;

export type BlockKind = (typeof BLOCK_KIND)[keyof typeof BLOCK_KIND];

export const COMPRESSION = { none: 0, lz4: 1 } as const;

export const ENTRY_HEADER_BYTES = 8;

/** Offsets in the header of an entry. */
export const ENTRY_AT = { keyBytes: 0, schemaVersion: 2, valueBytes: 4 } as const;

/** Length of the value of a tombstone. */
export const TOMBSTONE = 0xffff_ffff;

/** Value of an entry of an index block or the root: offset and length of a block. */
export const PLACE_BYTES = 8;

export const FILTER_LINE_BYTES = 64;
export const FILTER_BLOCK_LINES = 256;
export const FILTER_PROBES = 6;
/** About 1 % of the keys that are not there pass. */
export const FILTER_LINE_KEYS = 48;

export const RUN_FOOTER_BYTES = 64;

/** Offsets in the footer. */
export const FOOTER_AT = {
  magic: 0,
  checksum: 4,
  formatVersion: 8,
  filterOffset: 12,
  filterLines: 16,
  rootOffset: 20,
  rootBytes: 24,
  propertiesOffset: 28,
  propertiesBytes: 32,
  reserved: 36,
  fileId: 40,
  storeId: 48,
} as const;

/**
 * A data block is closed before it would be larger than this, decompressed. Measured with rows of
 * 128 bytes: 16 KiB take 4 % less on disk, and half as long again to look up a row that is not in
 * the cache.
 */
export const DATA_BLOCK_BYTES = 8 * 1024;
export const INDEX_BLOCK_BYTES = 8 * 1024;

/** The largest content that a block of that kind may have, decompressed. */
export function rawBytesMax(kind: BlockKind): number {
  if (kind === BLOCK_KIND.properties) return PROPERTIES_BYTES_MAX;
  return kind === BLOCK_KIND.archive ? FRAME_BYTES_MAX : BLOCK_RAW_BYTES_MAX;
}

/** Length of the n-th filter block of a file with that many lines, its header included. */
export function filterBlockBytes(block: number, lines: number): number {
  const here = Math.min(FILTER_BLOCK_LINES, lines - block * FILTER_BLOCK_LINES);
  return BLOCK_HEADER_BYTES + here * FILTER_LINE_BYTES;
}

/** Where the n-th filter block of a file is. */
export function filterBlockOffset(block: number, filterOffset: number): number {
  return filterOffset + block * (BLOCK_HEADER_BYTES + FILTER_BLOCK_LINES * FILTER_LINE_BYTES);
}

/** Length of all filter blocks of a file with that many lines. */
export function filterBytes(lines: number): number {
  return Math.ceil(lines / FILTER_BLOCK_LINES) * BLOCK_HEADER_BYTES + lines * FILTER_LINE_BYTES;
}

/** File name of a file of a run: 16 digits, so that names sort as their ids do. */
export function runFileName(fileId: number): string {
  return `${String(fileId).padStart(16, "0")}.run`;
}

/** The id in a run file's name, or undefined for any other name. */
export function parseRunFileName(name: string): number | undefined {
  const match = /^(\d{16})\.run$/.exec(name);
  if (match === null) return undefined;
  const id = Number(match[1]);
  return Number.isSafeInteger(id) && id > 0 ? id : undefined;
}
