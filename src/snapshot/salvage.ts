/**
 * The rows of a damaged file, read from itself: only where all of them are there. Each block that
 * is found is proven by a checksum that continues from the header's, with the salt of this one
 * file, and by its place. The manifest knows how many rows the file had: with so many in whole
 * blocks, none is missing, whatever else of the file is damaged. Some of the rows are never used
 * alone: the others would have to come from sources that have all of them anyway.
 */
import { fromHex } from "../base/bytes.js";
import type { Disk, DiskFile } from "../disk/disk.js";
import type { ManifestFile } from "../manifest/format.js";
import { makerOf } from "../manifest/named-files.js";
import { Entries, readUint32 } from "../run/entries.js";
import { corruptRun } from "../run/errors.js";
import { decodeRunHeader } from "../run/file-header.js";
import {
  BLOCK_KIND,
  RUN_AT,
  RUN_FOOTER_BYTES,
  RUN_HEADER_BYTES,
  runFileName,
} from "../run/format.js";
import { openDirect } from "../run/read-back.js";
import { SalvageReader } from "../run/salvage-reader.js";
import { type WalkOptions, walkBlocks } from "../run/walk.js";

export interface SalvageOptions {
  readonly disk: Disk;
  readonly directory: string;
  /** 32 hex digits. */
  readonly storeId: string;
  readonly file: ManifestFile;
}

/** Blocks of rows in the order of their keys. Throws CORRUPT_RUN once a row is known to be lost. */
export async function* salvageRows(options: SalvageOptions): AsyncGenerator<Entries> {
  const { disk, directory, file } = options;
  const path = `${directory}/${runFileName(file.id)}`;
  const handle = await openDirect(disk, path);
  try {
    const wanted = file.rows + file.tombstones;
    let found = 0;
    const walking = await beginWalk(options, path, handle);
    for await (const block of walkBlocks(walking)) {
      if (found === wanted) return;
      const entries =
        block.ok && block.kind === BLOCK_KIND.data
          ? Entries.of(block.raw, block.offset)
          : undefined;
      if (entries === undefined) throw corruptRun(path, block.offset, "rows are lost");
      found += entries.count;
      yield entries;
    }
    if (found !== wanted) throw corruptRun(path, walking.end, "rows are lost");
  } finally {
    await handle.close();
  }
}

/**
 * Where whole blocks begin, also of a file whose header has one damaged place. Throws CORRUPT_RUN
 * where nothing can tell a whole block.
 */
export async function beginWalk(
  { disk, storeId, file }: SalvageOptions,
  path: string,
  handle: DiskFile,
): Promise<WalkOptions> {
  const { checksum } = disk;
  // What the device refuses is zeros, which are no block.
  const reader = new SalvageReader(handle, () => {});
  const read = (offset: number, length: number) => reader.read(offset, length);
  const end = Math.min(file.bytes - RUN_FOOTER_BYTES, await handle.size());
  const header = await read(0, RUN_HEADER_BYTES);
  const place = { storeId: makerOf(file, fromHex(storeId) as Uint8Array), fileId: file.id };
  const decoded = decodeRunHeader(header, place, checksum);
  const walk = (seed: number): WalkOptions => ({
    file: path,
    fileId: file.id,
    seed,
    end,
    tools: disk,
    read,
  });
  if (decoded.ok) return walk(decoded.seed);
  if (decoded.why === "damaged" && header.length === RUN_HEADER_BYTES) {
    // Damage in one place has left its checksum in one of these.
    const stored = readUint32(header, RUN_AT.checksum);
    const actual = checksum.crc32c(header, RUN_AT.formatVersion, RUN_HEADER_BYTES);
    for (const seed of [stored, actual]) {
      const first = await walkBlocks(walk(seed)).next();
      if (first.value?.ok) return walk(seed);
    }
  }
  throw corruptRun(path, 0, "without its header no block can be told to be whole");
}
