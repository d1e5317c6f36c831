/** Column chunks: both forms of the kernels have to make the same of everything. */
import { ColumnChunk, type ColumnValues, encodeColumns } from "../../src/columns/columns.js";
import { CHUNK_AT, CHUNK_HEADER_BYTES, CHUNK_ROWS_MAX } from "../../src/columns/format.js";
import type { ColumnKernels } from "../../src/columns/kernels.js";
import { bestKernels } from "../../src/columns/native.js";
import { portableKernels } from "../../src/columns/portable.js";
import { portableCompressor } from "../../src/disk/compressor.js";
import { bitsOf, quotes } from "../columns/values.js";
import { fastChecksum } from "../corruption/image-disk.js";
import type { Planned } from "./suite.js";

/** Of chunks that claim more rows, only so many are read: a million would take too long. */
const ROWS_READ = 3000;

function seeds(): Uint8Array[] {
  const floats = Float64Array.from({ length: 300 }, (_, i) => Math.fround(Math.sin(i)));
  const noisy = Float64Array.from({ length: 300 }, (_, i) => (i % 7) / 10 + (i % 3) / 100);
  noisy.set([Number.NaN, -0, Number.POSITIVE_INFINITY, 1 / 3], 20);
  const wild = BigInt64Array.from({ length: 300 }, (_, i) => BigInt(i) ** 7n * (-1n) ** BigInt(i));
  const steady = BigInt64Array.from({ length: 300 }, (_, i) => 1000n * BigInt(i));
  const texts = Array.from({ length: 300 }, (_, i) => `text number ${i % 40}`);
  const mixed: ColumnValues[] = [
    { type: "float64", values: floats },
    { type: "float64", values: noisy },
    { type: "int64", values: wild },
    { type: "int64", values: steady },
    { type: "string", values: texts },
    { type: "string", values: texts.map((text) => `${text}\ud800`) },
  ];
  const encode = (columns: ColumnValues[], count: number): Uint8Array =>
    encodeColumns(columns, count, portableCompressor, portableKernels);
  return [
    encode(quotes(2200), 2200),
    encode(quotes(40), 40),
    encode(mixed, 300),
    encode([{ type: "int64", values: steady }], 300),
    encode([{ type: "int64", values: new BigInt64Array(0) }], 0),
  ];
}

function seal(input: Buffer): void {
  if (input.length < CHUNK_HEADER_BYTES) return;
  input.writeUInt32LE(input.length, CHUNK_AT.chunkBytes);
  const sum = fastChecksum.crc32c(input, CHUNK_AT.chunkBytes, input.length, 0);
  input.writeUInt32LE(sum, CHUNK_AT.checksum);
}

function outcome(work: () => string): string {
  try {
    return work();
  } catch (error) {
    return (error as Error).message;
  }
}

/** Every column, by itself; the first thing that is wrong ends it. */
function readAll(input: Buffer, kernels: ColumnKernels): string {
  const chunk = new ColumnChunk(input, portableCompressor, kernels);
  const rows = Math.min(chunk.count, ROWS_READ);
  let bits = "";
  for (let i = 0; i < chunk.columnCount; i++) {
    const column = chunk.read(i, 0, rows);
    if (column.values.length !== rows) throw new Error("there are other rows than were asked for");
    bits += `${chunk.type(i)} ${bitsOf(column)} `;
  }
  return bits;
}

export function columnPlans(): Planned[] {
  const best = bestKernels();
  const run = (input: Buffer): string => {
    const portable = outcome(() => readAll(input, portableKernels));
    const native = outcome(() => readAll(input, best));
    if (portable !== native) throw new Error("the two forms of the kernels differ");
    readAll(input, portableKernels);
    return "good";
  };
  const target = {
    name: "columns",
    seeds: seeds(),
    places: Object.values(CHUNK_AT),
    seal,
    run,
    codes: ["CORRUPT_CHUNK"],
    allocationMax: 8 * CHUNK_ROWS_MAX,
  };
  return [{ target, inputs: 3000, outcomesMin: 12 }];
}
