/**
 * Rows of one append as bytes: for each column in turn its values, 8 bytes little-endian each, a
 * byte for booleans; a text is its length, a byte, and its UTF-8. See docs/format.md.
 */
import { viewOf } from "../base/bytes.js";
import { HoldfastError } from "../base/errors.js";
import { type ColumnArray, ColumnSet } from "./column-set.js";
import type { ColumnKind } from "./definition.js";
import { getSafeInteger, setSafeInteger } from "./int64.js";

/** Bytes of rows [from, to). */
export function packRows(set: ColumnSet, from: number, to: number): Uint8Array {
  let size = 0;
  set.kinds.forEach((kind, i) => {
    size += sizeOf(kind, set.arrays[i]!, from, to);
  });
  const bytes = Buffer.allocUnsafe(size);
  const view = viewOf(bytes);
  let at = 0;
  set.kinds.forEach((kind, i) => {
    at = packColumn(kind, set.arrays[i]!, from, to, bytes, view, at);
  });
  return bytes;
}

function sizeOf(kind: ColumnKind, values: ColumnArray, from: number, to: number): number {
  if (kind === "boolean") return to - from;
  if (kind !== "string") return 8 * (to - from);
  let size = 0;
  for (let i = from; i < to; i++) size += 1 + Buffer.byteLength((values as string[])[i]!);
  return size;
}

function packColumn(
  kind: ColumnKind,
  values: ColumnArray,
  from: number,
  to: number,
  bytes: Buffer,
  view: DataView,
  start: number,
): number {
  let at = start;
  if (kind === "boolean") {
    bytes.set((values as Uint8Array).subarray(from, to), at);
    return at + to - from;
  }
  if (kind === "string") {
    for (let i = from; i < to; i++) {
      const length = bytes.write((values as string[])[i]!, at + 1);
      bytes[at] = length;
      at += 1 + length;
    }
    return at;
  }
  if (kind === "timestamp" || kind === "integer") {
    const numbers = values as Float64Array;
    for (let i = from; i < to; i++, at += 8) setSafeInteger(view, at, numbers[i] as number);
    return at;
  }
  // Integers and floats alike by their bits: not one of them changes.
  const { buffer, byteOffset } = values as BigInt64Array;
  const bits = new BigUint64Array(buffer, byteOffset + 8 * from, to - from);
  for (const value of bits) {
    view.setBigUint64(at, value, true);
    at += 8;
  }
  return at;
}

/** The rows that `packRows` has made bytes of. Throws CORRUPT_LOG for any others. */
export function unpackRows(kinds: readonly ColumnKind[], bytes: Uint8Array, rows: number) {
  // Every row has a time: nothing is allocated for rows that cannot be there.
  if (8 * rows > bytes.length) throw notRows(bytes, rows);
  const set = new ColumnSet(kinds, rows);
  const view = viewOf(bytes);
  let at = 0;
  try {
    kinds.forEach((kind, i) => {
      at = unpackColumn(kind, set.arrays[i]!, rows, bytes, view, at);
    });
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
    at = -1;
  }
  if (at !== bytes.length) throw notRows(bytes, rows);
  set.length = rows;
  return set;
}

function notRows(bytes: Uint8Array, rows: number): HoldfastError {
  const message = `${bytes.length} bytes are not ${rows} rows of a series`;
  return new HoldfastError("CORRUPT_LOG", message);
}

function unpackColumn(
  kind: ColumnKind,
  values: ColumnArray,
  rows: number,
  bytes: Uint8Array,
  view: DataView,
  start: number,
): number {
  let at = start;
  if (kind === "boolean") {
    if (at + rows > bytes.length) throw new RangeError("the bytes end within a column");
    (values as Uint8Array).set(bytes.subarray(at, at + rows));
    return at + rows;
  }
  if (kind === "string") {
    const text = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    for (let i = 0; i < rows; i++) {
      const end = at + 1 + view.getUint8(at);
      if (end > bytes.length) throw new RangeError("the bytes end within a text");
      (values as string[])[i] = text.toString("utf8", at + 1, end);
      at = end;
    }
    return at;
  }
  if (kind === "timestamp" || kind === "integer") {
    const numbers = values as Float64Array;
    for (let i = 0; i < rows; i++, at += 8) numbers[i] = getSafeInteger(view, at);
    return at;
  }
  const bits = new BigUint64Array((values as BigInt64Array).buffer, 0, rows);
  for (let i = 0; i < rows; i++, at += 8) bits[i] = view.getBigUint64(at, true);
  return at;
}
