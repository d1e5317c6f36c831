/** Numbers of the format of column chunks: docs/format.md, "Column chunk". */

export const CHUNK_MAGIC = 0x4343_4648;
export const CHUNK_FORMAT_VERSION = 1;
export const CHUNK_HEADER_BYTES = 20;

/** Offsets in the header. */
export const CHUNK_AT = {
  magic: 0,
  checksum: 4,
  chunkBytes: 8,
  count: 12,
  columnCount: 16,
  formatVersion: 18,
  reserved: 19,
} as const;

export const CHUNK_ROWS_MAX = 1_048_576;
export const CHUNK_COLUMNS_MAX = 256;

export const COLUMN_TYPE = { int64: 0, float64: 1, boolean: 2, string: 3 } as const;

/** How the residuals of a column are stored: the lower two bits of its flags. */
export const CODING = { constant: 0, packed: 1, entropy: 2 } as const;

/** Where the other flags of a column stand. */
export const FLAG_SHIFT = { order: 2, scale: 4, reference: 5, context: 6 } as const;

/** Values of one block of packed bits. */
export const PACKED_BLOCK = 128;

/** The form of floats that are kept as their bits; below it stands a number of decimals. */
export const FLOAT_BITS = 255;
export const FLOAT_DECIMALS_MAX = 22;

/** Kinds of values of the column that is the context: its difference to the value before. */
export const CONTEXTS = 4;

export const TABLE_LOG_MIN = 5;
export const TABLE_LOG_MAX = 11;
export const BINS_MAX = 256;
/** Values take turns in so many states of the entropy coder. */
export const STATES = 4;
