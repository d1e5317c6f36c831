/** Passing over a msgpack value without reading it. */
import { type Cursor, skipBytes } from "./msgpack-read.js";
import { ValueProblem } from "./value-problem.js";

/** Bytes behind the first byte of values of one length, and of those that say theirs. */
const FIXED: Readonly<Record<number, number>> = {
  ...{ 192: 0, 194: 0, 195: 0, 202: 4, 203: 8, 204: 1, 205: 2, 206: 4, 207: 8 },
  ...{ 208: 1, 209: 2, 210: 4, 211: 8, 212: 2, 213: 3, 214: 5, 215: 9, 216: 17 },
};

/** How many bytes say the length of bin, ext (which has a byte more), and str. */
const SIZED: Readonly<Record<number, readonly [lengthBytes: number, more: number]>> = {
  ...{ 196: [1, 0], 197: [2, 0], 198: [4, 0], 199: [1, 1], 200: [2, 1], 201: [4, 1] },
  ...{ 217: [1, 0], 218: [2, 0], 219: [4, 0] },
};

/** Moves behind one value, whatever is in it. Throws ValueProblem. */
export function skipValue(source: Uint8Array, cursor: Cursor): void {
  // Counted, not recursed: bytes that nobody has checked may nest as deep as they are long.
  for (let left = 1; left > 0; left--) left += skipOne(source, cursor);
}

/** The number of values that follow as parts of this one. */
function skipOne(source: Uint8Array, cursor: Cursor): number {
  const tag = source[skipBytes(cursor, 1)] as number;
  if (tag < 0x80 || tag >= 0xe0) return 0;
  if (tag < 0x90) return 2 * (tag & 0x0f);
  if (tag < 0xa0) return tag & 0x0f;
  if (tag < 0xc0) {
    skipBytes(cursor, tag & 0x1f);
    return 0;
  }
  const fixed = FIXED[tag];
  if (fixed !== undefined) {
    skipBytes(cursor, fixed);
    return 0;
  }
  const sized = SIZED[tag];
  if (sized !== undefined) {
    skipBytes(cursor, bigEndian(source, cursor, sized[0]) + sized[1]);
    return 0;
  }
  if (tag < 0xdc) throw new ValueProblem(`there is no msgpack type 0x${tag.toString(16)}`);
  const count = bigEndian(source, cursor, tag & 1 ? 4 : 2);
  return tag < 0xde ? count : 2 * count;
}

function bigEndian(source: Uint8Array, cursor: Cursor, bytes: number): number {
  const at = skipBytes(cursor, bytes);
  let value = 0;
  for (let i = at; i < at + bytes; i++) value = value * 256 + (source[i] as number);
  return value;
}
