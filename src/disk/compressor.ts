/** LZ4 by a package, for disks without the addon. */
import { compressSync, uncompressSync } from "lz4-napi";
import { viewOf } from "../base/bytes.js";
import type { Compressor } from "./disk.js";

const LENGTH_BYTES = 4;

function compress(
  source: Uint8Array,
  from: number,
  to: number,
  target: Uint8Array,
  targetStart: number,
  room: number,
): number {
  const { buffer, byteOffset } = source;
  const packed = compressSync(Buffer.from(buffer, byteOffset + from, to - from));
  if (packed.length > room) return 0;
  target.set(packed, targetStart);
  return packed.length;
}

function decompress(source: Uint8Array, from: number, to: number, target: Uint8Array): number {
  if (to - from <= LENGTH_BYTES) return -1;
  // The package allocates what this length says.
  const length = viewOf(source).getUint32(from, true);
  if (length > target.length) return -1;
  let content: Uint8Array;
  try {
    content = uncompressSync(source.subarray(from, to));
  } catch {
    return -1;
  }
  if (content.length !== length) return -1;
  target.set(content);
  return length;
}

/** LZ4 by the `lz4-napi` package alone. */
export const portableCompressor: Compressor = { compress, decompress };
