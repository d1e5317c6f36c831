/** LZ4 by a package, for disks without the addon: loaded when it is first needed. */
import { createRequire } from "node:module";
import { viewOf } from "../base/bytes.js";
import type { Compressor } from "./disk.js";

const LENGTH_BYTES = 4;

let loaded: typeof import("lz4-napi") | undefined;

/** With the addon it never is, and takes longer to load than half of the rest. */
function lz4(): typeof import("lz4-napi") {
  loaded ??= createRequire(import.meta.url)("lz4-napi") as typeof import("lz4-napi");
  return loaded;
}

function compress(
  source: Uint8Array,
  from: number,
  to: number,
  target: Uint8Array,
  targetStart: number,
  room: number,
): number {
  const { buffer, byteOffset } = source;
  const packed = lz4().compressSync(Buffer.from(buffer, byteOffset + from, to - from));
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
    content = lz4().uncompressSync(source.subarray(from, to));
  } catch {
    return -1;
  }
  if (content.length !== length) return -1;
  target.set(content);
  return length;
}

/** LZ4 by the `lz4-napi` package alone. */
export const portableCompressor: Compressor = { compress, decompress };
