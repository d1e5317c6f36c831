/**
 * One stream of bytes as few bytes: what a chunk's coding is made of. A stream of a length that the
 * reader knows is a byte that says how it is coded, its stored length (uint32), and that much.
 */
import { viewOf } from "../base/bytes.js";
import type { Compressor } from "../disk/disk.js";
import { decodeBytes, encodeBytes } from "./entropy.js";
import { PACK_STREAM } from "./format.js";

export const STREAM_HEADER_BYTES = 5;

function isAllZero(bytes: Uint8Array): boolean {
  return bytes.every((byte) => byte === 0);
}

/** Writes a stream behind `at`; where it ends, or -1 if it does not fit. */
export function writeStream(
  source: Uint8Array,
  target: Uint8Array,
  at: number,
  compressor: Compressor,
): number {
  const start = at + STREAM_HEADER_BYTES;
  const room = Math.min(target.length - start, source.length - 1);
  if (start > target.length) return -1;
  let kind: number = PACK_STREAM.zeros;
  let bytes = 0;
  if (source[0] !== 0 || !isAllZero(source)) {
    kind = PACK_STREAM.entropy;
    bytes = encodeBytes(source, target, start, room);
    const most = bytes === 0 ? room : bytes - 1;
    const packed = worthLz4(source, bytes) ? lz4(source, compressor, most) : undefined;
    if (packed !== undefined) {
      kind = PACK_STREAM.lz4;
      bytes = packed.length;
      target.set(packed, start);
    }
    if (bytes === 0) {
      if (start + source.length > target.length) return -1;
      kind = PACK_STREAM.raw;
      bytes = source.length;
      target.set(source, start);
    }
  }
  target[at] = kind;
  viewOf(target).setUint32(at + 1, bytes, true);
  return start + bytes;
}

/** Where symbols are as good as random, LZ4 finds nothing that is worth looking for. */
function worthLz4(source: Uint8Array, entropyBytes: number): boolean {
  return entropyBytes > 0 && entropyBytes < 0.9 * source.length;
}

let scratch = new Uint8Array(0);

function lz4(source: Uint8Array, compressor: Compressor, room: number): Uint8Array | undefined {
  if (room <= 0) return undefined;
  if (scratch.length < source.length) scratch = new Uint8Array(source.length);
  const bytes = compressor.compress(source, 0, source.length, scratch, 0, room);
  return bytes === 0 ? undefined : scratch.subarray(0, bytes);
}

/** Fills `target` from the stream at `at`, which may be anything; where it ends, or -1. */
export function readStream(
  source: Uint8Array,
  at: number,
  target: Uint8Array,
  compressor: Compressor,
): number {
  const start = at + STREAM_HEADER_BYTES;
  if (start > source.length) return -1;
  const end = start + viewOf(source).getUint32(at + 1, true);
  if (end > source.length) return -1;
  switch (source[at]) {
    case PACK_STREAM.raw:
      if (end - start !== target.length) return -1;
      target.set(source.subarray(start, end));
      return end;
    case PACK_STREAM.lz4:
      return compressor.decompress(source, start, end, target) === target.length ? end : -1;
    case PACK_STREAM.entropy:
      return decodeBytes(source, start, end, target) ? end : -1;
    case PACK_STREAM.zeros:
      target.fill(0);
      return end === start ? end : -1;
    default:
      return -1;
  }
}
