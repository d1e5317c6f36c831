/**
 * Pack files: chunks of blobs, one behind the other, then an index of them. docs/format.md is
 * normative. A pack is written once, from its beginning to its end, and never changed.
 */

/** "HFPK" as little-endian uint32. */
export const PACK_MAGIC = 0x4b504648;
/** "HFPC" */
export const PACK_CHUNK_MAGIC = 0x43504648;
/** "HFPX" */
export const PACK_FOOTER_MAGIC = 0x58504648;
export const PACK_FORMAT_VERSION = 1;

export const PACK_HEADER_BYTES = 64;
export const PACK_CHUNK_HEADER_BYTES = 96;
export const PACK_FOOTER_BYTES = 64;
export const PACK_SALT_BYTES = 8;
export const PACK_HASH_BYTES = 32;

export const PACK_AT = {
  magic: 0,
  checksum: 4,
  formatVersion: 8,
  reserved: 12,
  storeId: 16,
  packId: 32,
  createdMicros: 40,
  salt: 48,
} as const;

export const PACK_CHUNK_AT = {
  magic: 0,
  checksum: 4,
  rawBytes: 8,
  storedBytes: 12,
  storedChecksum: 16,
  coding: 20,
  width: 21,
  depth: 22,
  reserved: 23,
  offset: 24,
  hash: 32,
  base: 64,
} as const;

export const PACK_FOOTER_AT = {
  magic: 0,
  checksum: 4,
  formatVersion: 8,
  chunks: 12,
  indexOffset: 16,
  indexChecksum: 24,
  reserved: 28,
  storeId: 32,
  packId: 48,
} as const;

/** How the content of a chunk is stored. Numbers are on disk: they are never used again. */
export const PACK_CODING = {
  /** As it is. */
  raw: 0,
  /** One LZ4 block, with its length before it. */
  lz4: 1,
  /** Planes of bytes, each coded by itself. */
  planes: 2,
  /** What differs from the base, as planes. */
  difference: 3,
  /** The elements that differ from the base, and how far apart they are. */
  sparse: 4,
} as const;

/** How a stream within a chunk is stored. */
export const PACK_STREAM = { raw: 0, lz4: 1, entropy: 2, zeros: 3 } as const;

/** Frequencies of the entropy coder have the sum 2 to this power. */
export const PACK_TABLE_LOG = 11;

/** Content of one chunk, at most: what is hashed, compared, and read at once. */
export const PACK_CHUNK_BYTES = 1024 * 1024;

/**
 * A chunk is read through its base, and that through its own: so many steps at most, and then one
 * is stored whole. Bounds what it takes to read a version that has many before it.
 */
export const PACK_DEPTH_MAX = 8;

/** A blob: its list of chunks is written in one transaction, and read as a whole. */
export const BLOB_BYTES_MAX = 64 * 1024 * 1024 * 1024;

/** One pack: what is written by one put, or made by one collection. */
export const PACK_CHUNKS_MAX = BLOB_BYTES_MAX / PACK_CHUNK_BYTES + 1024;

/** File name of a pack: 16 digits, as of a run file. */
export function packFileName(packId: number): string {
  return `${String(packId).padStart(16, "0")}.pack`;
}

/** The id in the name of a pack, or undefined for any other name. */
export function parsePackFileName(name: string): number | undefined {
  const match = /^(\d{16})\.pack$/.exec(name);
  if (match === null) return undefined;
  const id = Number(match[1]);
  return Number.isSafeInteger(id) && id > 0 ? id : undefined;
}
