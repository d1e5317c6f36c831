/** Whether a file that was just written is on the disk as it was meant. */
import { bytesEqual } from "../base/bytes.js";
import type { Disk, DiskFile } from "../disk/disk.js";
import { decodeBlock } from "./block.js";
import { close, corruptRun, systemRefused } from "./errors.js";
import { decodeRunHeader, type RunFilePlace } from "./file-header.js";
import { type BlockKind, RUN_FOOTER_BYTES, RUN_HEADER_BYTES } from "./format.js";
import { SequentialReader } from "./sequential-reader.js";

/** A block as it was written. */
export interface WrittenBlock {
  readonly kind: BlockKind;
  readonly offset: number;
  readonly length: number;
  /** Of its content before it was compressed. */
  readonly rawChecksum: number;
}

/**
 * Reads the whole file past the page cache and checks every byte of it: that each block is the one
 * that was written, and decompresses to the content it was made of. Throws CORRUPT_RUN or IO.
 */
export async function readBack(
  disk: Disk,
  path: string,
  place: RunFilePlace,
  seed: number,
  blocks: readonly WrittenBlock[],
  footer: { readonly bytes: Uint8Array },
): Promise<void> {
  const file = await openDirect(disk, path);
  try {
    const reader = new SequentialReader(file);
    const header = await reader.read(0, RUN_HEADER_BYTES);
    const checked = decodeRunHeader(header, place, disk.checksum);
    if (!checked.ok || checked.seed !== seed) {
      throw corruptRun(path, 0, "the header does not read back as it was written");
    }
    let end = RUN_HEADER_BYTES;
    for (const block of blocks) {
      const stored = await reader.read(block.offset, block.length);
      const expected = { ...block, fileId: place.fileId, seed, file: path };
      const raw = decodeBlock(stored, expected, disk);
      if (disk.checksum.crc32c(raw, 0, raw.length) !== block.rawChecksum) {
        throw corruptRun(path, block.offset, "the block does not read back as it was written");
      }
      end = block.offset + block.length;
    }
    const bytes = await reader.read(end, RUN_FOOTER_BYTES + 1);
    if (
      bytes.length !== RUN_FOOTER_BYTES ||
      !bytesEqual(bytes, 0, footer.bytes, 0, RUN_FOOTER_BYTES)
    ) {
      throw corruptRun(path, end, "the footer does not read back as it was written");
    }
  } finally {
    await close(file);
  }
}

/** Opens a file for reading past the page cache. */
export async function openDirect(disk: Disk, path: string): Promise<DiskFile> {
  try {
    return await disk.open(path, { direct: true });
  } catch (error) {
    throw systemRefused(path, "opening", error);
  }
}
