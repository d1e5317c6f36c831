/**
 * Run files: the numbers of the format, header and footer. docs/format.md is normative; a test
 * holds its numbers against the constants here. All integers are little-endian, full keys apart.
 */
import { assert } from "../base/assert.js";
import { bytesEqual, getUint53, setUint53, viewOf } from "../base/bytes.js";
import { FRAME_BYTES_MAX } from "../base/limits.js";
import type { Checksum } from "../disk/disk.js";

export { BLOCK_RAW_BYTES_MAX, PROPERTIES_BYTES_MAX, RUN_FILE_BYTES_MAX } from "../base/limits.js";

import { BLOCK_RAW_BYTES_MAX, PROPERTIES_BYTES_MAX } from "../base/limits.js";

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

/** Which file a header, footer or block must belong to. */
export interface RunFilePlace {
  readonly storeId: Uint8Array;
  readonly fileId: number;
}

/** The checksum of a header, from which those of the file's other parts continue. */
export function encodeRunHeader(
  place: RunFilePlace,
  salt: Uint8Array,
  checksum: Checksum,
): { readonly bytes: Uint8Array; readonly seed: number } {
  assert(salt.length === RUN_SALT_BYTES, "the salt fills its field");
  const bytes = new Uint8Array(RUN_HEADER_BYTES);
  const view = viewOf(bytes);
  view.setUint32(RUN_AT.magic, RUN_MAGIC, true);
  view.setUint32(RUN_AT.formatVersion, RUN_FORMAT_VERSION, true);
  bytes.set(place.storeId, RUN_AT.storeId);
  setUint53(view, RUN_AT.fileId, place.fileId);
  bytes.set(salt, RUN_AT.salt);
  const seed = checksum.crc32c(bytes, RUN_AT.formatVersion, RUN_HEADER_BYTES);
  view.setUint32(RUN_AT.checksum, seed, true);
  return { bytes, seed };
}

/** What is wrong with a header or footer, in words that follow "its header ", or its content. */
export type Checked<T> =
  | ({ readonly ok: true } & T)
  | { readonly ok: false; readonly why: "damaged" | "version"; readonly detail: string };

/** Never throws, whatever the bytes are. */
export function decodeRunHeader(
  bytes: Uint8Array,
  place: RunFilePlace,
  checksum: Checksum,
): Checked<{ readonly seed: number }> {
  if (bytes.length < RUN_HEADER_BYTES) return damaged("is cut off");
  const view = viewOf(bytes);
  if (view.getUint32(RUN_AT.magic, true) !== RUN_MAGIC) return damaged("is not that of a run");
  const seed = checksum.crc32c(bytes, RUN_AT.formatVersion, RUN_HEADER_BYTES);
  if (view.getUint32(RUN_AT.checksum, true) !== seed) return damaged("fails its checksum");
  const version = view.getUint32(RUN_AT.formatVersion, true);
  if (version !== RUN_FORMAT_VERSION) return otherVersion(version);
  if (!belongs(bytes, view, RUN_AT.storeId, RUN_AT.fileId, place)) {
    return damaged("is that of another file");
  }
  return { ok: true, seed };
}

/** Where in a file its parts are. */
export interface RunLayout {
  readonly filterOffset: number;
  readonly filterLines: number;
  readonly rootOffset: number;
  readonly rootBytes: number;
  readonly propertiesOffset: number;
  readonly propertiesBytes: number;
}

export function encodeRunFooter(
  layout: RunLayout,
  place: RunFilePlace,
  seed: number,
  checksum: Checksum,
): { readonly bytes: Uint8Array; readonly checksum: number } {
  const bytes = new Uint8Array(RUN_FOOTER_BYTES);
  const view = viewOf(bytes);
  view.setUint32(FOOTER_AT.magic, FOOTER_MAGIC, true);
  view.setUint32(FOOTER_AT.formatVersion, RUN_FORMAT_VERSION, true);
  view.setUint32(FOOTER_AT.filterOffset, layout.filterOffset, true);
  view.setUint32(FOOTER_AT.filterLines, layout.filterLines, true);
  view.setUint32(FOOTER_AT.rootOffset, layout.rootOffset, true);
  view.setUint32(FOOTER_AT.rootBytes, layout.rootBytes, true);
  view.setUint32(FOOTER_AT.propertiesOffset, layout.propertiesOffset, true);
  view.setUint32(FOOTER_AT.propertiesBytes, layout.propertiesBytes, true);
  setUint53(view, FOOTER_AT.fileId, place.fileId);
  bytes.set(place.storeId, FOOTER_AT.storeId);
  const sum = checksum.crc32c(bytes, FOOTER_AT.formatVersion, RUN_FOOTER_BYTES, seed);
  view.setUint32(FOOTER_AT.checksum, sum, true);
  return { bytes, checksum: sum };
}

/**
 * Never throws, whatever the bytes are. The parts it names follow one another up to the footer,
 * which begins at `offset`.
 */
export function decodeRunFooter(
  bytes: Uint8Array,
  place: RunFilePlace,
  offset: number,
  seed: number,
  checksum: Checksum,
): Checked<{ readonly layout: RunLayout; readonly checksum: number }> {
  if (bytes.length < RUN_FOOTER_BYTES) return damaged("is cut off");
  const view = viewOf(bytes);
  if (view.getUint32(FOOTER_AT.magic, true) !== FOOTER_MAGIC) return damaged("is not one");
  const sum = checksum.crc32c(bytes, FOOTER_AT.formatVersion, RUN_FOOTER_BYTES, seed);
  if (view.getUint32(FOOTER_AT.checksum, true) !== sum) return damaged("fails its checksum");
  const version = view.getUint32(FOOTER_AT.formatVersion, true);
  if (version !== RUN_FORMAT_VERSION) return otherVersion(version);
  if (!belongs(bytes, view, FOOTER_AT.storeId, FOOTER_AT.fileId, place)) {
    return damaged("is that of another file");
  }
  const layout: RunLayout = {
    filterOffset: view.getUint32(FOOTER_AT.filterOffset, true),
    filterLines: view.getUint32(FOOTER_AT.filterLines, true),
    rootOffset: view.getUint32(FOOTER_AT.rootOffset, true),
    rootBytes: view.getUint32(FOOTER_AT.rootBytes, true),
    propertiesOffset: view.getUint32(FOOTER_AT.propertiesOffset, true),
    propertiesBytes: view.getUint32(FOOTER_AT.propertiesBytes, true),
  };
  if (!isLayout(layout, offset)) return damaged("names places that cannot be");
  return { ok: true, layout, checksum: sum };
}

function isLayout(layout: RunLayout, end: number): boolean {
  const indexOffset = layout.filterOffset + filterBytes(layout.filterLines);
  return (
    layout.filterOffset >= RUN_HEADER_BYTES + BLOCK_HEADER_BYTES &&
    layout.rootOffset >= indexOffset + BLOCK_HEADER_BYTES &&
    layout.rootBytes >= BLOCK_HEADER_BYTES &&
    layout.propertiesOffset === layout.rootOffset + layout.rootBytes &&
    layout.propertiesBytes >= BLOCK_HEADER_BYTES &&
    layout.propertiesOffset + layout.propertiesBytes === end
  );
}

function belongs(
  bytes: Uint8Array,
  view: DataView,
  storeIdAt: number,
  fileIdAt: number,
  place: RunFilePlace,
): boolean {
  return (
    bytesEqual(bytes, storeIdAt, place.storeId, 0, place.storeId.length) &&
    getUint53(view, fileIdAt) === place.fileId
  );
}

function damaged(detail: string) {
  return { ok: false, why: "damaged", detail } as const;
}

function otherVersion(version: number) {
  return { ok: false, why: "version", detail: `is of format version ${version}` } as const;
}
