/**
 * What of the packs is still needed, given the chunks that some state names: these, and those that
 * they are read through. Of a chunk that is there twice the copy that is read counts.
 */
import { fromHex, viewOf } from "../base/bytes.js";
import { PACK_CHUNK_HEADER_BYTES, PACK_HASH_BYTES } from "../blobs/format.js";
import { hashKey, type PackFile } from "../blobs/pack-file.js";
import type { PackSet } from "../blobs/pack-set.js";
import { PackWriter } from "../blobs/pack-writer.js";
import type { DeadChunks } from "../manifest/format.js";
import { checkCancelled, describeFailure, type JobContext, pause } from "./context.js";
import type {
  CompactPacksJob,
  CompactPacksResult,
  SweepPacksJob,
  SweepPacksResult,
  SweptPack,
} from "./jobs.js";
import { packsOf } from "./packs.js";
import { packsFor } from "./put-blob.js";

/** Chunks between two pauses. */
const CHUNKS_PER_PAUSE = 4096;

type Live = ReadonlyMap<PackFile, ReadonlySet<number>>;

async function liveOf(packs: PackSet, hashes: Uint8Array, context: JobContext) {
  const live = new Map<PackFile, Set<number>>(packs.files.map((file) => [file, new Set()]));
  let missing = 0;
  let steps = 0;
  const visit = (first: string): void => {
    for (let key: string | undefined = first; key !== undefined; ) {
      const found = packs.find(key);
      if (found === undefined) {
        missing++;
        return;
      }
      const places = live.get(found.file) as Set<number>;
      if (places.has(found.index)) return;
      places.add(found.index);
      const { base } = found.file.chunk(found.index);
      key = base && hashKey(base);
    }
  };
  for (let at = 0; at < hashes.length; at += PACK_HASH_BYTES) {
    visit(hashKey(hashes.subarray(at, at + PACK_HASH_BYTES)));
    if (++steps % CHUNKS_PER_PAUSE === 0) await pause(context);
  }
  return { live: live as Live, missing };
}

function deadOf(file: PackFile, live: ReadonlySet<number>, context: JobContext) {
  const places: number[] = [];
  let bytes = 0;
  for (let i = 0; i < file.chunks; i++) {
    if (live.has(i)) continue;
    places.push(i);
    bytes += PACK_CHUNK_HEADER_BYTES + file.chunk(i).storedBytes;
  }
  const list = new Uint8Array(4 * places.length);
  const view = viewOf(list);
  for (const [i, place] of places.entries()) view.setUint32(4 * i, place, true);
  const checksum = context.disk.checksum.crc32c(list, 0, list.length);
  return { chunks: places.length, bytes, checksum } satisfies Omit<DeadChunks, "since">;
}

export async function sweepPacks(
  job: SweepPacksJob,
  context: JobContext,
): Promise<SweepPacksResult> {
  const packs = packsOf(context.disk, job.directory);
  try {
    return await packs.hold(async () => {
      // One that cannot be read is left as it is.
      await packs.use(packsFor(job.packs, job.storeId), () => {});
      const { live, missing } = await liveOf(packs, job.live, context);
      const swept: SweptPack[] = [...live].map(([file, places]) => ({
        id: file.pack.id,
        dead: deadOf(file, places, context),
      }));
      return { packs: swept, missing };
    });
  } catch (error) {
    throw describeFailure(error, "looking through packs");
  }
}

/** One pack of what is needed of several, as it is stored. */
export async function compactPacks(
  job: CompactPacksJob,
  context: JobContext,
): Promise<CompactPacksResult> {
  const packs = packsOf(context.disk, job.directory);
  const { disk, budget, signal } = context;
  let writer: PackWriter | undefined;
  try {
    return await packs.hold(async () => {
      await packs.use(packsFor(job.packs, job.storeId), () => {});
      const { live } = await liveOf(packs, job.live, context);
      const sources = packs.files.filter((file) => job.sources.includes(file.pack.id));
      for (const file of sources) {
        for (const place of live.get(file) as ReadonlySet<number>) {
          await budget.wait(signal);
          checkCancelled(context);
          const { offset: _, storedBytes, storedChecksum: __, ...chunk } = file.chunk(place);
          const stored = await file.read(file.chunk(place));
          budget.count(storedBytes, 0);
          writer ??= await PackWriter.create({
            disk,
            directory: job.directory,
            storeId: fromHex(job.storeId) as Uint8Array,
            packId: job.packId,
            onWritten: (bytes) => budget.count(bytes, bytes),
          });
          await writer.add(chunk, stored);
        }
      }
      return { pack: await writer?.finish() };
    });
  } catch (error) {
    await writer?.abandon();
    throw describeFailure(error, "a pack");
  }
}
