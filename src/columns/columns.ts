/** A stand-in for the codec of columns: raw values behind a checksum. */
import CRC32C from "crc-32/crc32c.js";
import { viewOf } from "../base/bytes.js";
import { HoldfastError } from "../base/errors.js";
import type { Compressor } from "../disk/disk.js";

/** The values of one column. */
export type ColumnValues =
  | { readonly type: "int64"; readonly values: BigInt64Array }
  | { readonly type: "float64"; readonly values: Float64Array }
  | { readonly type: "boolean"; readonly values: Uint8Array }
  | { readonly type: "string"; readonly values: readonly string[] };

const TYPES = ["int64", "float64", "boolean", "string"] as const;

function bytesOf(column: ColumnValues, count: number): Uint8Array {
  if (column.type === "string") return Buffer.from(JSON.stringify(column.values.slice(0, count)));
  const values = column.values.subarray(0, count);
  return new Uint8Array(values.buffer, values.byteOffset, values.byteLength);
}

export function encodeColumns(
  columns: readonly ColumnValues[],
  count: number,
  _compressor?: Compressor,
): Uint8Array {
  const parts = columns.map((column) => bytesOf(column, count));
  const head = Buffer.alloc(12 + 5 * columns.length);
  head.writeUInt32LE(count, 4);
  head.writeUInt32LE(columns.length, 8);
  columns.forEach(({ type }, i) => {
    head[12 + 5 * i] = TYPES.indexOf(type);
    head.writeUInt32LE((parts[i] as Uint8Array).length, 13 + 5 * i);
  });
  const bytes = Buffer.concat([head, ...parts]);
  bytes.writeInt32LE(CRC32C.buf(bytes.subarray(4)), 0);
  return bytes;
}

export class ColumnChunk {
  readonly count: number;
  readonly columnCount: number;
  readonly #columns: { type: ColumnValues["type"]; bytes: Uint8Array }[] = [];

  constructor(bytes: Uint8Array, _compressor?: Compressor) {
    const view = viewOf(bytes);
    if (view.getInt32(0, true) !== CRC32C.buf(bytes.subarray(4))) {
      throw new HoldfastError("CORRUPT_RUN", "a chunk of columns is damaged");
    }
    this.count = view.getUint32(4, true);
    this.columnCount = view.getUint32(8, true);
    let at = 12 + 5 * this.columnCount;
    for (let i = 0; i < this.columnCount; i++) {
      const length = view.getUint32(13 + 5 * i, true);
      const type = TYPES[bytes[12 + 5 * i] as number] as ColumnValues["type"];
      this.#columns.push({ type, bytes: bytes.slice(at, at + length) });
      at += length;
    }
  }

  type(i: number): ColumnValues["type"] {
    return this.#columns[i]!.type;
  }

  bounds(i: number): { min: bigint | number; max: bigint | number } | undefined {
    const { type, values } = this.read(i);
    if (type === "string" || type === "boolean" || values.length === 0) return undefined;
    let min = values[0] as bigint | number;
    let max = min;
    for (const value of values) {
      if (Number.isNaN(value)) return undefined;
      if (value < min) min = value;
      if (value > max) max = value;
    }
    return { min, max };
  }

  read(i: number, from = 0, to = this.count): ColumnValues {
    const { type, bytes } = this.#columns[i]!;
    if (type === "string") {
      const values = JSON.parse(Buffer.from(bytes).toString()) as string[];
      return { type, values: values.slice(from, to) };
    }
    if (type === "boolean") return { type, values: bytes.slice(from, to) };
    const words = bytes.slice(8 * from, 8 * to).buffer;
    return type === "int64"
      ? { type, values: new BigInt64Array(words) }
      : { type, values: new Float64Array(words) };
  }
}
