/**
 * Numbers side by side: typed arrays as the values of fields. Stored as they lie in memory of a
 * little-endian machine, so that every bit comes back, those of a NaN too.
 */
import { endianness } from "node:os";
import { ROW_BYTES_MAX } from "../base/limits.js";
import type { TypeNode } from "./field-types.js";
import { type Cursor, readBytes } from "./msgpack-read.js";
import { writeBytes } from "./msgpack-write.js";
import { show } from "./text.js";
import { ValueProblem } from "./value-problem.js";

export type ArrayNode = Extract<TypeNode, { readonly kind: "array" }>;
export type ArrayElement = ArrayNode["element"];
export type NumberArray = Float64Array | Float32Array | Int32Array | BigInt64Array;

interface Constructor {
  readonly name: string;
  readonly BYTES_PER_ELEMENT: number;
  new (length: number): NumberArray;
  new (buffer: ArrayBufferLike, offset: number, length: number): NumberArray;
}

/** By the type of their elements. */
export const ARRAYS: Readonly<Record<ArrayElement, Constructor>> = {
  float64: Float64Array,
  float32: Float32Array,
  int32: Int32Array,
  int64: BigInt64Array,
};

export const ARRAY_ELEMENTS = Object.keys(ARRAYS) as readonly ArrayElement[];

const IS_LITTLE_ENDIAN = endianness() === "LE";

/** The bytes of an array: its own memory. */
export function bytesOfArray(array: NumberArray): Uint8Array {
  return new Uint8Array(array.buffer, array.byteOffset, array.byteLength);
}

/** Throws ValueProblem for a length that the type does not allow. */
export function checkLength({ length, lengthMax }: ArrayNode, found: number): void {
  if (length !== undefined && found !== length) {
    throw new ValueProblem(`expected ${length} numbers, got ${found}`);
  }
  if (lengthMax !== undefined && found > lengthMax) {
    throw new ValueProblem(`expected at most ${lengthMax} numbers, got ${found}`);
  }
}

/** Takes arrays of exactly that class, and copies them. */
export function arrayNormalizer(type: ArrayNode): (value: unknown) => NumberArray {
  const make = ARRAYS[type.element];
  return (value) => {
    if (!(value instanceof make)) {
      const got = value === undefined ? "but it is missing" : `got ${show(value)}`;
      throw new ValueProblem(`expected a ${make.name}, ${got}`);
    }
    checkLength(type, value.length);
    if (value.byteLength > ROW_BYTES_MAX) {
      throw new ValueProblem(
        `an array of ${value.byteLength} bytes is too long: a row has at most ` +
          `${ROW_BYTES_MAX} bytes`,
      );
    }
    const copy = new make(value.length);
    bytesOfArray(copy).set(bytesOfArray(value));
    return copy;
  };
}

export function writeArray(target: Uint8Array, position: number, value: NumberArray): number {
  const bytes = bytesOfArray(value);
  const end = writeBytes(target, position, bytes);
  if (!IS_LITTLE_ENDIAN) swap(target.subarray(end - bytes.length, end), value.BYTES_PER_ELEMENT);
  return end;
}

/** Bytes that `writeArray` takes. */
export function arraySize({ byteLength }: NumberArray): number {
  return byteLength + (byteLength < 0x100 ? 2 : byteLength < 0x1_0000 ? 3 : 5);
}

export function arrayReader(type: ArrayNode): (source: Uint8Array, cursor: Cursor) => NumberArray {
  return (source, cursor) => arrayOfBytes(type, readBytes(source, cursor));
}

/** The array of stored bytes, which become its own memory. Throws ValueProblem. */
export function arrayOfBytes(type: ArrayNode, stored: Uint8Array): NumberArray {
  const make = ARRAYS[type.element];
  const size = make.BYTES_PER_ELEMENT;
  if (stored.length % size !== 0) {
    throw new ValueProblem(
      `expected numbers of ${size} bytes each, found ${stored.length} bytes in all`,
    );
  }
  checkLength(type, stored.length / size);
  if (!IS_LITTLE_ENDIAN) swap(stored, size);
  const isPlaced = stored.byteOffset % size === 0;
  const bytes = isPlaced ? stored : new Uint8Array(stored);
  return new make(bytes.buffer, bytes.byteOffset, bytes.length / size);
}

/** The bytes of an array in the order in which they are stored; only to be read. */
export function storedBytesOf(array: NumberArray): Uint8Array {
  const bytes = bytesOfArray(array);
  if (IS_LITTLE_ENDIAN) return bytes;
  const swapped = new Uint8Array(bytes);
  swap(swapped, array.BYTES_PER_ELEMENT);
  return swapped;
}

function swap(bytes: Uint8Array, size: number): void {
  for (let at = 0; at < bytes.length; at += size) bytes.subarray(at, at + size).reverse();
}
