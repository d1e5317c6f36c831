/** The loops over lanes in JavaScript, on their halves: bigints would cost far more. */
import { portableChecksum } from "../disk/checksum.js";
import type { ColumnKernels } from "./kernels.js";
import { countSymbols, decode, encode, wordsOf } from "./portable-entropy.js";
import { pack, unpack } from "./portable-packed.js";

const WORD = 0x1_0000_0000;

/** Adding and taking it away again rounds to the nearest integer, the even one of two. */
const ROUNDER = 2 ** 52 + 2 ** 51;
/** Integers of that magnitude are rounded right so. */
const ROUNDED_MAX = 2 ** 51;

function numberAt(words: Int32Array, i: number): number {
  return words[2 * i + 1]! * WORD + (words[2 * i]! >>> 0);
}

/** A safe integer. */
function put(words: Int32Array, i: number, value: number): void {
  words[2 * i] = value | 0;
  words[2 * i + 1] = Math.floor(value / WORD);
}

function range(lanes: BigInt64Array, out: BigInt64Array): void {
  const words = wordsOf(lanes);
  let [least, most] = [0, 0];
  for (let i = 1; i < lanes.length; i++) {
    const high = words[2 * i + 1]!;
    const low = words[2 * i]! >>> 0;
    const [leastHigh, mostHigh] = [words[2 * least + 1]!, words[2 * most + 1]!];
    if (high < leastHigh || (high === leastHigh && low < words[2 * least]! >>> 0)) least = i;
    if (high > mostHigh || (high === mostHigh && low > words[2 * most]! >>> 0)) most = i;
  }
  out[0] = lanes[least]!;
  out[1] = lanes[most]!;
}

function floatRange(values: Float64Array, out: Float64Array): boolean {
  let least = Number.POSITIVE_INFINITY;
  let most = Number.NEGATIVE_INFINITY;
  let isThere = false;
  for (const value of values) {
    if (value <= least) least = value;
    if (value >= most) most = value;
    isThere ||= !Number.isNaN(value);
  }
  out[0] = least;
  out[1] = most;
  return isThere;
}

function commonDivisor(lanes: BigInt64Array): number {
  const words = wordsOf(lanes);
  const first = numberAt(words, 0);
  let divisor = 0;
  for (let i = 1; i < lanes.length && divisor !== 1; i++) {
    let rest = Math.abs(numberAt(words, i) - first);
    while (rest !== 0) [divisor, rest] = [rest, divisor % rest];
  }
  return divisor;
}

function commonBits(lanes: BigInt64Array): number {
  const words = wordsOf(lanes);
  let [low, high] = [0, 0];
  for (let i = 1; i < lanes.length; i++) {
    low |= words[2 * i]! ^ words[0]!;
    high |= words[2 * i + 1]! ^ words[1]!;
  }
  const trailing = (word: number): number => 31 - Math.clz32(word & -word);
  if (low !== 0) return trailing(low);
  return high !== 0 ? 32 + trailing(high) : 64;
}

/** Its own opposite. */
function orderBits(lanes: BigInt64Array): void {
  const words = wordsOf(lanes);
  for (let i = 0; i < words.length; i += 2) {
    const sign = words[i + 1]! >> 31;
    words[i] = words[i]! ^ sign;
    words[i + 1] = words[i + 1]! ^ (sign >>> 1);
  }
}

function toDecimals(
  values: Float64Array,
  power: number,
  lanes: BigInt64Array,
  exceptions: Uint32Array,
): number {
  const words = wordsOf(lanes);
  let [count, before] = [0, 0];
  for (let i = 0; i < values.length; i++) {
    const value = values[i]!;
    const rounded = value * power + ROUNDER - ROUNDER;
    const isNear = Math.abs(rounded) <= ROUNDED_MAX;
    if (isNear) before = rounded;
    if (!isNear || !Object.is(rounded / power, value)) {
      if (count === exceptions.length) return -1;
      exceptions[count++] = i;
    }
    put(words, i, before);
  }
  return count;
}

function fromDecimals(lanes: BigInt64Array, power: number, values: Float64Array): void {
  const words = wordsOf(lanes);
  for (let i = 0; i < lanes.length; i++) values[i] = numberAt(words, i) / power;
}

function divide(lanes: BigInt64Array, divisor: number, offset: number): void {
  const words = wordsOf(lanes);
  for (let i = 0; i < lanes.length; i++) put(words, i, (numberAt(words, i) - offset) / divisor);
}

function multiply(lanes: BigInt64Array, divisor: number, offset: number): boolean {
  const words = wordsOf(lanes);
  for (let i = 0; i < lanes.length; i++) {
    const value = numberAt(words, i) * divisor + offset;
    if (!(Math.abs(value) < 2 ** 53)) return false;
    put(words, i, value);
  }
  return true;
}

function shiftRight(lanes: BigInt64Array, shift: number): void {
  const words = wordsOf(lanes);
  for (let i = 0; i < words.length; i += 2) {
    const [low, high] = [words[i]!, words[i + 1]!];
    words[i] = shift < 32 ? (low >>> shift) | ((high << (31 - shift)) << 1) : high >> (shift - 32);
    words[i + 1] = shift < 32 ? high >> shift : high >> 31;
  }
}

function shiftLeft(lanes: BigInt64Array, shift: number, low: bigint): void {
  const words = wordsOf(lanes);
  const [lowWord, highWord] = [Number(low & 0xffff_ffffn) | 0, Number(low >> 32n) | 0];
  for (let i = 0; i < words.length; i += 2) {
    const [lower, upper] = [words[i]!, words[i + 1]!];
    words[i] = lowWord | (shift < 32 ? lower << shift : 0);
    words[i + 1] =
      highWord |
      (shift < 32 ? (upper << shift) | ((lower >>> 1) >>> (31 - shift)) : lower << (shift - 32));
  }
}

function addOrSubtract(
  lanes: BigInt64Array,
  reference: BigInt64Array,
  divisor: number,
  sign: 1 | -1,
): void {
  const words = wordsOf(lanes);
  const others = wordsOf(reference);
  const other = new Int32Array(2);
  for (let i = 0; i < lanes.length; i++) {
    if (divisor === 1) {
      other[0] = others[2 * i]!;
      other[1] = others[2 * i + 1]!;
    } else {
      put(other, 0, Math.floor(numberAt(others, i) / divisor));
    }
    const low = (words[2 * i]! >>> 0) + sign * (other[0]! >>> 0);
    words[2 * i] = low | 0;
    words[2 * i + 1] = words[2 * i + 1]! + sign * other[1]! + Math.floor(low / WORD);
  }
}

function difference(lanes: BigInt64Array): void {
  const words = wordsOf(lanes);
  for (let i = words.length - 2; i > 0; i -= 2) {
    const low = (words[i]! >>> 0) - (words[i - 2]! >>> 0);
    words[i] = low | 0;
    words[i + 1] = words[i + 1]! - words[i - 1]! - (low < 0 ? 1 : 0);
  }
  if (lanes.length > 0) words[0] = words[1] = 0;
}

function accumulate(lanes: BigInt64Array, first: bigint): void {
  const words = wordsOf(lanes);
  let [low, high] = [Number(first & 0xffff_ffffn), Number(first >> 32n) | 0];
  for (let i = 0; i < words.length; i += 2) {
    low += words[i]! >>> 0;
    high = (high + words[i + 1]! + (low >= WORD ? 1 : 0)) | 0;
    low = low >>> 0;
    words[i] = low | 0;
    words[i + 1] = high;
  }
}

function classify(lanes: BigInt64Array, classes: Uint8Array): void {
  const words = wordsOf(lanes);
  if (lanes.length > 0) classes[0] = 1;
  for (let i = 1; i < lanes.length; i++) {
    const low = (words[2 * i]! >>> 0) - (words[2 * i - 2]! >>> 0);
    const high = (words[2 * i + 1]! - words[2 * i - 1]! - (low < 0 ? 1 : 0)) | 0;
    const isSmall = high === 0 && low >>> 0 < 64;
    classes[i] = high < 0 ? 0 : !isSmall ? 3 : low === 0 ? 1 : 2;
  }
}

/** Runs anywhere. */
export const portableKernels: ColumnKernels = {
  name: "portable",
  crc32c: portableChecksum.crc32c,
  range,
  floatRange,
  commonDivisor,
  commonBits,
  orderBits,
  toDecimals,
  fromDecimals,
  divide,
  multiply,
  shiftRight,
  shiftLeft,
  subtractReference: (lanes, reference, divisor) => addOrSubtract(lanes, reference, divisor, -1),
  addReference: (lanes, reference, divisor) => addOrSubtract(lanes, reference, divisor, 1),
  difference,
  accumulate,
  classify,
  pack,
  unpack,
  countSymbols,
  encode,
  decode,
};
