/**
 * The loops over all values of a column. There are two forms of each, in the addon and in
 * JavaScript, that give the same bits. Lanes are 64-bit integers; arithmetic on them wraps around.
 */

/** How residuals are told apart: bins, and how often each is expected in each context. */
export interface Model {
  /** States of the coder are below 2^tableLog. */
  readonly tableLog: number;
  /** The values of a bin are base + x, x below 2^width. At least one bin. */
  readonly bases: BigInt64Array;
  readonly widths: Uint8Array;
  /** One row of bins for each context, with the sum 2^tableLog. */
  readonly frequencies: Uint16Array;
}

export interface ColumnKernels {
  readonly name: "native" | "portable";
  /** CRC32C of bytes[from, to). */
  crc32c(bytes: Uint8Array, from: number, to: number): number;

  /** Smallest and largest of at least one lane: to `out`, which has two places. */
  range(lanes: BigInt64Array, out: BigInt64Array): void;
  /** Smallest and largest, NaN left out; false if there is no other. -0 and 0 are equal. */
  floatRange(values: Float64Array, out: Float64Array): boolean;
  /**
   * The largest number that divides what all lanes are more or less than the first one, 0 if they
   * are all equal. Magnitudes are at most 2^52.
   */
  commonDivisor(lanes: BigInt64Array): number;
  /** Bits that are the same in all lanes, from the lowest one on; 64 if all are equal. */
  commonBits(lanes: BigInt64Array): number;

  /** Bits of floats become integers in their order, in place; the same again takes it back. */
  orderBits(lanes: BigInt64Array): void;
  /**
   * lane / power, a power of ten, is the value, or its place is an exception: the lane is then the
   * nearest there is, or, beyond 2^51, that before. Number of exceptions; -1 for more than there is
   * room for.
   */
  toDecimals(
    values: Float64Array,
    power: number,
    lanes: BigInt64Array,
    exceptions: Uint32Array,
  ): number;
  fromDecimals(lanes: BigInt64Array, power: number, values: Float64Array): void;

  /** lane = (lane - offset) / divisor, without a rest, of safe integers. */
  divide(lanes: BigInt64Array, divisor: number, offset: number): void;
  /** Back; false if a result is no safe integer. */
  multiply(lanes: BigInt64Array, divisor: number, offset: number): boolean;
  shiftRight(lanes: BigInt64Array, shift: number): void;
  /** Back, with these lowest bits. */
  shiftLeft(lanes: BigInt64Array, shift: number, low: bigint): void;
  /** lane -= floor(reference / divisor), or +=. Those of the reference are safe unless it is 1. */
  subtractReference(lanes: BigInt64Array, reference: BigInt64Array, divisor: number): void;
  addReference(lanes: BigInt64Array, reference: BigInt64Array, divisor: number): void;
  /** From the second lane on, each becomes what it is more than the one before; the first one 0. */
  difference(lanes: BigInt64Array): void;
  /** Back, from that first lane on. */
  accumulate(lanes: BigInt64Array, first: bigint): void;
  /** 0 for a lane less than the one before, 1 for the same, 2 for up to 63 more, 3 for more. */
  classify(lanes: BigInt64Array, classes: Uint8Array): void;

  /** Width, base and bits of blocks of 128. Gives the bytes written; there is room enough. */
  pack(lanes: BigInt64Array, target: Uint8Array): number;
  /** Back, from bytes[from, to), which may be anything. Where it ended; -1 for what is none. */
  unpack(bytes: Uint8Array, from: number, to: number, lanes: BigInt64Array): number;

  /**
   * counts[class * (CELLS + dictionary.length) + symbol] is how many lanes are that value of the
   * dictionary (CELLS + place) or, if they are none, in that cell. No classes: all are of class 0.
   */
  countSymbols(
    lanes: BigInt64Array,
    classes: Uint8Array | undefined,
    dictionary: BigInt64Array,
    counts: Uint32Array,
  ): void;
  /** `symbolBins` gives the bin of a symbol. Gives the bytes written; there is room enough. */
  encode(
    lanes: BigInt64Array,
    classes: Uint8Array | undefined,
    dictionary: BigInt64Array,
    symbolBins: Uint8Array,
    model: Model,
    target: Uint8Array,
  ): number;
  /**
   * Back, from bytes[from, to), which may be anything. False for bytes that are not such; that they
   * end with the last lane is looked at if `isWhole`.
   */
  decode(
    bytes: Uint8Array,
    from: number,
    to: number,
    classes: Uint8Array | undefined,
    model: Model,
    lanes: BigInt64Array,
    isWhole: boolean,
  ): boolean;
}

/** Bytes that `pack` may need. */
export function packedBytesMax(count: number): number {
  return 8 * count + 11 * (Math.ceil(count / 128) + 2);
}

/** Bytes that `encode` may need: 11 bits of state and 64 of a value, at most. */
export function encodedBytesMax(count: number): number {
  return Math.ceil((75 * count) / 8) + 16;
}
