/** Blocks: a content with a header that says what it is, where it belongs, and its checksum. */
import { compressSync, uncompressSync } from "lz4-napi";
import { assert } from "../base/assert.js";
import { viewOf } from "../base/bytes.js";
import type { Checksum } from "../disk/disk.js";
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

/** The block as it is stored, in memory of its own. */
export function encodeBlock(block: BlockContent, checksum: Checksum): Uint8Array {
  const { raw, kind } = block;
  assert(raw.length <= rawBytesMax(kind), "a content is within its bound");
  const packed = block.compress && raw.length > 0 ? compressSync(asBuffer(raw)) : undefined;
  const smaller = packed !== undefined && packed.length < raw.length;
  const content = smaller ? packed : raw;
  const stored = Buffer.allocUnsafeSlow(BLOCK_HEADER_BYTES + content.length);
  stored.writeUInt32LE(stored.length, BLOCK_AT.blockBytes);
  stored.writeUInt32LE(raw.length, BLOCK_AT.rawBytes);
  stored[BLOCK_AT.kind] = kind;
  stored[BLOCK_AT.compression] = smaller ? COMPRESSION.lz4 : COMPRESSION.none;
  stored.writeUInt16LE(0, BLOCK_AT.reserved);
  stored.writeUInt32LE(block.fileId % 0x1_0000_0000, BLOCK_AT.fileId);
  stored.writeUInt32LE(block.offset, BLOCK_AT.offset);
  stored.set(content, BLOCK_HEADER_BYTES);
  const sum = checksum.crc32c(stored, BLOCK_AT.blockBytes, stored.length, block.seed ?? 0);
  stored.writeUInt32LE(sum, BLOCK_AT.checksum);
  return stored;
}

/** Where a block is expected, and in which file, for errors. */
export interface ExpectedBlock extends BlockPlace {
  readonly file: string;
}

/**
 * The content of a stored block, in memory that is not that of `stored`. Throws CORRUPT_RUN for a
 * block that is damaged or belongs elsewhere; nothing in it is believed before its checksum.
 */
export function decodeBlock(
  stored: Uint8Array,
  expected: ExpectedBlock,
  checksum: Checksum,
): Buffer {
  const why = whyNotBlock(stored, expected, checksum);
  if (why !== undefined) throw corruptRun(expected.file, expected.offset, `the block ${why}`);
  const rawBytes = readUint32(stored, BLOCK_AT.rawBytes);
  const content = stored.subarray(BLOCK_HEADER_BYTES);
  if (stored[BLOCK_AT.compression] === COMPRESSION.none) return Buffer.from(content);
  let raw: Buffer | undefined;
  try {
    raw = uncompressSync(content);
  } catch (cause) {
    throw corruptRun(expected.file, expected.offset, "the block does not decompress", cause);
  }
  if (raw.length !== rawBytes) {
    throw corruptRun(expected.file, expected.offset, "the block decompresses to another length");
  }
  return raw;
}

/** What is wrong with a stored block, content apart; undefined for nothing. */
function whyNotBlock(
  stored: Uint8Array,
  expected: BlockPlace,
  checksum: Checksum,
): string | undefined {
  if (stored.length < BLOCK_HEADER_BYTES) return "is cut off";
  const sum = checksum.crc32c(stored, BLOCK_AT.blockBytes, stored.length, expected.seed ?? 0);
  if (readUint32(stored, BLOCK_AT.checksum) !== sum) return "fails its checksum";
  if (readUint32(stored, BLOCK_AT.blockBytes) !== stored.length) return "is of another length";
  if (
    stored[BLOCK_AT.kind] !== expected.kind ||
    readUint32(stored, BLOCK_AT.fileId) !== expected.fileId % 0x1_0000_0000 ||
    readUint32(stored, BLOCK_AT.offset) !== expected.offset
  ) {
    return "belongs to another place";
  }
  const rawBytes = readUint32(stored, BLOCK_AT.rawBytes);
  if (rawBytes > rawBytesMax(expected.kind)) return "is too large";
  const contentBytes = stored.length - BLOCK_HEADER_BYTES;
  switch (stored[BLOCK_AT.compression]) {
    case COMPRESSION.none:
      return contentBytes === rawBytes ? undefined : "is of another length than its content";
    case COMPRESSION.lz4:
      // The decompressor allocates what this length says.
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

function asBuffer(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
