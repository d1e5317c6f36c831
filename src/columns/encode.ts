/** Columns become a chunk. */
import { viewOf } from "../base/bytes.js";
import { HoldfastError } from "../base/errors.js";
import type { Compressor } from "../disk/disk.js";
import { ByteWriter } from "./bytes.js";
import { type Choice, chooseTransform, classesOf, Sample, type Sampled } from "./choose.js";
import { divisorOf, findScale, scaleDown, writeLanes } from "./column.js";
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
import { copyOf } from "./scratch.js";
import {
  type ColumnValues,
  distancesOf,
  type FloatLanes,
  floatsToBits,
  floatsToDecimals,
  stringsToLanes,
  writeDictionary,
  writeFloatForm,
} from "./values.js";

/** Differences of such integers are exact as numbers. */
const SAFE_MAX = 2n ** 52n;

/** Exceptions that are fewer than that do not matter. */
const RARE = 0.01;

/** Lanes of a column that later ones may refer to. */
interface Written extends Sampled {
  readonly lanes: BigInt64Array;
}

export function encodeChunk(
  columns: readonly ColumnValues[],
  count: number,
  compressor: Compressor,
  kernels: ColumnKernels,
): Uint8Array {
  check(columns, count);
  const directory = new ByteWriter();
  const bodies = new ByteWriter();
  const sample = new Sample(count);
  const before: Written[] = [];
  for (const column of columns) {
    const start = bodies.length;
    directory.byte(COLUMN_TYPE[column.type]);
    if (count > 0) writeColumn({ sample, before, compressor, kernels }, column, directory, bodies);
    directory.varint(bodies.length - start);
  }
  return assemble(directory.view(), bodies.view(), columns.length, count, kernels);
}

function check(columns: readonly ColumnValues[], count: number): void {
  const refuse = (what: string): never => {
    throw new HoldfastError("INVALID_ARGUMENT", what);
  };
  if (!Number.isInteger(count) || count < 0 || count > CHUNK_ROWS_MAX) {
    refuse(`a chunk has 0 to ${CHUNK_ROWS_MAX} rows, not ${count}`);
  }
  if (columns.length === 0 || columns.length > CHUNK_COLUMNS_MAX) {
    refuse(`a chunk has 1 to ${CHUNK_COLUMNS_MAX} columns, not ${columns.length}`);
  }
  columns.forEach(({ type, values }, i) => {
    if (values.length !== count) {
      refuse(`column ${i} has ${values.length} values in a chunk of ${count} rows`);
    }
    if (type === "boolean" && (values as Uint8Array).some((value) => value > 1)) {
      refuse(`column ${i} is of booleans and has a value above 1`);
    }
  });
}

function assemble(
  directory: Uint8Array,
  bodies: Uint8Array,
  columnCount: number,
  count: number,
  kernels: ColumnKernels,
): Uint8Array {
  const chunk = new Uint8Array(CHUNK_HEADER_BYTES + directory.length + bodies.length);
  chunk.set(directory, CHUNK_HEADER_BYTES);
  chunk.set(bodies, CHUNK_HEADER_BYTES + directory.length);
  const view = viewOf(chunk);
  view.setUint32(CHUNK_AT.magic, CHUNK_MAGIC, true);
  view.setUint32(CHUNK_AT.chunkBytes, chunk.length, true);
  view.setUint32(CHUNK_AT.count, count, true);
  view.setUint16(CHUNK_AT.columnCount, columnCount, true);
  view.setUint8(CHUNK_AT.formatVersion, CHUNK_FORMAT_VERSION);
  const sum = kernels.crc32c(chunk, CHUNK_AT.chunkBytes, chunk.length);
  view.setUint32(CHUNK_AT.checksum, sum, true);
  return chunk;
}

interface Surroundings {
  readonly sample: Sample;
  readonly before: Written[];
  readonly compressor: Compressor;
  readonly kernels: ColumnKernels;
}

/** Bounds to the directory, all else to the bodies. */
function writeColumn(
  around: Surroundings,
  column: ColumnValues,
  directory: ByteWriter,
  bodies: ByteWriter,
): void {
  const { kernels } = around;
  switch (column.type) {
    case "int64":
      writeIntegerBounds(column.values, directory, kernels);
      writeLaneColumn(around, column.values, true, bodies);
      break;
    case "boolean": {
      const lanes = new BigInt64Array(column.values.length);
      const words = new Int32Array(lanes.buffer);
      for (let i = 0; i < column.values.length; i++) words[2 * i] = column.values[i]!;
      writeIntegerBounds(lanes, directory, kernels);
      writeLaneColumn(around, lanes, false, bodies);
      break;
    }
    case "float64":
      writeFloatBounds(column.values, directory, kernels);
      writeFloats(around, column.values, bodies);
      break;
    case "string": {
      const { lanes, dictionary } = stringsToLanes(column.values);
      writeDictionary(dictionary, bodies, around.compressor);
      writeLaneColumn(around, lanes, false, bodies);
    }
  }
}

function writeIntegerBounds(
  lanes: BigInt64Array,
  directory: ByteWriter,
  kernels: ColumnKernels,
): void {
  const bounds = new BigInt64Array(2);
  kernels.range(lanes, bounds);
  directory.signed(bounds[0]!);
  directory.signed(bounds[1]!);
}

function writeFloatBounds(
  values: Float64Array,
  directory: ByteWriter,
  kernels: ColumnKernels,
): void {
  const bounds = new Float64Array(2);
  const isThere = kernels.floatRange(values, bounds);
  directory.byte(isThere ? 1 : 0);
  if (!isThere) return;
  directory.float64(bounds[0]!);
  directory.float64(bounds[1]!);
}

function writeFloats(around: Surroundings, values: Float64Array, bodies: ByteWriter): void {
  const form = floatForm(around, values);
  writeFloatForm(form, values, bodies);
  writeLaneColumn(around, form.lanes, true, bodies);
}

/** Decimals, unless so many values are none that the bits of all take less. */
function floatForm({ sample, kernels }: Surroundings, values: Float64Array): FloatLanes {
  const decimals = floatsToDecimals(values, kernels);
  if (decimals === undefined) return floatsToBits(values, kernels);
  const share = decimals.exceptions.length / values.length;
  if (share < RARE) return decimals;
  const bits = floatsToBits(values, kernels);
  const scale = findScale(bits.lanes, false, kernels);
  const scaled = bits.lanes.slice();
  scaleDown(scaled, scale, kernels);
  const costOf = (lanes: BigInt64Array): number =>
    chooseTransform(sample, sample.of(lanes), 1, []).bits;
  const exceptionBits = share * (8 + meanBits(distancesOf(decimals, values)));
  return costOf(decimals.lanes) + exceptionBits < costOf(scaled) ? decimals : bits;
}

/** Of a number with its sign, in whole bytes of seven bits. */
function meanBits(distances: BigInt64Array): number {
  let sum = 0;
  for (const distance of distances) {
    sum += 8 * Math.ceil((Math.log2(Math.abs(Number(distance)) + 1) + 1) / 7);
  }
  return sum / distances.length;
}

function writeLaneColumn(
  { sample, before, kernels }: Surroundings,
  lanes: BigInt64Array,
  isNumeric: boolean,
  bodies: ByteWriter,
): void {
  const bounds = new BigInt64Array(2);
  kernels.range(lanes, bounds);
  const isSafe = bounds[0]! >= -SAFE_MAX && bounds[1]! <= SAFE_MAX;
  const values = sample.of(lanes);
  const scale = findScale(lanes, isSafe, kernels);
  const work = copyOf(lanes);
  scaleDown(work, scale, kernels);
  const scaled = scale.kind === "none" ? values : sample.of(work);
  const divisor = divisorOf(scale);
  // A column whose bits were shifted has nothing to do with the numbers of others.
  const neighbours = scale.kind === "shift" ? before.map(asContext) : before;
  const choice: Choice = chooseTransform(sample, scaled, divisor, neighbours);
  const reference = choice.reference === undefined ? undefined : before[choice.reference]!.lanes;
  const context = choice.context === undefined ? undefined : before[choice.context]!.lanes;
  writeLanes(work, scale, choice, { reference, context }, bodies, kernels);
  const classes = classesOf(sample.differences(values));
  before.push({ lanes, values, classes, isSafe, isNumeric });
}

function asContext(one: Written): Sampled {
  return { ...one, isNumeric: false };
}
