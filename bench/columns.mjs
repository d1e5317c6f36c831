// How small column chunks are, and how fast: `npm run bench -- columns --data DIR`
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { ColumnChunk, encodeColumns } from "../dist/columns/columns.js";
import { loadNativeDisk } from "../dist/disk/native.js";
import { portableDisk } from "../dist/disk/portable.js";
import { readTapes } from "./columns/tapes.mjs";
import { describeMachine } from "./machine.mjs";
import { writeResult } from "./results.mjs";
import { number, textTable } from "./text.mjs";

const TAPES = fileURLToPath(new URL("../tapes", import.meta.url));

/** For each figure of speed. */
const SECONDS_OF_ONE = 0.4;

function compressorHere() {
  try {
    return loadNativeDisk().compressor;
  } catch {
    return portableDisk().compressor;
  }
}

/** Rows [from, to) of each column, as a chunk is given them. */
const slice = (columns, from, to) =>
  columns.map(({ type, values }) => ({ type, values: values.slice(from, to) }));

function sameBits(a, b) {
  if (a.type === "string") return a.values.every((value, i) => value === b.values[i]);
  const bytes = ({ values }) => Buffer.from(values.buffer, values.byteOffset, values.byteLength);
  return bytes(a).equals(bytes(b));
}

/** Eight bytes a value, of whatever type; of texts too. */
const bytesBefore = (columns) => 8 * columns.length * columns[0].values.length;

/** Columns as 64-bit values, one behind the other, as LZ4 alone would get them. */
function lz4Bytes(columns, compressor) {
  const parts = columns.map(({ type, values }) => {
    if (type === "string") {
      const names = [...new Set(values)];
      return Buffer.from(BigInt64Array.from(values, (v) => BigInt(names.indexOf(v))).buffer);
    }
    if (type === "boolean") return Buffer.from(BigInt64Array.from(values, BigInt).buffer);
    return Buffer.from(values.buffer, values.byteOffset, values.byteLength);
  });
  const all = Buffer.concat(parts);
  const target = new Uint8Array(all.length + 1024);
  return compressor.compress(all, 0, all.length, target, 0, target.length);
}

/** Milliseconds of processor time, all threads of this process together. */
function processorMillis() {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1000;
}

/**
 * Processor time of one run, the least of many: what the machine does besides makes a run longer,
 * never shorter, and time in which others run is not counted.
 */
function timed(work, seconds) {
  let best = Number.POSITIVE_INFINITY;
  const end = performance.now() + seconds * 1000;
  for (let runs = 0; runs < 3 || performance.now() < end; runs++) {
    const start = processorMillis();
    work();
    best = Math.min(best, processorMillis() - start);
  }
  return best;
}

function measure({ name, book = false, columns }, { rows, seconds }, compressor) {
  const count = columns[0].values.length;
  const places = columns.map((_, i) => i);
  let bytes = 0;
  const parts = [];
  for (let from = 0; from < count; from += rows) {
    const part = slice(columns, from, Math.min(count, from + rows));
    const chunk = encodeColumns(part, part[0].values.length, compressor);
    const again = new ColumnChunk(chunk, compressor).readMany(places);
    if (!part.every((column, i) => sameBits(column, again[i]))) {
      throw new Error(`${name}: a column did not come back`);
    }
    bytes += chunk.length;
    parts.push({ part, chunk });
  }
  const before = bytesBefore(columns);
  const encodeMillis = timed(() => {
    for (const { part } of parts) encodeColumns(part, part[0].values.length, compressor);
  }, seconds);
  const decodeMillis = timed(() => {
    for (const { chunk } of parts) new ColumnChunk(chunk, compressor).readMany(places);
  }, seconds);
  const values = count * columns.length;
  return {
    name,
    book,
    columns: columns.map((column) => column.name),
    rows: count,
    before,
    bytes,
    ratio: before / bytes,
    bitsPerValue: (8 * bytes) / values,
    lz4Ratio: before / lz4Bytes(columns, compressor),
    encodePerSecond: (values / encodeMillis) * 1000,
    decodePerSecond: (values / decodeMillis) * 1000,
  };
}

const million = (value) => number(value / 1e6, 0);

function print(results, total, rows) {
  const header = [
    ...["", "rows", "columns", "bytes", "ratio", "LZ4 alone", "bits a value"],
    ...["decoded M/s", "encoded M/s"],
  ];
  const lines = results.map((one) => [
    one.name,
    number(one.rows),
    String(one.columns.length),
    number(one.bytes),
    number(one.ratio, 1),
    number(one.lz4Ratio, 1),
    number(one.bitsPerValue, 2),
    million(one.decodePerSecond),
    million(one.encodePerSecond),
  ]);
  console.log(`Chunks of ${number(rows)} rows; ratio to 8 bytes a value, headers counted.\n`);
  console.log(textTable([header, ...lines]));
  if (total !== undefined) console.log(`\nall book tapes together: ${number(total, 2)}`);
}

export async function columns(args) {
  const { values } = parseArgs({
    args,
    options: {
      data: { type: "string", default: TAPES },
      rows: { type: "string", default: "65536" },
      seconds: { type: "string", default: String(SECONDS_OF_ONE) },
      quick: { type: "boolean", default: false },
      json: { type: "string" },
    },
  });
  const rows = Number(values.rows);
  const seconds = values.quick ? 0 : Number(values.seconds);
  const tapes = readTapes(values.data);
  if (tapes.length === 0) {
    console.error(`${values.data} has none of the files that are known`);
    process.exitCode = 2;
    return;
  }
  const compressor = compressorHere();
  const results = tapes.map((tape) => measure(tape, { rows, seconds }, compressor));
  const books = results.filter(({ book }) => book);
  const sum = (key) => books.reduce((all, one) => all + one[key], 0);
  const total = books.length > 0 ? sum("before") / sum("bytes") : undefined;
  print(results, total, rows);
  const machine = describeMachine();
  writeResult("columns", { machine, rows, results, bookRatio: total }, values.json);
}
