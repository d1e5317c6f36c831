/**
 * Column chunks: values of time series, each column coded by what suits it, lossless to the bit.
 * docs/format.md, "Column chunk", has the bytes.
 */
import { viewOf } from "../base/bytes.js";
import { HoldfastError } from "../base/errors.js";
import { portableCompressor } from "../disk/compressor.js";
import type { Compressor } from "../disk/disk.js";
import { ByteReader } from "./bytes.js";
import { type LaneForm, readLaneForm, readLanes } from "./column.js";
import { encodeChunk } from "./encode.js";
import { corruptChunk } from "./errors.js";
import {
  CHUNK_AT,
  CHUNK_COLUMNS_MAX,
  CHUNK_FORMAT_VERSION,
  CHUNK_HEADER_BYTES,
  CHUNK_MAGIC,
  CHUNK_ROWS_MAX,
  COLUMN_TYPE,
} from "./format.js";
import type { ColumnKernels } from "./kernels.js";
import { bestKernels } from "./native.js";
import {
  type ColumnType,
  type ColumnValues,
  type FloatForm,
  lanesToFloats,
  readDictionary,
  readFloatForm,
} from "./values.js";

export type { ColumnValues } from "./values.js";

/** Smallest and largest value of a column; NaN is neither. */
export interface ColumnBounds {
  readonly min: bigint | number;
  readonly max: bigint | number;
}

/**
 * `count` rows as a chunk. Throws INVALID_ARGUMENT for columns of another length, more than 256 of
 * them, or more than 1,048,576 rows.
 */
export function encodeColumns(
  columns: readonly ColumnValues[],
  count: number,
  compressor: Compressor = portableCompressor,
  kernels: ColumnKernels = bestKernels(),
): Uint8Array {
  return encodeChunk(columns, count, compressor, kernels);
}

interface Column {
  readonly type: ColumnType;
  readonly bounds: ColumnBounds | undefined;
  readonly from: number;
  readonly to: number;
}

const TYPES = Object.keys(COLUMN_TYPE) as readonly ColumnType[];

/**
 * A chunk, for reading. Holds on to the bytes, which must stay as they are. Everything throws
 * CORRUPT_CHUNK for bytes that are no whole chunk.
 */
export class ColumnChunk {
  readonly count: number;
  readonly columnCount: number;
  readonly #bytes: Uint8Array;
  readonly #compressor: Compressor;
  readonly #kernels: ColumnKernels;
  readonly #columns: readonly Column[];

  /** Checks length and checksum, and reads what the header says of the columns. */
  constructor(
    bytes: Uint8Array,
    compressor: Compressor = portableCompressor,
    kernels: ColumnKernels = bestKernels(),
  ) {
    this.#bytes = bytes;
    this.#compressor = compressor;
    this.#kernels = kernels;
    const view = viewOf(bytes);
    checkHeader(view, kernels, bytes);
    this.count = view.getUint32(CHUNK_AT.count, true);
    this.columnCount = view.getUint16(CHUNK_AT.columnCount, true);
    if (this.count > CHUNK_ROWS_MAX) throw corruptChunk("it has too many rows");
    if (this.columnCount > CHUNK_COLUMNS_MAX) throw corruptChunk("it has too many columns");
    this.#columns = readDirectory(bytes, this.columnCount, this.count);
  }

  type(i: number): ColumnType {
    return this.#column(i).type;
  }

  /** Without decoding. Undefined for strings, for no rows, and where all values are NaN. */
  bounds(i: number): ColumnBounds | undefined {
    return this.#column(i).bounds;
  }

  /** Rows [from, to) of a column. Only it, and columns it refers to, are decoded. */
  read(i: number, from = 0, to = this.count): ColumnValues {
    return this.readMany([i], from, to)[0]!;
  }

  /** Several columns at once: what more than one of them refers to is decoded once. */
  readMany(columns: readonly number[], from = 0, to = this.count): ColumnValues[] {
    const isThere = Number.isInteger(from) && Number.isInteger(to) && 0 <= from && from <= to;
    if (!isThere || to > this.count) {
      throw new HoldfastError("INVALID_ARGUMENT", `there are no rows ${from} to ${to}`);
    }
    const known = new Map<number, Decoded>();
    return columns.map((i) => {
      const column = this.#column(i);
      if (from === to) return empty(column.type);
      const { lanes, form } = this.#decode(i, to, known);
      return this.#finish(column, lanes, form, from);
    });
  }

  #column(i: number): Column {
    const column = this.#columns[i];
    if (column !== undefined) return column;
    throw new HoldfastError("INVALID_ARGUMENT", `there is no column ${i}`);
  }

  /** Lanes up to row `to`. `known` has columns that were referred to before. */
  #decode(i: number, to: number, known: Map<number, Decoded>): Decoded {
    const before = known.get(i);
    if (before !== undefined) return before;
    const column = this.#column(i);
    const source = new ByteReader(this.#bytes, column.from, column.to);
    const form = this.#readForm(source, column);
    const laneForm = readLaneForm(source, i);
    const neighbours = this.#neighbours(laneForm, to, known);
    const lanes = new BigInt64Array(to);
    readLanes(source, laneForm, neighbours, this.count, lanes, this.#kernels);
    const decoded = { lanes, form };
    known.set(i, decoded);
    return decoded;
  }

  #neighbours({ reference, context }: LaneForm, to: number, known: Map<number, Decoded>) {
    const lanesOf = (other: number | undefined): BigInt64Array | undefined =>
      other === undefined ? undefined : this.#decode(other, to, known).lanes;
    return { reference: lanesOf(reference), context: lanesOf(context) };
  }

  #readForm(source: ByteReader, { type }: Column): FloatForm | readonly string[] | undefined {
    if (type === "float64") return readFloatForm(source, this.count);
    if (type === "string") return readDictionary(source, this.count, this.#compressor);
    return undefined;
  }

  #finish({ type }: Column, lanes: BigInt64Array, form: Decoded["form"], from: number) {
    switch (type) {
      case "int64":
        return { type, values: lanes.subarray(from) } as const;
      case "boolean":
        return { type, values: toBooleans(lanes, from) } as const;
      case "float64": {
        const values = lanesToFloats(lanes, form as FloatForm, this.#kernels);
        return { type, values: values.subarray(from) } as const;
      }
      case "string":
        return { type, values: toTexts(lanes, from, form as readonly string[]) } as const;
    }
  }
}

interface Decoded {
  readonly lanes: BigInt64Array;
  readonly form: FloatForm | readonly string[] | undefined;
}

function checkHeader(view: DataView, kernels: ColumnKernels, bytes: Uint8Array): void {
  if (bytes.length < CHUNK_HEADER_BYTES) throw corruptChunk("it is cut off");
  if (view.getUint32(CHUNK_AT.magic, true) !== CHUNK_MAGIC) throw corruptChunk("it is none");
  if (view.getUint32(CHUNK_AT.chunkBytes, true) !== bytes.length) {
    throw corruptChunk("it is of another length");
  }
  const sum = kernels.crc32c(bytes, CHUNK_AT.chunkBytes, bytes.length);
  if (view.getUint32(CHUNK_AT.checksum, true) !== sum) throw corruptChunk("it fails its checksum");
  if (view.getUint8(CHUNK_AT.formatVersion) !== CHUNK_FORMAT_VERSION) {
    throw corruptChunk("its version is unknown");
  }
}

function readDirectory(bytes: Uint8Array, columnCount: number, count: number): readonly Column[] {
  const source = new ByteReader(bytes, CHUNK_HEADER_BYTES, bytes.length);
  const entries = Array.from({ length: columnCount }, () => {
    const type = TYPES[source.byte()];
    if (type === undefined) throw corruptChunk("a column is of an unknown type");
    const bounds = count === 0 ? undefined : readBounds(source, type);
    return { type, bounds, length: source.varint(bytes.length) };
  });
  const columns = entries.map(({ type, bounds, length }) => {
    const from = source.skip(length);
    return { type, bounds, from, to: from + length };
  });
  if (source.at !== bytes.length) throw corruptChunk("there are bytes behind its columns");
  return columns;
}

function readBounds(source: ByteReader, type: ColumnType): ColumnBounds | undefined {
  switch (type) {
    case "int64":
      return { min: source.signed(), max: source.signed() };
    case "boolean":
      return { min: Number(source.signed()), max: Number(source.signed()) };
    case "float64":
      return source.byte() === 0 ? undefined : { min: source.float64(), max: source.float64() };
    case "string":
      return undefined;
  }
}

function empty(type: ColumnType): ColumnValues {
  switch (type) {
    case "int64":
      return { type, values: new BigInt64Array(0) };
    case "float64":
      return { type, values: new Float64Array(0) };
    case "boolean":
      return { type, values: new Uint8Array(0) };
    case "string":
      return { type, values: [] };
  }
}

function toBooleans(lanes: BigInt64Array, from: number): Uint8Array {
  const words = new Int32Array(lanes.buffer, lanes.byteOffset, 2 * lanes.length);
  const values = new Uint8Array(lanes.length - from);
  let others = 0;
  for (let i = 0; i < values.length; i++) {
    const word = words[2 * (from + i)]!;
    values[i] = word;
    others |= (word & ~1) | words[2 * (from + i) + 1]!;
  }
  if (others !== 0) throw corruptChunk("a boolean is neither 0 nor 1");
  return values;
}

function toTexts(lanes: BigInt64Array, from: number, dictionary: readonly string[]): string[] {
  const words = new Int32Array(lanes.buffer, lanes.byteOffset, 2 * lanes.length);
  const values = new Array<string>(lanes.length - from);
  for (let i = 0; i < values.length; i++) {
    const text = words[2 * (from + i) + 1] === 0 ? dictionary[words[2 * (from + i)]!] : undefined;
    if (text === undefined) throw corruptChunk("a text is not in its dictionary");
    values[i] = text;
  }
  return values;
}
