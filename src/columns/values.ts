/** What goes in and comes out, and how values that are no integers become lanes. */
import type { Compressor } from "../disk/disk.js";
import { ByteReader, ByteWriter } from "./bytes.js";
import { corruptChunk } from "./errors.js";
import { FLOAT_BITS, FLOAT_DECIMALS_MAX } from "./format.js";
import type { ColumnKernels } from "./kernels.js";

/** The values of one column. */
export type ColumnValues =
  /** Also timestamps in microseconds, and decimals scaled to an integer. */
  | { readonly type: "int64"; readonly values: BigInt64Array }
  | { readonly type: "float64"; readonly values: Float64Array }
  /** Each 0 or 1. */
  | { readonly type: "boolean"; readonly values: Uint8Array }
  | { readonly type: "string"; readonly values: readonly string[] };

export type ColumnType = ColumnValues["type"];

/** Values of a column that are looked at to find its number of decimals. */
const SAMPLE = 256;
/** What a value costs that is no such decimal, in digits. */
const EXCEPTION_DIGITS = 15;

/** Exact up to 10^22; `**` need not be. */
function powerOf(decimals: number): number {
  return Number(`1e${decimals}`);
}

export interface FloatLanes {
  readonly lanes: BigInt64Array;
  /** Undefined: the lanes are the bits of the values, in their order. */
  readonly decimals: number | undefined;
  /** Places of values that are not those decimals. */
  readonly exceptions: Uint32Array;
}

/** Floats as decimals, if most of them are decimals of the same scale. */
export function floatsToDecimals(
  values: Float64Array,
  kernels: ColumnKernels,
): FloatLanes | undefined {
  const decimals = findDecimals(values, kernels);
  if (decimals === undefined) return undefined;
  const lanes = new BigInt64Array(values.length);
  const room = new Uint32Array(values.length >> 1);
  const count = kernels.toDecimals(values, powerOf(decimals), lanes, room);
  return count < 0 ? undefined : { lanes, decimals, exceptions: room.subarray(0, count) };
}

/** The scale of a sample that takes the fewest digits, exceptions counted. */
function findDecimals(values: Float64Array, kernels: ColumnKernels): number | undefined {
  const step = Math.max(1, Math.floor(values.length / SAMPLE));
  const sample = Float64Array.from(
    { length: Math.floor(values.length / step) },
    (_, i) => values[i * step]!,
  );
  const lanes = new BigInt64Array(sample.length);
  const room = new Uint32Array(sample.length);
  let best: number | undefined;
  let fewest = EXCEPTION_DIGITS;
  for (let decimals = 0; decimals < fewest; decimals++) {
    const missed = kernels.toDecimals(sample, powerOf(decimals), lanes, room);
    const digits = decimals + (missed / sample.length) * EXCEPTION_DIGITS;
    if (digits >= fewest) continue;
    best = decimals;
    fewest = digits;
  }
  return best;
}

export function floatsToBits(values: Float64Array, kernels: ColumnKernels): FloatLanes {
  const { buffer, byteOffset, length } = values;
  const lanes = new BigInt64Array(buffer, byteOffset, length).slice();
  kernels.orderBits(lanes);
  return { lanes, decimals: undefined, exceptions: new Uint32Array(0) };
}

/** The bits of each, so that a NaN stays the one it is. */
function bitsOf(values: Float64Array): BigInt64Array {
  return new BigInt64Array(values.buffer, values.byteOffset, values.length);
}

/** How far the bits of each exception are from those of the decimal in its place. */
export function distancesOf(form: FloatLanes, values: Float64Array): BigInt64Array {
  const bits = bitsOf(values);
  const power = powerOf(form.decimals ?? 0);
  const near = new Float64Array(form.exceptions.length);
  form.exceptions.forEach((place, i) => {
    near[i] = Number(form.lanes[place]) / power;
  });
  return bitsOf(near).map((decimal, i) => bits[form.exceptions[i]!]! - decimal);
}

export function writeFloatForm(form: FloatLanes, values: Float64Array, target: ByteWriter): void {
  target.byte(form.decimals ?? FLOAT_BITS);
  if (form.decimals === undefined) return;
  const distances = distancesOf(form, values);
  target.varint(distances.length);
  let before = 0;
  form.exceptions.forEach((place, i) => {
    target.varint(place - before);
    before = place;
    target.signed(distances[i]!);
  });
}

export interface FloatForm {
  readonly decimals: number | undefined;
  readonly places: Uint32Array;
  readonly distances: BigInt64Array;
}

export function readFloatForm(source: ByteReader, count: number): FloatForm {
  const form = source.byte();
  if (form === FLOAT_BITS) {
    return { decimals: undefined, places: new Uint32Array(0), distances: new BigInt64Array(0) };
  }
  if (form > FLOAT_DECIMALS_MAX) throw corruptChunk("a number of decimals is too large");
  // Each takes two bytes at least, so that no more memory is asked for than there are bytes.
  const exceptions = source.varint(Math.min(count, (source.end - source.at) >> 1));
  const places = new Uint32Array(exceptions);
  const distances = new BigInt64Array(exceptions);
  for (let i = 0, place = 0; i < exceptions; i++) {
    place += source.varint(count);
    if (place >= count) throw corruptChunk("an exception has no place");
    places[i] = place;
    distances[i] = source.signed();
  }
  return { decimals: form, places, distances };
}

export function lanesToFloats(
  lanes: BigInt64Array,
  form: FloatForm,
  kernels: ColumnKernels,
): Float64Array {
  if (form.decimals === undefined) {
    // Of a copy: other columns may refer to the lanes.
    const copy = lanes.slice();
    kernels.orderBits(copy);
    return new Float64Array(copy.buffer);
  }
  const values = new Float64Array(lanes.length);
  kernels.fromDecimals(lanes, powerOf(form.decimals), values);
  const bits = bitsOf(values);
  for (let i = 0; i < form.places.length; i++) {
    const place = form.places[i]!;
    // The others are behind the last value that was asked for.
    if (place < lanes.length) bits[place] = bits[place]! + form.distances[i]!;
  }
  return values;
}

/** UTF-8, or UTF-16 where a text is not well formed; 2 more if it is compressed. */
const TEXT = { utf8: 0, utf16: 1, compressed: 2 } as const;

export interface StringLanes {
  readonly lanes: BigInt64Array;
  readonly dictionary: readonly string[];
}

/** Each text once, in the order in which they come, and its number there. */
export function stringsToLanes(values: readonly string[]): StringLanes {
  const numbers = new Map<string, number>();
  const lanes = new BigInt64Array(values.length);
  const words = new Int32Array(lanes.buffer);
  for (let i = 0; i < values.length; i++) {
    const value = values[i]!;
    let number = numbers.get(value);
    if (number === undefined) {
      number = numbers.size;
      numbers.set(value, number);
    }
    words[2 * i] = number;
  }
  return { lanes, dictionary: [...numbers.keys()] };
}

const isWellFormed = (text: string): boolean => !/[\ud800-\udfff]/u.test(text);

export function writeDictionary(
  dictionary: readonly string[],
  target: ByteWriter,
  compressor: Compressor,
): void {
  const encoding = dictionary.every(isWellFormed) ? "utf8" : "utf16le";
  const raw = new ByteWriter();
  const texts = dictionary.map((text) => Buffer.from(text, encoding));
  for (const { length } of texts) raw.varint(length);
  for (const text of texts) raw.bytes(text);
  const content = raw.view();
  const packed = new Uint8Array(content.length);
  const packedBytes =
    content.length < 32
      ? 0
      : compressor.compress(content, 0, content.length, packed, 0, content.length - 1);
  const form = encoding === "utf8" ? TEXT.utf8 : TEXT.utf16;
  target.byte(form + (packedBytes > 0 ? TEXT.compressed : 0));
  target.varint(dictionary.length);
  target.varint(content.length);
  if (packedBytes > 0) target.varint(packedBytes);
  target.bytes(packedBytes > 0 ? packed.subarray(0, packedBytes) : content);
}

/** LZ4 makes at most so much of a byte. */
const EXPANSION_MAX = 256;

export function readDictionary(
  source: ByteReader,
  count: number,
  compressor: Compressor,
): readonly string[] {
  const form = source.byte();
  if (form > TEXT.utf16 + TEXT.compressed) throw corruptChunk("texts are of an unknown form");
  const entries = source.varint(count);
  const rawBytes = source.varint((source.end - source.at) * EXPANSION_MAX);
  let content: ByteReader;
  if (form >= TEXT.compressed) {
    const packedBytes = source.varint(source.end - source.at);
    const from = source.skip(packedBytes);
    const raw = new Uint8Array(rawBytes);
    if (compressor.decompress(source.bytes, from, from + packedBytes, raw) !== rawBytes) {
      throw corruptChunk("texts do not decompress");
    }
    content = new ByteReader(raw, 0, rawBytes);
  } else {
    const from = source.skip(rawBytes);
    content = new ByteReader(source.bytes, from, from + rawBytes);
  }
  return readTexts(content, entries, form % TEXT.compressed === TEXT.utf8);
}

function readTexts(content: ByteReader, entries: number, isUtf8: boolean): string[] {
  // Each has a byte of length.
  if (entries > content.end - content.at) throw corruptChunk("there are more texts than bytes");
  const lengths = Array.from({ length: entries }, () => content.varint(content.end));
  const { buffer, byteOffset, byteLength } = content.bytes;
  const bytes = Buffer.from(buffer, byteOffset, byteLength);
  const texts = lengths.map((length) => {
    const from = content.skip(length);
    return bytes.toString(isUtf8 ? "utf8" : "utf16le", from, from + length);
  });
  if (content.at !== content.end) throw corruptChunk("there are bytes behind the texts");
  return texts;
}
