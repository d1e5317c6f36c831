/**
 * All packs of a store: where a chunk stands is found by its hash, whichever pack has it. So what
 * refers to chunks, rows of any state, says nothing of packs, and packs can be made anew.
 */
import { createHash, webcrypto } from "node:crypto";
import { bytesEqual, toHex } from "../base/bytes.js";
import { HoldfastError, isHoldfastError } from "../base/errors.js";
import type { Disk } from "../disk/disk.js";
import { ChunkCoder } from "./coding.js";
import { corruptPack } from "./errors.js";
import { PACK_CODING, PACK_DEPTH_MAX, PACK_HASH_BYTES } from "./format.js";
import { hashKey, type NamedPack, PackFile } from "./pack-file.js";
import type { PackedChunk } from "./pack-header.js";

/** What is shorter is hashed sooner than another thread is told. */
const HASHED_HERE_BYTES = 64 * 1024;

/**
 * SHA-256, by the pool of threads, so that several chunks are hashed while one is coded; on a
 * simulated machine, where nothing may happen beside it, on this thread.
 */
export async function hashOf(bytes: Uint8Array, { info }: Pick<Disk, "info">): Promise<Uint8Array> {
  if (bytes.length < HASHED_HERE_BYTES || info.kind === "simulated") {
    return createHash("sha256").update(bytes).digest();
  }
  return new Uint8Array(await webcrypto.subtle.digest("SHA-256", bytes));
}

/** One copy of a chunk. */
export interface Location {
  readonly file: PackFile;
  readonly index: number;
}

/** Chunks in a pack are fewer than this. */
const PLACES = 2 ** 24;

export class PackSet {
  readonly #disk: Disk;
  readonly #directory: string;
  readonly #direct: boolean;
  readonly #coder: ChunkCoder;
  #files: PackFile[] = [];
  /** Pack and place of each copy: numbers, since there may be many. */
  #places = new Map<string, number | number[]>();
  /** Copies that were found to be damaged, and how. */
  readonly #bad = new Map<string, unknown>();
  /** What is being used is closed later. */
  #users = 0;
  #isHeld = false;
  #gone: PackFile[] = [];
  #changing: Promise<unknown> = Promise.resolve();

  /** `direct`: past the page cache. */
  constructor(disk: Disk, directory: string, direct = false) {
    this.#direct = direct;
    this.#disk = disk;
    this.#directory = directory;
    this.#coder = new ChunkCoder(disk.compressor);
  }

  /**
   * These packs from now on. Throws CORRUPT_BLOB, MISSING_FILE or IO for one that cannot be read,
   * which `onUnreadable`, where it is given, is told of instead.
   */
  use(packs: readonly NamedPack[], onUnreadable?: (error: unknown) => void): Promise<void> {
    const changed = this.#changing.then(() => this.#change(packs, onUnreadable));
    this.#changing = changed.catch(() => {});
    return changed;
  }

  async #change(
    packs: readonly NamedPack[],
    onUnreadable: ((error: unknown) => void) | undefined,
  ): Promise<void> {
    const before = new Map(this.#files.map((file) => [identityOf(file.pack), file]));
    const files: PackFile[] = [];
    let isAdded = false;
    for (const pack of packs) {
      const known = before.get(identityOf(pack));
      if (known !== undefined) {
        files.push(known);
        before.delete(identityOf(pack));
        continue;
      }
      try {
        files.push(await PackFile.open(this.#disk, this.#directory, pack, this.#direct));
        isAdded = true;
      } catch (error) {
        if (onUnreadable === undefined) throw error;
        onUnreadable(error);
      }
    }
    if (before.size === 0 && !isAdded) return;
    this.#files = files;
    this.#places = new Map();
    for (const [i, file] of files.entries()) this.#addPlaces(i, file);
    this.#gone.push(...before.values());
    await this.#closeGone();
  }

  #addPlaces(i: number, file: PackFile): void {
    for (let chunk = 0; chunk < file.chunks; chunk++) {
      const key = file.keyOf(chunk);
      const place = i * PLACES + chunk;
      const others = this.#places.get(key);
      // The newest pack first.
      if (others === undefined) this.#places.set(key, place);
      else if (typeof others === "number") this.#places.set(key, [place, others]);
      else others.unshift(place);
    }
  }

  get files(): readonly PackFile[] {
    return this.#files;
  }

  /**
   * Runs `work`; no pack that it may read is closed before it has ended. Behind that all are: one
   * that is removed must not take room because somebody has read it.
   */
  async hold<T>(work: () => Promise<T>): Promise<T> {
    this.#isHeld = true;
    this.#users++;
    try {
      return await work();
    } finally {
      this.#users--;
      await this.#closeGone();
    }
  }

  async close(): Promise<void> {
    this.#gone.push(...this.#files.splice(0));
    this.#places.clear();
    await this.#closeGone();
  }

  async #closeGone(): Promise<void> {
    if (this.#users > 0) return;
    const idle = this.#isHeld ? this.#files : [];
    for (const file of [...this.#gone.splice(0), ...idle]) await file.close().catch(() => {});
  }

  /** The copy that is read; the newest one that is not known to be damaged. */
  find(key: string): Location | undefined {
    return this.#copies(key).find((one) => !this.#bad.has(nameOf(one)));
  }

  #copies(key: string): Location[] {
    const places = this.#places.get(key);
    if (places === undefined) return [];
    const list = typeof places === "number" ? [places] : places;
    return list.map((place) => ({
      file: this.#files[Math.floor(place / PLACES)] as PackFile,
      index: place % PLACES,
    }));
  }

  /**
   * The content of a chunk, in memory of its own, proven by its hash. Throws CORRUPT_BLOB, of the
   * first copy that was tried, and IO.
   */
  async read(hash: Uint8Array): Promise<Uint8Array> {
    let failure: unknown;
    const content = await this.#readAny(hash, 0, (error) => {
      failure ??= error;
    });
    if (content !== undefined) return content;
    throw failure ?? missing(hash);
  }

  async #readAny(
    hash: Uint8Array,
    depth: number,
    onFailure: (error: unknown) => void,
  ): Promise<Uint8Array | undefined> {
    for (const location of this.#copies(hashKey(hash))) {
      const name = nameOf(location);
      if (this.#bad.has(name)) {
        onFailure(this.#bad.get(name));
        continue;
      }
      try {
        return await this.#readCopy(location, depth, onFailure);
      } catch (error) {
        onFailure(error);
        if (!isHoldfastError(error, "CORRUPT_BLOB")) throw error;
        this.#bad.set(name, error);
      }
    }
    return undefined;
  }

  async #readCopy(
    { file, index }: Location,
    depth: number,
    onFailure: (error: unknown) => void,
  ): Promise<Uint8Array> {
    const chunk = file.chunk(index);
    const wrong = (what: string) => corruptPack(file.path, chunk.offset, what);
    if (depth > PACK_DEPTH_MAX) throw wrong("its bases have no end");
    const stored = await file.read(chunk);
    const base = chunk.base && (await this.#readAny(chunk.base, depth + 1, onFailure));
    if (chunk.base !== undefined && base === undefined) throw wrong("its base cannot be read");
    const raw = this.#decode(chunk, stored, base);
    if (raw === undefined) throw wrong("what is stored is not of its coding");
    if (!bytesEqual(await hashOf(raw, this.#disk), 0, chunk.hash, 0, PACK_HASH_BYTES)) {
      throw wrong("the content does not have its hash");
    }
    return raw;
  }

  /** Undefined for what is not of its coding. What is stored as it is needs no other memory. */
  #decode(
    { coding, width, rawBytes }: PackedChunk,
    stored: Uint8Array,
    base: Uint8Array | undefined,
  ): Uint8Array | undefined {
    if (coding === PACK_CODING.raw && stored.length === rawBytes) return stored;
    const raw = new Uint8Array(rawBytes);
    return this.#coder.decode(coding, width, stored, base, raw) ? raw : undefined;
  }

  /** Reads one copy through. Throws CORRUPT_BLOB or IO. */
  async check(location: Location): Promise<void> {
    await this.#readCopy(location, 0, () => {});
  }

  /**
   * Whether a chunk is there, and what is stored of it, and of what it is read through, is as it
   * was written: whoever relies on that has nothing to put in its place. Throws IO.
   */
  async holds(key: string): Promise<boolean> {
    for (const location of this.#copies(key)) {
      const name = nameOf(location);
      if (this.#bad.has(name)) continue;
      const chunk = location.file.chunk(location.index);
      if (await location.file.isWhole(chunk)) {
        if (chunk.base === undefined || (await this.holds(hashKey(chunk.base)))) return true;
        continue;
      }
      const what = "what is stored of a chunk fails its checksum";
      this.#bad.set(name, corruptPack(location.file.path, chunk.offset, what));
    }
    return false;
  }

  /** How a chunk is stored, if it is. */
  describe(hash: Uint8Array): PackedChunk | undefined {
    const found = this.find(hashKey(hash));
    return found?.file.chunk(found.index);
  }
}

function nameOf({ file, index }: Location): string {
  return `${file.path} ${index}`;
}

function identityOf({ id, checksum, storeId }: NamedPack): string {
  return `${id} ${checksum} ${toHex(storeId)}`;
}

function missing(hash: Uint8Array): HoldfastError {
  return new HoldfastError("CORRUPT_BLOB", `chunk ${toHex(hash)} is in no pack`);
}
