/** The packs of a damaged store: those that are whole, and of the others every chunk that is. */
import { fromHex, toHex } from "../base/bytes.js";
import { errnoCode, isHoldfastError } from "../base/errors.js";
import {
  PACK_AT,
  PACK_FOOTER_AT,
  PACK_FOOTER_BYTES,
  PACK_HEADER_BYTES,
  packFileName,
  parsePackFileName,
} from "../blobs/format.js";
import type { PackFile } from "../blobs/pack-file.js";
import { decodePackFooter, decodePackHeader } from "../blobs/pack-header.js";
import { PackSet } from "../blobs/pack-set.js";
import { PackWriter } from "../blobs/pack-writer.js";
import type { Disk } from "../disk/disk.js";
import type { ManifestPack } from "../manifest/format.js";
import { packsFor } from "../snapshot/put-blob.js";
import { linkOrCopy } from "../store/transfer.js";
import type { StoreView } from "./read-store.js";

/** A chunk, or a pack, that could not be had. */
export interface LostChunk {
  readonly file: string;
  readonly offset: number;
  readonly bytes: number;
  readonly why: string;
}

export interface SalvagedPacks {
  readonly list: readonly ManifestPack[];
  readonly lost: readonly LostChunk[];
}

/** What a pack says of itself, or what is wrong with it. */
export async function describePack(
  disk: Disk,
  directory: string,
  id: number,
): Promise<ManifestPack | string> {
  try {
    const file = await disk.open(`${directory}/${packFileName(id)}`, { direct: true });
    try {
      const bytes = await file.size();
      const head = Uint8Array.from(await file.read(0, PACK_HEADER_BYTES));
      const header = decodePackHeader(head, undefined, disk.checksum);
      if (typeof header === "string") return `its header ${header}`;
      const { seed, place } = header;
      if (place.packId !== id) return "it has the name of another pack";
      const storeId = toHex(head.subarray(PACK_AT.storeId, PACK_AT.storeId + 16));
      const at = Math.max(0, bytes - PACK_FOOTER_BYTES);
      const end = Uint8Array.from(await file.read(at, PACK_FOOTER_BYTES));
      const footer = decodePackFooter(end, place, seed, bytes, disk.checksum);
      // Its chunks are found by their own headers, where there is no footer.
      const { chunks, checksum } = typeof footer === "string" ? UNKNOWN : footer;
      return { id, bytes, chunks, checksum, storeId };
    } finally {
      await file.close();
    }
  } catch (error) {
    if (errnoCode(error) === undefined) throw error;
    return `it cannot be read (${(error as Error).message})`;
  }
}

const UNKNOWN = { chunks: 1, checksum: PACK_FOOTER_AT.magic } as const;

/** All that lie there, where no manifest says which there must be. */
export async function describePacks(disk: Disk, directory: string, names: readonly string[]) {
  const packs: ManifestPack[] = [];
  const lost: LostChunk[] = [];
  for (const name of [...names].sort()) {
    const id = parsePackFileName(name);
    if (id === undefined) continue;
    const pack = await describePack(disk, directory, id);
    if (typeof pack !== "string") packs.push(pack);
    else lost.push({ file: `${directory}/${name}`, offset: 0, bytes: 0, why: `a pack: ${pack}` });
  }
  return { packs, lost };
}

/** Puts what is whole into `to`, under the id of the new store where it is made anew. */
export async function salvagePacks(
  { disk, directory, names, manifest }: StoreView,
  to: string,
  storeId: string,
  onProgress: (index: number, count: number) => void,
): Promise<SalvagedPacks> {
  const known =
    manifest === undefined
      ? await describePacks(disk, directory, names)
      : { packs: manifest.packs ?? [], lost: [] };
  const lost: LostChunk[] = [...known.lost];
  if (known.packs.length === 0) return { list: [], lost };
  const set = new PackSet(disk, directory, true);
  const list: ManifestPack[] = [];
  let nextId = Math.max(0, ...known.packs.map(({ id }) => id)) + 1;
  try {
    const own = manifest?.storeId ?? storeId;
    const failures: unknown[] = [];
    await set.use(packsFor(known.packs, own), (error) => failures.push(error));
    lost.push(...failures.map((error) => lostPack(error, directory)));
    for (const [i, pack] of known.packs.entries()) {
      onProgress(i + 1, known.packs.length);
      const name = packFileName(pack.id);
      const file = set.files.find(({ path }) => path === `${directory}/${name}`);
      if (file === undefined) continue;
      const bad = await badChunks(set, file);
      lost.push(...bad.lost);
      if (bad.places.size === 0 && file.problems.length === 0 && file.chunks === pack.chunks) {
        await linkOrCopy(disk, directory, to, name);
        const { dead: _, ...entry } = pack;
        list.push({ ...entry, storeId: pack.storeId ?? own });
        continue;
      }
      const place = { disk, directory: to, storeId: fromHex(storeId) as Uint8Array };
      const made = await copyGood(file, bad.places, { ...place, packId: nextId++ });
      if (made !== undefined) list.push(made);
    }
    await disk.syncDirectory(to);
  } finally {
    await set.close();
  }
  return { list, lost };
}

async function badChunks(set: PackSet, file: PackFile) {
  const places = new Set<number>();
  const lost: LostChunk[] = [];
  for (let i = 0; i < file.chunks; i++) {
    try {
      await set.check({ file, index: i });
    } catch (error) {
      if (!isHoldfastError(error) && errnoCode(error) === undefined) throw error;
      places.add(i);
      const { offset, storedBytes: bytes } = file.chunk(i);
      lost.push({ file: file.path, offset, bytes, why: (error as Error).message });
    }
  }
  return { places, lost };
}

async function copyGood(
  file: PackFile,
  bad: ReadonlySet<number>,
  place: Parameters<typeof PackWriter.create>[0],
): Promise<ManifestPack | undefined> {
  let writer: PackWriter | undefined;
  try {
    for (let i = 0; i < file.chunks; i++) {
      if (bad.has(i)) continue;
      const chunk = file.chunk(i);
      writer ??= await PackWriter.create(place);
      await writer.add(chunk, await file.read(chunk));
    }
    return await writer?.finish();
  } catch (error) {
    await writer?.abandon();
    throw error;
  }
}

function lostPack(error: unknown, directory: string): LostChunk {
  if (!isHoldfastError(error)) throw error;
  const { file = directory, offset = 0 } = error.data;
  return { file, offset, bytes: 0, why: error.message };
}
