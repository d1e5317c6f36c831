/** Blocks: a content with a header that says what it is, where it belongs, and its checksum. */
import { assert } from "../base/assert.js";
import { viewOf } from "../base/bytes.js";
import type { Checksum, Compressor, Disk } from "../disk/disk.js";
import { readUint32 } from "./entries.js";
import { corruptRun } from "./errors.js";
import {
  BLOCK_AT,
  BLOCK_HEADER_BYTES,
  type BlockKind,
  COMPRESSION,
  rawBytesMax,
} from "./format.js";

/** The length that stands before an LZ4 block. */
const LZ4_LENGTH_BYTES = 4;

/** Where a block belongs. */
export interface BlockPlace {
  readonly kind: BlockKind;
  /** Of the run file; in an archive, of the segment. */
  readonly fileId: number;
  readonly offset: number;
  /** Checksum that the block's continues from: that of the file's header. Default: 0. */
  readonly seed?: number;
}

export interface BlockContent extends BlockPlace {
  readonly raw: Uint8Array;
  /** Try LZ4, and keep what it gives if that is smaller. */
  readonly compress: boolean;
}

/** What makes blocks, and checks them. */
export type BlockTools = Pick<Disk, "checksum" | "compressor">;

/** At most so long is a block of that content. */
export function blockBytesMax(rawBytes: number): number {
  return BLOCK_HEADER_BYTES + rawBytes;
}

/** The block as it is stored, in memory of its own. */
export function encodeBlock(block: BlockContent, tools: BlockTools): Uint8Array {
  const target = Buffer.allocUnsafeSlow(blockBytesMax(block.raw.length));
  return target.subarray(0, encodeBlockInto(block, tools, target, 0));
}

/** The same, at `at` in memory that has `blockBytesMax` bytes from there on. Gives its length. */
export function encodeBlockInto(
  block: BlockContent,
  { checksum, compressor }: BlockTools,
  target: Buffer,
  at: number,
): number {
  const { raw, kind } = block;
  assert(raw.length <= rawBytesMax(kind), "a content is within its bound");
  const content = at + BLOCK_HEADER_BYTES;
  const packed =
    block.compress && raw.length > 0
      ? compressor.compress(raw, 0, raw.length, target, content, raw.length - 1)
      : 0;
  if (packed === 0) target.set(raw, content);
  const end = content + (packed === 0 ? raw.length : packed);
  target.writeUInt32LE(end - at, at + BLOCK_AT.blockBytes);
  target.writeUInt32LE(raw.length, at + BLOCK_AT.rawBytes);
  target[at + BLOCK_AT.kind] = kind;
  target[at + BLOCK_AT.compression] = packed === 0 ? COMPRESSION.none : COMPRESSION.lz4;
  target.writeUInt16LE(0, at + BLOCK_AT.reserved);
  target.writeUInt32LE(block.fileId % 0x1_0000_0000, at + BLOCK_AT.fileId);
  target.writeUInt32LE(block.offset, at + BLOCK_AT.offset);
  const sum = checksum.crc32c(target, at + BLOCK_AT.blockBytes, end, block.seed ?? 0);
  target.writeUInt32LE(sum, at + BLOCK_AT.checksum);
  return end - at;
}

/** Where a block is expected, and in which file, for errors. */
export interface ExpectedBlock extends BlockPlace {
  readonly file: string;
}

/**
 * The content of a stored block, in memory of its own. Throws CORRUPT_RUN for a block that is
 * damaged or belongs elsewhere; nothing in it is believed before its checksum.
 */
export function decodeBlock(
  stored: Uint8Array,
  expected: ExpectedBlock,
  { checksum, compressor }: BlockTools,
): Buffer {
  const raw = Buffer.allocUnsafeSlow(checkBlock(stored, stored.length, expected, checksum));
  unpackBlock(stored, stored.length, expected, compressor, raw);
  return raw;
}

/** The first half: length of the content of the block that is stored[0, length), if it is whole. */
export function checkBlock(
  stored: Uint8Array,
  length: number,
  expected: ExpectedBlock,
  checksum: Checksum,
): number {
  const why = whyNotBlock(stored, length, expected, checksum);
  if (why !== undefined) throw corruptRun(expected.file, expected.offset, `the block ${why}`);
  return readUint32(stored, BLOCK_AT.rawBytes);
}

/** The second half: the content of a block that was checked, to the beginning of `target`. */
export function unpackBlock(
  stored: Uint8Array,
  length: number,
  expected: ExpectedBlock,
  compressor: Compressor,
  target: Buffer,
): void {
  if (stored[BLOCK_AT.compression] === COMPRESSION.none) {
    target.set(stored.subarray(BLOCK_HEADER_BYTES, length));
    return;
  }
  const rawBytes = readUint32(stored, BLOCK_AT.rawBytes);
  if (compressor.decompress(stored, BLOCK_HEADER_BYTES, length, target) === rawBytes) return;
  throw corruptRun(expected.file, expected.offset, "the block does not decompress");
}

/** What is wrong with a stored block, content apart; undefined for nothing. */
function whyNotBlock(
  stored: Uint8Array,
  length: number,
  expected: BlockPlace,
  checksum: Checksum,
): string | undefined {
  if (length < BLOCK_HEADER_BYTES) return "is cut off";
  const sum = checksum.crc32c(stored, BLOCK_AT.blockBytes, length, expected.seed ?? 0);
  if (readUint32(stored, BLOCK_AT.checksum) !== sum) return "fails its checksum";
  if (readUint32(stored, BLOCK_AT.blockBytes) !== length) return "is of another length";
  if (
    stored[BLOCK_AT.kind] !== expected.kind ||
    readUint32(stored, BLOCK_AT.fileId) !== expected.fileId % 0x1_0000_0000 ||
    readUint32(stored, BLOCK_AT.offset) !== expected.offset
  ) {
    return "belongs to another place";
  }
  const rawBytes = readUint32(stored, BLOCK_AT.rawBytes);
  if (rawBytes > rawBytesMax(expected.kind)) return "is too large";
  const contentBytes = length - BLOCK_HEADER_BYTES;
  switch (stored[BLOCK_AT.compression]) {
    case COMPRESSION.none:
      return contentBytes === rawBytes ? undefined : "is of another length than its content";
    case COMPRESSION.lz4:
      return contentBytes > LZ4_LENGTH_BYTES && readUint32(stored, BLOCK_HEADER_BYTES) === rawBytes
        ? undefined
        : "is of another length than its content";
    default:
      return "is compressed in an unknown way";
  }
}

/**
 * The length that the block at `at` claims to have, if its header is there and the length can be
 * that of such a block. It is not to be trusted before the block's checksum is good.
 */
export function claimedBlockBytes(
  bytes: Uint8Array,
  at: number,
  kind: BlockKind,
): number | undefined {
  if (at < 0 || at + BLOCK_HEADER_BYTES > bytes.length) return undefined;
  const claimed = viewOf(bytes).getUint32(at + BLOCK_AT.blockBytes, true);
  return claimed >= BLOCK_HEADER_BYTES && claimed <= BLOCK_HEADER_BYTES + rawBytesMax(kind)
    ? claimed
    : undefined;
}
