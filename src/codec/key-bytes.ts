/**
 * Key parts as bytes whose unsigned order is the order of the values.
 *
 * Integers take 8 bytes, big-endian, with the sign bit turned over. A string that is the whole key
 * is its UTF-8; inside a tuple 0x00 becomes 0x00 0xff and 0x00 0x00 ends it, so that a prefix sorts
 * before what it begins.
 */
import { latin1Of } from "../base/latin1.js";
import { ValueProblem } from "./value-problem.js";

const TWO_32 = 2 ** 32;
const encoder = new TextEncoder();
const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/** Characters up to which a loop beats a call into the encoder of the platform. */
const LOOP_LENGTH_MAX = 64;

export function writeKeyInteger(target: Uint8Array, position: number, value: number): number {
  writeHalf(target, position, (Math.floor(value / TWO_32) ^ 0x8000_0000) >>> 0);
  writeHalf(target, position + 4, value >>> 0);
  return position + 8;
}

export function writeKeyBigint(target: Uint8Array, position: number, value: bigint): number {
  writeHalf(target, position, (Number(value >> 32n) ^ 0x8000_0000) >>> 0);
  writeHalf(target, position + 4, Number(BigInt.asUintN(32, value)));
  return position + 8;
}

function writeHalf(target: Uint8Array, position: number, value: number): void {
  target[position] = value >>> 24;
  target[position + 1] = (value >>> 16) & 0xff;
  target[position + 2] = (value >>> 8) & 0xff;
  target[position + 3] = value & 0xff;
}

function readHalf(source: Uint8Array, at: number): number {
  return (
    ((source[at]! << 24) | (source[at + 1]! << 16) | (source[at + 2]! << 8) | source[at + 3]!) >>> 0
  );
}

export function readKeyInteger(source: Uint8Array, position: number): number {
  const high = (readHalf(source, position) ^ 0x8000_0000) | 0;
  const value = high * TWO_32 + readHalf(source, position + 4);
  if (Number.isSafeInteger(value)) return value;
  throw new ValueProblem("expected a safe integer, found a larger one");
}

export function readKeyBigint(source: Uint8Array, position: number): bigint {
  const high = (readHalf(source, position) ^ 0x8000_0000) | 0;
  return (BigInt(high) << 32n) | BigInt(readHalf(source, position + 4));
}

/** UTF-8, as it stands. */
export function writeKeyString(target: Uint8Array, position: number, value: string): number {
  const { length } = value;
  if (length > LOOP_LENGTH_MAX) return writeUtf8(target, position, value);
  for (let index = 0; index < length; index++) {
    const unit = value.charCodeAt(index);
    if (unit >= 0x80) return writeUtf8(target, position, value);
    target[position + index] = unit;
  }
  return position + length;
}

function writeUtf8(target: Uint8Array, position: number, value: string): number {
  const length = Buffer.byteLength(value, "utf8");
  encoder.encodeInto(value, target.subarray(position, position + length));
  return position + length;
}

/** UTF-8 with zeros escaped, and terminated. */
export function writeKeyPart(target: Uint8Array, position: number, value: string): number {
  const { length } = value;
  if (length > LOOP_LENGTH_MAX) return writeEscaped(target, position, value);
  for (let index = 0; index < length; index++) {
    const unit = value.charCodeAt(index);
    if (unit === 0 || unit >= 0x80) return writeEscaped(target, position, value);
    target[position + index] = unit;
  }
  return terminate(target, position + length);
}

function writeEscaped(target: Uint8Array, position: number, value: string): number {
  let at = position;
  for (const [index, piece] of value.split("\0").entries()) {
    if (index > 0) {
      target[at++] = 0;
      target[at++] = 0xff;
    }
    at = writeKeyString(target, at, piece);
  }
  return terminate(target, at);
}

function terminate(target: Uint8Array, position: number): number {
  target[position] = 0;
  target[position + 1] = 0;
  return position + 2;
}

/** Bytes that `writeKeyPart` takes. */
export function keyPartSize(value: string): number {
  let size = Buffer.byteLength(value, "utf8") + 2;
  for (let at = value.indexOf("\0"); at !== -1; at = value.indexOf("\0", at + 1)) size++;
  return size;
}

/** The string in the bytes from `position` to `end`. */
export function readKeyString(source: Uint8Array, position: number, end: number): string {
  let at = position;
  while (at < end && source[at]! < 0x80) at++;
  // Much less work than the decoder, and an opening reads ten thousand keys, in code that is cold.
  if (at === end) return latin1Of(source, position, end);
  try {
    return decoder.decode(source.subarray(position, end));
  } catch {
    throw new ValueProblem("expected a string, found bytes that are not UTF-8");
  }
}

/** Where the terminator of the string that begins at `position` stands. */
export function findKeyPartEnd(source: Uint8Array, position: number, end: number): number {
  let at = position;
  while (at + 1 < end) {
    if (source[at] !== 0) at += 1;
    else if (source[at + 1] === 0xff) at += 2;
    else if (source[at + 1] === 0) return at;
    else throw new ValueProblem("found a zero byte that is neither escaped nor a terminator");
  }
  throw new ValueProblem("the bytes end within a string");
}

/** The string between `position` and its terminator, escapes undone. */
export function readKeyPart(source: Uint8Array, position: number, end: number): string {
  if (source.subarray(position, end).indexOf(0) === -1) return readKeyString(source, position, end);
  const bytes = new Uint8Array(end - position);
  let length = 0;
  for (let at = position; at < end; at++) {
    const byte = source[at]!;
    bytes[length++] = byte;
    if (byte === 0) at++;
  }
  return readKeyString(bytes, 0, length);
}

/**
 * The order of two strings by code points, which is the order of their UTF-8. JavaScript's own `<`
 * goes by UTF-16 units, where surrogates stand below U+E000 to U+FFFF.
 */
export function compareStrings(a: string, b: string): number {
  const length = Math.min(a.length, b.length);
  for (let index = 0; index < length; index++) {
    const x = a.charCodeAt(index);
    const y = b.charCodeAt(index);
    if (x === y) continue;
    if (x >= 0xd800 && y >= 0xd800) {
      const xSurrogate = x < 0xe000;
      if (xSurrogate !== y < 0xe000) return xSurrogate ? 1 : -1;
    }
    return x < y ? -1 : 1;
  }
  return a.length - b.length;
}
