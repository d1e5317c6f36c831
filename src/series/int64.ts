/** Safe integers to and from int64, as two halves: without a bigint for each. */
import { endianness } from "node:os";

const TWO_32 = 0x1_0000_0000;

/** Of the two halves in memory: which one has the low bits. */
const LOW = endianness() === "LE" ? 0 : 1;
const HIGH = 1 - LOW;

/** Values that are safe integers, as int64. */
export function toInt64(values: Float64Array, from: number, to: number): BigInt64Array {
  const result = new BigInt64Array(to - from);
  const halves = new Int32Array(result.buffer);
  for (let i = from, at = 0; i < to; i++, at += 2) {
    const value = values[i] as number;
    halves[at + LOW] = value;
    halves[at + HIGH] = Math.floor(value / TWO_32);
  }
  return result;
}

/** int64 values as numbers; exact for safe integers, the nearest for others. */
export function toFloat64(values: BigInt64Array, from = 0, to = values.length): Float64Array {
  const result = new Float64Array(to - from);
  const offset = values.byteOffset + 8 * from;
  const low = new Uint32Array(values.buffer, offset, 2 * (to - from));
  const high = new Int32Array(values.buffer, offset, 2 * (to - from));
  for (let i = 0, at = 0; at < result.length; i += 2, at++) {
    result[at] = (high[i + HIGH] as number) * TWO_32 + (low[i + LOW] as number);
  }
  return result;
}

/** Writes a safe integer as int64, little-endian. */
export function setSafeInteger(view: DataView, offset: number, value: number): void {
  view.setUint32(offset, value >>> 0, true);
  view.setInt32(offset + 4, Math.floor(value / TWO_32), true);
}

/** Reads an int64, little-endian, that is a safe integer. */
export function getSafeInteger(view: DataView, offset: number): number {
  return view.getInt32(offset + 4, true) * TWO_32 + view.getUint32(offset, true);
}

/** The exact sum of values [from, to), of which there are at most 2^20. */
export function sumOf(values: BigInt64Array, from: number, to: number): bigint {
  const offset = values.byteOffset + 8 * from;
  const low = new Uint32Array(values.buffer, offset, 2 * (to - from));
  const high = new Int32Array(values.buffer, offset, 2 * (to - from));
  let lows = 0;
  let highs = 0;
  for (let at = 0; at < low.length; at += 2) {
    lows += low[at + LOW] as number;
    highs += high[at + HIGH] as number;
  }
  return BigInt(highs) * BigInt(TWO_32) + BigInt(lows);
}
