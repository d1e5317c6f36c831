/**
 * Cells: a fixed division of the 64-bit integers by sign, length in bits and the three bits behind
 * the first one. Residuals are counted by cell; bins are made of neighbouring cells.
 */

/** Magnitudes below it have a cell each. */
const LITERALS = 16;
const CELLS_PER_SIGN = LITERALS + 60 * 8;
/** Cells of negative numbers stand behind those of the others. */
export const NEGATIVE = CELLS_PER_SIGN;
export const CELLS = 2 * CELLS_PER_SIGN;

/** The cell of a magnitude, given in two halves, that is not negative. */
export function cellOf(high: number, low: number): number {
  if (high === 0) {
    const word = low >>> 0;
    if (word < LITERALS) return word;
    const length = 32 - Math.clz32(word);
    return LITERALS + (length - 5) * 8 + ((word >>> (length - 4)) & 7);
  }
  const length = 64 - Math.clz32(high);
  const shift = length - 4;
  const top = shift >= 32 ? high >>> (shift - 32) : (high << (32 - shift)) | (low >>> shift);
  return LITERALS + (length - 5) * 8 + (top & 7);
}

const TWO_32 = 0x1_0000_0000;

/** The same of a number, for estimates: beyond 2^53 it is as exact as that. */
export function cellOfNumber(value: number): number {
  const magnitude = Math.min(Math.abs(value), 2 ** 63);
  if (magnitude < 2 ** 31) return cellOf(0, magnitude) + (value < 0 ? NEGATIVE : 0);
  const high = Math.floor(magnitude / TWO_32);
  const cell = cellOf(high | 0, (magnitude - high * TWO_32) | 0);
  return value < 0 ? cell + NEGATIVE : cell;
}

/** Bits that are left to be told within a cell. */
export function cellWidth(cell: number): number {
  const unsigned = cell >= NEGATIVE ? cell - NEGATIVE : cell;
  return unsigned < LITERALS ? 0 : ((unsigned - LITERALS) >> 3) + 1;
}

/** First cell, and number of cells, of the magnitudes of that length in bits (0 to 64). */
export function cellsOfLength(length: number): readonly [first: number, count: number] {
  if (length === 0) return [0, 1];
  if (length <= 4) return [1 << (length - 1), 1 << (length - 1)];
  return [LITERALS + (length - 5) * 8, 8];
}
