/** Blobs of one state: which there are, and what is in them. */
import { HoldfastError, isHoldfastError } from "../base/errors.js";
import { PACK_HASH_BYTES } from "../blobs/format.js";
import { PackSet } from "../blobs/pack-set.js";
import {
  parseTensorHeader,
  TENSOR_PREFIX_BYTES,
  type TensorInfo,
  tensorHeadBytes,
} from "../blobs/tensors.js";
import {
  allVersions,
  type BlobVersion,
  chunkAt,
  chunkRange,
  findVersion,
  hashesOf,
  type StoredVersion,
  versionsOf,
} from "../blobs/versions.js";
import type { TablesToRead } from "../codec/table-rows.js";
import type { Disk } from "../disk/disk.js";
import type { ManifestPack } from "../manifest/format.js";
import { packsFor } from "../snapshot/put-blob.js";
import { checkName, checkNames, checkRange, invalid } from "./option-checks.js";
import type { View } from "./view.js";

/** Gives the content of chunks, one after another. */
export interface ChunkSource {
  /** Each in memory of its own. Throws CORRUPT_BLOB, MISSING_FILE or IO. */
  read(hashes: Uint8Array): AsyncGenerator<Uint8Array, void, undefined>;
  close(): Promise<void>;
}

/** Which version of a blob: by default the newest that there is. */
export interface BlobPoint {
  readonly version?: number;
}

/** A part of a blob. */
export interface BlobRange extends BlobPoint {
  /** The first byte. Default: 0. */
  readonly offset?: number;
  /** So many bytes, or as many as there are. Default: all. */
  readonly length?: number;
}

/** A tensor that was read. */
export interface Tensor extends TensorInfo {
  /** Row after row, little-endian. */
  readonly data: Uint8Array;
}

/** Which versions of a blob. */
export interface VersionsOptions {
  /** The newest first. Default: false. */
  readonly reverse?: boolean;
  /** At most so many; no limit by default. */
  readonly limit?: number;
}

/**
 * Blobs of one state, for reading. What does not exist is undefined. Whatever is read is checked
 * against its hashes: CORRUPT_BLOB names blob, version and place for what is not as it was written.
 * All of it may throw CORRUPT_BLOB, MISSING_FILE, IO and CLOSED.
 */
export interface ReadBlobs {
  /** A version, or the newest one. */
  version(name: string, version?: number): BlobVersion | undefined;
  /** All versions that there are, the oldest first. */
  versions(name: string, options?: VersionsOptions): BlobVersion[];
  /** The newest version of each blob, in the order of their names. */
  list(): BlobVersion[];
  /** The whole content. */
  get(name: string, point?: BlobPoint): Promise<Uint8Array | undefined>;
  /** A part of the content; shorter where the blob ends. */
  read(name: string, range?: BlobRange): Promise<Uint8Array | undefined>;
  /** The content, or a part, piece by piece, no faster than it is taken: for what is large. */
  stream(name: string, range?: BlobRange): AsyncGenerator<Uint8Array, void, undefined> | undefined;
  /**
   * Which tensors are in it, in the order of their bytes. Throws INVALID_ARGUMENT for a blob that
   * is not such a set.
   */
  tensors(name: string, point?: BlobPoint): Promise<readonly TensorInfo[] | undefined>;
  /** One of them. */
  tensor(name: string, tensor: string, point?: BlobPoint): Promise<Tensor | undefined>;
}

/** What it needs of a state. */
export interface BlobPlace {
  readonly tables: TablesToRead;
  readonly chunks: () => ChunkSource;
  /** Throws CLOSED. */
  readonly assertOpen: () => void;
}

export class BlobReader implements ReadBlobs {
  readonly #place: BlobPlace;

  /** @internal */
  constructor(place: BlobPlace) {
    this.#place = place;
  }

  version(name: string, version?: number): BlobVersion | undefined {
    return this.#find(name, version === undefined ? {} : { version })?.info;
  }

  versions(name: string, options: VersionsOptions = {}): BlobVersion[] {
    checkName("name", name);
    checkNames("", options, ["reverse", "limit"]);
    const { reverse = false, limit = Number.POSITIVE_INFINITY } = options;
    if (limit !== Number.POSITIVE_INFINITY) checkRange("limit", limit, 0, Number.MAX_SAFE_INTEGER);
    this.#place.assertOpen();
    const found: BlobVersion[] = [];
    for (const { info } of versionsOf(this.#place.tables, name, reverse)) {
      if (found.length >= limit) break;
      found.push(info);
    }
    return found;
  }

  list(): BlobVersion[] {
    this.#place.assertOpen();
    const newest = new Map<string, BlobVersion>();
    for (const { info } of allVersions(this.#place.tables)) newest.set(info.name, info);
    return [...newest.values()];
  }

  async get(name: string, point: BlobPoint = {}): Promise<Uint8Array | undefined> {
    checkNames("", point, ["version"]);
    return this.read(name, point);
  }

  async read(name: string, range: BlobRange = {}): Promise<Uint8Array | undefined> {
    const found = this.#range(name, range);
    return found && this.#whole(found);
  }

  stream(name: string, range: BlobRange = {}) {
    const found = this.#range(name, range);
    return found && this.#pieces(found);
  }

  async tensors(name: string, point: BlobPoint = {}): Promise<readonly TensorInfo[] | undefined> {
    checkNames("", point, ["version"]);
    const found = this.#find(name, point);
    return found && (await this.#tensorsOf(found));
  }

  async tensor(name: string, tensor: string, point: BlobPoint = {}): Promise<Tensor | undefined> {
    checkNames("", point, ["version"]);
    const found = this.#find(name, point);
    if (found === undefined) return undefined;
    const info = (await this.#tensorsOf(found)).find((one) => one.name === tensor);
    if (info === undefined) return undefined;
    const { offset, length } = info;
    return { ...info, data: await this.#whole({ found, from: offset, to: offset + length }) };
  }

  async #tensorsOf(found: StoredVersion): Promise<readonly TensorInfo[]> {
    const { name, isTensors } = found.info;
    if (!isTensors) throw invalid(`blob ${JSON.stringify(name)} is not a set of tensors`);
    const prefix = await this.#whole({ found, from: 0, to: TENSOR_PREFIX_BYTES });
    const head = await this.#whole({ found, from: 0, to: tensorHeadBytes(prefix) });
    return parseTensorHeader(head).tensors;
  }

  #find(name: string, { version }: BlobPoint): StoredVersion | undefined {
    checkName("name", name);
    if (version !== undefined) checkRange("version", version, 1, Number.MAX_SAFE_INTEGER);
    this.#place.assertOpen();
    return findVersion(this.#place.tables, name, version);
  }

  #range(name: string, range: BlobRange): Part | undefined {
    checkNames("", range, ["version", "offset", "length"]);
    const { offset = 0, length = Number.MAX_SAFE_INTEGER } = range;
    checkRange("offset", offset, 0, Number.MAX_SAFE_INTEGER);
    checkRange("length", length, 0, Number.MAX_SAFE_INTEGER);
    const found = this.#find(name, range);
    if (found === undefined) return undefined;
    const from = Math.min(offset, found.info.length);
    return { found, from, to: from + Math.min(length, found.info.length - from) };
  }

  async #whole(part: Part): Promise<Uint8Array> {
    const bytes = new Uint8Array(part.to - part.from);
    let at = 0;
    for await (const piece of this.#pieces(part)) {
      bytes.set(piece, at);
      at += piece.length;
    }
    return bytes;
  }

  async *#pieces({ found, from, to }: Part): AsyncGenerator<Uint8Array, void, undefined> {
    if (from === to) return;
    const { row, info } = found;
    const [first, last] = [chunkAt(row, from), chunkAt(row, to - 1)];
    const hashes = hashesOf(this.#place.tables, found);
    let i = first;
    try {
      const wanted = hashes.subarray(first * PACK_HASH_BYTES, (last + 1) * PACK_HASH_BYTES);
      for await (const chunk of this.#place.chunks().read(wanted)) {
        this.#place.assertOpen();
        const range = chunkRange(row, i);
        if (chunk.length !== range.to - range.from) {
          throw new HoldfastError("CORRUPT_BLOB", "a chunk is not as long as it should be");
        }
        yield chunk.subarray(Math.max(0, from - range.from), to - range.from);
        i++;
      }
    } catch (error) {
      throw ofBlob(error, info, chunkRange(row, i).from);
    }
  }
}

interface Part {
  readonly found: StoredVersion;
  readonly from: number;
  readonly to: number;
}

/** Damage as that of a blob: which, and where in it. */
function ofBlob(error: unknown, { name, version }: BlobVersion, at: number): unknown {
  if (!isHoldfastError(error, "CORRUPT_BLOB") || error.data.blob !== undefined) return error;
  const what = `blob ${JSON.stringify(name)}, version ${version}, from byte ${at} on`;
  const data = { ...error.data, blob: name, version };
  return new HoldfastError("CORRUPT_BLOB", `${what}: ${error.message}`, data, error);
}

/** Chunks read on this thread, out of packs that do not change meanwhile. */
export class HeldChunks implements ChunkSource {
  readonly #set: PackSet;
  readonly #disk: Disk;
  readonly #packs: () => Promise<{ packs?: readonly ManifestPack[]; storeId: string }>;
  #opened: Promise<void> | undefined;

  constructor(
    disk: Disk,
    directory: string,
    packs: () => Promise<{ packs?: readonly ManifestPack[]; storeId: string }>,
  ) {
    this.#disk = disk;
    this.#set = new PackSet(disk, directory);
    this.#packs = packs;
  }

  async *read(hashes: Uint8Array): AsyncGenerator<Uint8Array, void, undefined> {
    this.#opened ??= this.#open();
    await this.#opened;
    for (let at = 0; at < hashes.length; at += PACK_HASH_BYTES) {
      yield await this.#readChunk(hashes.subarray(at, at + PACK_HASH_BYTES));
      await new Promise<void>((resolve) => {
        this.#disk.scheduler.after(0, resolve, true);
      });
    }
  }

  /** Whoever writes the store may have replaced a pack before it was opened here. */
  async #readChunk(hash: Uint8Array): Promise<Uint8Array> {
    try {
      return await this.#set.read(hash);
    } catch (error) {
      if (!isHoldfastError(error, "CORRUPT_BLOB") && !isHoldfastError(error, "MISSING_FILE")) {
        throw error;
      }
      await this.#open();
      return this.#set.read(hash);
    }
  }

  async #open(): Promise<void> {
    const { packs = [], storeId } = await this.#packs();
    await this.#set.use(packsFor(packs, storeId), () => {});
  }

  close(): Promise<void> {
    return this.#set.close();
  }
}

/** Rows of a state that does not change. */
export function tablesOf(state: Pick<View, "table">): TablesToRead {
  return {
    get: (table, key) => state.table(table).get(key),
    entries: (table, range) => state.table(table).entries(range),
  };
}

/** Blobs of a state that does not change. Throws INVALID_ARGUMENT if it was not opened for them. */
export function frozenBlobs(
  state: Pick<View, "table">,
  layers: { readonly chunks: ChunkSource | undefined },
  assertOpen: () => void,
): ReadBlobs {
  const { chunks } = layers;
  if (chunks === undefined) throw notOpened();
  return new BlobReader({ tables: tablesOf(state), chunks: () => chunks, assertOpen });
}

export function notOpened(): HoldfastError {
  return invalid("the store was not opened for blobs: give open() the option blobs");
}
