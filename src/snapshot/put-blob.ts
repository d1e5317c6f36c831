/**
 * Makes a pack of what comes in piece by piece, each of them a chunk: hashed, looked for among the
 * chunks there are, coded, and written behind the one before. Memory is bounded by the pieces that
 * are under way; who sends them is told of each that was taken.
 */
import { concatBytes, fromHex } from "../base/bytes.js";
import { HoldfastError } from "../base/errors.js";
import { ChunkCoder, type Width } from "../blobs/coding.js";
import { PACK_DEPTH_MAX, PACK_HASH_BYTES } from "../blobs/format.js";
import { hashKey, type NamedPack } from "../blobs/pack-file.js";
import { hashOf, type PackSet } from "../blobs/pack-set.js";
import { type FinishedPack, PackWriter } from "../blobs/pack-writer.js";
import type { ManifestPack } from "../manifest/format.js";
import { checkCancelled, describeFailure, type JobContext } from "./context.js";
import type { PutBlobJob, PutBlobResult } from "./jobs.js";
import { packsOf } from "./packs.js";
import { portOf } from "./port.js";

/** A chunk of the blob, or that there is no more. */
export type ToPut =
  | {
      readonly type: "chunk";
      /** May be shared with who goes on to write it: it is copied at once. */
      readonly bytes: Uint8Array;
      readonly width: Width;
      /** Its place among the chunks of the base, if it has one there. */
      readonly baseIndex: number;
    }
  | { readonly type: "end" }
  | { readonly type: "abort" };

/** A chunk is in memory of the job, or dealt with: its memory, where it was given, comes back. */
export type FromPut =
  | { readonly type: "copied" }
  | { readonly type: "taken"; readonly memory: ArrayBuffer | undefined };

export function packsFor(packs: readonly ManifestPack[], storeId: string): NamedPack[] {
  return packs.map(({ id, bytes, chunks, checksum, storeId: maker }) => {
    return { id, bytes, chunks, checksum, storeId: fromHex(maker ?? storeId) as Uint8Array };
  });
}

export async function putBlob(job: PutBlobJob, context: JobContext): Promise<PutBlobResult> {
  const packs = packsOf(context.disk, job.directory);
  const since = context.disk.clock.monotonicMicros();
  try {
    return await packs.hold(async () => {
      // What cannot be read now is stored once more.
      await packs.use(packsFor(job.packs, job.storeId), () => {});
      const put = new Put(job, context, packs);
      const result = await put.run();
      return { ...result, totalMicros: context.disk.clock.monotonicMicros() - since };
    });
  } catch (error) {
    throw describeFailure(error, "storing a blob");
  }
}

type ChunkToPut = Extract<ToPut, { type: "chunk" }>;

/** Its hash is on its way, while those before it are stored. */
interface HashedChunk extends ChunkToPut {
  readonly hash: Promise<Uint8Array>;
}

class Put {
  readonly #job: PutBlobJob;
  readonly #context: JobContext;
  readonly #packs: PackSet;
  readonly #coder: ChunkCoder;
  readonly #hashes: Uint8Array[] = [];
  /** Chunks of this put. */
  readonly #own = new Set<string>();
  #writer: PackWriter | undefined;
  #rawBytes = 0;
  #newBytes = 0;
  #storedBytes = 0;

  constructor(job: PutBlobJob, context: JobContext, packs: PackSet) {
    this.#job = job;
    this.#context = context;
    this.#packs = packs;
    this.#coder = new ChunkCoder(context.disk.compressor);
  }

  async run(): Promise<Omit<PutBlobResult, "totalMicros">> {
    try {
      await this.#takeAll();
      const pack = await this.#finish();
      const hashes = concatBytes(this.#hashes);
      const { chunks: newChunks = 0, bytes: packBytes = 0 } = pack ?? {};
      return {
        pack,
        hashes,
        rawBytes: this.#rawBytes,
        newChunks,
        newBytes: this.#newBytes,
        storedBytes: this.#storedBytes,
        packBytes,
      };
    } catch (error) {
      await this.#writer?.abandon();
      throw error;
    }
  }

  async #finish(): Promise<FinishedPack | undefined> {
    checkCancelled(this.#context);
    return this.#writer?.finish();
  }

  async #takeAll(): Promise<void> {
    const port = portOf<FromPut, ToPut>(this.#job.port);
    const waiting: (Exclude<ToPut, ChunkToPut> | HashedChunk)[] = [];
    let wake = (): void => {};
    const { signal } = this.#context;
    const onAbort = (): void => wake();
    signal.addEventListener("abort", onAbort);
    port.onMessage((message) => {
      if (message.type !== "chunk") waiting.push(message);
      else {
        // What is shared changes: a moment's state of it is what is stored.
        const isShared = message.bytes.buffer instanceof SharedArrayBuffer;
        const bytes = isShared ? message.bytes.slice() : message.bytes;
        if (isShared) port.send({ type: "copied" });
        waiting.push({ ...message, bytes, hash: hashOf(bytes, this.#context.disk) });
      }
      wake();
    });
    try {
      for (;;) {
        checkCancelled(this.#context);
        const message = waiting.shift();
        if (message === undefined) {
          await new Promise<void>((resolve) => {
            wake = resolve;
          });
          continue;
        }
        if (message.type === "abort") throw new HoldfastError("CLOSED", "the put was given up");
        if (message.type === "end") return;
        await this.#add(message);
        const { buffer } = message.bytes;
        const memory = buffer instanceof ArrayBuffer ? buffer : undefined;
        port.send({ type: "taken", memory }, memory);
      }
    } finally {
      signal.removeEventListener("abort", onAbort);
      port.close();
    }
  }

  async #add({ bytes, width, baseIndex, hash: hashing }: HashedChunk): Promise<void> {
    const hash = await hashing;
    const key = hashKey(hash);
    this.#rawBytes += bytes.length;
    this.#hashes.push(hash);
    if (this.#own.has(key) || (await this.#packs.holds(key))) return;
    this.#own.add(key);
    const base = await this.#baseOf(baseIndex, bytes.length);
    const coded = this.#coder.encode(bytes, width, base?.content);
    const isDifference = base !== undefined && coded.usesBase;
    this.#writer ??= await this.#create();
    const chunk = {
      rawBytes: bytes.length,
      coding: coded.coding,
      width: coded.width,
      depth: isDifference ? base.depth + 1 : 0,
      hash,
      base: isDifference ? base.hash : undefined,
    };
    await this.#writer.add(chunk, coded.bytes);
    this.#newBytes += bytes.length;
    this.#storedBytes += coded.bytes.length;
  }

  /** The chunk of the base there, if one may be taken that far back, and it can be read. */
  async #baseOf(index: number, length: number) {
    const { baseHashes } = this.#job;
    if (
      baseHashes === undefined ||
      index < 0 ||
      (index + 1) * PACK_HASH_BYTES > baseHashes.length
    ) {
      return undefined;
    }
    const hash = baseHashes.subarray(index * PACK_HASH_BYTES, (index + 1) * PACK_HASH_BYTES);
    const known = this.#packs.describe(hash);
    if (known === undefined || known.rawBytes !== length || known.depth >= PACK_DEPTH_MAX) {
      return undefined;
    }
    try {
      return { hash, depth: known.depth, content: await this.#packs.read(hash) };
    } catch {
      // It is damaged: this one stands alone.
      return undefined;
    }
  }

  #create(): Promise<PackWriter> {
    const { directory, storeId, packId } = this.#job;
    const { disk, budget } = this.#context;
    return PackWriter.create({
      disk,
      directory,
      storeId: fromHex(storeId) as Uint8Array,
      packId,
      onWritten: (bytes) => budget.count(bytes, bytes),
    });
  }
}
