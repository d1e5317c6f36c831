/** Which blobs a state has, and of which chunks they consist. */
import { concatBytes } from "../base/bytes.js";
import { HoldfastError } from "../base/errors.js";
import type { RowOf } from "../codec/schema.js";
import type { TablesToRead, TablesToWrite } from "../codec/table-rows.js";
import { PACK_CHUNK_BYTES, PACK_HASH_BYTES } from "./format.js";
import { blobNames, blobPages, blobVersions, HASHES_PER_PAGE } from "./tables.js";

/** One version of a blob. */
export interface BlobVersion {
  readonly name: string;
  /** 1, 2, 3, ...; of what was dropped the number is not used again. */
  readonly version: number;
  /** In bytes. */
  readonly length: number;
  /** True if it is a set of named tensors: a safetensors file. */
  readonly isTensors: boolean;
  /** When it was committed, in microseconds since 1970. */
  readonly createdMicros: number;
  readonly tags: Readonly<Record<string, string>>;
  /** How many rows refer to it, as their writers have said. */
  readonly pins: number;
  /** What was new in it when it came in, in bytes as they are stored. */
  readonly storedBytes: number;
}

type VersionRow = RowOf<typeof blobVersions>;

/** A version with what only this package needs. */
export interface StoredVersion {
  readonly info: BlobVersion;
  readonly row: VersionRow;
}

function stored(name: string, version: number, row: VersionRow): StoredVersion {
  const { length, isTensors, created, tags, pins, storedBytes } = row;
  const info = { name, version, length, isTensors, createdMicros: created, tags, pins };
  return { info: { ...info, storedBytes }, row };
}

/** Below and above every number of a version. */
const LEAST = 0;
const MOST = Number.MAX_SAFE_INTEGER;

/** A version, or the newest one there is; undefined if there is none. */
export function findVersion(
  tables: TablesToRead,
  name: string,
  version: number | undefined,
): StoredVersion | undefined {
  if (version !== undefined) {
    const row = tables.get(blobVersions, [name, version]);
    return row && stored(name, version, row);
  }
  for (const found of versionsOf(tables, name, true)) return found;
  return undefined;
}

/** The oldest first, or the newest. */
export function* versionsOf(
  tables: TablesToRead,
  name: string,
  reverse = false,
): Generator<StoredVersion, void, undefined> {
  const range = { gte: [name, LEAST] as const, lte: [name, MOST] as const, reverse };
  for (const [[, version], row] of tables.entries(blobVersions, range)) {
    yield stored(name, version, row);
  }
}

/** All versions of all blobs, by their names and numbers. */
export function* allVersions(tables: TablesToRead): Generator<StoredVersion, void, undefined> {
  for (const [[name, version], row] of tables.entries(blobVersions)) {
    yield stored(name, version, row);
  }
}

/** Where the chunks of a blob are in it. */
export function chunkCount({ length, headBytes }: Lengths): number {
  return (
    Math.ceil(headBytes / PACK_CHUNK_BYTES) + Math.ceil((length - headBytes) / PACK_CHUNK_BYTES)
  );
}

interface Lengths {
  readonly length: number;
  readonly headBytes: number;
}

/** From where to where the chunk of that number goes. */
export function chunkRange({ length, headBytes }: Lengths, i: number) {
  const heads = Math.ceil(headBytes / PACK_CHUNK_BYTES);
  const isHead = i < heads;
  const from = isHead ? i * PACK_CHUNK_BYTES : headBytes + (i - heads) * PACK_CHUNK_BYTES;
  return { from, to: Math.min(from + PACK_CHUNK_BYTES, isHead ? headBytes : length) };
}

/** The number of the chunk with that byte. */
export function chunkAt({ headBytes }: Lengths, offset: number): number {
  if (offset < headBytes) return Math.floor(offset / PACK_CHUNK_BYTES);
  return (
    Math.ceil(headBytes / PACK_CHUNK_BYTES) + Math.floor((offset - headBytes) / PACK_CHUNK_BYTES)
  );
}

/** Hashes of all chunks. Throws CORRUPT_BLOB where rows do not agree. */
export function hashesOf(tables: TablesToRead, { info, row }: StoredVersion): Uint8Array {
  const pages = Math.ceil(chunkCount(row) / HASHES_PER_PAGE);
  const list: Uint8Array[] = [];
  for (let page = 0; page < pages; page++) {
    list.push(tables.get(blobPages, [row.id, page])?.hashes ?? new Uint8Array(0));
  }
  const hashes = concatBytes(list);
  if (hashes.length === chunkCount(row) * PACK_HASH_BYTES) return hashes;
  const { name, version } = info;
  throw new HoldfastError(
    "CORRUPT_BLOB",
    `blob ${JSON.stringify(name)}, version ${version}: its chunks are not those of its length`,
    { blob: name, version },
  );
}

/** What is to become a version; the chunks of it are in packs that a manifest names. */
export interface NewVersion extends Lengths {
  readonly name: string;
  readonly id: string;
  readonly isTensors: boolean;
  readonly tags: Readonly<Record<string, string>>;
  readonly hashes: Uint8Array;
  readonly storedBytes: number;
}

export function addVersion(
  tables: TablesToWrite,
  blob: NewVersion,
  createdMicros: number,
  pins: number,
): BlobVersion {
  const { name, id, length, headBytes, isTensors, storedBytes, hashes } = blob;
  const version = (tables.get(blobNames, name)?.last ?? 0) + 1;
  const pageBytes = HASHES_PER_PAGE * PACK_HASH_BYTES;
  for (let page = 0; page * pageBytes < hashes.length; page++) {
    const part = hashes.subarray(page * pageBytes, (page + 1) * pageBytes);
    tables.put(blobPages, [id, page], { hashes: part });
  }
  const row = { id, length, headBytes, isTensors, tags: blob.tags, pins, storedBytes };
  tables.put(blobVersions, [name, version], { ...row, created: createdMicros });
  tables.put(blobNames, name, { last: version });
  return (findVersion(tables, name, version) as StoredVersion).info;
}

/** Throws BLOB_PINNED. */
export function removeVersion(tables: TablesToWrite, { info, row }: StoredVersion): void {
  const { name, version, pins } = info;
  if (pins > 0) {
    const who = pins === 1 ? "a row refers" : `${pins} rows refer`;
    const message = `blob ${JSON.stringify(name)}, version ${version}: ${who} to it`;
    throw new HoldfastError("BLOB_PINNED", message, { blob: name, version });
  }
  const pages = Math.ceil(chunkCount(row) / HASHES_PER_PAGE);
  for (let page = 0; page < pages; page++) tables.delete(blobPages, [row.id, page]);
  tables.delete(blobVersions, [name, version]);
}

/** One row more, or less, refers to it. */
export function changePins(tables: TablesToWrite, { info, row }: StoredVersion, by: 1 | -1): void {
  const pins = row.pins + by;
  if (pins < 0) {
    const message = `blob ${JSON.stringify(info.name)}, version ${info.version} has no pins`;
    throw new HoldfastError("INVALID_ARGUMENT", message, { blob: info.name });
  }
  tables.put(blobVersions, [info.name, info.version], { ...row, pins });
}
