/** Packed bits in JavaScript: of each block of 128 lanes the smallest, the rest in one width. */
import { PACKED_BLOCK } from "./format.js";
import { bitsAt, SLACK, wordsOf } from "./portable-entropy.js";

/** The zigzag of a 64-bit integer as LEB128. Gives where it ends. */
function writeSigned(target: Uint8Array, start: number, value: bigint): number {
  let at = start;
  let rest = BigInt.asUintN(64, (value << 1n) ^ (value >> 63n));
  while (rest >= 0x80n) {
    target[at++] = Number(rest & 0x7fn) + 0x80;
    rest >>= 7n;
  }
  target[at++] = Number(rest);
  return at;
}

export function pack(lanes: BigInt64Array, target: Uint8Array): number {
  let at = 0;
  for (let from = 0; from < lanes.length; from += PACKED_BLOCK) {
    at = packBlock(lanes.subarray(from, from + PACKED_BLOCK), target, at);
  }
  return at;
}

function packBlock(lanes: BigInt64Array, target: Uint8Array, start: number): number {
  let [least, most] = [lanes[0]!, lanes[0]!];
  for (const lane of lanes) {
    if (lane < least) least = lane;
    if (lane > most) most = lane;
  }
  const width = most === least ? 0 : (most - least).toString(2).length;
  target[start] = width;
  let at = writeSigned(target, start + 1, least);
  let [pending, count] = [0n, 0];
  for (const lane of lanes) {
    pending |= (lane - least) << BigInt(count);
    count += width;
    while (count >= 8) {
      target[at++] = Number(pending & 0xffn);
      pending >>= 8n;
      count -= 8;
    }
  }
  if (count > 0) target[at++] = Number(pending);
  return at;
}

export function unpack(bytes: Uint8Array, from: number, to: number, lanes: BigInt64Array): number {
  const words = wordsOf(lanes);
  const padded = new Uint8Array(to - from + SLACK);
  padded.set(bytes.subarray(from, to));
  const end = to - from;
  let at = 0;
  for (let first = 0; first < lanes.length; first += PACKED_BLOCK) {
    const count = Math.min(PACKED_BLOCK, lanes.length - first);
    const width = padded[at++]!;
    const base = readSigned(padded, at);
    if (base === undefined || width > 64) return -1;
    at = base.end;
    const blockBytes = (count * width + 7) >> 3;
    if (at + blockBytes > end) return -1;
    unpackBlock(padded, at, width, base.value, words.subarray(2 * first, 2 * (first + count)));
    at += blockBytes;
  }
  return from + at;
}

function unpackBlock(
  bytes: Uint8Array,
  from: number,
  width: number,
  base: bigint,
  words: Int32Array,
): void {
  const baseLow = Number(base & 0xffff_ffffn);
  const baseHigh = Number(base >> 32n);
  const [lower, upper] = [Math.min(width, 32), Math.max(width - 32, 0)];
  let at = 8 * from;
  for (let i = 0; i < words.length; i += 2) {
    const sum = baseLow + (lower === 0 ? 0 : bitsAt(bytes, at, lower) >>> 0);
    const carry = sum >= 0x1_0000_0000 ? 1 : 0;
    words[i] = sum | 0;
    words[i + 1] = baseHigh + carry + (upper === 0 ? 0 : bitsAt(bytes, at + 32, upper));
    at += width;
  }
}

/** At most ten bytes, which are there. */
function readSigned(
  bytes: Uint8Array,
  from: number,
): { readonly value: bigint; readonly end: number } | undefined {
  let value = 0n;
  for (let i = 0; i < 10; i++) {
    const byte = bytes[from + i]!;
    value |= BigInt(byte & 0x7f) << BigInt(7 * i);
    if (byte < 0x80) {
      if (value > 0xffff_ffff_ffff_ffffn) return undefined;
      return { value: BigInt.asIntN(64, (value >> 1n) ^ -(value & 1n)), end: from + i + 1 };
    }
  }
  return undefined;
}
