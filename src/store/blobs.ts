/** The blobs of an open store: put, read, dropped; and what goes on for them. */
import { toHex } from "../base/bytes.js";
import type { Width } from "../blobs/coding.js";
import { PACK_CHUNK_BYTES } from "../blobs/format.js";
import { type BlobVersion, findVersion, hashesOf } from "../blobs/versions.js";
import type { TablesToRead } from "../codec/table-rows.js";
import type { Annotation } from "../log/annotation.js";
import type { PutBlobResult } from "../snapshot/jobs.js";
import { openPorts } from "../snapshot/port.js";
import type { FromPut, ToPut } from "../snapshot/put-blob.js";
import type { BlobFiles } from "./blob-files.js";
import { type BlobData, type BlobInput, Chunker, type InputChunk, inputOf } from "./blob-input.js";
import { BlobReader, type ReadBlobs } from "./blob-reads.js";
import {
  type BlobRetention,
  checkRetention,
  Prepared,
  type PreparedBlob,
} from "./blob-transaction.js";
import { checkName, checkNames, checkType, invalid } from "./option-checks.js";
import type { Transaction } from "./transaction-interface.js";

/** A part of what is being put. */
export interface BlobProgress {
  /** In the blob, in bytes. */
  readonly offset: number;
  readonly length: number;
}

/** How to put a blob. */
export interface PutBlobOptions {
  /**
   * A version of the same blob, or another blob and its version, which this one is much like: what
   * it differs in is stored, where that is less. Default: the newest version of the same name;
   * false: none.
   */
  readonly base?: number | { readonly name: string; readonly version?: number } | false;
  /** Texts to find it by: at most 32, each of at most 1,024 bytes. */
  readonly tags?: Readonly<Record<string, string>>;
  /** "safetensors": the bytes are such a file, which is checked, and kept tensor by tensor. */
  readonly format?: "safetensors";
  /**
   * Bytes of an element: 1, 2, 4 or 8. Default: those of a typed array, of tensors, or else 4. What
   * differs from the base takes least room when this is right.
   */
  readonly elementBytes?: 1 | 2 | 4 | 8;
  /** Which versions stay. Default: that of the store's `blobs` option. */
  readonly retention?: BlobRetention;
  /**
   * Called, and awaited, before a part is copied, and called after it was: to hold whoever writes
   * the source meanwhile. Parts come in their order, one after the other.
   */
  readonly beforeCopy?: (part: BlobProgress) => void | Promise<void>;
  readonly afterCopy?: (part: BlobProgress) => void;
  /** Gives it up: the promise rejects with the signal's reason, and nothing of it stays. */
  readonly signal?: AbortSignal;
}

const PUT_OPTIONS = [
  "base",
  "tags",
  "format",
  "elementBytes",
  "retention",
  "beforeCopy",
  "afterCopy",
  "signal",
];

/** Chunks that are on their way to be stored. */
const WINDOW = 4;

const TAGS_MAX = 32;
const TAG_BYTES_MAX = 1024;

/** What a collection has done. */
export interface CollectedBlobs {
  /** Packs that were removed, and made. */
  readonly packsRemoved: number;
  readonly packsMade: number;
  /** By how much all packs together are shorter. */
  readonly bytesFreed: number;
  /** Of no use to the present, and still needed by the history. */
  readonly bytesWaiting: number;
}

/** What blobs take. */
export interface BlobStats {
  readonly packs: number;
  /** Of the packs. */
  readonly bytes: number;
  /** Of these, what nothing of the present needs. */
  readonly deadBytes: number;
}

/** The blobs of an open store. Opened with the option `blobs`. */
export interface Blobs extends ReadBlobs {
  /**
   * Stores a new version of a blob; resolves with it when it is durable. The content goes through a
   * thread, chunk by chunk, and never through the log; until the promise resolves the source is the
   * store's to read. See docs/blobs.md.
   *
   * Errors: INVALID_ARGUMENT, BAD_TENSORS, TOO_LARGE, DISK_FULL, IO, those of a write, what the
   * source throws, and the signal's reason. After any of them there is no such version.
   */
  put(name: string, data: BlobData, options?: PutBlobOptions): Promise<BlobVersion>;
  /**
   * Stores the content, and no version of it yet: `transaction.blobs.put` makes that, together with
   * rows. Until then, and until it is discarded, what it needs is kept. Errors: those of `put`.
   */
  prepare(name: string, data: BlobData, options?: PutBlobOptions): Promise<PreparedBlob>;
  /**
   * Drops a version, or all of a blob; resolves with how many when that is durable. What only they
   * needed is taken away in the background, once no snapshot, view or kept history needs it.
   * Errors: BLOB_PINNED, those of a write.
   */
  drop(name: string, options?: { readonly version?: number }): Promise<number>;
  /**
   * Takes away what nothing needs, now and not later by itself. Errors: CORRUPT_BLOB, DISK_FULL,
   * IO.
   */
  collect(): Promise<CollectedBlobs>;
  /** What they take. */
  stats(): BlobStats;
}

/** What it needs of the store. */
export interface BlobsPlace {
  readonly files: BlobFiles;
  readonly tables: TablesToRead;
  readonly retention: BlobRetention;
  readonly assertOpen: () => void;
  readonly transact: <T>(
    work: (transaction: Transaction) => T,
    annotation?: Annotation,
  ) => Promise<T>;
}

export class StoreBlobs extends BlobReader implements Blobs {
  readonly #p: BlobsPlace;

  /** @internal */
  constructor(place: BlobsPlace) {
    super({ ...place, chunks: () => place.files });
    this.#p = place;
  }

  async put(name: string, data: BlobData, options: PutBlobOptions = {}): Promise<BlobVersion> {
    const prepared = await this.prepare(name, data, options);
    try {
      return await this.#p.transact((transaction) => transaction.blobs.put(prepared));
    } finally {
      prepared.discard();
    }
  }

  async prepare(name: string, data: BlobData, options: PutBlobOptions = {}): Promise<Prepared> {
    checkPut(name, options);
    const input = inputOf(data, options.elementBytes, options.format);
    this.#p.assertOpen();
    const { signal } = options;
    signal?.throwIfAborted();
    const leave = await this.#p.files.gate.enter();
    try {
      this.#p.assertOpen();
      const stored = await this.#store(name, input, options);
      this.#p.assertOpen();
      return stored;
    } finally {
      leave();
      this.#p.files.left();
    }
  }

  async drop(name: string, options: { readonly version?: number } = {}): Promise<number> {
    return this.#p.transact((transaction) => transaction.blobs.drop(name, options));
  }

  async collect(): Promise<CollectedBlobs> {
    this.#p.assertOpen();
    return this.#p.files.collect();
  }

  stats(): BlobStats {
    this.#p.assertOpen();
    const { packs = [] } = this.#p.files.manifest;
    return {
      packs: packs.length,
      bytes: packs.reduce((sum, { bytes }) => sum + bytes, 0),
      deadBytes: packs.reduce((sum, { dead }) => sum + (dead?.bytes ?? 0), 0),
    };
  }

  // ---- storing ---------------------------------------------------------------------------------

  async #store(name: string, input: BlobInput, options: PutBlobOptions): Promise<Prepared> {
    const { files } = this.#p;
    const base = this.#baseOf(name, options.base);
    const [port, far] = openPorts<ToPut, FromPut>(files.isThread);
    const feed = new Feed(port, input, options, base?.heads ?? 0, files.turn);
    const cancel = new AbortController();
    const stop = (): void => cancel.abort();
    options.signal?.addEventListener("abort", stop);
    const { packs = [], storeId } = files.manifest;
    const storing = files.run(
      {
        kind: "put-blob",
        directory: files.directory,
        storeId,
        packs,
        packId: files.nextPackId(),
        baseHashes: base?.hashes,
        port: far,
      },
      cancel.signal,
    );
    // Once it has ended nobody takes anything any more.
    storing.then(feed.end, feed.end);
    try {
      // Not awaited: a source that never gives anything must not keep anybody from closing.
      void feed.run();
      const result = await storing.catch((error: unknown) => {
        options.signal?.throwIfAborted();
        throw feed.failure === undefined ? error : feed.failure.error;
      });
      if (options.signal?.aborted === true) {
        // It was done all the same.
        await files.forget(result.pack);
        options.signal.throwIfAborted();
      }
      if (result.pack !== undefined) await files.publish(result.pack);
      return this.#prepared(name, feed, input, options, result);
    } finally {
      options.signal?.removeEventListener("abort", stop);
      port.close();
    }
  }

  #prepared(
    name: string,
    { chunker }: Feed,
    { isTensors }: BlobInput,
    { tags = {}, retention = this.#p.retention }: PutBlobOptions,
    { hashes, newBytes, packBytes }: PutBlobResult,
  ): Prepared {
    const { files } = this.#p;
    const { length, headBytes } = chunker;
    const id = toHex(files.disk.randomBytes(12));
    const blob = { name, id, length, headBytes, isTensors, tags, hashes, storedBytes: packBytes };
    const prepared = new Prepared(blob, newBytes, retention, (ended) => files.held.delete(ended));
    files.held.add(prepared);
    return prepared;
  }

  #baseOf(name: string, base: PutBlobOptions["base"]) {
    if (base === false) return undefined;
    const of = typeof base === "object" ? base : { name };
    const version = typeof base === "number" ? base : of === base ? base.version : undefined;
    const found = findVersion(this.#p.tables, of.name, version);
    if (found === undefined) {
      if (base === undefined) return undefined;
      const which = version === undefined ? "" : ` ${version}`;
      throw invalid(`there is no version${which} of blob ${JSON.stringify(of.name)} to begin with`);
    }
    const { headBytes } = found.row;
    let heads = 0;
    while (heads * PACK_CHUNK_BYTES < headBytes) heads++;
    return { hashes: hashesOf(this.#p.tables, found), heads };
  }
}

/** Sends chunks, a few ahead of what was taken. */
class Feed {
  readonly chunker: Chunker;
  /** Of the source, or of what was to be done before a copy. */
  failure: { readonly error: unknown } | undefined;
  readonly #port: ReturnType<typeof openPorts<ToPut, FromPut>>[0];
  readonly #options: PutBlobOptions;
  /** Chunks of the base before its tensors. */
  readonly #baseHeads: number;
  readonly #turn: () => Promise<void>;
  readonly #spare: ArrayBuffer[] = [];
  /** What is shared, and not copied yet. */
  #copying: Promise<void> | undefined;
  #copied = (): void => {};
  #underWay = 0;
  #ended = false;
  #wake = (): void => {};

  constructor(
    port: ReturnType<typeof openPorts<ToPut, FromPut>>[0],
    input: BlobInput,
    options: PutBlobOptions,
    baseHeads: number,
    turn: () => Promise<void>,
  ) {
    this.#turn = turn;
    this.#port = port;
    this.#options = options;
    this.#baseHeads = baseHeads;
    this.chunker = new Chunker(input, {
      take: () => new Uint8Array(this.#spare.pop() ?? new ArrayBuffer(PACK_CHUNK_BYTES)),
      before: async (offset, length) => {
        await this.#copying;
        await options.beforeCopy?.({ offset, length });
      },
    });
    port.onMessage((message) => {
      if (message.type === "copied") {
        this.#copied();
        return;
      }
      this.#underWay--;
      if (message.memory?.byteLength === PACK_CHUNK_BYTES) this.#spare.push(message.memory);
      this.#wake();
    });
  }

  /** The other end takes no more. */
  readonly end = (): void => {
    this.#ended = true;
    this.#copied();
    this.#wake();
  };

  /** Sends all there is; never rejects. */
  async run(): Promise<void> {
    try {
      for await (const chunk of this.chunker.chunks()) {
        while (this.#underWay >= WINDOW && !this.#ended) {
          await new Promise<void>((resolve) => {
            this.#wake = resolve;
          });
        }
        if (this.#ended) return;
        this.#send(chunk);
        // Whoever has other things to do on this thread goes first.
        await this.#turn();
      }
      await this.#copying;
      this.#port.send({ type: "end" });
    } catch (error) {
      this.failure = { error };
      this.#port.send({ type: "abort" });
    }
  }

  #send({ bytes, isShared, isHead, index, width, offset }: InputChunk): void {
    const after = (): void => this.#options.afterCopy?.({ offset, length: bytes.length });
    if (isShared) {
      this.#copying = new Promise((resolve) => {
        this.#copied = () => {
          this.#copied = () => {};
          after();
          resolve();
        };
      });
    } else after();
    const baseIndex = isHead ? (index < this.#baseHeads ? index : -1) : index + this.#baseHeads;
    this.#underWay++;
    const memory = isShared ? undefined : (bytes.buffer as ArrayBuffer);
    this.#port.send({ type: "chunk", bytes, width, baseIndex }, memory);
  }
}

/** Throws INVALID_ARGUMENT. */
function checkPut(name: string, options: PutBlobOptions): void {
  checkName("name", name);
  checkType("the options", options, "object");
  checkNames("", options, PUT_OPTIONS);
  const { base, tags = {}, format, elementBytes, retention, beforeCopy, afterCopy } = options;
  const isVersion = typeof base === "number" && Number.isSafeInteger(base) && base > 0;
  const isBlob = typeof base === "object" && base !== null && typeof base.name === "string";
  if (base !== undefined && base !== false && !isVersion && !isBlob) {
    throw invalid("base must be a version, { name, version } or false");
  }
  if (format !== undefined && format !== "safetensors") {
    throw invalid(`format must be "safetensors", got ${String(format)}`);
  }
  const widths: readonly (Width | undefined)[] = [undefined, 1, 2, 4, 8];
  if (!widths.includes(elementBytes)) throw invalid("elementBytes must be 1, 2, 4 or 8");
  checkType("tags", tags, "object");
  const list = Object.entries(tags);
  if (list.length > TAGS_MAX) throw invalid(`a blob has at most ${TAGS_MAX} tags`);
  for (const [tag, value] of list) {
    const isText = typeof value === "string" && Buffer.byteLength(tag + value) <= TAG_BYTES_MAX;
    if (!isText)
      throw invalid(`tag ${JSON.stringify(tag)} must be a text of ${TAG_BYTES_MAX} bytes`);
  }
  if (retention !== undefined) {
    checkType("retention", retention, "object");
    checkRetention("retention", retention);
  }
  if (beforeCopy !== undefined) checkType("beforeCopy", beforeCopy, "function");
  if (afterCopy !== undefined) checkType("afterCopy", afterCopy, "function");
}
