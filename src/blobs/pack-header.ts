/** Headers of packs, of their chunks, and the footer: encoded, and decoded with suspicion. */
import { bytesEqual, getUint53, setUint53, viewOf } from "../base/bytes.js";
import type { Checksum } from "../disk/disk.js";
import {
  PACK_AT,
  PACK_CHUNK_AT,
  PACK_CHUNK_BYTES,
  PACK_CHUNK_HEADER_BYTES,
  PACK_CHUNK_MAGIC,
  PACK_CHUNKS_MAX,
  PACK_CODING,
  PACK_DEPTH_MAX,
  PACK_FOOTER_AT,
  PACK_FOOTER_BYTES,
  PACK_FOOTER_MAGIC,
  PACK_FORMAT_VERSION,
  PACK_HASH_BYTES,
  PACK_HEADER_BYTES,
  PACK_MAGIC,
} from "./format.js";

/** Which pack a header or footer must be that of. */
export interface PackPlace {
  /** Of the store that made it. */
  readonly storeId: Uint8Array;
  readonly packId: number;
}

/** A chunk as its header has it. */
export interface PackedChunk {
  /** Of the header, in the file. */
  readonly offset: number;
  readonly rawBytes: number;
  readonly storedBytes: number;
  /** CRC32C of what is stored. */
  readonly storedChecksum: number;
  readonly coding: number;
  readonly width: number;
  /** How many chunks it is read through. */
  readonly depth: number;
  /** SHA-256 of the content. */
  readonly hash: Uint8Array;
  /** Of the chunk that it is the difference to. */
  readonly base: Uint8Array | undefined;
}

export interface PackFooter {
  readonly chunks: number;
  readonly indexOffset: number;
  readonly indexChecksum: number;
  /** Of the footer itself: stands for the whole pack. */
  readonly checksum: number;
}

/** `seed` is its checksum, from which those of all other parts go on. */
export function encodePackHeader(
  place: PackPlace,
  createdMicros: number,
  salt: Uint8Array,
  checksum: Checksum,
): { readonly bytes: Uint8Array; readonly seed: number } {
  const bytes = new Uint8Array(PACK_HEADER_BYTES);
  const view = viewOf(bytes);
  view.setUint32(PACK_AT.magic, PACK_MAGIC, true);
  view.setUint32(PACK_AT.formatVersion, PACK_FORMAT_VERSION, true);
  bytes.set(place.storeId, PACK_AT.storeId);
  setUint53(view, PACK_AT.packId, place.packId);
  setUint53(view, PACK_AT.createdMicros, createdMicros);
  bytes.set(salt, PACK_AT.salt);
  const seed = checksum.crc32c(bytes, PACK_AT.formatVersion, PACK_HEADER_BYTES);
  view.setUint32(PACK_AT.checksum, seed, true);
  return { bytes, seed };
}

/** What is wrong, in words that follow "its header "; or what is good. Never throws. */
export function decodePackHeader(
  bytes: Uint8Array,
  place: PackPlace | undefined,
  checksum: Checksum,
): { readonly seed: number; readonly place: PackPlace } | string {
  if (bytes.length < PACK_HEADER_BYTES) return "is cut off";
  const view = viewOf(bytes);
  if (view.getUint32(PACK_AT.magic, true) !== PACK_MAGIC) return "is not that of a pack";
  const seed = checksum.crc32c(bytes, PACK_AT.formatVersion, PACK_HEADER_BYTES);
  if (view.getUint32(PACK_AT.checksum, true) !== seed) return "fails its checksum";
  const version = view.getUint32(PACK_AT.formatVersion, true);
  if (version !== PACK_FORMAT_VERSION) return `is of format version ${version}`;
  const storeId = bytes.slice(PACK_AT.storeId, PACK_AT.storeId + 16);
  const packId = getUint53(view, PACK_AT.packId) ?? 0;
  if (place !== undefined) {
    const same = bytesEqual(storeId, 0, place.storeId, 0, 16) && packId === place.packId;
    if (!same) return "is that of another pack";
  }
  return { seed, place: { storeId, packId } };
}

export function encodeChunkHeader(
  chunk: PackedChunk,
  seed: number,
  checksum: Checksum,
): Uint8Array {
  const bytes = new Uint8Array(PACK_CHUNK_HEADER_BYTES);
  const view = viewOf(bytes);
  view.setUint32(PACK_CHUNK_AT.magic, PACK_CHUNK_MAGIC, true);
  view.setUint32(PACK_CHUNK_AT.rawBytes, chunk.rawBytes, true);
  view.setUint32(PACK_CHUNK_AT.storedBytes, chunk.storedBytes, true);
  view.setUint32(PACK_CHUNK_AT.storedChecksum, chunk.storedChecksum, true);
  bytes[PACK_CHUNK_AT.coding] = chunk.coding;
  bytes[PACK_CHUNK_AT.width] = chunk.width;
  bytes[PACK_CHUNK_AT.depth] = chunk.depth;
  setUint53(view, PACK_CHUNK_AT.offset, chunk.offset);
  bytes.set(chunk.hash, PACK_CHUNK_AT.hash);
  if (chunk.base !== undefined) bytes.set(chunk.base, PACK_CHUNK_AT.base);
  const sum = checksum.crc32c(bytes, PACK_CHUNK_AT.rawBytes, PACK_CHUNK_HEADER_BYTES, seed);
  view.setUint32(PACK_CHUNK_AT.checksum, sum, true);
  return bytes;
}

/** The header at `at`, which says that it stands at `offset` of its pack; undefined for another. */
export function decodeChunkHeader(
  bytes: Uint8Array,
  at: number,
  offset: number | undefined,
  seed: number,
  checksum: Checksum,
): PackedChunk | undefined {
  const end = at + PACK_CHUNK_HEADER_BYTES;
  if (end > bytes.length) return undefined;
  const view = viewOf(bytes);
  if (view.getUint32(at + PACK_CHUNK_AT.magic, true) !== PACK_CHUNK_MAGIC) return undefined;
  const sum = checksum.crc32c(bytes, at + PACK_CHUNK_AT.rawBytes, end, seed);
  if (view.getUint32(at + PACK_CHUNK_AT.checksum, true) !== sum) return undefined;
  const rawBytes = view.getUint32(at + PACK_CHUNK_AT.rawBytes, true);
  const storedBytes = view.getUint32(at + PACK_CHUNK_AT.storedBytes, true);
  const place = getUint53(view, at + PACK_CHUNK_AT.offset);
  const coding = bytes[at + PACK_CHUNK_AT.coding] as number;
  const depth = bytes[at + PACK_CHUNK_AT.depth] as number;
  if (place === undefined || (offset !== undefined && place !== offset)) return undefined;
  if (rawBytes === 0 || rawBytes > PACK_CHUNK_BYTES || storedBytes > rawBytes) return undefined;
  const hasBase = coding === PACK_CODING.difference || coding === PACK_CODING.sparse;
  if (coding > PACK_CODING.sparse || depth > PACK_DEPTH_MAX || hasBase !== depth > 0)
    return undefined;
  const hashAt = at + PACK_CHUNK_AT.hash;
  const baseAt = at + PACK_CHUNK_AT.base;
  return {
    offset: place,
    rawBytes,
    storedBytes,
    storedChecksum: view.getUint32(at + PACK_CHUNK_AT.storedChecksum, true),
    coding,
    width: bytes[at + PACK_CHUNK_AT.width] as number,
    depth,
    hash: bytes.slice(hashAt, hashAt + PACK_HASH_BYTES),
    base: hasBase ? bytes.slice(baseAt, baseAt + PACK_HASH_BYTES) : undefined,
  };
}

export function encodePackFooter(
  place: PackPlace,
  footer: Omit<PackFooter, "checksum">,
  seed: number,
  checksum: Checksum,
): { readonly bytes: Uint8Array; readonly checksum: number } {
  const bytes = new Uint8Array(PACK_FOOTER_BYTES);
  const view = viewOf(bytes);
  view.setUint32(PACK_FOOTER_AT.magic, PACK_FOOTER_MAGIC, true);
  view.setUint32(PACK_FOOTER_AT.formatVersion, PACK_FORMAT_VERSION, true);
  view.setUint32(PACK_FOOTER_AT.chunks, footer.chunks, true);
  setUint53(view, PACK_FOOTER_AT.indexOffset, footer.indexOffset);
  view.setUint32(PACK_FOOTER_AT.indexChecksum, footer.indexChecksum, true);
  bytes.set(place.storeId, PACK_FOOTER_AT.storeId);
  setUint53(view, PACK_FOOTER_AT.packId, place.packId);
  const sum = checksum.crc32c(bytes, PACK_FOOTER_AT.formatVersion, PACK_FOOTER_BYTES, seed);
  view.setUint32(PACK_FOOTER_AT.checksum, sum, true);
  return { bytes, checksum: sum };
}

/** As `decodePackHeader`. `fileBytes`: the footer ends there. */
export function decodePackFooter(
  bytes: Uint8Array,
  place: PackPlace,
  seed: number,
  fileBytes: number,
  checksum: Checksum,
): PackFooter | string {
  if (bytes.length < PACK_FOOTER_BYTES) return "is cut off";
  const view = viewOf(bytes);
  if (view.getUint32(PACK_FOOTER_AT.magic, true) !== PACK_FOOTER_MAGIC) return "is not there";
  const sum = checksum.crc32c(bytes, PACK_FOOTER_AT.formatVersion, PACK_FOOTER_BYTES, seed);
  if (view.getUint32(PACK_FOOTER_AT.checksum, true) !== sum) return "fails its checksum";
  const same =
    bytesEqual(bytes, PACK_FOOTER_AT.storeId, place.storeId, 0, 16) &&
    getUint53(view, PACK_FOOTER_AT.packId) === place.packId;
  if (!same) return "is that of another pack";
  const chunks = view.getUint32(PACK_FOOTER_AT.chunks, true);
  const indexOffset = getUint53(view, PACK_FOOTER_AT.indexOffset) ?? 0;
  const indexBytes = chunks * PACK_CHUNK_HEADER_BYTES;
  const fits = indexOffset + indexBytes + PACK_FOOTER_BYTES === fileBytes;
  if (chunks > PACK_CHUNKS_MAX || !fits) return "says what cannot be";
  const indexChecksum = view.getUint32(PACK_FOOTER_AT.indexChecksum, true);
  return { chunks, indexOffset, indexChecksum, checksum: sum };
}
